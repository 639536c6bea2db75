"""Fit: what is learned of the fields of all samples, before the first one that needs it is made."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from whence.capture import memory_budget_bytes
from whence.lineage import Fitted as FittedMapping
from whence.lineage import Mapping as Relation
from whence.lineage import SelectionIndex
from whence.ops.chunk import Chunk
from whence.ops.fields import Samples, check_names
from whence.ops.numbers import is_missing, numbers_of
from whence.ops.op import Context, Input, MappingKind, Op, Recorded
from whence.ops.spill import Spill
from whence.ops.statistics import Extremes, Moments, Quantiles

Statistic = Literal["mean", "median", "standard", "minmax", "robust", "quantiles", "categories"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

_QUARTERS = (0.25, 0.5, 0.75)
CATEGORIES_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit(Op):
    """Learn something of fields, of all samples that have a value there: one output for each field.

    Read to its end before what needs it gives its first sample, once in each pass. Each output is a dict:
    `field`, `count` (of how many samples it was learned) and `values`, which are None where there was no
    value at all. Statistics are those of exact arithmetic, rounded once: they depend neither on the order of
    the samples nor on how many come at once.

    Args:
        statistics: what is learned of each field: "mean"; "median"; "standard" (mean, and std, the
            root of the mean square distance from it); "minmax" (min, max); "robust" (median and iqr, the
            distance of the quartiles); "quantiles" (lower, upper); or "categories" (its different values,
            sorted).
        shares: which quantiles.
        known: what was learned before, for a replay; then nothing is read.
    """

    kind: ClassVar[str] = "fit"
    mapping_kind: ClassVar[MappingKind] = "fit"
    learns: ClassVar[bool] = True

    statistics: Mapping[str, Statistic] = field(default_factory=dict)
    shares: tuple[float, float] = (0.05, 0.95)
    known: tuple[Mapping[str, Any], ...] | None = None

    def __post_init__(self) -> None:
        check_names(list(self.statistics), self.label or "fit")
        object.__setattr__(self, "shares", tuple(self.shares))

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"statistics": dict(self.statistics)}
        if "quantiles" in self.statistics.values():
            found["shares"] = list(self.shares)
        return found

    def out_size(self, sizes: Sequence[int]) -> int:
        """One for each field."""
        return len(self.statistics)

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The samples that each field's values were learned of."""
        masks = recorded if isinstance(recorded, SelectionIndex) else SelectionIndex([], [], [])
        return [FittedMapping(masks, len(self.statistics))]

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Read all samples and say what was learned."""
        if self.known is not None:
            yield _as_chunk(self.known)
            return
        budget = memory_budget_bytes() // len(self.statistics)
        with Spill(label=self.label, name_origin=context.name_origin) as spill:
            learners = {
                name: _LEARNERS[statistic](name, spill, budget, self.shares)
                for name, statistic in self.statistics.items()
            }
            self._read(inputs[0], learners, context)
            began = time.perf_counter_ns()
            found = [
                {"field": name, "count": learner.count, "values": learner.values() if learner.count else None}
                for name, learner in learners.items()
            ]
            context.recorder.spent(time.perf_counter_ns() - began, 0, len(found))
        context.recorder.fitted(found)
        yield _as_chunk(found)

    def _read(self, upstream: Input, learners: Mapping[str, Learner], context: Context) -> None:
        position = context.first
        for chunk in upstream.scan():
            began = time.perf_counter_ns()
            count = len(chunk)
            end = position + count
            samples = Samples(
                op=self, chunk=chunk, positions=np.arange(position, end, dtype=np.int64), context=context
            )
            samples.check_fields(list(learners))
            used = np.empty((count, len(learners)), np.bool_)
            for number, learner in enumerate(learners.values()):
                used[:, number] = learner.learn(samples)
            context.recorder.selected(None if used.all() else used.ravel(), used.size)
            context.recorder.spent(time.perf_counter_ns() - began, count, 0)
            position = end


def _as_chunk(found: Sequence[Mapping[str, Any]]) -> Chunk:
    return Chunk(
        [dict(each) for each in found], np.zeros(len(found), np.uint64), np.zeros(len(found), np.int64)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOf(Fit):
    """A fit on the samples of another stream than the one that uses it."""

    kind: ClassVar[str] = "fit_of"

    def reason(self) -> str:
        """Why nothing was learned of a sample, which goes nowhere else."""
        return f"no value of {' or '.join(self.statistics)} to learn of"


class Learner(ABC):
    """Learns of one field."""

    def __init__(self, name: str, spill: Spill, budget_bytes: int, shares: tuple[float, float]) -> None:
        self.name = name
        self.count = 0

    @abstractmethod
    def learn(self, samples: Samples) -> BoolArray:
        """Take some more samples, and say which of them have a value."""

    @abstractmethod
    def values(self) -> dict[str, Any]:
        """Say what was learned; at least one sample had a value."""


class _OfNumbers(Learner):
    def learn(self, samples: Samples) -> BoolArray:
        numbers, missing = numbers_of(samples, self.name, samples.column(self.name))
        used = ~missing
        taken = numbers if used.all() else numbers[used]
        if len(taken):
            self.check(samples, numbers)
            self.take(taken)
            self.count += len(taken)
        return used

    def check(self, samples: Samples, numbers: FloatArray) -> None:
        """Refuse numbers that nothing can be learned of."""

    @abstractmethod
    def take(self, numbers: FloatArray) -> None:
        """Take some more numbers, at least one."""


class _Moments(_OfNumbers):
    squares = False

    def __init__(self, name: str, spill: Spill, budget_bytes: int, shares: tuple[float, float]) -> None:
        super().__init__(name, spill, budget_bytes, shares)
        self.moments = Moments(squares=self.squares)

    def check(self, samples: Samples, numbers: FloatArray) -> None:
        infinite = np.isinf(numbers)
        if infinite.any():
            raise samples.wrong(
                int(infinite.argmax()),
                f"has an infinite number in field {self.name!r}, of which there is no mean",
                "Filter such samples, or use the median, robust scaling or winsorize before.",
            )

    def take(self, numbers: FloatArray) -> None:
        self.moments.add(numbers)


class _Mean(_Moments):
    def values(self) -> dict[str, Any]:
        return {"mean": self.moments.mean()}


class _Standard(_Moments):
    squares = True

    def values(self) -> dict[str, Any]:
        return {"mean": self.moments.mean(), "std": self.moments.deviation()}


class _Extremes(_OfNumbers):
    def __init__(self, name: str, spill: Spill, budget_bytes: int, shares: tuple[float, float]) -> None:
        super().__init__(name, spill, budget_bytes, shares)
        self.extremes = Extremes()

    def take(self, numbers: FloatArray) -> None:
        self.extremes.add(numbers)

    def values(self) -> dict[str, Any]:
        return {"min": self.extremes.least, "max": self.extremes.greatest}


class _Ordered(_OfNumbers):
    def __init__(self, name: str, spill: Spill, budget_bytes: int, shares: tuple[float, float]) -> None:
        super().__init__(name, spill, budget_bytes, shares)
        self.quantiles = Quantiles(budget_bytes=budget_bytes, spill=spill)
        self.shares = shares

    def take(self, numbers: FloatArray) -> None:
        self.quantiles.add(numbers)


class _Median(_Ordered):
    def values(self) -> dict[str, Any]:
        return {"median": self.quantiles.at([0.5])[0]}


class _Robust(_Ordered):
    def values(self) -> dict[str, Any]:
        first, median, third = self.quantiles.at(_QUARTERS)
        return {"median": median, "iqr": third - first}


class _Quantiles(_Ordered):
    def values(self) -> dict[str, Any]:
        lower, upper = self.quantiles.at(self.shares)
        return {"lower": lower, "upper": upper}


class _Categories(Learner):
    def __init__(self, name: str, spill: Spill, budget_bytes: int, shares: tuple[float, float]) -> None:
        super().__init__(name, spill, budget_bytes, shares)
        self.found: set[Any] = set()
        self.kind: type | None = None

    def learn(self, samples: Samples) -> BoolArray:
        column = samples.column(self.name)
        used = ~is_missing(column)
        values = column.values()
        if not self._learn_quickly(values):
            for index in np.flatnonzero(used).tolist():
                value = values[index]
                value = value.item() if isinstance(value, np.generic) else value
                if type(value) is not self.kind:
                    self._check_kind(samples, index, value)
                self.found.add(value + 0.0 if type(value) is float else value)  # there are two zeros
                if len(self.found) > CATEGORIES_LIMIT:
                    raise samples.wrong(
                        index,
                        f"has the {CATEGORIES_LIMIT + 1:,}th different value of field {self.name!r}",
                        "Name the categories that matter: one_hot(..., categories=[...]).",
                    )
        self.count += int(used.sum())
        return used

    def _learn_quickly(self, values: list[Any]) -> bool:
        """Take values that are all of the one type and few; say whether they are."""
        if self.kind in (None, float) or not set(map(type, values)) <= {self.kind, type(None)}:
            return False
        fresh = set(values) - self.found - {None}
        if len(self.found) + len(fresh) > CATEGORIES_LIMIT:
            return False
        self.found |= fresh
        return True

    def _check_kind(self, samples: Samples, index: int, value: Any) -> None:
        if type(value) not in (str, int, bool, float, bytes):
            raise samples.wrong(
                index,
                f"has a value of type {type(value).__name__} in field {self.name!r}, which is no category",
                "Make text or whole numbers of the field before, by cast, with_columns or map.",
            )
        if self.kind is not None:
            raise samples.wrong(
                index,
                f"has a value of type {type(value).__name__} in field {self.name!r}, "
                f"those before {self.kind.__name__}",
                f"Give the field one type before: cast({{{self.name!r}: 'str'}}).",
            )
        self.kind = type(value)

    def values(self) -> dict[str, Any]:
        return {"categories": sorted(self.found)}


_LEARNERS: dict[str, type[Learner]] = {
    "mean": _Mean,
    "median": _Median,
    "standard": _Standard,
    "minmax": _Extremes,
    "robust": _Robust,
    "quantiles": _Quantiles,
    "categories": _Categories,
}
