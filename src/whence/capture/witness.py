"""What a source tells about the bytes it reads: the seam between sources and the record.

A source hands over what it has read anyway, and the witness decides whether and how to digest it;
so nothing is read twice and no source knows whether anybody listens.
"""

from __future__ import annotations

from typing import Any, Protocol

Buffer = bytes | bytearray | memoryview


class SourceWitness(Protocol):
    """Is told what a source reads; parts are numbered as in the source's listing."""

    def whole(self, part: int, data: Buffer) -> None:
        """The complete content of a part was read."""

    def piece(self, part: int, data: Buffer) -> None:
        """The next consecutive piece of a part was read; pieces begin at the part's start."""

    def end(self, part: int, rows: int) -> None:
        """A part read piece by piece ended; it held `rows` rows."""

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        """Rows from `first_row` on of a part in memory, as contiguous bytes."""

    def objects(self, part: int, first_row: int, values: list[Any], *, block_rows: int = 0) -> None:
        """Rows from `first_row` on of a part in memory, as Python objects; in blocks, or as one."""


class NullWitness:
    """Listens to nobody."""

    __slots__ = ()

    def whole(self, part: int, data: Buffer) -> None:
        """Ignore it."""

    def piece(self, part: int, data: Buffer) -> None:
        """Ignore it."""

    def end(self, part: int, rows: int) -> None:
        """Ignore it."""

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        """Ignore it."""

    def objects(self, part: int, first_row: int, values: list[Any], *, block_rows: int = 0) -> None:
        """Ignore it."""
