"""What the witness was told already, so that nothing is told twice and nothing is left out.

Content in memory is told in blocks of rows with fixed borders, whatever the sizes of the chunks, so that
the same data give the same digests in every pass.
"""

from __future__ import annotations

from collections.abc import Callable

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
    """The blocks of rows that were told to a witness in one reading, as part 0 of its source.

    Args:
        rows: how many rows there are.
        tell: tells the witness the rows from one position to another.
        witness: who is told; nothing is done where it doesn't listen.
        block_rows: how many rows a block has.
    """

    def __init__(
        self,
        rows: int,
        tell: Callable[[int, int], None],
        witness: SourceWitness,
        *,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self._rows = rows
        self._tell = tell
        self._block_rows = block_rows
        self._told: set[int] = set()
        self._count = -(-rows // block_rows) if listens(witness) else 0

    def cover(self, start: int, stop: int) -> None:
        """Tell the blocks that rows `start` to `stop` lie in, unless they were told."""
        if len(self._told) < self._count:
            self._cover(range(start // self._block_rows, (stop - 1) // self._block_rows + 1))

    def cover_each(self, positions: Int64Array) -> None:
        """Tell the blocks that these rows lie in, unless they were told."""
        if len(self._told) < self._count:
            self._cover(np.unique(positions // self._block_rows).tolist())

    def _cover(self, blocks: range | list[int]) -> None:
        for block in blocks:
            if block not in self._told:
                self._told.add(block)
                start = block * self._block_rows
                self._tell(start, min(start + self._block_rows, self._rows))
