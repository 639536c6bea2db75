"""A plan as a stream, and a plan by hand."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import whence as wh
from tests.oracle.functions import fold, letter_of, measure_of, read
from tests.oracle.marks import Row, identity_of
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Done, Given, Plan
from whence.streams import Stream

COLUMN_KINDS = ("arrays", "table", "parquet", "csv")
"""Kinds of sources that may come as columns."""


class Pour:
    """Rows that can only be read from their start, though again and again."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


def first_rows(given: Given) -> list[Any]:
    """The rows of a source as they come out of it."""
    found = [_first_row(given, row, value) for row, value in enumerate(given.values)]
    if given.kind in ("text", "files"):
        return [f"{row['v']}|{row['h'][0]}" for row in found]
    if given.kind in COLUMN_KINDS:
        found = [row | {"h": row["h"][0]} for row in found]
    if given.kind == "arrays":
        return [row | {name: _number(row[name]) for name in ("x", "y")} for row in found]
    if given.kind == "jsonl":
        return [row | {"h": list(row["h"]), "y": None if row["y"] != row["y"] else row["y"]} for row in found]
    return found


def _first_row(given: Given, row: int, value: int) -> Row:
    mark = f"@{given.name}:{row}"
    return {
        "v": value,
        "h": (mark,),
        "f": mark if (value + row) % 3 else None,
        "x": identity_of(mark) if (value + 2 * row) % 3 else None,
        "y": measure_of(value + row),
        "c": letter_of(value + 5 * row),
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


class Builder:
    """Builds streams of plans.

    Args:
        folder: where sources that are files are written.
        as_rows: whether to give the rows of sources that come as columns from a list instead.
    """

    def __init__(self, folder: pathlib.Path, *, as_rows: bool = False) -> None:
        self._folder = folder
        self._as_rows = as_rows
        self._made: dict[Plan, Stream] = {}

    def build(self, plan: Plan) -> Stream:
        """Build a plan's stream; equal plans are one stream."""
        if plan not in self._made:
            self._made[plan] = self._source(plan) if isinstance(plan, Given) else self._chained(plan)
        return self._made[plan]

    def _chained(self, done: Done) -> Stream:
        first, *others = map(self.build, done.inputs)
        return OPERATIONS[done.op].chain(first, others, done.args, done.label)

    def _source(self, given: Given) -> Stream:
        rows = first_rows(given)
        if self._as_rows and given.kind in COLUMN_KINDS:
            return wh.from_items(rows, name=given.name)
        return _MAKERS[given.kind](_Making(given, rows, self._folder))


class _Making:
    """What a source is made of."""

    def __init__(self, given: Given, rows: list[Any], folder: pathlib.Path) -> None:
        self.name = given.name
        self.rows = rows
        self._given = given
        self._folder = folder

    def parts(self) -> list[list[Any]]:
        """The rows in two parts."""
        third = len(self.rows) // 3
        return [self.rows[:third], self.rows[third:]]

    def lines(self, line_of: Callable[[Any], str], head: Iterable[str] = ()) -> list[str]:
        """Write lines to two files, so that rows have parts."""
        paths = self.paths()
        for path, part in zip(paths, self.parts(), strict=True):
            _write_once(path, "".join(f"{line}\n" for line in (*head, *map(line_of, part))))
        return paths

    def paths(self) -> list[str]:
        """Two files."""
        return [str(self._folder / f"{self.name}-{number}.{self._given.kind}") for number in range(2)]

    def files(self) -> list[str]:
        """Write a file for each row."""
        paths = []
        for row, line in enumerate(self.rows):
            paths.append(str(self._folder / f"{self.name}-{row:03}.txt"))
            _write_once(paths[-1], line)
        return paths

    def arrays(self) -> dict[str, Any]:
        """Arrays of the fields; objects where something may be missing that isn't a number."""
        return {
            "v": np.array([row["v"] for row in self.rows], np.int64),
            "h": np.array([row["h"] for row in self.rows], "U"),
            "f": np.array([row["f"] for row in self.rows], object),
            "x": np.array([row["x"] for row in self.rows], np.float64),
            "y": np.array([row["y"] for row in self.rows], np.float64),
            "c": np.array([row["c"] for row in self.rows], object),
        }

    def parquet(self) -> list[str]:
        """Write two files of small row groups."""
        for path, part in zip(self.paths(), self.parts(), strict=True):
            if not pathlib.Path(path).exists():
                pq.write_table(_table(part), path, row_group_size=3)
        return self.paths()


def _write_once(path: str, text: str) -> None:
    """Leave a file alone that another builder of the same plan wrote: one that is new has changed."""
    if not pathlib.Path(path).exists():
        pathlib.Path(path).write_text(text)


_TYPES = {
    "v": pa.int64(),
    "h": pa.string(),
    "f": pa.string(),
    "x": pa.float64(),
    "y": pa.float64(),
    "c": pa.string(),
}


def _table(rows: list[Row]) -> pa.Table:
    return pa.table(
        {
            name: pa.array([row[name] for row in rows], kind, from_pandas=False)
            for name, kind in _TYPES.items()
        }
    )


def _csv_line(row: Row) -> str:
    return ",".join("" if row[name] is None else str(row[name]) for name in _TYPES)


_CSV_TYPES: dict[str, str | type] = {"v": int, "h": str, "f": str, "x": float, "y": float, "c": str}

_MAKERS: dict[str, Callable[[_Making], Stream]] = {
    "list": lambda made: wh.from_items(made.rows, name=made.name),
    "tuple": lambda made: wh.from_items(tuple(made.rows), name=made.name),
    "pour": lambda made: wh.from_items(Pour(made.rows), name=made.name),
    "once": lambda made: wh.from_items(iter(made.rows), name=made.name),
    "arrays": lambda made: wh.from_arrays(name=made.name, **made.arrays()),
    "table": lambda made: wh.from_table(_table(made.rows), name=made.name),
    "parquet": lambda made: wh.from_parquet(made.parquet(), name=made.name),
    "text": lambda made: wh.from_text(made.lines(str), name=made.name),
    "jsonl": lambda made: wh.from_jsonl(made.lines(json.dumps), name=made.name),
    "csv": lambda made: wh.from_csv(
        made.lines(_csv_line, [",".join(_TYPES)]), name=made.name, types=_CSV_TYPES
    ),
    "files": lambda made: wh.from_files(made.files(), name=made.name).map(read),
}


def by_hand(plan: Plan) -> list[Any]:
    """Say what a plan gives if nothing in it is random, in the slowest and plainest way."""
    if isinstance(plan, Given):
        rows = first_rows(plan)
        return [fold(row) for row in rows] if plan.kind == "files" else rows
    first, *others = map(by_hand, plan.inputs)
    hand = OPERATIONS[plan.op].hand
    if hand is None:
        raise AssertionError(f"{plan.op} can't be read by hand")
    return hand(first, others, plan.args)
