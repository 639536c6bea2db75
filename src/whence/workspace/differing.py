"""What differs between two dataset versions, and why: from rows to source rows and operations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from whence import datasets  # what compares on first use: it needs pyarrow
from whence.errors import NotFoundError
from whence.query import Cause, Origin, find_cause
from whence.workspace.datasets import Dataset

_LIMIT = 1_000

OpenVersion = Callable[[str], Dataset]


class DatasetDiff:
    """What differs between two dataset versions.

    Args:
        before: the first version.
        after: the second.
        key: the columns that say which row is which; none to tell rows by place and content.
        open_version: opens a version by its reference, to follow rows through those read from.
    """

    def __init__(
        self, before: Dataset, after: Dataset, *, key: Sequence[str], open_version: OpenVersion
    ) -> None:
        self._datasets = before, after
        self._open = open_version
        self._found = datasets.Comparison(before.compared(), after.compared(), key=key)
        self.before, self.after = before.reference, after.reference
        self.key = list(key)

    def __repr__(self) -> str:
        counts = f"{self.added:,} added, {self.removed:,} removed, {self.changed:,} changed"
        return f"<whence diff {self.before} {self.after}: {counts}>"

    @property
    def schema(self) -> list[datasets.ColumnChange]:
        """The columns that aren't the same in both."""
        return self._found.schema

    @property
    def added(self) -> int:
        """How many rows only the second version has."""
        return self._found.count("added")

    @property
    def removed(self) -> int:
        """How many rows only the first version has."""
        return self._found.count("removed")

    @property
    def changed(self) -> int:
        """How many rows both have with other values."""
        return self._found.count("changed")

    @property
    def moved(self) -> int:
        """How many rows stand in another order, and say the same."""
        return self._found.count("moved")

    @functools.cached_property
    def changed_by_column(self) -> dict[str, int]:
        """How many of the changed rows changed in each column."""
        return self._found.changed_by_column()

    @property
    def rows(self) -> Iterator[datasets.RowChange]:
        """Each row that differs, in the order of places; those that only moved last."""
        return self._found.rows()

    @property
    def same(self) -> bool:
        """Whether both versions say the same."""
        before, after = self._datasets
        return before.digest == after.digest

    def cause(self, row: datasets.RowChange) -> Cause:
        """Why: find what made a row differ, as far as the record tells, through the versions it came by."""
        before, after = self._datasets
        return _cause(
            (before, [] if row.row_a is None else [row.row_a]),
            (after, [] if row.row_b is None else [row.row_b]),
            self._open,
        )

    def to_json(self, *, limit: int = _LIMIT, why: bool = False) -> dict[str, Any]:
        """As JSON; `limit` bounds the rows, never the counts; `why` adds the cause of each."""
        before, after = self._datasets
        return {
            "before": self.before,
            "after": self.after,
            "same": self.same,
            "key": self.key,
            "rows_before": before.rows,
            "rows_after": after.rows,
            "schema": [each.to_json() for each in self.schema],
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "moved": self.moved,
            "changed_by_column": self.changed_by_column,
            "rows": [self._told(row, why=why) for row in islice(self.rows, limit)],
        }

    def _told(self, row: datasets.RowChange, *, why: bool) -> dict[str, Any]:
        said = {
            "kind": row.kind, "row_a": row.row_a, "row_b": row.row_b, "columns": row.columns,
            "before": _shown(row.before), "after": _shown(row.after),
        }  # fmt: skip
        return said | {"why": self.cause(row).to_json()} if why else said


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else datasets.shown(value) for name, value in values.items()}


_Rows = tuple[Dataset, list[int]]


def _cause(before: _Rows, after: _Rows, open_version: OpenVersion) -> Cause:
    """Why rows differ; through the versions that they were read from, down to the first sources."""
    traces = [[version.trace(row) for row in rows] for version, rows in (before, after)]
    found = find_cause(before[0].delivered, after[0].delivered, *traces)
    lower = [_read_from(found.origins_a, open_version), _read_from(found.origins_b, open_version)]
    if lower[0] is None and lower[1] is None:
        return found
    if lower[0] is None or lower[1] is None or lower[0][0] == lower[1][0]:
        deeper = [None if each is None else _cause(each, each, open_version).origins_a for each in lower]
        origins_a, origins_b = deeper
        return replace(found, origins_a=origins_a or found.origins_a, origins_b=origins_b or found.origins_b)
    below = _cause(lower[0], lower[1], open_version)
    return replace(below, ops=below.ops + found.ops, unknown=below.unknown + found.unknown)


def _read_from(origins: Sequence[Origin], open_version: OpenVersion) -> _Rows | None:
    """The version that rows were read from, and the rows of it; None where it isn't one, or isn't here."""
    names = {origin.source for origin in origins if origin.path and "/part-" in origin.path}
    if len(names) != 1 or len({origin.source for origin in origins}) != 1:
        return None
    try:
        return open_version(names.pop()), [origin.row for origin in origins]
    except NotFoundError:
        return None
