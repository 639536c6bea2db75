"""Mappings that the data decided: what is asked of them is looked up in encoded chunks or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whence.errors import PlanError
from whence.lineage.chunks import CountsIndex, SelectionIndex
from whence.lineage.mapping import Mapping, Positions, as_positions, check_positions, check_size
from whence.lineage.origins import IntArray, Origins
from whence.lineage.relations import RelationIndex


@dataclass(frozen=True, slots=True)
class Selection:
    """The outputs are the kept inputs, in their order: filter, dedup, quarantine, sample, split."""

    masks: SelectionIndex
    known: ClassVar[bool] = True

    @property
    def in_size(self) -> int:
        return self.masks.in_size

    @property
    def out_size(self) -> int:
        return self.masks.out_size

    def backward(self, positions: Positions) -> Origins:
        return Origins.one_each(self.masks.select(positions))

    def forward(self, positions: Positions) -> Origins:
        return Origins.at_most_one(*self.masks.rank(positions))


@dataclass(frozen=True, slots=True)
class Expansion:
    """Input i gives `counts[i]` consecutive outputs, none where it is 0: flat_map, unbatch."""

    counts: CountsIndex
    known: ClassVar[bool] = True

    @property
    def in_size(self) -> int:
        return self.counts.in_size

    @property
    def out_size(self) -> int:
        return self.counts.out_size

    def backward(self, positions: Positions) -> Origins:
        return Origins.one_each(self.counts.parents(positions))

    def forward(self, positions: Positions) -> Origins:
        return Origins.ranges(*self.counts.children(positions))


@dataclass(frozen=True, slots=True)
class Related:
    """Each output came from any inputs, as recorded: sort, join, group_by, pack, mix."""

    index: RelationIndex
    known: ClassVar[bool] = True

    @property
    def in_size(self) -> int:
        return self.index.in_size

    @property
    def out_size(self) -> int:
        return self.index.out_size

    def backward(self, positions: Positions) -> Origins:
        return self.index.backward(positions)

    def forward(self, positions: Positions) -> Origins:
        return self.index.forward(positions)


class Gather:
    """Output i is made from input `indices[i]`, or from none where that is -1: sort, join, mix.

    The array is taken as it is, not copied; it must not change afterwards.

    Args:
        indices: for each output its input position, or -1; repeats allowed.
        in_size: how many positions the input has.

    Raises:
        PlanError: an index is outside [-1, in_size).
        PositionError: the indices are no integers in one dimension.

    Cost: backward O(n); forward sorts the indices the first time, then O(n log out_size).
    """

    __slots__ = ("_by_input", "in_size", "indices")
    known: ClassVar[bool] = True

    def __init__(self, indices: Positions, in_size: int) -> None:
        check_size("gather", in_size=in_size)
        taken = as_positions(indices)
        if taken.size and (int(taken.min()) < -1 or int(taken.max()) >= in_size):
            outside = int(taken[(taken < -1) | (taken >= in_size)][0])
            raise PlanError(f"gather: index {outside} is outside [-1, {in_size})")
        self.indices: IntArray = taken
        self.in_size: int = in_size
        self._by_input: tuple[IntArray, IntArray] | None = None

    @property
    def out_size(self) -> int:
        return len(self.indices)

    def backward(self, positions: Positions) -> Origins:
        inputs = self.indices[check_positions(positions, self.out_size)]
        return Origins.at_most_one(inputs, inputs >= 0)

    def forward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.in_size)
        if self._by_input is None:
            # stable, so that the outputs of one input stand ascending
            order = np.argsort(self.indices, kind="stable")
            self._by_input = (order, self.indices[order])
        order, inputs = self._by_input
        first = np.searchsorted(inputs, taken, side="left")
        found = Origins.ranges(first, np.searchsorted(inputs, taken, side="right") - first)
        return Origins(found.indptr, order[found.indices])


@dataclass(frozen=True, slots=True)
class Inverse:
    """Another mapping read the other way round: groups of any size are the inverse of an expansion or gather.

    `Inverse(Gather(group_of_input, group_count))` is what group_by does, and `Inverse(Expansion(counts))` a
    pack of consecutive samples.
    """

    of: Mapping

    @property
    def in_size(self) -> int:
        return self.of.out_size

    @property
    def out_size(self) -> int:
        return self.of.in_size

    @property
    def known(self) -> bool:
        return self.of.known

    def backward(self, positions: Positions) -> Origins:
        return self.of.forward(positions)

    def forward(self, positions: Positions) -> Origins:
        return self.of.backward(positions)
