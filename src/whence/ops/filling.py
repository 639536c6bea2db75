"""Filling: values in the place of those that are missing; constants, or what a fit has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar

import numpy as np

from whence.errors import PlanError
from whence.ops.chunk import Chunk
from whence.ops.fields import FieldOp, Fitted, Samples, check_fitted, is_unknown
from whence.ops.numbers import BoolArray, as_floats, float_like, is_missing, numbers_of, replaced
from whence.vocab import Column, plain

_INT64 = range(-(1 << 63), 1 << 63)
_NEAR = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class FillMissing(FieldOp):
    """Give fields a value where theirs is missing (None, or a float that is NaN), 1 -> 1.

    With the mean or the median all numbers of the field become floats, so that its type doesn't depend on
    what is missing. A NaN of a type of NumPy's is replaced by a number of that type.

    Args:
        params: constants by field.
        learned: "mean" or "median" by field, taken from a fit.
    """

    kind: ClassVar[str] = "fill_missing"

    params: Mapping[str, Any] = field(default_factory=dict)
    learned: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {
            "params": {name: plain(value) for name, value in self.params.items()},
            "learned": dict(self.learned),
        }

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Fill what is missing."""
        samples.check_fields([*self.params, *self.learned])
        made: dict[str, Column] = {}
        for name, value in self.params.items():
            column = samples.column(name)
            missing = is_missing(column)
            if missing.any():
                made[name] = _filled(column, missing, value)
        for name, statistic in self.learned.items():
            number = check_fitted(samples, fitted, name)[statistic]
            column = samples.column(name)
            numbers, missing = numbers_of(samples, name, column)
            made[name] = replaced(as_floats(column, numbers), missing, np.full(len(numbers), number))
        return samples.with_columns(made)


def _filled(column: Column, missing: BoolArray, value: Any) -> Column:
    """Put a constant in all places where a value is missing."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    kind = column.data.dtype.kind
    if is_number and kind == "f" and (type(value) is float or column.missing is None):
        return replaced(column, missing, np.full(len(missing), float(value)))
    if type(value) is int and column.native and column.data.dtype == np.int64 and value in _INT64:
        filled = column.data.copy()
        filled[missing] = value
        return Column(filled)
    values = column.values()
    for place in np.flatnonzero(missing).tolist():
        was = values[place]
        values[place] = (
            float_like(was, value) if is_number and isinstance(was, float | np.floating) else value
        )
    return Column.of(values)


def check_constant(name: str, value: Any, hows: Sequence[str]) -> None:
    """Refuse constants that can't be recorded, or that are probably meant otherwise.

    Raises:
        PlanError: it isn't one, or it is nearly a word that means something else.
    """
    if value is None or callable(value) or value != value:  # noqa: PLR0124 - only NaN isn't itself
        raise PlanError(
            f"fill_missing({name!r}): wanted a value or one of {', '.join(hows)}, got {value!r:.40}",
            remedy="Use with_columns for values that a function makes.",
        )
    near = get_close_matches(value.lower(), hows, n=1, cutoff=_NEAR) if isinstance(value, str) else []
    if near:
        raise PlanError(
            f"fill_missing({name!r}, {value!r}): did you mean {near[0]!r}?",
            remedy="If the text itself is meant, write it by with_columns or map.",
        )
    if is_unknown(plain(value)):
        raise PlanError(
            f"fill_missing({name!r}): a {type(value).__name__} can't be recorded as a constant",
            remedy="Use with_columns or map.",
        )
