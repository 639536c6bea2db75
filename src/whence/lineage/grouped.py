"""Mappings of constant fan-in: groups of consecutive inputs become one output each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whence.errors import PlanError
from whence.lineage.mapping import Positions, check_positions, check_size
from whence.lineage.origins import Origins


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Output i is made from the inputs [step * i, step * i + size): window.

    With `drop_last` every window is full; otherwise one begins at every multiple of the step that the
    input has, and those at the end are as short as the input makes them. Inputs in no window have no
    output.
    """

    in_size: int
    size: int
    step: int
    drop_last: bool = True
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_group("windows", self.in_size, self.size, self.drop_last)
        check_size("windows", step=self.step)
        if self.step == 0:
            raise PlanError("windows: step must be at least 1")

    @property
    def out_size(self) -> int:
        if not self.drop_last:
            return -(-self.in_size // self.step)
        return (self.in_size - self.size) // self.step + 1 if self.in_size >= self.size else 0

    def backward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.out_size)
        if not taken.size:
            return Origins.none_each(0)
        first = taken * self.step
        return Origins.ranges(first, np.minimum(self.size, self.in_size - first))

    def forward(self, positions: Positions) -> Origins:
        taken = check_positions(positions, self.in_size)
        first = np.maximum(0, (taken - self.size) // self.step + 1)
        last = np.minimum(taken // self.step, self.out_size - 1)
        return Origins.ranges(first, np.maximum(0, last - first + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Output i is made from the inputs [size * i, size * (i + 1)): batch.

    The last block may be short; with `drop_last` a short one is left out, and its inputs have no output.
    """

    in_size: int
    size: int
    drop_last: bool = False
    known: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_group("blocks", self.in_size, self.size, self.drop_last)

    @property
    def out_size(self) -> int:
        return self._windows().out_size

    def backward(self, positions: Positions) -> Origins:
        return self._windows().backward(positions)

    def forward(self, positions: Positions) -> Origins:
        return self._windows().forward(positions)

    def _windows(self) -> Windows:
        return Windows(in_size=self.in_size, size=self.size, step=self.size, drop_last=self.drop_last)


def check_group(kind: str, in_size: int, size: int, drop_last: bool) -> None:
    """Refuse groups that can't be.

    Raises:
        PlanError: a size is no size, the group is empty, or `drop_last` is not a bool.
    """
    check_size(kind, in_size=in_size, size=size)
    if size == 0:
        raise PlanError(f"{kind}: size must be at least 1")
    if not isinstance(drop_last, bool):
        raise PlanError(f"{kind}: drop_last must be True or False, not {type(drop_last).__name__}")
