"""Aggregations: one value of a field's values in each group, by name: count, sum, mean, ...

A value that is missing (None, or NaN) is left out, as pandas leaves it out; where none is left, the
result is None. What comes of a group depends on its own values only, in their order, and on nothing that
is computed beside it: columns and rows, few groups and many give the same bits.

Sums of whole numbers are exact, whatever their size. Sums of floats are added pairwise; means and
variances are sums divided. Where a group's numbers are of several types, whole numbers and floats for
example, they are added as floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Int64Array
from whence.ops.numbering import first_places, number_words, ordered_by
from whence.vocab import Column

BoolArray = NDArray[np.bool_]

_FLOAT_BYTES = 8
_WORDS_END = 1 << 63


class CannotAggregateError(Exception):
    """A group's values can't be aggregated so; `group` says which one it is."""

    def __init__(self, group: int, problem: str) -> None:
        super().__init__(problem)
        self.group = group
        self.problem = problem


def aggregated(how: str, column: Column, bounds: Int64Array) -> Column:
    """Aggregate the values of each group.

    Args:
        how: one of `AGGREGATIONS`.
        column: the values, group by group.
        bounds: where each group begins and the last one ends, shape (groups + 1,); none is empty.

    Returns:
        One value a group.

    Raises:
        CannotAggregateError: a group's values aren't of a type that can be.
    """
    counts = np.diff(bounds)
    if how == "size":
        return Column(counts)
    absent = _absent(column)
    if absent is None or not absent.any():
        column = Column(column.data, native=column.native)
    else:
        group_of = np.repeat(np.arange(len(counts)), counts)
        column = Column(column.data, native=column.native).taken(~absent)
        counts = np.bincount(group_of[~absent], minlength=len(counts))
    if how == "count":
        return Column(counts)
    is_full = counts >= (2 if how in ("var", "std") else 1)
    if not is_full.any():  # or there is no group
        nothing = np.zeros(len(counts), np.int64)
        return Column(nothing) if how == "nunique" else Column(nothing, missing=~is_full)
    if is_full.all():
        return _REDUCTIONS[how](column, bounds_of(counts), np.arange(len(counts)))
    column = column.taken(np.repeat(is_full, counts))
    made = _REDUCTIONS[how](column, bounds_of(counts[is_full]), np.flatnonzero(is_full))
    if how == "nunique":
        found = np.zeros(len(counts), np.int64)
        found[is_full] = made.data
        return Column(found)
    places = np.maximum(np.cumsum(is_full) - 1, 0)
    missing = ~is_full if made.missing is None else ~is_full | made.missing[places]
    return Column(made.taken(places).data, missing=missing, native=made.native)


def bounds_of(counts: Int64Array) -> Int64Array:
    """Where groups of these sizes begin, and where the last one ends."""
    found = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=found[1:])
    return found


def _absent(column: Column) -> BoolArray | None:
    """Which values are missing: None, or NaN; None where none can be."""
    data, missing = column.data, column.missing
    if data.ndim > 1:
        return missing
    if data.dtype.kind in "fc":
        found: BoolArray = np.isnan(data)
    elif data.dtype.kind in "mM":
        found = np.isnat(data)
    elif data.dtype.kind == "O":
        found = np.fromiter(map(_is_absent, data.tolist()), np.bool_, len(data))
    else:
        return missing
    return found if missing is None else found | missing


def _is_absent(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str | np.ndarray):
        return False
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN isn't itself
    except Exception:  # what can't be compared with itself is something all the same
        return False


def _first(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    return column.taken(bounds[:-1])


def _last(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    return column.taken(bounds[1:] - 1)


def _sum(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if _is_whole(column):
        return _whole_sums(column.data.astype(np.int64, copy=False), bounds)
    if _is_float(column):
        return Column(_float_sums(_floats(column.data), bounds))
    return _each(column, bounds, groups, _sum, _sum_of_any)


def _mean(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if not (_is_whole(column) or _is_float(column)):
        return _each(column, bounds, groups, _mean, lambda values: float(_sum_of_any(values)) / len(values))
    sums = _sum(column, bounds, groups).data
    return Column(_divided(sums.astype(np.float64), np.diff(bounds)))


def _var(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if not (_is_whole(column) or _is_float(column)):
        return _each(column, bounds, groups, _var, _by_floats(_var))
    values, counts = _floats(column.data), np.diff(bounds)
    with np.errstate(all="ignore"):
        means = _float_sums(values, bounds) / counts
        values = values - np.repeat(means, counts)
        values *= values
    return Column(_divided(_float_sums(values, bounds), counts - 1))


def _std(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    with np.errstate(all="ignore"):
        return Column(np.sqrt(_var(column, bounds, groups).data))


def _median(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if not (_is_whole(column) or _is_float(column)):
        return _each(column, bounds, groups, _median, _by_floats(_median))
    values, counts = _floats(column.data), np.diff(bounds)
    order = np.argsort(values, kind="stable")
    group_of = np.repeat(np.arange(len(counts)), counts)
    values = values[order][ordered_by(group_of[order], len(counts))[0]]
    low, high = values[bounds[:-1] + (counts - 1) // 2], values[bounds[:-1] + counts // 2]
    with np.errstate(all="ignore"):
        return Column(np.where(counts % 2 == 1, low, (low + high) / 2))


def _min(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if column.data.ndim == 1 and column.data.dtype.kind in "biufmM":
        return Column(np.minimum.reduceat(column.data, bounds[:-1]), native=column.native)
    return _each(column, bounds, groups, _min, min)


def _max(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if column.data.ndim == 1 and column.data.dtype.kind in "biufmM":
        return Column(np.maximum.reduceat(column.data, bounds[:-1]), native=column.native)
    return _each(column, bounds, groups, _max, max)


def _nunique(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    data = column.data
    if not (_is_whole(column) or _is_float(column) or (data.dtype.kind in "mM" and data.ndim == 1)):
        return _each(column, bounds, groups, None, lambda values: len(set(values)))
    if data.dtype.kind == "f":
        words = (_floats(data) + 0.0).view(np.int64)  # -0.0 + 0.0 is 0.0
    else:
        words = data.view(np.int64) if data.dtype.kind in "mM" else data.astype(np.int64, copy=False)
    numbers, count = number_words(words)
    group_of = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    pairs, pair_count = number_words(group_of * count + numbers)
    return Column(np.bincount(group_of[first_places(pairs, pair_count)], minlength=len(bounds) - 1))


def _any(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if _is_whole(column) or _is_float(column):
        return Column(np.logical_or.reduceat(column.data != 0, bounds[:-1]))
    return _each(column, bounds, groups, None, lambda values: any(map(bool, values)))


def _all(column: Column, bounds: Int64Array, groups: Int64Array) -> Column:
    if _is_whole(column) or _is_float(column):
        return Column(np.logical_and.reduceat(column.data != 0, bounds[:-1]))
    return _each(column, bounds, groups, None, lambda values: all(map(bool, values)))


Reduction = Callable[[Column, Int64Array, Int64Array], Column]

_REDUCTIONS: dict[str, Reduction] = {
    "sum": _sum,
    "mean": _mean,
    "median": _median,
    "min": _min,
    "max": _max,
    "std": _std,
    "var": _var,
    "first": _first,
    "last": _last,
    "any": _any,
    "all": _all,
    "nunique": _nunique,
}
AGGREGATIONS = ("size", "count", *_REDUCTIONS)
"""What a field's values in a group can be made into."""


def _each(
    column: Column,
    bounds: Int64Array,
    groups: Int64Array,
    typed: Reduction | None,
    plain: Callable[[Sequence[Any]], Any],
) -> Column:
    """Reduce group by group what is of no one type: a group that is by itself is reduced as such."""
    values = column.values()
    found: list[Any] = []
    for group, (start, end) in zip(groups.tolist(), pairwise(bounds.tolist()), strict=True):
        inside = Column.of(values[start:end])
        try:
            if typed is not None and (_is_whole(inside) or _is_float(inside)):
                found += typed(inside, np.array([0, end - start]), np.zeros(1, np.int64)).values()
            else:
                found.append(plain(values[start:end]))
        except Exception as error:  # any type may refuse in its own way
            raise CannotAggregateError(group, f"{type(error).__name__}: {error}") from error
    return Column.of(found)


def _is_whole(column: Column) -> bool:
    """Whether it is whole numbers, or bools, that 64 bits hold."""
    data = column.data
    if data.ndim > 1 or data.dtype.kind not in "biu":
        return False
    return data.dtype != np.uint64 or not len(data) or int(data.max()) < _WORDS_END


def _is_float(column: Column) -> bool:
    data = column.data
    return data.ndim == 1 and data.dtype.kind == "f" and data.dtype.itemsize <= _FLOAT_BYTES


def _floats(data: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(data, np.float64)


def _float_sums(values: NDArray[np.float64], bounds: Int64Array) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        found: NDArray[np.float64] = np.add.reduceat(values, bounds[:-1])
    return found


def _whole_sums(values: Int64Array, bounds: Int64Array) -> Column:
    largest = max(-int(values.min()), int(values.max()))
    if largest * int(np.diff(bounds).max()) < _WORDS_END:
        return Column(np.add.reduceat(values, bounds[:-1]))
    return Column.of([sum(values[start:end].tolist()) for start, end in pairwise(bounds.tolist())])


def _divided(sums: NDArray[np.float64], counts: Int64Array) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        found: NDArray[np.float64] = sums / counts
    return found


def _sum_of_any(values: Sequence[Any]) -> int | float:
    """Add numbers of several types, or whole numbers of any size."""
    kinds = set(map(type, values))
    if all(issubclass(kind, int | np.integer | np.bool_) for kind in kinds):
        return sum(map(int, values))
    return float(_float_sums(_floats_of(values), np.array([0, len(values)]))[0])


def _floats_of(values: Sequence[Any]) -> NDArray[np.float64]:
    for value in values:
        if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
            raise TypeError(f"wanted numbers, got {type(value).__name__}")
    return np.fromiter(map(float, values), np.float64, len(values))


def _by_floats(reduction: Reduction) -> Callable[[Sequence[Any]], Any]:
    def reduce(values: Sequence[Any]) -> Any:
        column = Column(_floats_of(values))
        return reduction(column, np.array([0, len(values)]), np.zeros(1, np.int64)).values()[0]

    return reduce
