"""Operations on single samples, and on their positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import whence as wh
from tests.oracle.functions import (
    chances,
    copies,
    drawn,
    fold,
    fragile,
    frail,
    grow,
    grow_inside,
    jitter,
    keeps,
    litter,
)
from tests.oracle.marks import number_of
from tests.oracle.operations.operation import Operation


def first_of_each(values: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    """Keep the first of equal ones."""
    kept: list[Any] = []
    keys: list[Any] = []
    for value in values:
        if key(value) not in keys:
            keys.append(key(value))
            kept.append(value)
    return kept


def whole(value: Any) -> Any:
    """A sample as something whose equality is that of type and content; NaN is NaN."""
    if isinstance(value, dict):
        return [(key, whole(value[key])) for key in sorted(value)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(whole, value)]
    return (type(value).__name__, repr(value) if isinstance(value, float) else value)


_DRAWS = {"dx": wh.draw.integers(-9, 10), "flip": wh.draw.coin()}

SINGLES = {
    "fold": Operation(
        chain=lambda s, _o, _a, label: s.map(fold, name=label),
        hand=lambda s, _o, _a: [fold(value) for value in s],
    ),
    "grow": Operation(
        chain=lambda s, _o, a, label: s.map(grow, name=label, by=a[0]),
        hand=lambda s, _o, a: [grow(value, a[0]) for value in s],
    ),
    "grow_inside": Operation(
        chain=lambda s, _o, a, label: s.map(grow_inside, name=label, by=a[0]),
        hand=lambda s, _o, a: [grow_inside(value, a[0]) for value in s],
    ),
    "jitter": Operation(chain=lambda s, _o, _a, label: s.map(jitter, name=label)),
    "drawn": Operation(
        chain=lambda s, _o, _a, label: s.map(drawn, name=label, label=label, draw=_DRAWS),
    ),
    "fragile": Operation(
        chain=lambda s, _o, a, label: s.map(fragile, name=label, on_error="quarantine", modulus=a[0]),
        hand=lambda s, _o, a: [fold(value) for value in s if number_of(value) % a[0] != 1],
        can_drop=True,
    ),
    "frail": Operation(
        chain=lambda s, _o, _a, label: s.map(frail, name=label, on_error="quarantine"), can_drop=True
    ),
    "copies": Operation(
        chain=lambda s, _o, a, label: s.flat_map(copies, name=label, most=a[0]),
        hand=lambda s, _o, a: [copy for value in s for copy in copies(value, a[0])],
        can_drop=True,
        makes_one_of_one=False,
    ),
    "litter": Operation(
        chain=lambda s, _o, _a, label: s.flat_map(litter, name=label), can_drop=True, makes_one_of_one=False
    ),
    "keeps": Operation(
        chain=lambda s, _o, a, label: s.filter(keeps, name=label, reason="divisible", modulus=a[0]),
        hand=lambda s, _o, a: [value for value in s if keeps(value, a[0])],
        can_drop=True,
        hands_on=True,
    ),
    "chances": Operation(
        chain=lambda s, _o, _a, label: s.filter(chances, name=label), can_drop=True, hands_on=True
    ),
    "shuffle": Operation(chain=lambda s, _o, a, _l: s.shuffle(a[0], window=a[1]), hands_on=True),
    "dedup_number": Operation(
        chain=lambda s, _o, _a, _l: s.dedup(number_of),
        hand=lambda s, _o, _a: first_of_each(s, number_of),
        can_drop=True,
        hands_on=True,
    ),
    "dedup_field": Operation(
        chain=lambda s, _o, a, _l: s.dedup(a[0]),
        hand=lambda s, _o, a: first_of_each(s, lambda row: whole(row[a[0]])),
        can_drop=True,
        hands_on=True,
    ),
    "dedup_whole": Operation(
        chain=lambda s, _o, _a, _l: s.dedup(),
        hand=lambda s, _o, _a: first_of_each(s, whole),
        can_drop=True,
        hands_on=True,
    ),
    "take": Operation(
        chain=lambda s, _o, a, _l: s.take(a[0]),
        hand=lambda s, _o, a: s[: a[0]],
        can_drop=True,
        can_stop=True,
        hands_on=True,
    ),
    "skip": Operation(
        chain=lambda s, _o, a, _l: s.skip(a[0]),
        hand=lambda s, _o, a: s[a[0] :],
        can_drop=True,
        hands_on=True,
    ),
    "slice": Operation(
        chain=lambda s, _o, a, _l: s.slice(*a),
        hand=lambda s, _o, a: s[slice(*a)],
        can_drop=True,
        can_stop=True,
        hands_on=True,
    ),
    "shard": Operation(
        chain=lambda s, _o, a, _l: s.shard(*a),
        hand=lambda s, _o, a: s[a[0] :: a[1]],
        can_drop=True,
        hands_on=True,
    ),
    "sample": Operation(chain=lambda s, _o, a, _l: s.sample(*a), can_drop=True, hands_on=True),
    "repeat": Operation(
        chain=lambda s, _o, a, _l: s.repeat(a[0]),
        hand=lambda s, _o, a: s * a[0],
        can_drop=True,
        hands_on=True,
    ),
}
