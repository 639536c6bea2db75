"""Ordering: keys put in order, equal ones as they came, and where a key belongs among keys in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from whence.ops.chunk import Int64Array
from whence.ops.keys import Keys

_PARTLY_ORDERED = "frozenset"  # for sets `<` asks whether one is part of the other


class UnorderableError(Exception):
    """Two keys have no order; says where the later of them stands, and what was tried.

    Args:
        place: of the later one among the keys given.
        why: what is wrong with it.
    """

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why


def ordered(keys: Keys, *, reverse: bool) -> Int64Array:
    """Find the order of keys: the place of the first, of the second, and so on; stable either way.

    Raises:
        UnorderableError: two keys can't be compared.

    Cost: 0.1 µs a key of numbers for a million, 1 µs a key of text.
    """
    for part in keys.parts:
        if part.kind == _PARTLY_ORDERED:
            raise UnorderableError(0, "sets have no order")
    count = len(keys)
    if all(not part.data.dtype.hasobject for part in keys.parts):
        # the last of equal keys backwards is the first of them forwards, which keeps a reversed order stable
        datas = [part.data[::-1] if reverse else part.data for part in keys.parts]
        found = np.argsort(datas[0], kind="stable") if len(datas) == 1 else np.lexsort(datas[::-1])
        return np.asarray(count - 1 - found[::-1] if reverse else found, np.int64)
    values = keys_as_values(keys)
    try:
        return np.array(sorted(range(count), key=values.__getitem__, reverse=reverse), np.int64)
    except Exception as error:  # any type may refuse in its own way
        raise _blamed(values, error) from error


def keys_as_values(keys: Keys) -> list[Any]:
    """Write keys as Python values that are ordered as they are."""
    parts = [part.data.tolist() for part in keys.parts]
    return parts[0] if len(parts) == 1 else list(zip(*parts, strict=True))


def key_at(keys: Keys, place: int) -> Any:
    """One key as a Python value."""
    found = tuple(part.data[place : place + 1].tolist()[0] for part in keys.parts)
    return found[0] if len(found) == 1 else found


def is_before(one: Any, other: Any, *, reverse: bool) -> bool:
    """Whether a key comes before another one, as `key_at` writes them.

    Raises:
        UnorderableError: they can't be compared.
    """
    try:
        return bool(other < one if reverse else one < other)
    except Exception as error:  # any type may refuse in its own way
        raise UnorderableError(0, f"{type(error).__name__}: {error}") from error


def count_before(keys: Keys, key: Any, *, reverse: bool, with_equal: bool) -> int:
    """Count how many of some keys, which are in order, come before a key.

    Args:
        keys: in order.
        key: as `key_at` writes it.
        reverse: whether larger keys come first.
        with_equal: whether those that equal the key are counted too.

    Raises:
        UnorderableError: they can't be compared.
    """
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        found = key_at(keys, middle)
        if with_equal:
            is_counted = not is_before(key, found, reverse=reverse)
        else:
            is_counted = is_before(found, key, reverse=reverse)
        if is_counted:
            low = middle + 1
        else:
            high = middle
    return low


def _blamed(values: Sequence[Any], error: Exception) -> UnorderableError:
    """Find the first key that can't be compared with the one before it."""
    for place, (one, other) in enumerate(pairwise(values), 1):
        try:
            bool(other < one)
        except Exception as refusal:  # any type may refuse in its own way
            return UnorderableError(place, f"{type(refusal).__name__}: {refusal}")
    return UnorderableError(len(values) - 1, f"{type(error).__name__}: {error}")
