"""Lines: numbers at equal distances, which three numbers say, whatever their count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from whence.lineage.origins import IntArray

AnyIntArray: TypeAlias = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """`first`, `first + step`, ..., so many as `count` says."""

    first: int
    step: int
    count: int

    def __len__(self) -> int:
        return self.count

    def array(self) -> IntArray:
        """The numbers, shape (count,)."""
        if not self.step:
            return np.full(self.count, self.first, np.int64)
        return np.arange(self.first, self.first + self.step * self.count, self.step, dtype=np.int64)

    def between(self, start: int, end: int) -> Line:
        """Those from one place to another."""
        return Line(self.first + self.step * start, self.step, end - start)

    def followed_by(self, other: Line) -> Line | None:
        """This line and another one after it; None where they aren't one line."""
        if not self.count or not other.count:
            return self if self.count else other
        step = other.first - self.first if self.count == 1 else self.step
        if other.first != self.first + step * self.count or (other.count > 1 and other.step != step):
            return None
        return Line(self.first, step, self.count + other.count)


Numbers: TypeAlias = AnyIntArray | Line
"""Numbers as they are, or as a line."""


def as_array(numbers: Numbers) -> AnyIntArray:
    """The numbers as an array."""
    return numbers.array() if isinstance(numbers, Line) else numbers


def joined_numbers(parts: Sequence[Numbers]) -> Numbers:
    """Several, one after the other: a line where all of them are one."""
    if len(parts) == 1:
        return parts[0]
    whole = Line(0, 0, 0)
    for part in parts:
        longer = whole.followed_by(part) if isinstance(part, Line) else None
        if longer is None:
            return np.concatenate([as_array(each) for each in parts])
        whole = longer
    return whole


def numbers_between(numbers: Numbers, start: int, end: int) -> Numbers:
    """Those from one place to another."""
    return numbers.between(start, end) if isinstance(numbers, Line) else numbers[start:end]
