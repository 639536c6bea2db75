"""Conditions on runs, as values: what is asked of a run's fields, however it was written.

A field is one of the run's own, or a key of its parameters, metrics or tags; `model`, `artifact` and
`source` have as many values as the run has such things, and a condition holds where it does for one of
them. A run without the field matches no comparison, so that `!=` asks for another value and `Not` for
another or none. `selecting` asks the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = bool | int | float | str | None
Sign = Literal["=", "!=", "<", "<=", ">", ">=", "like", "contains", "exists"]

TEXT_FIELDS = ("id", "name", "title", "status")
TIME_FIELDS = ("started_at", "ended_at")
PLAIN_FIELDS = (*TEXT_FIELDS, *TIME_FIELDS, "duration_s")
KEYED_FIELDS = ("params", "metrics", "tags")
NAMED_FIELDS = ("model", "artifact", "source")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a run.

    Args:
        group: params, metrics, tags, or the field itself.
        key: the key in its group; empty where the group is the field.
    """

    group: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.group}.{self.key}" if self.group in KEYED_FIELDS else self.group


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison.

    Args:
        field: what is compared.
        sign: how.
        value: what it is compared with; of a time the microseconds since 1970.
        text: the value as it was written, where it was a bare word or number: it stands for the text too.
    """

    field: Field
    sign: Sign
    value: Scalar = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class All:
    """Each part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part doesn't hold."""

    part: Condition


Condition = Comparison | All | Some | Not


@dataclass(frozen=True, slots=True)
class Order:
    """A field by which runs are sorted; those without it are last either way."""

    field: Field
    descending: bool = False
