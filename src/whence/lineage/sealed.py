"""What the data decided in a whole pass, read from sealed blocks: a question touches the blocks it needs.

The same answers as from chunks (`chunks`, `relations`), from other bytes. Building reads no block; a question
finds its blocks by binary search in the directory, and in each decodes the cells it needs. The last
few blocks stay open.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy as np

from whence.errors import DamagedError
from whence.lineage.bits import Encoded
from whence.lineage.chunks import CountsIndex, SelectionIndex, WitnessIndex, by_chunk
from whence.lineage.directory import BlockList
from whence.lineage.mapping import Positions, check_positions
from whence.lineage.origins import BoolArray, IntArray, Origins
from whence.lineage.relations import RelationIndex
from whence.lineage.steps import PlainBlock, StepsBlock, read_block
from whence.lineage.values import ValuesBlock, WitnessesBlock

_OPEN_BLOCKS = 256

Fetch = Callable[[int], Encoded]
"""Reads the data of one block, checked."""

T = TypeVar("T")


class _Blocks(Generic[T]):
    """Opens blocks of one list.

    Args:
        blocks: the list.
        fetch: reads the data of the block of a number.
        read: makes a block readable, given its data and how many inputs and outputs it has.
    """

    def __init__(self, blocks: BlockList, fetch: Fetch, read: Callable[[Encoded, int, int], T]) -> None:
        self.in_starts, self.out_starts = blocks.in_starts, blocks.out_starts
        self._source = (blocks, fetch, read)

        def opened(number: int) -> T:
            in_count = int(self.in_starts[number + 1] - self.in_starts[number])
            out_count = int(self.out_starts[number + 1] - self.out_starts[number])
            try:
                return read(fetch(number), in_count, out_count)
            except DamagedError as error:
                place = error.place or f"block {number}"
                raise DamagedError(f"{place}: {error.message}", remedy=error.remedy, place=place) from error

        self.open = lru_cache(maxsize=_OPEN_BLOCKS)(opened)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Blocks, self._source


class SealedSelection(SelectionIndex):
    """Which inputs were kept, from sealed blocks.

    Cost: a question O(n log k) for k blocks, and the decoding of the cells it touches.
    """

    __slots__ = ("_blocks",)

    def __init__(self, blocks: BlockList, fetch: Fetch) -> None:
        self._in_starts, self._out_starts = blocks.in_starts, blocks.out_starts
        self._blocks: _Blocks[PlainBlock | StepsBlock] = _Blocks(blocks, fetch, read_block)

    def __reduce__(self) -> tuple[Any, ...]:
        return SealedSelection, self._blocks.__reduce__()[1][:2]

    def select(self, out_positions: Positions) -> IntArray:
        """Find the input position of each kept sample; see `SelectionIndex.select`."""
        return _parents(self._blocks, check_positions(out_positions, self.out_size))

    def rank(self, in_positions: Positions) -> tuple[IntArray, BoolArray]:
        """Find where each input sample went; see `SelectionIndex.rank`."""
        first, counts = _children(self._blocks, check_positions(in_positions, self.in_size))
        return first, counts > 0

    def flags(self) -> BoolArray:
        """Tell of all inputs at once whether each was kept; see `SelectionIndex.flags`."""
        return _flags(self._blocks)


class SealedCounts(CountsIndex):
    """How many outputs each input gave, from sealed blocks.

    Cost: a question O(n log k) for k blocks, and the decoding of the cells it touches.
    """

    __slots__ = ("_blocks",)

    def __init__(self, blocks: BlockList, fetch: Fetch) -> None:
        self._in_starts, self._out_starts = blocks.in_starts, blocks.out_starts
        self._blocks: _Blocks[PlainBlock | StepsBlock] = _Blocks(blocks, fetch, read_block)

    def __reduce__(self) -> tuple[Any, ...]:
        return SealedCounts, self._blocks.__reduce__()[1][:2]

    def parents(self, out_positions: Positions) -> IntArray:
        """Find the input that each output came from; see `CountsIndex.parents`."""
        return _parents(self._blocks, check_positions(out_positions, self.out_size))

    def children(self, in_positions: Positions) -> tuple[IntArray, IntArray]:
        """Find the outputs that each input gave; see `CountsIndex.children`."""
        return _children(self._blocks, check_positions(in_positions, self.in_size))

    def flags(self) -> BoolArray:
        """Tell of all inputs at once whether each gave an output, shape (in_size,)."""
        return _flags(self._blocks)


class SealedValues:
    """A list of positions, from sealed blocks.

    Cost: a question O(n log k) for k blocks, and the reading of the positions it asks for.
    """

    __slots__ = ("_blocks",)

    def __init__(self, blocks: BlockList, fetch: Fetch) -> None:
        self._blocks: _Blocks[ValuesBlock] = _Blocks(blocks, fetch, _read_values)

    def __reduce__(self) -> tuple[Any, ...]:
        return SealedValues, self._blocks.__reduce__()[1][:2]

    def __len__(self) -> int:
        return int(self._blocks.in_starts[-1])

    def at(self, places: IntArray) -> IntArray:
        """Read some of them, shape (n,), each place in [0, len(self))."""
        found = np.empty(len(places), np.int64)
        starts = self._blocks.in_starts
        for number, rows in by_chunk(starts, places):
            found[rows] = self._blocks.open(number).at(places[rows] - starts[number])
        return found


class SealedWitnesses(WitnessIndex):
    """Which inputs the ones that were dropped repeat, from sealed blocks.

    Args:
        selection: of the same inputs.
        blocks: an output for each dropped input, in their order.
        fetch: reads the data of a block.
    """

    __slots__ = ("_blocks",)

    def __init__(self, selection: SelectionIndex, blocks: BlockList, fetch: Fetch) -> None:
        self._selection = selection
        self._blocks: _Blocks[WitnessesBlock] = _Blocks(blocks, fetch, _read_witnesses)

    def __reduce__(self) -> tuple[Any, ...]:
        return SealedWitnesses, (self._selection, *self._blocks.__reduce__()[1][:2])

    def _of(self, numbers: IntArray, places: IntArray) -> IntArray:
        found = np.empty(len(numbers), np.int64)
        starts = self._blocks.in_starts
        for number, rows in by_chunk(starts, numbers):
            found[rows] = self._blocks.open(number).at(numbers[rows] - starts[number], places[rows])
        return self._selection.select(found)


class SealedRelation(RelationIndex):
    """Which inputs each output came from and where each input went, from sealed blocks of both directions.

    Args:
        in_size: how many positions the input has.
        taken: of how many positions each output was made, and which.
        given: to how many outputs each position went, and which; positions behind the last went nowhere.
    """

    def __init__(
        self,
        in_size: int,
        taken: tuple[SealedCounts, SealedValues],
        given: tuple[SealedCounts, SealedValues],
    ) -> None:
        self.in_size = in_size
        self._taken, self._given = taken, given

    def __reduce__(self) -> tuple[Any, ...]:
        return SealedRelation, (self.in_size, self._taken, self._given)

    @property
    def out_size(self) -> int:
        """How many outputs there are."""
        return self._taken[0].in_size

    def backward(self, positions: Positions) -> Origins:
        """Find the input positions that each output came from; see `Mapping.backward`."""
        return _rows(self._taken, check_positions(positions, self.out_size))

    def forward(self, positions: Positions) -> Origins:
        """Find the outputs that each input position went to; see `Mapping.forward`."""
        taken = check_positions(positions, self.in_size)
        return _rows(self._given, taken)

    def used(self) -> BoolArray:
        """Which input positions any output came from; see `RelationIndex.used`."""
        flags = self._given[0].flags()[: self.in_size]
        return np.pad(flags, (0, self.in_size - len(flags)))


def _rows(lists: tuple[SealedCounts, SealedValues], positions: IntArray) -> Origins:
    counts, values = lists
    known = counts.in_size
    if positions.size and int(positions.max()) >= known:
        first, sizes = np.zeros(len(positions), np.int64), np.zeros(len(positions), np.int64)
        inside = positions < known
        first[inside], sizes[inside] = counts.children(positions[inside])
    else:
        first, sizes = counts.children(positions)
    found = Origins.ranges(first, sizes)
    return Origins(found.indptr, values.at(found.indices))


def _parents(blocks: _Blocks[PlainBlock | StepsBlock], taken: IntArray) -> IntArray:
    found = np.empty(len(taken), np.int64)
    in_starts, out_starts = blocks.in_starts, blocks.out_starts
    for number, rows in by_chunk(out_starts, taken):
        found[rows] = blocks.open(number).parents(taken[rows] - out_starts[number]) + in_starts[number]
    return found


def _children(blocks: _Blocks[PlainBlock | StepsBlock], taken: IntArray) -> tuple[IntArray, IntArray]:
    first, counts = np.empty(len(taken), np.int64), np.empty(len(taken), np.int64)
    in_starts, out_starts = blocks.in_starts, blocks.out_starts
    for number, rows in by_chunk(in_starts, taken):
        begins, counts[rows] = blocks.open(number).children(taken[rows] - in_starts[number])
        first[rows] = begins + out_starts[number]
    return first, counts


def _flags(blocks: _Blocks[PlainBlock | StepsBlock]) -> BoolArray:
    found = np.empty(int(blocks.in_starts[-1]), np.bool_)
    for number, (start, end) in enumerate(pairwise(blocks.in_starts.tolist())):
        found[start:end] = blocks.open(number).flags()
    return found


def _read_witnesses(data: Encoded, in_count: int, out_count: int) -> WitnessesBlock:
    return WitnessesBlock(data, in_count)


def _read_values(data: Encoded, in_count: int, out_count: int) -> ValuesBlock:
    return ValuesBlock(data, in_count)
