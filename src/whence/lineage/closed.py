"""Mappings in closed form: a few numbers of the plan say everything, nothing is stored for the data.

Each costs O(n) for n positions asked, whatever the size of the stream, plus what the answer holds.
Groups of consecutive positions live in `grouped`; what the data decided lives in `stored`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whence.errors import PlanError
from whence.lineage.mapping import (
    PermutationLike,
    Positions,
    check_integer,
    check_positions,
    check_size,
)
from whence.lineage.origins import Origins


@dataclass(frozen=True, slots=True)
class Identity:
    """Output i is made from input i: map, cache, choosing columns."""

    size: int
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_size("identity", size=self.size)

    @property
    def in_size(self) -> int:
        return self.size

    @property
    def out_size(self) -> int:
        return self.size

    def backward(self, positions: Positions) -> Origins:
        return Origins.one_each(check_positions(positions, self.size))

    def forward(self, positions: Positions) -> Origins:
        return Origins.one_each(check_positions(positions, self.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """Output i is made from input start + step * i: take, skip, slice, shard; a negative step reverses."""

    in_size: int
    start: int
    step: int
    out_size: int
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_size("affine", in_size=self.in_size, out_size=self.out_size)
        check_integer("affine", start=self.start, step=self.step)
        if self.step == 0:
            raise PlanError("affine: step must not be 0")
        last = self.start + self.step * (self.out_size - 1)
        if self.out_size and not (0 <= self.start < self.in_size and 0 <= last < self.in_size):
            raise PlanError(
                f"affine: {self.out_size} outputs need the inputs {self.start} to {last},"
                f" which are not all in [0, {self.in_size})"
            )

    def backward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.out_size)
        if not taken.size:
            return Origins.none_each(0)
        return Origins.one_each(self.start + self._int64_step() * taken)

    def forward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.in_size)
        if not self.out_size:
            return Origins.none_each(len(taken))
        outputs, rest = np.divmod(taken - self.start, self._int64_step())
        return Origins.at_most_one(outputs, (rest == 0) & (outputs >= 0) & (outputs < self.out_size))

    def _int64_step(self) -> int:
        """The step, or for a single output any that passes over all inputs and fits 64 bits."""
        return self.step if self.out_size > 1 else self.in_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The whole input comes `times` times, one after another: repeat."""

    in_size: int
    times: int
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_size("tile", in_size=self.in_size, times=self.times)
        check_size("tile", out_size=self.out_size)

    @property
    def out_size(self) -> int:
        return self.in_size * self.times

    def backward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.out_size)
        return Origins.one_each(taken % self.in_size) if taken.size else Origins.none_each(0)

    def forward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.in_size)
        if not taken.size:
            return Origins.none_each(0)
        copies = taken[:, None] + self.in_size * np.arange(self.times, dtype=np.int64)
        return Origins(np.arange(len(taken) + 1, dtype=np.int64) * self.times, copies.ravel())


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The outputs [offset, offset + in_size) are this input, the others come from elsewhere: concat."""

    in_size: int
    offset: int
    out_size: int
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_size("part", in_size=self.in_size, offset=self.offset, out_size=self.out_size)
        if self.offset + self.in_size > self.out_size:
            raise PlanError(
                f"part: {self.in_size} inputs at offset {self.offset} do not fit {self.out_size} outputs"
            )

    def backward(self, positions: Positions) -> Origins:
        inputs = check_positions(positions, self.out_size) - self.offset
        return Origins.at_most_one(inputs, (inputs >= 0) & (inputs < self.in_size))

    def forward(self, positions: Positions) -> Origins:
        return Origins.one_each(check_positions(positions, self.in_size) + self.offset)


@dataclass(frozen=True, slots=True)
class Permuted:
    """The outputs are the inputs in another order, which a permutation knows both ways: shuffle."""

    permutation: PermutationLike
    known: ClassVar[bool] = True

    @property
    def in_size(self) -> int:
        return self.permutation.size

    @property
    def out_size(self) -> int:
        return self.permutation.size

    def backward(self, positions: Positions) -> Origins:
        return Origins.one_each(self.permutation.backward(check_positions(positions, self.out_size)))

    def forward(self, positions: Positions) -> Origins:
        return Origins.one_each(self.permutation.forward(check_positions(positions, self.in_size)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows what came from what: every row is empty, and `known` says that this is a gap."""

    in_size: int
    out_size: int
    known: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_size("unknown", in_size=self.in_size, out_size=self.out_size)

    def backward(self, positions: Positions) -> Origins:
        return Origins.none_each(len(check_positions(positions, self.out_size)))

    def forward(self, positions: Positions) -> Origins:
        return Origins.none_each(len(check_positions(positions, self.in_size)))
