"""The rows and columns of a dataset version as they are read to be compared with those of another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whence.datasets.aligning import longest_rise
from whence.datasets.arrow import pa
from whence.datasets.logical import type_name, without_views
from whence.datasets.marks import Int64Array

HELD_BYTES = 1 << 27
NOWHERE = -1
"""Stands for a place where a row isn't."""

Types = dict[str, Any]
"""By column the type as which it is compared; None where it is as it is."""


class Rows:
    """The rows of a version as they are read for a comparison: chunk by chunk, some of them kept.

    Args:
        reference: what people call it.
        parts: how many rows each chunk has, and the digest of what they say.
        schema: of its columns, Arrow's.
        read: reads a chunk by its number.
    """

    def __init__(
        self,
        reference: str,
        parts: Sequence[tuple[int, bytes]],
        schema: Any,
        read: Callable[[int], Any],
    ) -> None:
        self.reference = reference
        self.schema = schema
        self.contents = [content for _, content in parts]
        self.ends: Int64Array = np.cumsum([0, *(rows for rows, _ in parts)])
        self._read = read
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def part(self, number: int) -> Any:
        """Read a chunk, or take it from those read lately: up to 128 MiB."""
        if number not in self._kept:
            self._kept[number] = without_views(self._read(number))
        self._kept.move_to_end(number)
        while len(self._kept) > 1 and sum(table.nbytes for table in self._kept.values()) > HELD_BYTES:
            self._kept.popitem(last=False)
        return self._kept[number]

    def taken(self, rows: Int64Array, columns: Sequence[str]) -> Any:
        """Take some rows, in any order."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        which = np.searchsorted(self.ends, ordered, side="right") - 1
        found = [
            self.part(part).select(columns).take(pa.array(ordered[which == part] - self.ends[part]))
            for part in np.unique(which).tolist()
        ]
        if not found:
            return self.schema.empty_table().select(columns)
        return pa.concat_tables(found).take(pa.array(np.argsort(order)))

    def values(self, places: Int64Array, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Read the values of rows, dicts; of all columns or of some, and none where a row isn't anywhere."""
        found: list[dict[str, Any]] = [{}] * len(places)
        there = np.flatnonzero(places != NOWHERE)
        table = self.taken(places[there], self.schema.names if columns is None else columns)
        for place, values in zip(there.tolist(), table.to_pylist(), strict=True):
            found[place] = values
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """A column that isn't the same in both.

    Args:
        column: its name.
        kind: added, removed, retyped, or moved to another place among those that both have.
        before: its type in the first version, None where that hasn't it; its place where it was moved.
        after: the same of the second.
        compared: whether its values could be compared: not where neither type holds those of the other.
    """

    column: str
    kind: Literal["added", "removed", "retyped", "moved"]
    before: str | int | None
    after: str | int | None
    compared: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "column": self.column, "kind": self.kind, "before": self.before, "after": self.after,
            "compared": self.compared,
        }  # fmt: skip


class UnlikeError(Exception):
    """A column's values can't be held by the type that both should have."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def common_types(before: Any, after: Any) -> Types:
    """Find the columns that two schemas both have, and as which type each is compared.

    Left out are those that have no common type.
    """
    found: dict[str, Any] = {}
    for each in before:
        if each.name not in after.names:
            continue
        other = after.field(each.name)
        if type_name(each.type) == type_name(other.type):
            found[each.name] = None
            continue
        fields = [pa.schema([each.with_nullable(True)]), pa.schema([other.with_nullable(True)])]
        try:
            found[each.name] = pa.unify_schemas(fields, promote_options="permissive").field(0).type
        except (pa.ArrowTypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return found


def as_common(table: Any, types: Types) -> Any:
    """Take the columns that are compared, as the types by which they are.

    Raises:
        UnlikeError: a value can't be held by that type.
    """
    columns = []
    for name, kind in types.items():
        column = table.column(name)
        try:
            columns.append(column if kind is None or column.type == kind else column.cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UnlikeError(name) from error
    return pa.Table.from_arrays(columns, names=list(types)) if types else table.select([])


def schema_changes(before: Any, after: Any, compared: Mapping[str, Any]) -> list[ColumnChange]:
    """List the columns that aren't the same.

    Args:
        before: the schema of the first version.
        after: that of the second.
        compared: the columns whose values could be compared.
    """
    found = [
        ColumnChange(
            column=each.name, kind="removed", before=type_name(each.type), after=None, compared=False
        )
        for each in before
        if each.name not in after.names
    ]
    for name in after.names:
        kind = type_name(after.field(name).type)
        if name not in before.names:
            found.append(ColumnChange(column=name, kind="added", before=None, after=kind, compared=False))
        elif (old := type_name(before.field(name).type)) != kind:
            found.append(
                ColumnChange(column=name, kind="retyped", before=old, after=kind, compared=name in compared)
            )
    here, there = (
        [name for name in schema.names if name in other.names]
        for schema, other in ((before, after), (after, before))
    )
    places = np.array([here.index(name) for name in there], np.int64)
    for number in np.delete(np.arange(len(places)), longest_rise(places)).tolist():
        name = there[number]
        found.append(
            ColumnChange(
                column=name,
                kind="moved",
                before=before.names.index(name),
                after=after.names.index(name),
                compared=name in compared,
            )
        )
    return found
