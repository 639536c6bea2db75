"""Joins of two streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.oracle.functions import gathered, pair
from tests.oracle.operations.groups import KEYS, grouped, key_of
from tests.oracle.operations.operation import Args, Operation
from whence.streams import Stream


def joined(left: list[Any], right: list[Any], args: Args) -> list[Any]:
    """Join by looking at every pair: in the order of the left side, then the unmatched right ones."""
    how, on, combine = args
    key = KEYS[on]
    together = pair if combine else _Merging(left, right, {on} - {"small"})
    if how == "anti":
        return [one for one in left if not any(key(one) == key(other) for other in right)]
    found: list[Any] = []
    for one in left:
        matches = [other for other in right if key(other) == key(one)]
        found += [together(one, other) for other in matches]
        if not matches and how in ("left", "outer"):
            found.append(together(one, None))
    if how in ("right", "outer"):
        unmatched = [other for other in right if not any(key(other) == key(one) for one in left)]
        found += [together(None, other) for other in unmatched]
    return found


class _Merging:
    """Merges dicts: fields of the right side that clash are renamed, a field that is the key comes once."""

    def __init__(self, left: list[Any], right: list[Any], key: set[str]) -> None:
        self._left = list(left[0]) if left and isinstance(left[0], dict) else []
        self._right = list(right[0]) if right and isinstance(right[0], dict) else []
        self._key = key

    def __call__(self, one: Any, other: Any) -> Any:
        if not isinstance(one, dict | None) or not isinstance(other, dict | None):
            return (one, other)
        found = dict.fromkeys(self._left) if one is None else dict(one)
        for name in self._right if other is None else other:
            value = None if other is None else other[name]
            if name not in self._key or name not in self._left:
                found[f"{name}_right" if name in self._left else name] = value
            elif one is None:
                found[name] = value
        return found


def _beside(left: Stream, right: Stream, key: str | Callable[[Any], Any]) -> Stream:
    """Put what says of which right samples it came beside the samples of a semi join, which can't."""
    groups = right.group_by(key).aggregate(gathered)
    return left.join(right, on=key, how="semi").zip(left.join(groups, on=key, combine=pair), combine=pair)


JOINS = {
    "join": Operation(
        chain=lambda s, o, a, _l: s.join(o[0], on=key_of(a[1]), how=a[0], combine=pair if a[2] else None),
        hand=lambda s, o, a: joined(s, o[0], a),
        can_drop=True,
        makes_one_of_one=False,
    ),
    "semi_join": Operation(
        chain=lambda s, o, a, _l: _beside(s, o[0], key_of(a[0])),
        hand=lambda s, o, a: [
            pair(one, pair(one, gathered(key, matches)))
            for one in s
            for key, matches in grouped(o[0], KEYS[a[0]]).items()
            if key == KEYS[a[0]](one)
        ],
        can_drop=True,
        makes_one_of_one=False,
    ),
}
