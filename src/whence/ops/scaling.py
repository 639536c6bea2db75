"""Scaling: numbers brought to a common measure, or within limits, by what a fit has learned of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from whence.errors import PlanError
from whence.ops.chunk import Chunk
from whence.ops.fields import FieldOp, Fitted, Samples, check_fitted, check_names
from whence.ops.numbers import FloatArray, as_floats, numbers_of
from whence.vocab import Column

Scale = Literal["standard", "minmax", "robust"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalize(FieldOp):
    """Move and scale the numbers of fields, 1 -> 1; what is missing stays missing.

    Args:
        names: the fields.
        how: "standard", (x - mean) / std; "minmax", (x - min) / (max - min); or "robust",
            (x - median) / iqr. Where all numbers are the same, they are only moved.
    """

    kind: ClassVar[str] = "normalize"

    names: tuple[str, ...]
    how: Scale = "standard"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", check_names(list(self.names), "normalize"))
        if self.how not in _MEASURES:
            raise PlanError(
                f"normalize(how={self.how!r:.40}): wanted one of {', '.join(_MEASURES)}",
                remedy='Write normalize("mass", how="robust"), for example.',
            )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"names": list(self.names), "how": self.how}

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Move and scale."""
        return _worked_on(samples, self.names, fitted, _MEASURES[self.how])


@dataclass(frozen=True, slots=True, kw_only=True)
class Winsorize(FieldOp):
    """Bring numbers of fields that are outside two of their quantiles to these, 1 -> 1.

    What is missing stays missing; all numbers of the fields become floats.

    Args:
        names: the fields.
        lower: the lower quantile, 0 to 1.
        upper: the upper one.
    """

    kind: ClassVar[str] = "winsorize"

    names: tuple[str, ...]
    lower: float = 0.05
    upper: float = 0.95

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", check_names(list(self.names), "winsorize"))
        for share in (self.lower, self.upper):
            is_number = isinstance(share, int | float) and not isinstance(share, bool)
            if not is_number or not 0 <= share <= 1:
                raise PlanError(
                    f"winsorize: {share!r:.40} is no quantile, wanted 0 to 1",
                    remedy="Write winsorize(..., lower=0.05, upper=0.95).",
                )
        if self.lower >= self.upper:
            raise PlanError(
                f"winsorize(lower={self.lower!r}, upper={self.upper!r}): the lower must be below the upper",
                remedy="Exchange them.",
            )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"names": list(self.names), "lower": float(self.lower), "upper": float(self.upper)}

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Bring them within."""
        return _worked_on(samples, self.names, fitted, _within)


def _worked_on(
    samples: Samples,
    names: tuple[str, ...],
    fitted: Fitted,
    work: Callable[[FloatArray, Mapping[str, Any]], FloatArray],
) -> Chunk:
    samples.check_fields(names)
    made: dict[str, Column] = {}
    for name in names:
        learned = check_fitted(samples, fitted, name)
        if not all(map(math.isfinite, learned.values())) and work is not _within:
            raise samples.wrong(
                0,
                f"can't be scaled: what was learned of field {name!r} isn't finite",
                "Winsorize the field before, or filter the infinite numbers.",
            )
        column = samples.column(name)
        numbers, _ = numbers_of(samples, name, column)
        with np.errstate(over="ignore", invalid="ignore"):
            made[name] = as_floats(column, work(numbers, learned))
    return samples.with_columns(made)


def _standard(numbers: FloatArray, learned: Mapping[str, Any]) -> FloatArray:
    return _scaled(numbers, learned["mean"], learned["std"])


def _minmax(numbers: FloatArray, learned: Mapping[str, Any]) -> FloatArray:
    return _scaled(numbers, learned["min"], learned["max"] - learned["min"])


def _robust(numbers: FloatArray, learned: Mapping[str, Any]) -> FloatArray:
    return _scaled(numbers, learned["median"], learned["iqr"])


def _scaled(numbers: FloatArray, centre: float, measure: float) -> FloatArray:
    scaled: FloatArray = (numbers - centre) / (measure or 1.0)
    return scaled


def _within(numbers: FloatArray, learned: Mapping[str, Any]) -> FloatArray:
    lower, upper = learned["lower"], learned["upper"]
    # which of two zeros `minimum` gives depends on where in an array they stand; this doesn't
    return np.where(numbers < lower, lower, np.where(numbers > upper, upper, numbers))


_MEASURES: dict[str, Callable[[FloatArray, Mapping[str, Any]], FloatArray]] = {
    "standard": _standard,
    "minmax": _minmax,
    "robust": _robust,
}
