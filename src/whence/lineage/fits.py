"""Mappings of what is learned of samples: few outputs, each of any inputs, used by all that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whence.errors import DamagedError, PlanError
from whence.lineage.chunks import SelectionIndex
from whence.lineage.mapping import Positions, check_positions, check_size
from whence.lineage.origins import IntArray, Origins, starts_of


class Fitted:
    """Output f was learned of each input i for which number `i * out_size + f` is among those kept: a fit.

    Args:
        masks: for each input one decision an output, input by input.
        out_size: how many outputs there are, at least 1.

    Raises:
        PlanError: there is no output.
        DamagedError: the decisions don't go up in inputs.

    Cost: forward O(n log k) and the decoding of the chunks it touches; backward of all, since any input may
        have had a part.
    """

    __slots__ = ("_masks", "in_size", "out_size")
    known: ClassVar[bool] = True

    def __init__(self, masks: SelectionIndex, out_size: int) -> None:
        check_size("fitted", out_size=out_size)
        if out_size == 0:
            raise PlanError("fitted: out_size must be at least 1")
        if masks.in_size % out_size:
            raise DamagedError(f"{masks.in_size} decisions of a fit are not {out_size} for each input")
        self._masks = masks
        self.out_size: int = out_size
        self.in_size: int = masks.in_size // out_size

    def backward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.out_size)
        kept = self._masks.select(np.arange(self._masks.out_size, dtype=np.int64))
        rows: list[IntArray] = [kept[kept % self.out_size == output] // self.out_size for output in taken]
        counts = np.array([len(row) for row in rows], np.int64)
        return Origins(starts_of(counts), np.concatenate(rows) if rows else np.zeros(0, np.int64))

    def forward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.in_size)
        outputs = np.arange(self.out_size, dtype=np.int64)
        _, kept = self._masks.rank((taken[:, None] * self.out_size + outputs).ravel())
        found = np.flatnonzero(kept)
        counts = np.bincount(found // self.out_size, minlength=len(taken))
        return Origins(starts_of(counts), outputs[found % self.out_size])


@dataclass(frozen=True, slots=True, kw_only=True)
class Everywhere:
    """Every output was made with every input: what uses fitted values.

    Cost: the product of what is asked and what it is related to.
    """

    in_size: int
    out_size: int
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_size("everywhere", in_size=self.in_size, out_size=self.out_size)

    def backward(self, positions: Positions) -> Origins:
        return _all_of(self.in_size, check_positions(positions, self.out_size))

    def forward(self, positions: Positions) -> Origins:
        return _all_of(self.out_size, check_positions(positions, self.in_size))


def _all_of(size: int, rows: IntArray) -> Origins:
    return Origins.ranges(np.zeros(len(rows), np.int64), np.full(len(rows), size, np.int64))
