"""One-hot: a field's categories as fields of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from whence.errors import PlanError
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.fields import FieldOp, Fitted, Samples, check_fitted, check_names
from whence.ops.numbers import is_missing
from whence.ops.op import Function
from whence.vocab import Column, Columns, as_dicts

Unknown = Literal["zeros", "error"]

_KINDS = (str, int, bool, float, bytes)
_MISSING, _UNKNOWN = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHot(FieldOp):
    """Put a field for each category in the place of a field, 1 -> 1.

    It is 1 for the sample's own category and 0 for the others. A new field is called by the field and the
    category: `species_Adelie`. A missing value has no category: all are 0.

    Args:
        names: the fields.
        categories: by field the categories in order; of the other fields a fit learns them.
        unknown: what to do with a value that is no category: "zeros", all fields are 0, and it is
            counted; or "error".
    """

    kind: ClassVar[str] = "one_hot"

    names: tuple[str, ...]
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    unknown: Unknown = "zeros"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", check_names(list(self.names), "one_hot"))
        if self.unknown not in ("zeros", "error"):
            raise PlanError(
                f"one_hot(unknown={self.unknown!r:.40}): wanted 'zeros' or 'error'",
                remedy="Use unknown='error' to stop at a value that is no category.",
            )
        for name, given in self.categories.items():
            if name not in self.names:
                raise PlanError(
                    f"one_hot: categories for {name!r}, which isn't among the fields", remedy="Name it too."
                )
            _check_categories(name, given)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        given = {name: list(found) for name, found in self.categories.items()}
        return {"names": list(self.names), "params": given, "unknown": self.unknown}

    @classmethod
    def restored(cls, label: str, parameters: Mapping[str, Any], functions: Mapping[str, Function]) -> Self:
        """Make it again of what the record says; for its mapping only, without the categories."""
        return cls(
            label=label,
            names=tuple(parameters["names"]),
            categories=parameters.get("params", {}),
            unknown=parameters["unknown"],
        )

    @property
    def learned(self) -> tuple[str, ...]:
        """The fields whose categories aren't given."""
        return tuple(name for name in self.names if name not in self.categories)

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Put the fields in their places."""
        samples.check_fields(self.names)
        made: dict[str, dict[str, Column]] = {}
        for name in self.names:
            given = self.categories.get(name)
            categories = check_fitted(samples, fitted, name)["categories"] if given is None else given
            numbers = self._numbers(samples, name, categories)
            made[name] = {
                f"{name}_{category}": Column((numbers == number).astype(np.int64))
                for number, category in enumerate(categories)
            }
        return _in_place(samples, made)

    def _numbers(self, samples: Samples, name: str, categories: Sequence[Any]) -> Int64Array:
        """Find the number of each sample's category."""
        column = samples.column(name)
        missing = is_missing(column)
        number_by_value = {category: number for number, category in enumerate(categories)}
        found = np.empty(len(missing), np.int64)
        for index, value in enumerate(column.values()):
            try:
                found[index] = number_by_value.get(value, _UNKNOWN)
            except TypeError:  # a list, an array: nothing that could be a category
                found[index] = _UNKNOWN
        found[missing] = _MISSING
        unknown = found == _UNKNOWN
        if unknown.any():
            if self.unknown == "error":
                raise samples.wrong(
                    int(unknown.argmax()),
                    f"has a value in field {name!r} that is none of its {len(categories)} categories",
                    "Name the category too, fit on samples that have it, or use unknown='zeros'.",
                )
            samples.context.recorder.noticed(f"{name} of no known category", int(unknown.sum()))
        return found


def _check_categories(name: str, given: Any) -> None:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise PlanError(
            f"one_hot: the categories of {name!r} are {given!r:.40}, wanted a list",
            remedy="Write ['a', 'b'].",
        )
    for category in given:
        if type(category) not in _KINDS or category != category:  # noqa: PLR0124 - only NaN isn't itself
            raise PlanError(
                f"one_hot: {category!r:.40} can't be a category of {name!r}",
                remedy="Use text or whole numbers of Python's own.",
            )
    labels = list(map(str, given))
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice or len(set(given)) < len(given):
        shown = ", ".join(twice) or repr(given)
        raise PlanError(
            f"one_hot: categories of {name!r} would have the same field: {shown:.80}",
            remedy="Give each category once, all of one type.",
        )


def _in_place(samples: Samples, made: Mapping[str, Mapping[str, Column]]) -> Chunk:
    """Put columns in the place of fields."""
    chunk = samples.chunk
    labels = [label for columns in made.values() for label in columns]
    fresh = set(labels) - made.keys()
    if chunk.columns is not None:
        _check_free(samples, 0, chunk.columns.by_name, labels, fresh)
        columns: dict[str, Column] = {}
        for name, column in chunk.columns.by_name.items():
            columns.update(made.get(name, {name: column}))
        return Chunk.of_columns(Columns(columns, count=len(chunk)), chunk.ids, chunk.origins)
    by_name = {
        name: as_dicts(list(new), [column.values() for column in new.values()]) for name, new in made.items()
    }
    rows: list[dict[str, Any]] = []
    for index, row in enumerate(chunk.values):
        _check_free(samples, index, row, labels, fresh)
        new: dict[str, Any] = {}
        for name, value in row.items():
            if name in by_name:
                new.update(by_name[name][index])
            else:
                new[name] = value
        rows.append(new)
    return Chunk(rows, chunk.ids, chunk.origins)


def _check_free(
    samples: Samples, index: int, row: Mapping[str, Any], labels: Sequence[str], fresh: set[str]
) -> None:
    """Refuse new fields that a sample has already, or would have twice."""
    if len(set(labels)) == len(labels) and fresh.isdisjoint(row):
        return
    taken = sorted({label for label in labels if label in row or labels.count(label) > 1})
    raise samples.wrong(
        index,
        f"has a field {', '.join(map(repr, taken[:5]))} already, or would have it twice",
        "Rename or drop it before.",
    )
