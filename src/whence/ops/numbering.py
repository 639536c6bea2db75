"""Numbering: equal keys get one number, in the order in which they first come, and are found again by it.

Integers that lie close together are looked up in a table, others in a hash table made of arrays; Python's
own objects in a dict. Equality is exact: an integer and a float are one key only if they are the same number.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Int64Array
from whence.ops.coded import Coded
from whence.ops.integers import Integers
from whence.ops.keys import KeyPart, Keys
from whence.vocab import mix64

_ABSENT = -1
_WORDS_END = 2.0**63
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(0xFF51AFD7ED558CCD)


def numbering_of(keys: Keys) -> KeyNumbering:
    """Number keys, one at least.

    Cost: 5 to 50 ns a key of an integer, 60 to 100 ns of text, more the more different ones there are.
    """
    return KeyNumbering(keys)


def number_words(words: Int64Array) -> tuple[Int64Array, int]:
    """Number integers by first appearance; returns the number of each, and how many there are."""
    found = Integers(words)
    return found.numbers, found.count


def first_places(numbers: Int64Array, count: int) -> Int64Array:
    """Where each number first stands, shape (count,)."""
    found = np.empty(count, np.int64)
    found[numbers[::-1]] = np.arange(len(numbers), dtype=np.int64)[::-1]  # the last one assigned stays
    return found


def ordered_by(numbers: Int64Array, count: int) -> tuple[Int64Array, Int64Array]:
    """Gather the places of each number.

    Returns:
        All places, those of number 0 first, ascending for each; and the bounds, shape (count + 1,).
    """
    bounds = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(numbers, minlength=count), out=bounds[1:])
    if (numbers[1:] >= numbers[:-1]).all():
        return np.arange(len(numbers), dtype=np.int64), bounds
    order = np.argsort(numbers.astype(np.uint16), kind="stable")  # by radix, 16 bits at a time
    for shift in range(16, max(0, count - 1).bit_length(), 16):
        order = order[np.argsort((numbers >> shift).astype(np.uint16)[order], kind="stable")]
    return order, bounds


def spread(keys: Keys, count: int, *, level: int = 0) -> Int64Array:
    """Give each key one of `count` parts: equal keys the same, whichever form their numbers came in.

    Args:
        keys: of one reader, or of readers that go together.
        count: how many parts, a power of two.
        level: keys that came into one part are spread anew at the next level.
    """
    folded = np.full(len(keys), level, np.uint64)
    for part in keys.parts:
        folded = mix64((folded ^ _word_of(part).view(np.uint64)) * _SPREAD + _FOLD)
    return (folded & np.uint64(count - 1)).view(np.int64)


class KeyNumbering:
    """Numbers keys by first appearance, and finds the numbers of others.

    Args:
        keys: one at least; `numbers` says of each which one it is, of `count` different ones.
    """

    def __init__(self, keys: Keys) -> None:
        self._parts: list[_Objects | _Texts | _Floats | _Wholes] = [
            _numbering_of_part(part.data) for part in keys.parts
        ]
        self._pairs: list[Integers] = []
        self.numbers: Int64Array = self._parts[0].numbers
        self.count: int = self._parts[0].count
        for part in self._parts[1:]:
            pairs = Integers(self.numbers * part.count + part.numbers)
            self._pairs.append(pairs)
            self.numbers, self.count = pairs.numbers, pairs.count

    def find(self, keys: Keys) -> Int64Array:
        """The numbers of other keys, -1 where one is none of these."""
        found = self._parts[0].find(keys.parts[0].data)
        for part, pairs, other in zip(self._parts[1:], self._pairs, keys.parts[1:], strict=True):
            second = part.find(other.data)
            absent = (found < 0) | (second < 0)
            found = pairs.find(found * part.count + second)
            found[absent] = _ABSENT
        return found


def _numbering_of_part(data: NDArray[Any]) -> _Objects | _Texts | _Floats | _Wholes:
    if isinstance(data, Coded):
        return _Texts(data)
    if data.dtype == object:
        return _Objects(data)
    if data.dtype != np.float64:
        return _Wholes(data.astype(np.int64, copy=False))
    return _Wholes(data.astype(np.int64)) if _is_whole(data).all() else _Floats(data)


class _Objects:
    """Numbers Python's own objects: text, for example, or numbers of several types."""

    def __init__(self, data: NDArray[Any]) -> None:
        values = data.tolist()
        self._number_by_value = {value: number for number, value in enumerate(dict.fromkeys(values))}
        self.numbers = np.fromiter(map(self._number_by_value.__getitem__, values), np.int64, len(values))
        self.count = len(self._number_by_value)

    def find(self, data: NDArray[Any]) -> Int64Array:
        found = map(self._number_by_value.get, data.tolist(), repeat(_ABSENT))
        return np.fromiter(found, np.int64, len(data))


class _Texts:
    """Numbers texts that are told by number."""

    def __init__(self, data: Coded) -> None:
        integers = Integers(data.codes.astype(np.int64, copy=False))
        texts = data.texts.tolist()
        found = integers.find(np.arange(len(texts))).tolist()
        self._number_by_text = dict(zip(texts, found, strict=True))
        self.numbers: Int64Array = integers.numbers
        self.count: int = integers.count

    def find(self, data: NDArray[Any]) -> Int64Array:
        texts = (data.texts if isinstance(data, Coded) else data).tolist()
        found = np.fromiter(map(self._number_by_text.get, texts, repeat(_ABSENT)), np.int64, len(texts))
        return found[data.codes] if isinstance(data, Coded) else found


class _Wholes:
    """Numbers whole numbers of 64 bits."""

    def __init__(self, words: Int64Array) -> None:
        self._integers = Integers(words)
        self.numbers: Int64Array = self._integers.numbers
        self.count: int = self._integers.count

    def find(self, data: NDArray[Any]) -> Int64Array:
        if data.dtype == object:
            fits = np.fromiter(map(_is_word, data.tolist()), np.bool_, len(data))
        elif data.dtype == np.float64:
            fits = _is_whole(data)
        else:
            return self._integers.find(data.astype(np.int64, copy=False))
        found = np.full(len(data), _ABSENT, np.int64)
        found[fits] = self._integers.find(data[fits].astype(np.int64))
        return found


class _Floats:
    """Numbers floats of which some aren't whole."""

    def __init__(self, data: NDArray[np.float64]) -> None:
        self._integers = Integers(_bits_of(data))
        self.numbers: Int64Array = self._integers.numbers
        self.count: int = self._integers.count

    def find(self, data: NDArray[Any]) -> Int64Array:
        if data.dtype == np.float64:
            return self._integers.find(_bits_of(data))
        if data.dtype == object:
            fits = np.fromiter(map(_is_float, data.tolist()), np.bool_, len(data))
        else:
            fits = _is_exact(data)
        found = np.full(len(data), _ABSENT, np.int64)
        found[fits] = self._integers.find(_bits_of(data[fits].astype(np.float64)))
        return found


def _is_whole(data: NDArray[np.float64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (np.floor(data) == data) & (data >= -_WORDS_END) & (data < _WORDS_END)
    return found


def _is_exact(data: Int64Array) -> NDArray[np.bool_]:
    """Which integers are some float exactly."""
    floats = data.astype(np.float64)
    small = floats < _WORDS_END
    back = np.where(small, floats, 0).astype(np.int64)
    found: NDArray[np.bool_] = small & (back == data)
    return found


def _is_word(value: int | float) -> bool:
    return -_WORDS_END <= value < _WORDS_END and value == int(value)


def _is_float(value: int | float) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def _bits_of(data: NDArray[np.float64]) -> Int64Array:
    return (data + 0.0).view(np.int64)  # -0.0 + 0.0 is 0.0


def _word_of(part: KeyPart) -> Int64Array:
    """Words that are equal for equal keys, for spreading them."""
    data = part.data
    if data.dtype == np.float64:
        whole = _is_whole(data)
        return np.where(whole, np.where(whole, data, 0).astype(np.int64), _bits_of(data))
    if data.dtype != object:
        return data.astype(np.int64, copy=False)
    words: Callable[[Any], int] = _word_of_number if part.kind == "number" else hash
    return np.fromiter(map(words, data.tolist()), np.int64, len(data))


def _word_of_number(value: int | float) -> int:
    if _is_word(value):
        return int(value)
    if _is_float(value):
        return int(_bits_of(np.array([value], np.float64))[0])
    return hash(value)
