"""Operations on the fields of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracle.functions import moved_columns, stamped, whole_columns
from tests.oracle.marks import Row, is_missing, native
from tests.oracle.operations.operation import Args, Operation
from whence.ops import Filter
from whence.streams import Stream


def numbers_of(rows: list[Row], name: str) -> list[float]:
    """The numbers of a field, without those that are missing."""
    return [row[name] for row in rows if not is_missing(row[name])]


def constant_for(value: object, constant: object) -> object:
    """What stands for a value that may be missing; for NaN a number of its type."""
    if value is None:
        return constant
    return type(value)(constant) if is_missing(value) else value  # type: ignore[call-arg]  # a float's type


def filled(rows: list[Row], name: str, how: str, fit: list[Row]) -> list[Row]:
    """Fill what is missing of a field with one number; nothing is given where there is none."""
    known = sorted(numbers_of(fit, name))
    if not known:
        return []
    middle = len(known) // 2
    value = {
        "mean": math.fsum(known) / len(known),
        "median": known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2,
    }[how]
    return [row | {name: constant_for(row[name], value)} for row in rows]


def forward(rows: list[Row], name: str) -> list[Row]:
    """Fill what is missing of a field with the last value before."""
    found: list[Row] = []
    last: Any = None
    for row in rows:
        if not is_missing(row[name]):
            last = row[name]
        elif last is not None:
            row = row | {name: last}  # noqa: PLW2901 - the row with its value
        found.append(row)
    return found


def interpolated(rows: list[Row], name: str) -> list[Row]:
    """Fill what is missing of a field with the number on the line between the two around it."""
    known = [place for place, row in enumerate(rows) if not is_missing(row[name])]
    found: list[Row] = []
    for place, row in enumerate(rows):
        before = max((each for each in known if each <= place), default=None)
        after = min((each for each in known if each >= place), default=None)
        value = row[name]
        if is_missing(value) and before is not None and after is not None:
            low, high = rows[before][name], rows[after][name]
            value = low + (high - low) * ((place - before) / (after - before))
        found.append(row | {name: value})
    return found


def scaled(rows: list[Row], name: str, how: str, fit: list[Row]) -> list[Row]:
    """Move and scale the numbers of a field."""
    known = numbers_of(fit, name)
    if not known:
        return []
    mean = math.fsum(known) / len(known)
    if how == "standard":
        start, width = mean, math.sqrt(math.fsum((each - mean) ** 2 for each in known) / len(known))
    elif how == "minmax":
        start, width = min(known), max(known) - min(known)
    else:
        start, width = quantile(known, 0.5), quantile(known, 0.75) - quantile(known, 0.25)
    return [
        row | {name: row[name] if is_missing(row[name]) else (row[name] - start) / (width or 1.0)}
        for row in rows
    ]


def clipped(rows: list[Row], name: str, lower: float, upper: float, fit: list[Row]) -> list[Row]:
    """Bring numbers within two quantiles."""
    known = numbers_of(fit, name)
    if not known:
        return []
    low, high = quantile(known, lower), quantile(known, upper)
    return [
        row | {name: row[name] if is_missing(row[name]) else between(row[name], low, high)} for row in rows
    ]


def between(number: Any, low: float, high: float) -> Any:
    """Bring a number within two others; a float of NumPy's stays of its type, an integer becomes a float."""
    found = min(max(number, low), high)
    if isinstance(number, np.integer):
        return np.float64(found)
    return type(number)(found) if isinstance(number, np.floating) else float(found)


def quantile(known: list[float], share: float) -> float:
    """A quantile, between the two numbers around it."""
    found = sorted(known)
    place = share * (len(found) - 1)
    low = math.floor(place)
    high = min(low + 1, len(found) - 1)
    return found[low] + (found[high] - found[low]) * (place - low)


def spread(rows: list[Row], name: str, fit: list[Row]) -> list[Row]:
    """Put a field for each category in the place of a field."""
    categories = sorted({row[name] for row in fit if row[name] is not None})
    if not categories:
        return []
    found = []
    for row in rows:
        made: Row = {}
        for field, value in row.items():
            if field == name:
                made |= {f"{name}_{category}": int(value == category) for category in categories}
            else:
                made[field] = value
        found.append(made)
    return found


def renamed(rows: list[Row], names: dict[str, str]) -> list[Row]:
    """Give fields other names."""
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def without(rows: list[Row], names: tuple[str, ...]) -> list[Row]:
    """Leave fields out."""
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def _learning(
    chain: Callable[[Stream, Stream | None, Args], Stream],
    hand: Callable[[list[Row], list[Row], Args], list[Row]],
) -> Operation:
    """What learns of all samples, or of those of the second input; the last argument is a stamp, or empty."""

    def chained(s: Stream, o: list[Stream], a: Args, _label: str) -> Stream:
        found = chain(s, o[0] if o else None, a)
        return found.map(stamped, name=a[-1], stamp=a[-1]) if a[-1] else found

    def by_hand(s: list[Row], o: list[list[Row]], a: Args) -> list[Row]:
        found = hand(s, o[0] if o else s, a)
        return [stamped(row, a[-1]) for row in found] if a[-1] else found

    return Operation(chain=chained, hand=by_hand, learns=True, may_fail=True)


CASTS: dict[str, Callable[[Any], Any]] = {"float": float, "int": int, "str": str}

TABLES = {
    "select": Operation(
        chain=lambda s, _o, a, _l: s.select(*a),
        hand=lambda s, _o, a: [{name: row[name] for name in a} for row in s],
    ),
    "drop": Operation(chain=lambda s, _o, a, _l: s.drop(*a), hand=lambda s, _o, a: without(s, a)),
    "rename": Operation(
        chain=lambda s, _o, a, _l: s.rename(dict([a])), hand=lambda s, _o, a: renamed(s, dict([a]))
    ),
    "cast": Operation(
        chain=lambda s, _o, a, _l: s.cast(dict([a])),
        hand=lambda s, _o, a: [
            row | {a[0]: None if row[a[0]] is None else CASTS[a[1]](row[a[0]])} for row in s
        ],
    ),
    "with_columns": Operation(
        chain=lambda s, _o, a, _l: s.with_columns(v=moved_columns, z="y", k=a[0]),
        hand=lambda s, _o, a: [row | {"v": native(row["v"]) * 2 + 1, "z": row["y"], "k": a[0]} for row in s],
    ),
    "fill_constant": Operation(
        chain=lambda s, _o, a, _l: s.fill_missing(dict([a])),
        hand=lambda s, _o, a: [row | {a[0]: constant_for(row[a[0]], a[1])} for row in s],
    ),
    "fill_learned": _learning(
        lambda s, fit, a: s.fill_missing({"y": a[0]}, fit=fit), lambda s, fit, a: filled(s, "y", a[0], fit)
    ),
    "fill_forward": Operation(
        chain=lambda s, _o, _a, _l: s.fill_missing({"f": "forward"}),
        hand=lambda s, _o, _a: forward(s, "f"),
        makes_one_of_one=False,
    ),
    "interpolate": Operation(
        chain=lambda s, _o, _a, _l: s.fill_missing({"x": "interpolate"}),
        hand=lambda s, _o, _a: interpolated(s, "x"),
        makes_one_of_one=False,
    ),
    "normalize": _learning(
        lambda s, fit, a: s.normalize("y", how=a[0], fit=fit), lambda s, fit, a: scaled(s, "y", a[0], fit)
    ),
    "winsorize": _learning(
        lambda s, fit, a: s.winsorize("y", lower=a[0], upper=a[1], fit=fit),
        lambda s, fit, a: clipped(s, "y", a[0], a[1], fit),
    ),
    "one_hot": _learning(lambda s, fit, _a: s.one_hot("c", fit=fit), lambda s, fit, _a: spread(s, "c", fit)),
    "keeps_columns": Operation(
        chain=lambda s, _o, a, label: s.pipe(
            Filter(label=label, fn=whole_columns, params={"modulus": a[0]}, why="divisible", form="columns")
        ),
        hand=lambda s, _o, a: [row for row in s if row["v"] % a[0] != 0],
        can_drop=True,
        hands_on=True,
    ),
}
