"""Orders: keyed bijections on [0, size) that are followed both ways without being stored.

Up to 65,536 positions, an order is the ranking of as many random words: every order equally likely, but
for ties of 64-bit words (less than one in eight thousand million million), which the lower position wins.
Beyond, it is a Feistel network on pairs (x, y) with x below a and y below b, where a and b are the
smallest near-equal numbers with a * b >= size; a position beyond size is sent on until it falls inside,
which less than one in 250 needs once. Both ways cost the same.

Source: Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, the generalised Feistel
cipher, with as many rounds as below instead of their three. A shuffle, not a cipher: nothing here is
meant to resist someone who wants to find the key.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.chance.philox import UInt64Array, check_integer, check_key, compute_words
from whence.chance.variates import Int64Array
from whence.errors import PlanError, PositionError
from whence.vocab import key64

_RANKED_SIZE = 65_536
_ROUNDS = 10
_MIX = np.uint64(0x9FB21C651E98DF25)
_SHIFT = np.uint64(32)
# Positions computed together: the four arrays of a slab stay in a core's second-level cache.
_SLAB = 8_192
# Blocks up to this window are ranked together, as many at once as a few megabytes hold.
_SMALL_WINDOW = 512
_RANKED_TOGETHER = 262_144
# So few positions are found among the words of their block by themselves.
_FEW = 4
_MASK = (1 << 64) - 1
_LAST = np.uint64(0xFFFFFFFFFFFFFFFF)
_SIZE_LIMIT = 1 << 62


class Permutation(ABC):
    """A bijection on [0, size): output position i holds input position `backward(i)`."""

    __slots__ = ()

    size: int

    def backward(self, positions: Int64Array) -> Int64Array:
        """Find which input position each output position holds.

        Args:
            positions: output positions, flat, each in [0, size); any order, repeats allowed.

        Returns:
            The input positions, in the order asked.

        Raises:
            PositionError: a position is outside [0, size).
        """
        return self._follow(_check_positions(positions, self.size), backward=True)

    def forward(self, positions: Int64Array) -> Int64Array:
        """Find at which output position each input position is; the inverse of `backward`.

        Raises:
            PositionError: a position is outside [0, size).
        """
        return self._follow(_check_positions(positions, self.size), backward=False)

    @abstractmethod
    def _follow(self, positions: Int64Array, *, backward: bool) -> Int64Array: ...


@dataclass(frozen=True, slots=True)
class RankedPermutation(Permutation):
    """An order of up to 65,536 positions: the ranking of random words, kept while it is in use.

    Cost: 100 ns per position of `size` once, then 2 ns per position asked.
    """

    size: int
    key: int

    def _follow(self, positions: Int64Array, *, backward: bool) -> Int64Array:
        return _ranked(self.size, self.key, self.size)[0 if backward else 1][positions]


@dataclass(frozen=True, slots=True)
class FeistelPermutation(Permutation):
    """An order of any number of positions: a Feistel network on near-equal factors of its size.

    Cost: 50 to 150 ns per position asked, from 8,192 at once down to 1,024; no memory.
    """

    size: int
    key: int

    def _follow(self, positions: Int64Array, *, backward: bool) -> Int64Array:
        network = _network(self.size, self.key)
        if len(positions) == 1:
            return np.array([network.walk_one(int(positions[0]), backward=backward)], np.int64)
        result = np.empty(positions.shape, dtype=np.int64)
        for start in range(0, len(positions), _SLAB):
            slab = positions[start : start + _SLAB].astype(np.uint64)
            result[start : start + _SLAB] = network.walk(slab, backward=backward).view(np.int64)
        return result


@dataclass(frozen=True, slots=True)
class BlockPermutation(Permutation):
    """An order of its own within each `window` consecutive positions; the last block may be short.

    Cost: about 100 ns for each position of each block touched. Blocks up to 512 are ranked anew at each
        call, larger ones kept while in use; those beyond 65,536 cost what a Feistel network does.
    """

    size: int
    window: int
    key: int

    def _follow(self, positions: Int64Array, *, backward: bool) -> Int64Array:
        numbers = positions // self.window
        offsets = positions - numbers * self.window
        result = np.empty_like(positions)
        if self.window <= _SMALL_WINDOW:
            step = _RANKED_TOGETHER // self.window
            for start in range(0, len(positions), step):
                part = slice(start, start + step)
                result[part] = self._follow_small(numbers[part], offsets[part], backward)
        else:
            by_block = np.argsort(numbers, kind="stable")
            found, starts = np.unique(numbers[by_block], return_index=True)
            for number, chosen in zip(found.tolist(), np.split(by_block, starts[1:]), strict=False):
                result[chosen] = self._follow_large(number, offsets[chosen], backward)
        return result + numbers * self.window

    def _follow_small(self, numbers: Int64Array, offsets: Int64Array, backward: bool) -> Int64Array:
        found, rows = np.unique(numbers, return_inverse=True)
        ranking = compute_words(_block_key(self.key, self.window), 0, found.view(np.uint64), 0, self.window)
        short = self.size - int(found[-1]) * self.window if len(found) else self.window
        # No word is greater, and equal ones stay in order: the places that aren't there come last.
        ranking[-1:, short:] = _LAST
        order = np.argsort(ranking, axis=1, kind="stable")
        if not backward:
            order = np.argsort(order, axis=1, kind="stable")
        return order[rows, offsets]

    def _follow_large(self, number: int, offsets: Int64Array, backward: bool) -> Int64Array:
        length = min(self.window, self.size - number * self.window)
        if len(offsets) <= _FEW and self.window <= _RANKED_SIZE:
            key = _block_key(self.key, self.window)
            found = [_followed(length, key, number, offset, backward) for offset in offsets.tolist()]
            return np.array(found, np.int64)
        if self.window <= _RANKED_SIZE:
            return _ranked(length, _block_key(self.key, self.window), number)[0 if backward else 1][offsets]
        return permutation(length, key64(self.key, number))._follow(offsets, backward=backward)


def permutation(size: int, key: int) -> Permutation:
    """Make the order of `size` positions that a key names.

    Args:
        size: how many positions there are.
        key: 64 bits, from `vocab.key64`.

    Raises:
        PlanError: an argument isn't an integer or is out of range.
    """
    size = _check_size("size", size, least=0)
    kind = RankedPermutation if size <= _RANKED_SIZE else FeistelPermutation
    return kind(size, check_key(key))


def blocks(size: int, window: int, key: int) -> BlockPermutation:
    """Make the order in which each block of `window` positions is shuffled by itself.

    Args:
        size: how many positions there are.
        window: how many consecutive positions a block has; the last one may have fewer.
        key: 64 bits, from `vocab.key64`; each block gets words, or a key, of its own.

    Raises:
        PlanError: an argument isn't an integer or is out of range.
    """
    size, window = _check_size("size", size, least=0), _check_size("window", window, least=1)
    return BlockPermutation(size, window, check_key(key))


class _Network:
    """The Feistel network of one size and key; each round is undone by subtracting what it added."""

    __slots__ = ("_factors", "_keys", "_plain", "_size")

    def __init__(self, size: int, key: int) -> None:
        left = math.isqrt(size - 1) + 1
        self._size = np.uint64(size)
        self._factors = np.uint64(left), np.uint64(-(-size // left))
        # The size is the draw id, so that networks of one key and two sizes have nothing in common.
        pairs = compute_words(key, 0, np.array([size], dtype=np.uint64), 0, 2 * _ROUNDS).reshape(_ROUNDS, 2)
        self._keys = [(turn % 2, addend, odd | np.uint64(1)) for turn, (addend, odd) in enumerate(pairs)]
        keys = [(side, int(addend), int(odd)) for side, addend, odd in self._keys]
        self._plain = tuple(map(int, self._factors)), keys

    def walk(self, positions: UInt64Array, *, backward: bool) -> UInt64Array:
        """Apply the network, again where it leads outside: cycle walking keeps it a bijection."""
        pass_once = self._backward if backward else self._forward
        reached = pass_once(positions)
        outside = np.nonzero(reached >= self._size)[0]
        while outside.size:
            reached[outside] = pass_once(reached[outside])
            outside = outside[reached[outside] >= self._size]
        return reached

    def walk_one(self, position: int, *, backward: bool) -> int:
        """Do as `walk` with a single position, in a tenth of the time."""
        limits, keys = self._plain
        while True:
            halves = list(divmod(position, limits[1]))
            for side, addend, odd in keys if backward else reversed(keys):
                mixed = ((halves[1 - side] + addend) * odd) & _MASK
                mixed = ((mixed ^ mixed >> 32) * int(_MIX) & _MASK) >> 32
                added = mixed * limits[side] >> 32
                halves[side] = (halves[side] + (added if backward else -added)) % limits[side]
            position = halves[0] * limits[1] + halves[1]
            if position < int(self._size):
                return position

    def _backward(self, positions: UInt64Array) -> UInt64Array:
        halves = list(np.divmod(positions, self._factors[1]))
        room = np.empty_like(positions)
        for side, addend, odd in self._keys:
            half, limit = halves[side], self._factors[side]
            half += _mixed(halves[1 - side], addend, odd, limit)
            np.subtract(half, limit, out=room)
            np.minimum(half, room, out=half)  # below 0 it wraps to a huge number, and the sum stays
        return self._join(halves)

    def _forward(self, positions: UInt64Array) -> UInt64Array:
        halves = list(np.divmod(positions, self._factors[1]))
        room = np.empty_like(positions)
        for side, addend, odd in reversed(self._keys):
            half, limit = halves[side], self._factors[side]
            half -= _mixed(halves[1 - side], addend, odd, limit)
            np.add(half, limit, out=room)
            np.minimum(half, room, out=half)
        return self._join(halves)

    def _join(self, halves: list[UInt64Array]) -> UInt64Array:
        joined: UInt64Array = halves[0] * self._factors[1] + halves[1]
        return joined


def _mixed(half: UInt64Array, addend: np.uint64, odd: np.uint64, limit: np.uint64) -> UInt64Array:
    """Mix a half with a round's key to a number below `limit`, itself below 2**32."""
    mixed = half + addend
    mixed *= odd
    mixed ^= mixed >> _SHIFT
    mixed *= _MIX
    mixed >>= _SHIFT
    mixed *= limit
    mixed >>= _SHIFT
    return mixed


@lru_cache(maxsize=256)
def _network(size: int, key: int) -> _Network:
    return _Network(size, key)


@lru_cache(maxsize=256)
def _block_key(key: int, window: int) -> int:
    return key64(key, "blocks", window)


@lru_cache(maxsize=32)
def _words(size: int, key: int, draw_id: int) -> UInt64Array:
    """The words of a draw id, by which places are ranked."""
    words: UInt64Array = compute_words(key, 0, np.array([draw_id], dtype=np.uint64), 0, size)[0]
    return words


@lru_cache(maxsize=1_024)
def _followed(size: int, key: int, draw_id: int, offset: int, backward: bool) -> int:
    words = _words(size, key, draw_id)
    return _placed(words, offset) if backward else _rank(words, offset)


def _rank(words: UInt64Array, place: int) -> int:
    """How many places come before one: a fortieth of the time that ranking all takes."""
    word = words[place]
    return int(np.count_nonzero(words < word) + np.count_nonzero(words[:place] == word))


def _placed(words: UInt64Array, rank: int) -> int:
    """Which place has a rank; the inverse of `_rank`, in a sixth of the time that ranking all takes."""
    word = np.partition(words, rank)[rank]
    return int(np.flatnonzero(words == word)[rank - np.count_nonzero(words < word)])


@lru_cache(maxsize=32)
def _ranked(size: int, key: int, draw_id: int) -> tuple[Int64Array, Int64Array]:
    """Rank the words of a draw id: the order backward, and its inverse."""
    order = np.argsort(_words(size, key, draw_id), kind="stable")
    inverse = np.empty_like(order)
    inverse[order] = np.arange(size, dtype=np.int64)
    return order, inverse


def _check_size(what: str, value: object, *, least: int) -> int:
    size = check_integer(what, value)
    if not least <= size <= _SIZE_LIMIT:
        raise PlanError(f"{what}: wanted an integer in [{least}, 2**62], got {size}")
    return size


def _check_positions(positions: object, size: int) -> Int64Array:
    array: NDArray[Any] = np.asarray(positions)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise PositionError(f"wanted a flat array of integers, got shape {array.shape} of {array.dtype}")
    if array.size and not (array.min() >= 0 and array.max() < size):
        raise PositionError(f"positions {array.min()} to {array.max()} of an order of {size}")
    return array.astype(np.int64, copy=False)
