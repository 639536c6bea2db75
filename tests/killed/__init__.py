"""A training that is killed and goes on: the program, and what its record is held against."""
