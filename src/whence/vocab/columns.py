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

from whence.vocab.integers import integers_of

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]

_INT64_MAX = (1 << 63) - 1

# Kinds whose `tolist` gives the value itself; that of datetimes gives a bare number for nanoseconds.
_SCALAR_KINDS = frozenset("biufcUSO")
_PLAIN: dict[type, Any] = {bool: np.bool_, int: np.int64, float: np.float64}
_NUMBERS = {bool, int, float, complex, np.ndarray}


class Column:
    """One field of all samples.

    A subclass may keep the samples in a form of its own and make `data` when it is asked for.

    Args:
        data: shape (n, ...); what stands where a value is missing means nothing. Rows of more than one
            dimension lie in C order, each by itself, so that what is computed of them doesn't depend on
            whether they were copied.
        missing: shape (n,): where the value is None; None where none is.
        native: whether rows hold Python's own values (int, float, str, ...) rather than NumPy's scalars;
            of arrays with more than one dimension rows are views either way.
    """

    __slots__ = ("data", "missing", "native")

    data: NDArray[Any]
    missing: BoolArray | None
    native: bool

    def __init__(self, data: NDArray[Any], *, missing: BoolArray | None = None, native: bool = True) -> None:
        self.data = data
        self.missing = missing
        self.native = native

    @classmethod
    def of(cls, values: Sequence[Any]) -> Column:
        """Gather values, which stay what they are: `Column.of(values).values() == values`, types included."""
        integers = integers_of(values)
        if integers is not None:
            return Column(integers)
        kinds = set(map(type, values))
        missing = None
        if type(None) in kinds and len(kinds) == 2:
            missing = np.fromiter((value is None for value in values), np.bool_, len(values))
            kinds.discard(type(None))
        found = None
        if len(kinds) == 1:
            (kind,) = kinds
            if kind in _PLAIN:
                found = _of_plain(values, kind, missing)
            elif missing is None and kind is np.ndarray:
                found = _of_arrays(values)
            elif missing is None and issubclass(kind, np.bool_ | np.number | np.datetime64):
                found = _of_scalars(values, kind)
        return Column(_objects(values)) if found is None else found

    @classmethod
    def of_items(cls, items: Any) -> Column:
        """Gather what iterating over an array, or another sequence, gives: NumPy's scalars, or views."""
        if type(items) is not np.ndarray or not items.ndim:
            return cls.of(list(items))
        if items.ndim == 1:
            return Column(items.copy(), native=False)  # a function may use its array again
        return Column(items, native=False) if _has_whole_rows(items) else Column(_objects(list(items)))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def nbytes(self) -> int:
        """About how much memory the values take; objects are taken to be like the first."""
        data = self.data
        objects = len(data) * data.flat[0].__sizeof__() if data.dtype.hasobject and data.size else 0
        return data.nbytes + objects

    @property
    def is_uniform(self) -> bool:
        """Whether any rows of it are stacked into the type into which all of them are."""
        data = self.data
        if self.missing is not None or data.dtype.kind in "OV":
            return False
        if data.ndim > 1:
            return True
        return (data.dtype.kind not in "US" or self.native) and not holds_large(data)

    def values(self) -> list[Any]:
        """The values, one a row."""
        data = self.data
        if data.ndim == 1 and data.dtype.kind in _SCALAR_KINDS and (self.native or data.dtype.kind == "O"):
            found: list[Any] = data.tolist()
        else:
            found = list(data)
        if self.missing is not None:
            for place in np.flatnonzero(self.missing).tolist():
                found[place] = None
        return found

    def coded(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Texts as numbers, and the different texts that these stand for; None where that doesn't pay."""
        return None

    def stacked(self) -> NDArray[Any]:
        """The values as `stack_values` gives them, in an array of its own, which may be written."""
        data, kind = self.data, self.data.dtype.kind
        is_flat = data.ndim == 1
        if (self.missing is not None and self.missing.any()) or kind in "OV":
            return stack_values(self.values())
        if is_flat and kind in "US":
            return data.astype(object) if self.native else stack_values(self.values())
        if is_flat and self.native and kind in "iufc":
            if holds_large(data):
                return stack_values(self.values())
            wide = data.dtype.char in "gG"  # what Python can't hold stays NumPy's
            return data.astype(data.dtype if wide else _PYTHON[kind])
        return np.array(data, data.dtype.newbyteorder("="), order="C")

    def taken(self, which: Any) -> Column:
        """Some of the rows: by positions, by slice or by mask."""
        which = chosen(which)
        missing = None if self.missing is None else self.missing[which]
        return Column(_taken(self.data, which), missing=missing, native=self.native)

    @classmethod
    def joined(cls, parts: Sequence[Column]) -> Column:
        """Several, one after the other; of one type only if all are."""
        if len(parts) == 1:
            return parts[0]
        found = parts[0].followed_by(parts[1:])
        return cls.of([value for part in parts for value in part.values()]) if found is None else found

    def followed_by(self, others: Sequence[Column]) -> Column | None:
        """This column and others of its type after it; None where one is of another type."""
        data = self.data
        if not all(part.native == self.native and _is_alike(part.data, data) for part in others):
            return None
        parts = [self, *others]
        missing = None
        if any(part.missing is not None for part in parts):
            missing = np.concatenate(
                [np.zeros(len(part), np.bool_) if part.missing is None else part.missing for part in parts]
            )
        joined = np.concatenate([part.data for part in parts], dtype=data.dtype)
        return Column(_guarded(joined, data), missing=missing, native=self.native)


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

    @property
    def nbytes(self) -> int:
        """About how much memory the samples take."""
        return sum(column.nbytes for column in self.by_name.values())

    def rows(self) -> list[dict[str, Any]]:
        """The samples."""
        if not self.by_name:
            return [{} for _ in range(self.count)]
        return as_dicts(self.names, [column.values() for column in self.by_name.values()])

    def stacked(self) -> dict[str, NDArray[Any]]:
        """The samples as `batch` stacks them: an array a field, shape (n, ...)."""
        return {name: column.stacked() for name, column in self.by_name.items()}

    def taken(self, which: Any) -> Columns:
        """Some of the samples: by positions, by slice or by mask."""
        which = chosen(which)
        if not self.by_name:
            return Columns({}, count=len(np.arange(self.count)[which]))
        return Columns({name: column.taken(which) for name, column in self.by_name.items()})

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


def stack_values(values: Sequence[Any], name: str = "") -> NDArray[Any]:
    """Stack arrays and numbers into an array of shape (n, ...); what isn't numbers as objects.

    Args:
        values: at least one.
        name: the field that they are, for messages.

    Raises:
        ValueError: arrays of different shapes.
    """
    first = values[0]
    kinds = set(map(type, values))
    if kinds <= _NUMBERS or all(issubclass(kind, np.generic | np.ndarray | int | float) for kind in kinds):
        if not isinstance(first, np.ndarray):
            return np.array(values)
        shape = first.shape
        for number, value in enumerate(values):
            if getattr(value, "shape", None) != shape:
                where = f" in {name!r}" if name else ""
                found = getattr(value, "shape", type(value).__name__)
                raise ValueError(f"sample {number} of the batch has shape {found}{where}, the first {shape}")
        return np.stack(values)
    return _objects(values)


def chosen(which: Any) -> Any:
    """Turn a mask into positions; a slice or positions stay what they are.

    Cost: 0.5 ns for each flag; taking by positions is five times as quick as by a mask without order.
    """
    if isinstance(which, np.ndarray) and which.dtype == np.bool_:
        return np.flatnonzero(which)
    return which


def holds_large(data: NDArray[Any]) -> bool:
    """Whether an array has whole numbers that 64 bits with a sign can't hold."""
    return data.dtype.kind == "u" and data.dtype.itemsize == 8 and bool((data > _INT64_MAX).any())


_PYTHON: dict[str, Any] = {"i": np.int64, "u": np.int64, "f": np.float64, "c": np.complex128}


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    return np.fromiter(values, object, len(values))  # assigned at once, lists would become more dimensions


def _of_plain(values: Sequence[Any], kind: type, missing: BoolArray | None) -> Column | None:
    found = values if missing is None else [kind() if value is None else value for value in values]
    try:
        return Column(np.array(found, _PLAIN[kind]), missing=missing)
    except OverflowError:
        return None


def _of_scalars(values: Sequence[Any], kind: type) -> Column | None:
    data = np.array(values)
    dtype = values[0].dtype
    is_whole = data.dtype == dtype and data.dtype.type is kind
    if is_whole and dtype.kind in "mM":  # of several units NumPy takes the finest
        is_whole = all(value.dtype == dtype for value in values)
    return Column(data, native=False) if is_whole else None


def _of_arrays(values: Sequence[NDArray[Any]]) -> Column | None:
    first = values[0]
    dtype, shape, is_writable = first.dtype, first.shape, first.flags.writeable
    if not shape or dtype.kind not in "biufcmM" or not dtype.isnative:
        return None
    for array in values:
        if array.shape != shape or (array.dtype, array.dtype.char) != (dtype, dtype.char):
            return None
        if not array.flags.c_contiguous or array.flags.writeable != is_writable:
            return None
    return Column(_guarded(np.stack(values), first), native=False)


def _taken(data: NDArray[Any], which: Any) -> NDArray[Any]:
    if isinstance(which, slice):
        return data[which]
    return _guarded(data.take(which, axis=0), data)  # in C order, which indexing doesn't promise


def _guarded(copy: NDArray[Any], original: NDArray[Any]) -> NDArray[Any]:
    """Forbid writing into a copy of what can't be written: a sample is the same whichever way it came."""
    if not original.flags.writeable:
        copy.flags.writeable = False
    return copy


def _is_alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays can be one, and each row still be what it was."""
    if (one.dtype, one.dtype.char, one.shape[1:]) != (other.dtype, other.dtype.char, other.shape[1:]):
        return False
    has_views = one.ndim > 1 or one.dtype.kind == "V"
    return not has_views or one.flags.writeable == other.flags.writeable


def _has_whole_rows(array: NDArray[Any]) -> bool:
    return not len(array) or array[0].flags.c_contiguous
