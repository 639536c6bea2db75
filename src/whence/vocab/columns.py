"""Samples in columns: dict samples of one form, kept as one array a field until somebody wants rows.

Rows and columns are two forms of the same samples: `Columns.of_rows(columns.rows())` is `columns` by
content and type, and so neither a result nor a digest depends on which road the samples took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]

# Kinds whose `tolist` gives the value itself; that of datetimes gives a bare number for nanoseconds.
_SCALAR_KINDS = frozenset("biufcUSO")
_PLAIN: dict[type, Any] = {bool: np.bool_, int: np.int64, float: np.float64}


class Column:
    """One field of all samples.

    Args:
        data: shape (n, ...); what stands where a value is missing means nothing.
        missing: shape (n,): where the value is None; None where none is.
        native: whether rows hold Python's own values (int, float, str, ...) rather than NumPy's scalars;
            of arrays with more than one dimension rows are views either way.
    """

    __slots__ = ("data", "missing", "native")

    def __init__(self, data: NDArray[Any], *, missing: BoolArray | None = None, native: bool = True) -> None:
        self.data = data
        self.missing = missing
        self.native = native

    @classmethod
    def of(cls, values: Sequence[Any]) -> Column:
        """Gather values, which stay what they are: `Column.of(values).values() == values`, types included."""
        kinds = set(map(type, values))
        missing = None
        if type(None) in kinds and len(kinds) == 2:
            missing = np.fromiter((value is None for value in values), np.bool_, len(values))
            kinds.discard(type(None))
        if len(kinds) == 1:
            (kind,) = kinds
            if kind in _PLAIN:
                found = (
                    values if missing is None else [kind() if value is None else value for value in values]
                )
                try:
                    return cls(np.array(found, _PLAIN[kind]), missing=missing)
                except OverflowError:
                    return cls(_objects(values))
            if missing is None and issubclass(kind, np.generic) and not issubclass(kind, np.void):
                data = np.array(values)
                if data.dtype == values[0].dtype:
                    return cls(data, native=False)
            if missing is None and kind is np.ndarray and _is_alike(values):
                return cls(np.stack(values), native=False)
        return cls(_objects(values))

    def __len__(self) -> int:
        return len(self.data)

    def values(self) -> list[Any]:
        """The values, one a row."""
        if self.native and self.data.ndim == 1 and self.data.dtype.kind in _SCALAR_KINDS:
            found: list[Any] = self.data.tolist()
        else:
            found = list(self.data)
        if self.missing is not None:
            for place in np.flatnonzero(self.missing).tolist():
                found[place] = None
        return found

    def stacked(self) -> NDArray[Any]:
        """The values as `batch` stacks rows of them, shape (n, ...): what isn't numbers as objects."""
        if self.missing is not None and self.missing.any():
            return _objects(self.values())
        kind = self.data.dtype.kind
        if not self.native or self.data.ndim > 1 or kind == "M" or self.data.dtype in _STACKED_AS_IS:
            return self.data
        if kind in "biufc":
            return np.array(self.data.tolist())
        return self.data.astype(object)

    def taken(self, which: Any) -> Column:
        """Some of the rows: by mask, by position or by slice."""
        missing = None if self.missing is None else self.missing[which]
        return Column(self.data[which], missing=missing, native=self.native)

    @classmethod
    def joined(cls, parts: Sequence[Column]) -> Column:
        """Several, one after the other; of one type only if all are."""
        first = parts[0]
        alike = all(
            part.native == first.native
            and part.data.dtype == first.data.dtype
            and part.data.shape[1:] == first.data.shape[1:]
            for part in parts
        )
        if not alike:
            return cls.of([value for part in parts for value in part.values()])
        missing = None
        if any(part.missing is not None for part in parts):
            missing = np.concatenate(
                [np.zeros(len(part), np.bool_) if part.missing is None else part.missing for part in parts]
            )
        return cls(np.concatenate([part.data for part in parts]), missing=missing, native=first.native)


class Columns:
    """Dict samples of one form, in columns.

    Args:
        by_name: the fields in the order that each sample has them, equally long.
        count: how many samples; needed where there is no field.
    """

    __slots__ = ("by_name", "count")

    def __init__(self, by_name: Mapping[str, Column], *, count: int | None = None) -> None:
        self.by_name = dict(by_name)
        self.count = len(next(iter(self.by_name.values()))) if count is None else count

    @classmethod
    def of_rows(cls, rows: Sequence[Any]) -> Columns | None:
        """Gather dict samples; None where they aren't dicts with the same fields in the same order."""
        if not rows or type(rows[0]) is not dict:
            return None
        names = tuple(rows[0])
        if not all(type(name) is str for name in names):
            return None
        for row in rows:
            if type(row) is not dict or tuple(row) != names:
                return None
        return cls({name: Column.of([row[name] for row in rows]) for name in names}, count=len(rows))

    def __len__(self) -> int:
        return self.count

    @property
    def names(self) -> list[str]:
        """The fields."""
        return list(self.by_name)

    def rows(self) -> list[dict[str, Any]]:
        """The samples."""
        if not self.by_name:
            return [{} for _ in range(self.count)]
        return as_dicts(self.names, [column.values() for column in self.by_name.values()])

    def taken(self, which: Any) -> Columns:
        """Some of the samples: by mask, by position or by slice."""
        count = len(np.arange(self.count)[which]) if not self.by_name else None
        return Columns({name: column.taken(which) for name, column in self.by_name.items()}, count=count)

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns | None:
        """Several, one after the other; None where their fields differ."""
        names = parts[0].names
        if any(part.names != names for part in parts):
            return None
        count = sum(part.count for part in parts)
        return cls({n: Column.joined([part.by_name[n] for part in parts]) for n in names}, count=count)


def as_dicts(keys: Sequence[str], columns: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Make one dict of each row of the columns, which are equally long and as many as the keys.

    Cost: 0.2 µs for a row of two columns; all loops run in C.
    """
    # A comprehension over zip(…, strict=True) takes half as long again: a call with a keyword per row.
    return list(map(dict, map(zip, repeat(keys), zip(*columns, strict=True))))


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    found = np.empty(len(values), object)
    for place, value in enumerate(values):  # at once, equally long lists would be taken for more dimensions
        found[place] = value
    return found


def _is_alike(arrays: Sequence[NDArray[Any]]) -> bool:
    first = arrays[0]
    return (
        first.ndim > 0
        and all(array.dtype == first.dtype and array.shape == first.shape for array in arrays)
        and not first.dtype.hasobject
    )


_STACKED_AS_IS = frozenset(map(np.dtype, (np.bool_, np.int64, np.float64, np.complex128)))
