"""A training that notes what returned, and what its record is held against."""
