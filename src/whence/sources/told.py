"""What the witness was told already, so that nothing is told twice and nothing is left out.

Content in memory is told in blocks of rows with fixed borders, whatever the sizes of the chunks, so that
the same data give the same digests in every pass.
"""

from __future__ import annotations

import numpy as np

from whence.capture import NullWitness, SourceWitness
from whence.sources.source import Int64Array

BLOCK_ROWS = 4_096


def listens(witness: SourceWitness) -> bool:
    """Whether anybody hears what the witness is told; if not, nothing need be read to tell it."""
    return not isinstance(witness, NullWitness)


class ToldParts:
    """The parts of a source whose whole content a listening witness was told."""

    def __init__(self) -> None:
        self._parts: set[int] = set()

    def has_gap(self, part: int, witness: SourceWitness) -> bool:
        """Whether `witness` listens and nobody who listened was told this part."""
        return part not in self._parts and listens(witness)

    def note(self, part: int, witness: SourceWitness) -> None:
        """Note that all of a part was told."""
        if listens(witness):
            self._parts.add(part)


class ToldBlocks:
    """The blocks of rows that were told to a witness in one reading.

    Args:
        rows: how many rows there are.
        witness: who is told; nothing where it doesn't listen.
        block_rows: how many rows a block has.
    """

    def __init__(self, rows: int, witness: SourceWitness, *, block_rows: int = BLOCK_ROWS) -> None:
        self._rows = rows
        self._block_rows = block_rows
        self._told: set[int] = set()
        self._count = -(-rows // block_rows) if listens(witness) else 0

    def untold(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Find what is to be told before rows `start` to `stop` are used, and count it as told.

        Returns:
            First row and end of blocks that follow one another.
        """
        if len(self._told) == self._count:
            return []
        return self._new(range(start // self._block_rows, (stop - 1) // self._block_rows + 1))

    def untold_of(self, positions: Int64Array) -> list[tuple[int, int]]:
        """Do as `untold` for rows at these positions."""
        if len(self._told) == self._count:
            return []
        return self._new(np.unique(positions // self._block_rows).tolist())

    def _new(self, blocks: range | list[int]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for block in blocks:
            if block not in self._told:
                self._told.add(block)
                start = block * self._block_rows
                if found and found[-1][1] == start:
                    start = found.pop()[0]
                found.append((start, min((block + 1) * self._block_rows, self._rows)))
        return found
