"""What a sample says of itself.

Samples are rows {"v": int, "h": marks, ...}, lines "v|mark", or lists, columns and pairs of such. Marks
are "@source:row" for a source row, "#op.name=value" for a declared draw, "~..." for what else was drawn,
"=number" for a number that identifies the row it came from (fields "x"), "&stamp" for what was learned and
had a part in the sample.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

Row = dict[str, Any]
Marks = frozenset[str]

_NONE: Marks = frozenset()


def marks_of(value: Any) -> Marks:
    """Gather the marks anywhere in a sample."""
    if value is None:
        return _NONE
    if isinstance(value, str):
        return frozenset((value.partition("|")[2] or value).split(","))
    if isinstance(value, dict):
        found = [_marks_in(name.partition("_right")[0], each) for name, each in value.items()]
        return frozenset().union(*found)
    if isinstance(value, list | tuple | np.ndarray):
        return frozenset().union(*map(marks_of, value))
    raise TypeError(f"no marks in a {type(value).__name__}")


def _marks_in(field: str, value: Any) -> Marks:
    if field in ("h", "f"):
        return marks_of(value)
    if field == "x":
        numbers = value if isinstance(value, list | tuple | np.ndarray) else [value]
        return frozenset(f"={float(each)!r}" for each in numbers if not is_missing(each))
    return _NONE


def is_missing(value: Any) -> bool:
    """Tell whether a value of a field is missing."""
    return value is None or bool(isinstance(value, float) and math.isnan(value))


def native(number: Any) -> Any:
    """A number of Python's own, as those are that are made of columns."""
    return number.item() if isinstance(number, np.generic) else number


def number_of(value: Any) -> int:
    """One number of a sample of any form; it ignores history."""
    if value is None:
        return 0
    if isinstance(value, str):
        return int(value.partition("|")[0])
    if isinstance(value, dict):
        return number_of(value["v"])
    if isinstance(value, list | tuple | np.ndarray):
        return reduce(lambda folded, each: folded * 3 + number_of(each), value, 0) % 1009
    return int(value)


def identity_of(mark: str) -> float:
    """A number for a source row that no other row of a plan has."""
    return float(int.from_bytes(hashlib.blake2b(mark.encode(), digest_size=6).digest(), "little"))


class Reader:
    """Reads marks back into source rows.

    Args:
        rows: all rows of the plan's sources.
    """

    def __init__(self, rows: Iterable[tuple[str, int]]) -> None:
        self._rows = list(rows)
        self._numbers = np.array([identity_of(f"@{name}:{row}") for name, row in self._rows])
        self._seen: dict[str, list[tuple[str, int]]] = {}

    def rows_of(self, value: Any) -> set[tuple[str, int]]:
        """Say from which source rows a sample came, as it carries them."""
        found: set[tuple[str, int]] = set()
        for mark in marks_of(value):
            if mark[0] in "@=":
                if mark not in self._seen:
                    self._seen[mark] = self._read(mark)
                found.update(self._seen[mark])
        return found

    def _read(self, mark: str) -> list[tuple[str, int]]:
        if mark[0] == "@":
            name, _, row = mark[1:].rpartition(":")
            return [(name, int(row))]
        number = float(mark[1:])
        (same,) = np.nonzero(self._numbers == number)
        if len(same):
            return [self._rows[same[0]]]
        return [self._rows[place] for place in self._between(number)]

    def _between(self, number: float) -> list[int]:
        """Find the two rows on the line between which a number was interpolated: the only pair, at j / m."""
        steps = np.array([j / m for m in range(2, 40) for j in range(1, m)])
        below, above = np.nonzero((self._numbers[:, None] < number) & (self._numbers[None, :] > number))
        low, high = self._numbers[below], self._numbers[above]
        share = (number - low) / (high - low)
        best = np.abs(share[:, None] - steps[None, :]).min(axis=1)
        (found,) = np.nonzero(best < 1e-11)
        if len(found) != 1:
            raise AssertionError(f"{number} lies between {len(found)} pairs of rows")
        return [int(below[found[0]]), int(above[found[0]])]


def draws_of(value: Any) -> set[str]:
    """Say which values were drawn for a sample by `draw=`, as it carries them."""
    return {mark for mark in marks_of(value) if mark[0] == "#"}


def alike(first: Any, second: Any) -> bool:
    """Compare samples of any form, arrays too, by type and content; NaN is NaN."""
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        return bool(first.dtype == second.dtype) and alike(list(first), list(second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(alike(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(alike, first, second))
    return bool(first == second) or (first != first and second != second)  # noqa: PLR0124 - NaN


def close(first: Any, second: Any) -> bool:
    """Compare like `alike`, but numbers that were summed in another order may differ in their last bits."""
    if isinstance(first, float | np.floating) and type(first) is type(second):
        return alike(first, second) or math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)
    if type(first) is not type(second):
        return False
    if isinstance(first, np.ndarray):
        return bool(first.dtype == second.dtype) and close(list(first), list(second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(close(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(close, first, second))
    return alike(first, second)
