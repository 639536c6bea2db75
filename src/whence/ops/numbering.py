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
from whence.ops.keys import KeyPart, Keys
from whence.vocab import mix64

_ABSENT = -1
_WORDS_END = 2.0**63
_SMALL_SPAN = 1 << 16
_SPAN_PER_KEY = 4
_KEYS_PER_PLACE = 4
_ASKED = 1024
_SLOTS_PER_ASKED = 64
_LEAST_BITS = 12
_MORE_BITS = 3
_WORK_PER_KEY = 24
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(0xFF51AFD7ED558CCD)


def numbering_of(keys: Keys) -> KeyNumbering:
    """Number keys, one at least.

    Cost: 5 to 50 ns a key of an integer, 60 to 100 ns of text, more the more different ones there are.
    """
    return KeyNumbering(keys)


def number_words(words: Int64Array) -> tuple[Int64Array, int]:
    """Number integers by first appearance; returns the number of each, and how many there are."""
    found = _Integers(words)
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
        self._pairs: list[_Integers] = []
        self.numbers: Int64Array = self._parts[0].numbers
        self.count: int = self._parts[0].count
        for part in self._parts[1:]:
            pairs = _Integers(self.numbers * part.count + part.numbers)
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
        integers = _Integers(data.codes.astype(np.int64, copy=False))
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
        self._integers = _Integers(words)
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
        self._integers = _Integers(_bits_of(data))
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


class _Integers:
    """Numbers integers: by a table where they lie close together, else by a hash table."""

    def __init__(self, words: Int64Array) -> None:
        count = len(words)
        low, high = (int(words.min()), int(words.max())) if count else (0, 0)
        span = high - low + 1
        if span <= _SMALL_SPAN and span * _KEYS_PER_PLACE < count:
            small = _SmallTable(words, low, span)
            self._table: _SmallTable | _Table | _Hashed | _Sorted = small
            self.numbers: Int64Array = small.numbers
            self.count = small.count
            return
        if span <= max(_SMALL_SPAN, _SPAN_PER_KEY * count):
            table: _Table | _Hashed | _Sorted = _Table(words, low, span)
        else:
            table = _Hashed.filled(words) or _Sorted(words)
        owners = table.owners
        is_first = owners == np.arange(count, dtype=owners.dtype)
        number_of = np.cumsum(is_first) - 1
        self.numbers = number_of[owners]
        self.count = int(number_of[-1]) + 1 if count else 0
        table.number(np.flatnonzero(is_first), number_of)
        self._table = table

    def find(self, words: Int64Array) -> Int64Array:
        """The numbers of other integers, -1 where one is none of these."""
        return self._table.find(words)


class _SmallTable:
    """Integers of which there are many times more than places where they could lie."""

    def __init__(self, words: Int64Array, low: int, span: int) -> None:
        inside = words - low if low else words
        self._places = np.full(span, _ABSENT, np.int64)
        self._low = low
        self.count = 0
        self._number(inside[:_SMALL_SPAN])  # most of them come early; looking up is quicker than noting
        self.numbers: Int64Array = self._places[inside]
        late = np.flatnonzero(self.numbers == _ABSENT)
        if len(late):
            self._number(inside[late])
            self.numbers[late] = self._places[inside[late]]

    def _number(self, inside: Int64Array) -> None:
        """Number those that have no number yet, in the order in which they come."""
        firsts = np.full(len(self._places), _ABSENT, np.int64)
        firsts[inside[::-1]] = np.arange(len(inside) - 1, -1, -1)  # the last one assigned stays
        new = np.flatnonzero((firsts != _ABSENT) & (self._places == _ABSENT))
        self._places[new[np.argsort(firsts[new])]] = np.arange(self.count, self.count + len(new))
        self.count += len(new)

    def find(self, words: Int64Array) -> Int64Array:
        return _looked_up(self._places, self._low, words)


class _Table:
    """Integers close together: a place for each possible one."""

    def __init__(self, words: Int64Array, low: int, span: int) -> None:
        self._words, self._low = words, low
        self._places = np.full(span, _ABSENT, _dtype_for(len(words)))
        inside = words - low
        self._places[inside[::-1]] = np.arange(len(words) - 1, -1, -1)  # the last one assigned stays
        self.owners: NDArray[Any] = self._places[inside]

    def number(self, firsts: Int64Array, number_of: Int64Array) -> None:
        self._places[self._words[firsts] - self._low] = np.arange(len(firsts))
        del self._words, self.owners

    def find(self, words: Int64Array) -> Int64Array:
        return _looked_up(self._places, self._low, words)


def _looked_up(places: NDArray[Any], low: int, words: Int64Array) -> Int64Array:
    outside = (words < low) | (words > low + len(places) - 1)
    if not outside.any():
        found: Int64Array = places[words - low if low else words].astype(np.int64, copy=False)
        return found
    found = places[np.where(outside, 0, words - low)].astype(np.int64)
    found[outside] = _ABSENT
    return found


class _Hashed:
    """A hash table of integers with open addressing, worked on by all keys at once, step by step."""

    def __init__(self, words: Int64Array, bits: int) -> None:
        self._bits = bits
        self._slots = np.full(1 << bits, _ABSENT, _dtype_for(len(words)))
        self._words = words
        self.owners = np.empty(len(words), self._slots.dtype)

    @classmethod
    def filled(cls, words: Int64Array) -> _Hashed | None:
        """Fill a table as small as will do; None where the keys are unlucky ones."""
        largest = (len(words) * 3 // 2).bit_length()
        some = words[:: max(1, len(words) // _ASKED)]
        bits = min(largest, max(_LEAST_BITS, (len(np.unique(some)) * _SLOTS_PER_ASKED).bit_length()))
        if 2 * len(np.unique(some)) > len(some):
            bits = largest
        while bits < largest:
            table = cls(words, bits)
            if table._fill():
                return table
            bits = min(largest, bits + _MORE_BITS)
        table = cls(words, largest)
        return table if table._fill() else None

    def _fill(self) -> bool:
        """Give each key the slot of the first that is equal to it; False where the table won't do."""
        words, slots, owners = self._words, self._slots, self.owners
        left = np.arange(len(words))
        mine, at = words, self._first_slots(words)
        room = len(slots) * 3 // 4
        work = _WORK_PER_KEY * len(words) + len(slots)
        while work > 0:
            work -= len(left)
            holders = slots[at]
            free = np.flatnonzero(holders == _ABSENT)[::-1]
            if len(free):  # the first of those that want a slot gets it: the last one assigned stays
                slots[at[free]] = left[free]
                holders = slots[at]
                room -= int(np.count_nonzero(holders[free] == left[free]))
                if room < 0:
                    return False
            owners[left] = holders
            other = np.flatnonzero(words[holders] != mine)
            if not len(other):
                return True
            left, mine, at = left[other], mine[other], (at[other] + 1) & (len(slots) - 1)
        return False

    def number(self, firsts: Int64Array, number_of: Int64Array) -> None:
        taken = np.flatnonzero(self._slots != _ABSENT)
        self._slots[taken] = number_of[self._slots[taken]]
        self._words = self._words[firsts]
        del self.owners

    def find(self, words: Int64Array) -> Int64Array:
        at: Int64Array = self._first_slots(words)
        found: Int64Array = self._slots[at].astype(np.int64)
        left = np.flatnonzero(self._words[found] != words)  # a free slot points at the last word
        at = at[left]
        holders: NDArray[Any] = found[left]
        while len(left):
            equal = (self._words[holders] == words[left]) & (holders != _ABSENT)
            found[left] = np.where(equal, holders, _ABSENT)
            going = np.flatnonzero(~equal & (holders != _ABSENT))
            left, at = left[going], (at[going] + 1) & (len(self._slots) - 1)
            holders = self._slots[at]
        return found

    def _first_slots(self, words: Int64Array) -> Int64Array:
        mixed = words.view(np.uint64) * _SPREAD
        mixed >>= np.uint64(64 - self._bits)
        return mixed.view(np.int64)


class _Sorted:
    """Integers in order: what remains where a hash table would do too much work."""

    def __init__(self, words: Int64Array) -> None:
        order = np.argsort(words, kind="stable")
        ordered = words[order]
        starts: Int64Array = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self._words = ordered[starts]
        self._numbers: Int64Array = order[starts]
        self.owners = np.empty(len(words), np.int64)
        self.owners[order] = np.repeat(self._numbers, np.diff(starts, append=len(words)))

    def number(self, firsts: Int64Array, number_of: Int64Array) -> None:
        self._numbers = number_of[self._numbers]
        del self.owners

    def find(self, words: Int64Array) -> Int64Array:
        places = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        return np.where(self._words[places] == words, self._numbers[places], _ABSENT)


def _dtype_for(count: int) -> Any:
    return np.int32 if count < 1 << 31 else np.int64


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
