"""Integers by number: numbered by first appearance and found again, all at once.

Those that lie close together have a place each, others a slot in a hash table made of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Int64Array

_ABSENT = -1
_SMALL_SPAN = 1 << 16
_SPAN_PER_KEY = 4
_KEYS_PER_PLACE = 4
_ASKED = 1024
_SLOTS_PER_ASKED = 64
_LEAST_BITS = 12
_MORE_BITS = 3
_WORK_PER_KEY = 24
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Integers:
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
