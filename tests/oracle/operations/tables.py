"""Operations on the fields of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.oracle.functions import moved_columns, whole_columns
from tests.oracle.marks import Row, is_missing
from tests.oracle.operations.operation import Operation
from whence.ops import Filter


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
            value = low + (high - low) * (place - before) / (after - before)
        found.append(row | {name: value})
    return found


def renamed(rows: list[Row], names: dict[str, str]) -> list[Row]:
    """Give fields other names."""
    return [{names.get(name, name): value for name, value in row.items()} for row in rows]


def without(rows: list[Row], names: tuple[str, ...]) -> list[Row]:
    """Leave fields out."""
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


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
        hand=lambda s, _o, a: [row | {"v": row["v"] * 2 + 1, "z": row["y"], "k": a[0]} for row in s],
    ),
    "fill_constant": Operation(
        chain=lambda s, _o, a, _l: s.fill_missing(dict([a])),
        hand=lambda s, _o, a: [row | {a[0]: a[1] if is_missing(row[a[0]]) else row[a[0]]} for row in s],
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
    "keeps_columns": Operation(
        chain=lambda s, _o, a, label: s.pipe(
            Filter(label=label, fn=whole_columns, params={"modulus": a[0]}, why="divisible", form="columns")
        ),
        hand=lambda s, _o, a: [row for row in s if row["v"] % a[0] != 0],
        can_drop=True,
        hands_on=True,
    ),
}
