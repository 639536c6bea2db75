"""Operations that gather samples, and take apart what was gathered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracle.functions import beside, length_of, ranked, ranked_columns, small, summed, together
from tests.oracle.marks import is_missing, native
from tests.oracle.operations.operation import Operation
from whence.streams import Stream

KEYS: dict[str, Callable[[Any], Any]] = {"v": lambda row: row["v"], "small": small}
"""Keys by name: a field, or a function."""


def key_of(name: str) -> str | Callable[[Any], Any]:
    """A key as a stream takes it."""
    return "v" if name == "v" else KEYS[name]


def batched(values: list[Any], size: int, drop_last: bool) -> list[list[Any]]:
    """Gather consecutive ones."""
    groups = [values[start : start + size] for start in range(0, len(values), size)]
    return [group for group in groups if len(group) == size or not drop_last]


def stacked(group: list[dict[str, Any]]) -> dict[str, Any]:
    """Put rows into columns: numbers into an array of numbers, all else into one of objects."""
    return {name: _column([row[name] for row in group]) for name in group[0]}


def _column(values: list[Any]) -> Any:
    if all(isinstance(value, int | float | np.generic) for value in values):
        return np.array(values)
    found = np.empty(len(values), object)
    for place, value in enumerate(values):
        found[place] = value
    return found


def taken_apart(batch: Any) -> list[Any]:
    """The items of a batch."""
    if isinstance(batch, dict):
        return [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
    return list(batch)


def windows(values: list[Any], size: int, step: int, drop_last: bool) -> list[list[Any]]:
    """The windows that begin at every so many; only the full ones, or those at the end too."""
    end = len(values) - size + 1 if drop_last else len(values)
    return [values[start : start + size] for start in range(0, end, step)]


def packed(values: list[Any], budget: int) -> list[list[Any]]:
    """Gather as many as fit."""
    packs: list[list[Any]] = []
    room = -1
    for value in values:
        room -= length_of(value)
        if room < 0:
            packs.append([])
            room = budget - length_of(value)
        packs[-1].append(value)
    return packs


def grouped(values: list[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Gather those with equal keys, in the order in which keys appear first."""
    groups: dict[Any, list[Any]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups


NAMED: dict[str, tuple[str, str] | str] = {
    "n": "size",
    "total": ("v", "sum"),
    "highest": ("v", "max"),
    "y": ("y", "mean"),
    "measured": ("y", "count"),
    "lowest": ("y", "min"),
    "letters": ("c", "nunique"),
    "letter": ("c", "last"),
}
"""Aggregations of fields."""


def _named(key_name: str, key: Any, values: list[Any]) -> dict[str, Any]:
    ys = [value["y"] for value in values if not is_missing(value["y"])]
    letters = [value["c"] for value in values if value["c"] is not None]
    return {
        "v" if key_name == "v" else "key": key,
        "n": len(values),
        "total": sum(native(value["v"]) for value in values),
        "highest": max(value["v"] for value in values),
        "y": float(sum(ys)) / len(ys) if ys else None,
        "measured": len(ys),
        "lowest": min(ys) if ys else None,
        "letters": len(set(letters)),
        "letter": letters[-1] if letters else None,
    }


def _beside(named: Stream, stream: Stream, key_name: str) -> Stream:
    """Put rows that carry marks beside those of aggregations, which can't."""
    return named.zip(stream.group_by(key_of(key_name)).aggregate(summed), combine=beside)


GROUPS = {
    "ranked": Operation(
        chain=lambda s, _o, a, label: s.map_batches(ranked, size=a[0], name=label),
        hand=lambda s, _o, a: [row for group in batched(s, a[0], False) for row in ranked(group)],
    ),
    "ranked_columns": Operation(
        chain=lambda s, _o, a, label: s.map_batches(ranked_columns, size=a[0], form="columns", name=label),
        hand=lambda s, _o, a: [
            row for group in batched(s, a[0], False) for row in taken_apart(ranked_columns(stacked(group)))
        ],
    ),
    "batch_list": Operation(
        chain=lambda s, _o, a, _l: s.batch(a[0], drop_last=a[1], collate=list),
        hand=lambda s, _o, a: batched(s, *a),
        makes_one_of_one=False,
    ),
    "batch_stack": Operation(
        chain=lambda s, _o, a, _l: s.batch(a[0], drop_last=a[1]),
        hand=lambda s, _o, a: [stacked(group) for group in batched(s, *a)],
        makes_one_of_one=False,
    ),
    "batch_together": Operation(
        chain=lambda s, _o, a, _l: s.batch(a[0], drop_last=a[1], collate=together),
        hand=lambda s, _o, a: [together(group) for group in batched(s, *a)],
        makes_one_of_one=False,
    ),
    "unbatch": Operation(
        chain=lambda s, _o, _a, _l: s.unbatch(),
        hand=lambda s, _o, _a: [item for value in s for item in taken_apart(value)],
        can_drop=True,
        makes_one_of_one=False,
    ),
    "window_list": Operation(
        chain=lambda s, _o, a, _l: s.window(a[0], a[1], drop_last=a[2], collate=list),
        hand=lambda s, _o, a: windows(s, *a),
        can_drop=True,
        makes_one_of_one=False,
    ),
    "window_stack": Operation(
        chain=lambda s, _o, a, _l: s.window(a[0], a[1], drop_last=a[2]),
        hand=lambda s, _o, a: [stacked(group) for group in windows(s, *a)],
        can_drop=True,
        makes_one_of_one=False,
    ),
    "pack": Operation(
        chain=lambda s, _o, a, _l: s.pack(a[0], length_of),
        hand=lambda s, _o, a: packed(s, a[0]),
        makes_one_of_one=False,
    ),
    "sort": Operation(
        chain=lambda s, _o, a, _l: s.sort(key_of(a[0]), reverse=a[1]),
        hand=lambda s, _o, a: sorted(s, key=KEYS[a[0]], reverse=a[1]),
        makes_one_of_one=True,
        hands_on=True,
    ),
    "cache": Operation(
        chain=lambda s, _o, _a, _l: s.cache(),
        hand=lambda s, _o, _a: list(s),
        makes_one_of_one=True,
        hands_on=True,
    ),
    "aggregate": Operation(
        chain=lambda s, _o, a, label: s.group_by(key_of(a[0])).aggregate(summed),
        hand=lambda s, _o, a: [summed(*each) for each in grouped(s, KEYS[a[0]]).items()],
        makes_one_of_one=False,
    ),
    "group_samples": Operation(
        chain=lambda s, _o, a, label: s.group_by(key_of(a[0])).samples(),
        hand=lambda s, _o, a: list(grouped(s, KEYS[a[0]]).values()),
        makes_one_of_one=False,
    ),
    "aggregate_columns": Operation(
        chain=lambda s, _o, a, _l: _beside(s.group_by(key_of(a[0])).aggregate(**NAMED), s, a[0]),
        hand=lambda s, _o, a: [
            beside(_named(a[0], *each), summed(*each)) for each in grouped(s, KEYS[a[0]]).items()
        ],
        makes_one_of_one=False,
    ),
}
