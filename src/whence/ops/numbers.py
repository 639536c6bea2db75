"""Numbers in fields: what counts as one, what counts as missing, and how they stay what they were.

Arithmetic is done in float64, value by value, so that a result never depends on the samples beside it. A
number that was worked on is a float afterwards: Python's, or NumPy's where it was NumPy's, of its own
type where that is a float. What is missing (None, or a float that is NaN) stays as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.fields import Samples
from whence.vocab import Column

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def is_missing(column: Column) -> BoolArray:
    """Find where a value is missing: None, NaN or NaT, shape (n,)."""
    data = column.data
    if data.ndim > 1:
        return np.zeros(len(data), np.bool_)
    if data.dtype.kind == "O":
        return np.fromiter(map(_is_none, column.values()), np.bool_, len(data))
    found = np.zeros(len(data), np.bool_)
    if data.dtype.kind in "fc":
        found = np.isnan(data)
    elif data.dtype.kind in "mM":
        found = np.isnat(data)
    return found if column.missing is None else found | column.missing


def _is_none(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)  # noqa: PLR0124 - only NaN isn't itself
    return isinstance(value, np.datetime64 | np.timedelta64) and bool(np.isnat(value))


def numbers_of(samples: Samples, name: str, column: Column) -> tuple[FloatArray, BoolArray]:
    """Take a field's values as numbers.

    Returns:
        The numbers, NaN where one is missing, and where that is; both of shape (n,).

    Raises:
        OpError: a value is neither a number nor missing; it names the first.
    """
    missing = is_missing(column)
    data = column.data
    if data.ndim == 1 and data.dtype.kind in "iuf" and data.dtype.char != "g":
        numbers = data.astype(np.float64)
        numbers[missing] = np.nan
        return numbers, missing
    numbers = np.full(len(data), np.nan)
    for index, value in enumerate(column.values()):
        if missing[index]:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise samples.wrong(
                index,
                f"has a value of type {type(value).__name__} in field {name!r}, wanted a number or nothing",
                f"Make numbers of the field before: cast({{{name!r}: 'float'}}).",
            )
        try:
            numbers[index] = float(value)
        except OverflowError:
            raise samples.wrong(
                index,
                f"has a number in field {name!r} that no float holds",
                "Make smaller numbers of the field before, by with_columns or map.",
            ) from None
    return numbers, missing


def as_floats(column: Column, numbers: FloatArray) -> Column:
    """Put numbers in the place of those of a column that aren't missing, as floats of the column's kind."""
    data = column.data
    if data.ndim == 1 and data.dtype.kind in "iuf" and data.dtype.char != "g":
        if column.native:
            return Column(numbers, missing=column.missing)
        kind = data.dtype if data.dtype.kind == "f" else np.dtype(np.float64)
        with np.errstate(over="ignore"):
            return Column(numbers.astype(kind), missing=column.missing, native=False)
    pairs = zip(column.values(), numbers.tolist(), strict=True)
    return Column.of([value if _is_none(value) else float_like(value, number) for value, number in pairs])


def float_like(value: Any, number: float) -> Any:
    """Make a float of the kind of a value: Python's, or of the value's own type where that is NumPy's."""
    with np.errstate(over="ignore"):
        if isinstance(value, np.floating):
            return type(value)(number)
        return np.float64(number) if isinstance(value, np.integer) else float(number)


def replaced(column: Column, places: BoolArray, numbers: FloatArray) -> Column:
    """Put numbers where nothing was: floats, of the type of the NaN that stood there.

    Args:
        column: a column of floats.
        places: where, shape (n,).
        numbers: what, one for each row, shape (n,).
    """
    data = column.data
    if data.ndim == 1 and data.dtype.kind == "f" and _holds(column, places):
        filled = data.copy()
        with np.errstate(over="ignore"):
            filled[places] = numbers[places]
        missing = None if column.missing is None else column.missing & ~places
        return Column(filled, missing=missing, native=column.native)
    values = column.values()
    for place in np.flatnonzero(places).tolist():
        values[place] = float_like(values[place], float(numbers[place]))
    return Column.of(values)


def _holds(column: Column, places: BoolArray) -> bool:
    """Whether a number of the column's own type belongs in all of the places."""
    if column.native:
        return bool(column.data.dtype == np.float64)
    return column.missing is None or not (column.missing & places).any()
