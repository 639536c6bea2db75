"""What is known of a dataset's columns at a glance, in constant memory whatever its length.

Counts, ranges, means and what is missing are exact. How many values differ is exact up to about a thousand
and an estimate beyond (the least thousand of their hashes are kept). Histograms and frequent values are those
of 4,096 rows at most, chosen by their place, the same whoever saves them.

Source: Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", RANDOM 2002, algorithm 2 (the k
least hashes).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.datasets.arrow import pa, pc
from whence.datasets.logical import type_name
from whence.datasets.marks import UInt64Array
from whence.vocab import mix64

_KEPT_HASHES = 1_024
_MANY = 4
_KEPT_ROWS = 4_096
_BINS = 20
_FREQUENT = 10
_SHOWN_CHARS = 100
_ALL = 2.0**64


class Profile:
    """Sees the rows of a dataset once, in any portions."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns: dict[str, _Column] = {}
        self._chosen: list[Any] = []
        self._places: UInt64Array = np.empty(0, np.uint64)
        self._limit = np.uint64(2**64 - 1)

    def update(self, table: Any, marks: dict[str, UInt64Array]) -> None:
        """See further rows.

        Args:
            table: a table or a record batch.
            marks: of the values, by column.
        """
        for name, column in zip(table.schema.names, table.columns, strict=True):
            self._columns.setdefault(name, _Column()).update(column, marks[name])
        places = mix64(np.arange(self._rows, self._rows + table.num_rows, dtype=np.uint64))
        chosen = np.flatnonzero(places < self._limit)
        if len(chosen):
            self._places = np.concatenate([self._places, places[chosen]])
            flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
            self._chosen.append(pa.table(table.select(flat).take(pa.array(chosen))))
        if len(self._places) > 2 * _KEPT_ROWS:
            self._choose()
        self._rows += table.num_rows

    def to_plain(self, schema: Any) -> list[dict[str, Any]]:
        """Say what is known of each column."""
        self._choose()
        rows = pa.concat_tables(self._chosen, promote_options="permissive") if self._chosen else None
        found = []
        for field in schema:
            column = self._columns.get(field.name, _Column())
            values = (
                pa.nulls(0)
                if rows is None or field.name not in rows.schema.names
                else rows.column(field.name)
            )
            found.append({"name": field.name, "type": type_name(field.type), **column.to_plain(values)})
        return found

    def _choose(self) -> None:
        """Keep the rows whose places have the least hashes."""
        if len(self._places) <= _KEPT_ROWS:
            return
        kept = np.argpartition(self._places, _KEPT_ROWS)[:_KEPT_ROWS]
        kept.sort()
        rows = pa.concat_tables(self._chosen, promote_options="permissive")
        self._chosen = [rows.take(pa.array(kept))]
        self._places = self._places[kept]
        self._limit = self._places.max()


class _Column:
    def __init__(self) -> None:
        self._missing = 0
        self._least: Any = None
        self._greatest: Any = None
        self._count = 0
        self._sum = 0.0
        self._squares = 0.0
        self._hashes: UInt64Array = np.empty(0, np.uint64)

    def update(self, column: Any, marks: UInt64Array) -> None:
        self._missing += column.null_count
        self._see_hashes(
            marks if not column.null_count else marks[column.is_valid().to_numpy(zero_copy_only=False)]
        )
        kind = column.type
        if kind == pa.null() or column.null_count == len(column):
            return
        try:
            found = pc.min_max(column)
        except pa.ArrowNotImplementedError:  # lists, structs and the like have no order
            return
        least, greatest = found["min"].as_py(), found["max"].as_py()
        if least is not None and (self._least is None or least < self._least):
            self._least = least
        if greatest is not None and (self._greatest is None or greatest > self._greatest):
            self._greatest = greatest
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            self._see_numbers(column)

    def to_plain(self, chosen: Any) -> dict[str, Any]:
        said: dict[str, Any] = {"missing": self._missing, "distinct": self._distinct()}
        if len(self._hashes) >= _KEPT_HASHES:
            said["distinct_is_estimate"] = True
        if self._least is not None:
            said |= {"least": shown(self._least), "greatest": shown(self._greatest)}
        if self._count:
            mean = self._sum / self._count
            spread = max(0.0, self._squares / self._count - mean * mean)
            said |= {"mean": mean, "deviation": math.sqrt(spread)}
            said["histogram"] = _histogram(chosen)
        elif chosen.type != pa.null():
            said["frequent"] = _frequent(chosen)
        return said

    def _see_numbers(self, column: Any) -> None:
        there = column.drop_null()
        bare = (
            there.to_numpy() if isinstance(there, pa.ChunkedArray) else there.to_numpy(zero_copy_only=False)
        )
        values = bare.astype(np.float64, copy=False)
        finite = np.isfinite(values)
        if not finite.all():
            values = values[finite]
        self._count += len(values)
        self._sum += float(values.sum())
        self._squares += float((values * values).sum())  # a dot product would wake all threads of BLAS

    def _see_hashes(self, hashes: UInt64Array) -> None:
        if len(self._hashes) >= _KEPT_HASHES:
            hashes = hashes[hashes < self._hashes[-1]]
        elif len(hashes) > _MANY * _KEPT_HASHES:  # few of them can be among the least, and sorting is dear
            found = np.unique(hashes[hashes < np.uint64(_MANY * _KEPT_HASHES * _ALL / len(hashes))])
            if len(found) >= _KEPT_HASHES:
                hashes = found
        if len(hashes):
            self._hashes = np.unique(np.concatenate([self._hashes, hashes]))[:_KEPT_HASHES]

    def _distinct(self) -> int:
        if len(self._hashes) < _KEPT_HASHES:
            return len(self._hashes)
        return round((_KEPT_HASHES - 1) * _ALL / float(self._hashes[-1]))


def _histogram(chosen: Any) -> dict[str, Any]:
    values: NDArray[np.float64] = np.asarray(chosen.drop_null().to_numpy(), np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return {"edges": [], "counts": []}
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = float(values.min()), float(values.max())
        width = (high - low) / _BINS
        if not math.isfinite(width) or width <= np.spacing(max(abs(low), abs(high))):
            return {"edges": [low, high], "counts": [len(values)]}
        counts, edges = np.histogram(values, _BINS, (low, high))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _frequent(chosen: Any) -> list[list[Any]]:
    """The values that come most often among the chosen rows, with how often."""
    try:
        counted = pc.value_counts(chosen.drop_null())
    except pa.ArrowNotImplementedError:
        return []
    counts = counted.field("counts").to_numpy()
    often = np.argsort(-counts, kind="stable")[:_FREQUENT]
    values = counted.field("values").take(pa.array(often)).to_pylist()
    return [[shown(value), count] for value, count in zip(values, counts[often].tolist(), strict=True)]


def shown(value: Any) -> Any:
    """A value as JSON can say it."""
    if isinstance(value, bool) or type(value) is int:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
