"""Cast: the values of fields as another type, or an error; nothing is cut off without a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from whence.errors import PlanError
from whence.ops.chunk import Chunk
from whence.ops.fields import FieldOp, Fitted, Samples, check_names
from whence.ops.numbers import is_missing
from whence.vocab import Column

_TRUE = frozenset(("true", "yes", "1"))
_FALSE = frozenset(("false", "no", "0"))
_REMEDY = "Correct the value before, by map or with_columns; fill_missing gives what is missing a value."


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast(FieldOp):
    """Make the values of fields another type, 1 -> 1; a missing value (None) stays missing.

    A value that the type can't hold is an error that names the sample: text that isn't a number, a
    fraction or NaN as an integer, a number too large. Only what a float rounds is rounded.

    Args:
        types: for each field "int", "float", "str" or "bool", which are Python's own, or the name of a type
            of NumPy: "int32", "float32", "uint8", "bool_", "datetime64[D]" and the like. As "bool" text must
            be true, false, yes, no, 1 or 0, in any case.
    """

    kind: ClassVar[str] = "cast"

    types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(list(self.types), "cast")
        for name, wanted in self.types.items():
            if not isinstance(wanted, str) or not (wanted in _PYTHON or _numpy_type(wanted) is not None):
                raise PlanError(
                    f"cast({{{name!r}: {wanted!r:.40}}}): wanted the name of a type",
                    remedy="Use 'int', 'float', 'str', 'bool' or one of NumPy's: 'int8', 'datetime64[D]'.",
                )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"types": dict(self.types)}

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Cast the fields."""
        samples.check_fields(list(self.types))
        made = {name: _cast(samples, name, wanted) for name, wanted in self.types.items()}
        return samples.with_columns(made)


def _numpy_type(wanted: str) -> np.dtype[Any] | None:
    try:
        found = np.dtype(wanted)
    except TypeError:
        return None
    usable = found.kind in "biuf" or (found.kind in "mM" and np.datetime_data(found)[0] != "generic")
    return found.newbyteorder("=") if usable and found.char != "g" else None


def _cast(samples: Samples, name: str, wanted: str) -> Column:
    column = samples.column(name)
    found = _cast_quickly(column, wanted)
    if found is not None:
        return found
    convert = _PYTHON.get(wanted) or _converter(np.dtype(wanted).newbyteorder("="))
    values = column.values()
    missing = is_missing(column)
    for index, value in enumerate(values):
        if value is None:
            continue
        try:
            values[index] = convert(value)
        except (TypeError, ValueError, OverflowError):
            what = "it is NaN" if missing[index] else f"the {type(value).__name__} there can't be one"
            raise samples.wrong(
                index, f"can't have its field {name!r} cast to {wanted}: {what}", _REMEDY
            ) from None
    return Column.of(values)


def _cast_quickly(column: Column, wanted: str) -> Column | None:
    """Cast all at once between numbers, where each is certain to be what it would be by itself."""
    data = column.data
    if data.ndim != 1 or data.dtype.kind not in "iuf" or data.dtype.char == "g" or column.missing is not None:
        return None
    if wanted == "float":
        return Column(data.astype(np.float64))
    kind = np.dtype(np.int64) if wanted == "int" else None if wanted in _PYTHON else np.dtype(wanted)
    if kind is None or kind.kind not in "iuf":
        return None
    if not _fits(data, kind):
        return None  # one by one, to say which
    if kind.kind == "f":
        data = data.astype(np.float64)  # as one by one: rounded twice is not always rounded once
    return Column(data.astype(kind.newbyteorder("=")), native=wanted == "int")


def _fits(data: NDArray[Any], kind: np.dtype[Any]) -> bool:
    if not data.size:
        return True
    if kind.kind == "f":
        if data.dtype.kind != "f":
            return kind.itemsize >= 4  # no integer of 64 bits is too large for a float of 32
        with np.errstate(over="ignore"):
            return bool((np.isfinite(data.astype(kind)) == np.isfinite(data)).all())
    if data.dtype.kind == "f" and not (np.isfinite(data).all() and (data == np.trunc(data)).all()):
        return False
    limits = np.iinfo(kind)
    return limits.min <= int(data.min()) and int(data.max()) <= limits.max


# what one value becomes; each raises TypeError, ValueError or OverflowError


def _to_int(value: Any) -> int:
    if isinstance(value, float | np.floating):
        if not float(value).is_integer():
            raise ValueError
        return int(value)
    if isinstance(value, str | int | np.integer | np.bool_):
        return int(value)
    raise TypeError


def _to_float(value: Any) -> float:
    if isinstance(value, str | int | float | np.integer | np.floating | np.bool_):
        return float(value)
    if hasattr(value, "as_integer_ratio"):  # Decimal and Fraction
        return float(value)
    raise TypeError


def _to_str(value: Any) -> str:
    if value != value:  # noqa: PLR0124 - only NaN and NaT aren't themselves
        raise ValueError
    return value.decode() if isinstance(value, bytes) else str(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError
        return word in _TRUE
    if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
        raise TypeError
    if value != value:  # noqa: PLR0124 - only NaN isn't itself
        raise ValueError
    return bool(value)


_PYTHON: dict[str, Callable[[Any], Any]] = {
    "int": _to_int,
    "float": _to_float,
    "str": _to_str,
    "bool": _to_bool,
}


def _converter(kind: np.dtype[Any]) -> Callable[[Any], Any]:
    """Find what makes one value of a type of NumPy."""
    if kind.kind == "b":
        return lambda value: np.bool_(_to_bool(value))
    if kind.kind in "iu":
        limits = np.iinfo(kind)

        def to_integer(value: Any) -> Any:
            found = _to_int(value)
            if not limits.min <= found <= limits.max:
                raise OverflowError
            return kind.type(found)

        return to_integer
    if kind.kind == "f":
        return lambda value: _to_numpy_float(kind, value)
    return lambda value: _to_numpy_time(kind, value)


def _to_numpy_float(kind: np.dtype[Any], value: Any) -> Any:
    number = value if isinstance(value, np.floating) else _to_float(value)
    with np.errstate(over="ignore"):
        found = kind.type(number)
    if np.isinf(found) and not np.isinf(number):
        raise OverflowError
    return found


def _to_numpy_time(kind: np.dtype[Any], value: Any) -> Any:
    if isinstance(value, float | np.floating | np.integer | np.bool_ | bool) or getattr(
        value, "tzinfo", None
    ):
        raise TypeError
    parsed = kind.type(value)
    found = parsed.astype(kind)
    if found != parsed:  # NaT, or a time that the unit cuts off
        raise ValueError
    return found
