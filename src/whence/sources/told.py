"""What the witness was told already, so that nothing is told twice and nothing is left out.

Content in memory is told in blocks of rows with fixed borders, whatever the sizes of the chunks, so that
the same data give the same digests in every pass.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from whence.capture import NullWitness, SourceWitness
from whence.sources.source import Int64Array

BLOCK_ROWS = 1024


class ToldParts:
    """The parts of a source whose whole content a listening witness was told."""

    def __init__(self) -> None:
        self._parts: set[int] = set()

    def has_gap(self, part: int, witness: SourceWitness) -> bool:
        """Whether `witness` listens and nobody who listened was told this part."""
        return part not in self._parts and not isinstance(witness, NullWitness)

    def note(self, part: int, witness: SourceWitness) -> None:
        """Note that all of a part was told."""
        if not isinstance(witness, NullWitness):
            self._parts.add(part)


class ToldBlocks:
    """The blocks of rows that were told in one reading."""

    def __init__(self, rows: int, tell: Callable[[int, int], None]) -> None:
        self._rows = rows
        self._tell = tell
        self._told: set[int] = set()

    def cover(self, start: int, stop: int) -> None:
        """Tell the blocks that rows `start` to `stop` lie in, unless they were told."""
        self._cover(range(start // BLOCK_ROWS, (stop - 1) // BLOCK_ROWS + 1))

    def cover_each(self, positions: Int64Array) -> None:
        """Tell the blocks that these rows lie in, unless they were told."""
        if len(self._told) * BLOCK_ROWS < self._rows:
            self._cover(np.unique(positions // BLOCK_ROWS).tolist())

    def _cover(self, blocks: range | list[int]) -> None:
        for block in blocks:
            if block not in self._told:
                self._told.add(block)
                self._tell(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, self._rows))
