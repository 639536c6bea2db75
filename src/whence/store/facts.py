"""Facts: what a condition can ask of a run's parameters, metrics and tags, each with a name and a kind.

A nested value has the name of its path, `model.depth`; a key that has this name as it is comes before. Text
is kept as bytes, so that its order is that of code points whatever it holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from whence.store.conditions import KEYED_FIELDS

NUMBER = 0
TEXT = 1
TRUTH = 2
NONE = 3
OTHER = 4
"""A list, a dict, or a number that isn't one: nothing is equal to it."""

_INT64 = range(-(1 << 63), 1 << 63)

Stored = int | float | bytes | None


class Fact(NamedTuple):
    """One value: of which group, under which name, of which kind, as the catalog keeps it."""

    group: str
    name: str
    kind: int
    value: Stored


def facts_of(summary: Mapping[str, Any]) -> list[Fact]:
    """List the facts of a run's summary, each name once."""
    return [
        Fact(group, name, *stored(value))
        for group in KEYED_FIELDS
        for name, value in _named(summary[group]).items()
    ]


def stored(value: Any) -> tuple[int, Stored]:
    """Tell the kind of a value, and spell it for the catalog."""
    if value is None:
        return NONE, None
    if isinstance(value, bool):
        return TRUTH, int(value)
    if isinstance(value, int):
        return NUMBER, value if value in _INT64 else float(value)
    if isinstance(value, float) and not math.isnan(value):
        return NUMBER, value
    if isinstance(value, str):
        return TEXT, spelled(value)
    return OTHER, None


def spelled(text: str) -> bytes:
    """Spell a text, whatever it holds."""
    return text.encode("utf-8", "surrogatepass")


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give all values by the names by which they are found; what lies less deep comes first."""
    found: dict[str, Any] = {}
    level = [("", values)]
    while level:
        below: list[tuple[str, Mapping[str, Any]]] = []
        for before, held in level:
            for key, value in _texts(held):
                found.setdefault(before + key, value)
                if isinstance(value, Mapping) and "." not in key:
                    below.append((f"{before}{key}.", value))
        level = below
    return found


def _texts(held: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in held.items() if isinstance(key, str))
