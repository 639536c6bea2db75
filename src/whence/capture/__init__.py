"""The witness: what is seen of the data, the code and the machine while a pipeline runs."""

from whence.capture.witness import NullWitness, SourceWitness

__all__ = ["NullWitness", "SourceWitness"]
