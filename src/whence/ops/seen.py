"""Seen: which keys came before, and where each came first, for as many keys as the disk holds.

Keys of 16 bytes are looked up in a hash table made of arrays, all keys of a chunk together. When the memory
allowed is full, the table is written to a temporary file, its keys in order, and begun anew; files of like
sizes are merged. A filter for each file tells most new keys from those that are in it, so that files are
read for little else than keys that repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from whence.capture import memory_budget_bytes
from whence.ops.chunk import Int64Array, UInt64Array
from whence.ops.spill import Spill
from whence.vocab import KEY_BYTES

_FEWEST_SLOTS = 1 << 12
_QUICKLY_GROWN_SLOTS = 1 << 22
_BYTES_PER_KEY = 64  # up to 36 for what it is and where it came first, 16 for its slots, 12 while it grows
_FILTER_BITS_PER_KEY = 16
_MOST_FILTER_BYTES = 1 << 26
_LIKE = 2
_MOST_FILES = 8
_SLICE_KEYS = 1 << 18
_BLOCK_KEYS = 128


class _Level(NamedTuple):
    """Keys in the order of their first words.

    Args:
        first: shape (n,): the first 8 bytes of each key; ascending.
        second: shape (n,): its other 8 bytes.
        positions: shape (n,): where each came first.
    """

    first: UInt64Array
    second: UInt64Array
    positions: Int64Array

    @property
    def size(self) -> int:
        return len(self.first)

    def between(self, start: int, stop: int) -> _Level:
        return _Level(self.first[start:stop], self.second[start:stop], self.positions[start:stop])

    def search(self, words: UInt64Array, found: Int64Array) -> None:
        """Look keys up, and write the positions of those that are there.

        Args:
            words: shape (n, 2).
            found: shape (n,).
        """
        places = np.searchsorted(self.first, words[:, 0])
        inside = np.minimum(places, self.size - 1)
        like = np.flatnonzero((self.first[inside] == words[:, 0]) & (places < self.size))
        there = self.second[places[like]] == words[like, 1]
        found[like[there]] = self.positions[places[like[there]]]
        for number in like[~there].tolist():  # keys that share their first word: one pair in 10**5 at 2*10**7
            at = int(places[number]) + 1
            while at < self.size and self.first[at] == words[number, 0]:
                if self.second[at] == words[number, 1]:
                    found[number] = self.positions[at]
                    break
                at += 1


class _Slices(Protocol):
    """Keys in order, to be read a slice at a time."""

    @property
    def size(self) -> int:
        """How many keys there are."""

    def slices(self, borders: Sequence[int]) -> Iterator[_Level]:
        """The keys below the first border, those from there to the second, ..., those above the last."""


class Seen:
    """Remembers keys and where each came first.

    Args:
        label: of the op that asks; named in errors.
    """

    def __init__(self, *, label: str) -> None:
        self._label = label
        budget_bytes = memory_budget_bytes()
        self._most_kept = budget_bytes // _BYTES_PER_KEY
        self._most_filter_bytes = max(_MOST_FILTER_BYTES, budget_bytes // 4)
        self._table = _Table()
        self._table_from = 0
        self._files: list[_LevelFile] = []
        self._count = 0

    def firsts(self, keys: Sequence[bytes]) -> Int64Array:
        """Look up the next keys, and remember those that are new.

        Args:
            keys: 16 bytes each, of the positions that follow those asked before.

        Returns:
            Where each key came first; its own position where it is new. Shape (n,).

        Raises:
            StoreFullError, StoreError, DamagedError: as `Spill.add` and `Spill.read`.

        Cost: 0.1 to 0.2 µs a key in memory; on disk 5 µs for each that repeats one there.
        """
        table, start = self._table, self._count
        self._count += len(keys)
        words = np.frombuffer(b"".join(keys), np.uint64).reshape(-1, KEY_BYTES // 8)
        numbers, is_new = table.add(words, start)
        if self._files:
            new = np.flatnonzero(is_new)
            below = np.full(len(new), -1, np.int64)
            for file in self._files:
                file.search(words[new], below)
            known = below >= 0
            table.positions[numbers[new[known]]] = below[known]
        found: Int64Array = table.positions[numbers]
        if table.size > self._most_kept:
            self._write_table()
        return found

    def close(self) -> None:
        """Let everything go."""
        self._table = _Table()
        for file in self._files:
            file.close()
        self._files = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_table(self) -> None:
        """Make a file of the keys in the table that are in no file; merge files when there are many."""
        table, start = self._table, self._table_from
        self._table, self._table_from = _Table(), self._count
        ordered = table.in_order(start)
        if not ordered.size:
            return
        self._add_file([ordered])
        if len(self._files) > _MOST_FILES:
            # each key is written again about once for each time that the whole has doubled
            least = min(file.size for file in self._files)
            like = [file for file in self._files if file.size <= _LIKE * least]
            merging = like if len(like) > 1 else sorted(self._files, key=lambda file: file.size)[:2]
            self._files = [file for file in self._files if file not in merging]
            try:
                self._add_file(merging)
            finally:
                for file in merging:
                    file.close()

    def _add_file(self, levels: Sequence[_Slices]) -> None:
        size = sum(level.size for level in levels)
        others = sum(file.size for file in self._files)
        share_bytes = self._most_filter_bytes * size // (size + others)
        self._files.append(_LevelFile(levels, label=self._label, most_filter_bytes=share_bytes))


class _Table:
    """Keys in memory, numbered in the order in which they came.

    Of each slot the table holds the number of a key, or -1; a key whose slot is taken goes to the next one.
    """

    def __init__(self) -> None:
        self.size = 0
        self.positions = np.empty(0, np.int64)
        """Where each key came first, shape (size or more,)."""
        self._first = np.empty(0, np.uint64)
        self._second = np.empty(0, np.uint64)
        self._slots = _free_slots(_FEWEST_SLOTS)

    def add(self, words: UInt64Array, start: int) -> tuple[Int64Array, NDArray[np.bool_]]:
        """Look up keys, and take those that are new.

        Args:
            words: shape (n, 2).
            start: the position of the first; the others follow.

        Returns:
            The number of each key, shape (n,), and whether it is new; of equal ones only the first is.
        """
        count = len(words)
        self._make_room(count)
        numbers = np.arange(self.size, self.size + count, dtype=np.int64)
        self._first[numbers], self._second[numbers] = words[:, 0], words[:, 1]
        found, slots = self._placed(numbers)
        is_new = found == numbers
        new = np.flatnonzero(is_new)
        if len(new) < count:  # move up into the places of those that weren't new
            kept = np.arange(self.size, self.size + len(new), dtype=np.int64)
            self._first[kept], self._second[kept] = words[new, 0], words[new, 1]
            self._slots[slots[new]] = kept
            renumbered = np.empty(count, np.int64)
            renumbered[new] = kept
            here = found >= self.size
            found[here] = renumbered[found[here] - self.size]
        self.positions[self.size : self.size + len(new)] = start + new
        self.size += len(new)
        return found, is_new

    def in_order(self, start: int) -> _Ordered:
        """The keys that came first at `start` or later, in order; nothing can be looked up any more."""
        self._slots = self._slots[:0]
        return _Ordered(self._first[: self.size], self._second, self.positions, start)

    def _placed(self, numbers: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Find the slots of keys that have been written at their numbers; take those that are free.

        Returns:
            The number that is in the slot of each key, its own where it is new; and the slot.
        """
        mask = np.int64(len(self._slots) - 1)
        found = np.empty(len(numbers), np.int64)
        slots = np.empty(len(numbers), np.int64)
        left = np.arange(len(numbers))
        asked = self._second[numbers].view(np.int64) & mask
        while len(left):
            there = self._slots[asked]
            free = np.flatnonzero(there < 0)
            if len(free):
                backwards = free[::-1]  # of several that want one slot the first is written last, and stays
                self._slots[asked[backwards]] = numbers[left[backwards]]
                there[free] = self._slots[asked[free]]
            wanted = numbers[left]
            same = (self._second[there] == self._second[wanted]) & (self._first[there] == self._first[wanted])
            done = left[same]
            found[done], slots[done] = there[same], asked[same]
            other = ~same
            left, asked = left[other], (asked[other] + 1) & mask
        return found, slots

    def _make_room(self, count: int) -> None:
        """Have room for so many more keys, and twice as many slots as keys."""
        wanted = self.size + count
        if wanted > len(self.positions):
            room = max(wanted, len(self.positions) + (len(self.positions) >> 1), _FEWEST_SLOTS >> 1)
            self._first = _grown(self._first, self.size, room)
            self._second = _grown(self._second, self.size, room)
            self.positions = _grown(self.positions, self.size, room)
        slots = len(self._slots)
        while 2 * wanted > slots:
            slots *= 4 if slots < _QUICKLY_GROWN_SLOTS else 2
        if slots > len(self._slots):
            self._slots = _free_slots(slots)
            for start in range(0, self.size, _SLICE_KEYS):
                self._placed(np.arange(start, min(start + _SLICE_KEYS, self.size), dtype=np.int64))


class _Ordered:
    """The keys of a table in order; a slice is put together when it is asked for."""

    def __init__(self, first: UInt64Array, second: UInt64Array, positions: Int64Array, start: int) -> None:
        self._first, self._second, self._positions = first, second, positions
        self._start = start
        self._order = np.argsort(first, kind="stable")
        self._size = int(np.count_nonzero(positions[: len(first)] >= start))

    @property
    def size(self) -> int:
        """How many keys there are."""
        return self._size

    def slices(self, borders: Sequence[int]) -> Iterator[_Level]:
        """See `_Slices`."""
        inner = np.searchsorted(self._first, np.array(borders, np.uint64), sorter=self._order).tolist()
        for start, stop in pairwise([0, *inner, len(self._order)]):
            part = self._order[start:stop]
            part = part[self._positions[part] >= self._start]
            yield _Level(self._first[part], self._second[part], self._positions[part])


def _free_slots(count: int) -> NDArray[Any]:
    return np.full(count, -1, np.int32 if count <= 1 << 31 else np.int64)


def _grown(array: NDArray[Any], size: int, room: int) -> NDArray[Any]:
    larger = np.empty(room, array.dtype)
    larger[:size] = array[:size]
    return larger


class _LevelFile:
    """A level on disk: blocks of keys in order, and in memory where each block begins.

    Args:
        levels: merged into one, a slice at a time.
        label: of the op; named in errors.
        most_filter_bytes: how large its filter may be.
    """

    def __init__(self, levels: Sequence[_Slices], *, label: str, most_filter_bytes: int) -> None:
        self._size = sum(level.size for level in levels)
        bits = min(8 * most_filter_bytes, self._size * _FILTER_BITS_PER_KEY)
        self._filter = np.zeros(max(1, (1 << bits.bit_length() >> 1) // 8), np.uint8)
        self._spill = Spill(label=label, name_origin=str)
        heads: list[UInt64Array] = []
        try:
            for part in _merged(levels, self._size):
                _raise_bits(self._filter, part.first, part.second)
                for start in range(0, part.size, _BLOCK_KEYS):
                    self._spill.add_bytes(
                        b"".join(words.tobytes() for words in part.between(start, start + _BLOCK_KEYS))
                    )
                heads.append(part.first[::_BLOCK_KEYS])
        except BaseException:
            self._spill.close()
            raise
        self._heads = np.concatenate(heads)

    @property
    def size(self) -> int:
        """How many keys there are."""
        return self._size

    def search(self, words: UInt64Array, found: Int64Array) -> None:
        """Look up keys that aren't found yet; see `_Level.search`."""
        asked = np.flatnonzero((found < 0) & _has_bits(self._filter, words[:, 0], words[:, 1]))
        if not len(asked):
            return
        # keys that share their first word may go on from one block to the next
        lows = np.maximum(np.searchsorted(self._heads, words[asked, 0], side="left") - 1, 0)
        highs = np.searchsorted(self._heads, words[asked, 0], side="right") - 1
        while len(asked):
            order = np.argsort(lows, kind="stable")
            asked, lows, highs = asked[order], lows[order], highs[order]
            blocks, starts = np.unique(lows, return_index=True)
            for block, group in zip(blocks.tolist(), np.split(asked, starts[1:]), strict=True):
                positions = np.full(len(group), -1, np.int64)
                self._block(block).search(words[group], positions)
                there = positions >= 0
                found[group[there]] = positions[there]
            left = (lows < highs) & (found[asked] < 0)
            asked, lows, highs = asked[left], lows[left] + 1, highs[left]

    def slices(self, borders: Sequence[int]) -> Iterator[_Level]:
        """See `_Slices`; reads every block once."""
        waiting = _NONE
        number = 0
        for border in borders:
            parts = [waiting]
            while number < len(self._spill) and int(self._heads[number]) < border:
                parts.append(self._block(number))
                number += 1
            joined = _joined(parts)
            cut = int(np.searchsorted(joined.first, np.uint64(border)))
            yield joined.between(0, cut)
            waiting = joined.between(cut, joined.size)
        yield _joined([waiting, *(self._block(rest) for rest in range(number, len(self._spill)))])

    def close(self) -> None:
        """Give the disk's space back."""
        self._spill.close()

    def _block(self, number: int) -> _Level:
        words = np.frombuffer(self._spill.read_bytes(number), np.uint64).reshape(3, -1)
        return _Level(words[0], words[1], words[2].view(np.int64))


_NONE = _Level(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))


def _bits_of(filter_: NDArray[np.uint8], words: UInt64Array) -> tuple[UInt64Array, NDArray[np.uint8]]:
    """The bytes of a filter, and the bits in them, that stand for words."""
    bits = words & np.uint64(8 * len(filter_) - 1)
    return bits >> np.uint64(3), np.left_shift(np.uint8(1), (bits & np.uint64(7)).astype(np.uint8))


def _raise_bits(filter_: NDArray[np.uint8], first: UInt64Array, second: UInt64Array) -> None:
    for words in (first, second):
        np.bitwise_or.at(filter_, *_bits_of(filter_, words))


def _has_bits(filter_: NDArray[np.uint8], first: UInt64Array, second: UInt64Array) -> NDArray[np.bool_]:
    bytes_of_second, bits_of_second = _bits_of(filter_, second)
    found: NDArray[np.bool_] = (filter_[bytes_of_second] & bits_of_second) != 0
    some = np.flatnonzero(found)
    bytes_of_first, bits_of_first = _bits_of(filter_, first[some])
    found[some] = (filter_[bytes_of_first] & bits_of_first) != 0
    return found


def _joined(levels: Sequence[_Level]) -> _Level:
    """Put levels together that follow one another."""
    if len(levels) == 1:
        return levels[0]
    return _Level(*(np.concatenate(arrays) for arrays in zip(*levels, strict=True)))


def _merged(levels: Sequence[_Slices], size: int) -> Iterator[_Level]:
    """Merge levels a slice at a time; keys are spread evenly, and so slices of keys are of like sizes."""
    slices = -(-size // _SLICE_KEYS)
    borders = [(number << 64) // slices for number in range(1, slices)]
    for parts in zip(*(level.slices(borders) for level in levels), strict=True):
        joined = _joined(parts)
        if joined.size:
            order = np.argsort(joined.first, kind="stable")
            yield _Level(joined.first[order], joined.second[order], joined.positions[order])
