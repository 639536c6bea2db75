"""Statistics of numbers that come in pieces, each what exact arithmetic gives, rounded once at its end.

So they depend on the numbers alone: not on their order, nor on the pieces in which they came, nor on the
machine. Sums are kept as exact integers by binary exponent, quantiles are found among all numbers, which
are put aside, and the rest is counting.

Source: exact summation by exponent as in "Accurate Sums and Dot Products with Applications" (Kulisch's
long accumulator); quantiles by definition 7 of Hyndman & Fan, "Sample Quantiles in Statistical Packages",
The American Statistician 1996, which is NumPy's and pandas' own; rounding of roots as in CPython's
`statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Chunk
from whence.ops.spill import Block, Spill

FloatArray = NDArray[np.float64]
Int64Array = NDArray[np.int64]

_LOWEST = -1126
"""The exponent of the last bit of the smallest number that `frexp` gives a mantissa of 53 bits."""
_EXPONENTS = 2100
_HALF = 27
_LOW = (1 << _HALF) - 1
_PIECE = 1 << 20
"""So many halves of 27 bits add up to at most 47 bits, which a float holds exactly."""

_ROOT_BITS = 109
_KEPT_PIECES = 256
_SIGN = np.uint64(1 << 63)


class Moments:
    """The mean and the standard deviation of finite numbers.

    Cost: 34 ns a number with the deviation, 11 without; constant memory.
    """

    def __init__(self, *, squares: bool) -> None:
        self.count = 0
        self._sums = [np.zeros(_EXPONENTS, np.int64) for _ in range(2)]
        self._squares = [np.zeros(_EXPONENTS, np.int64) for _ in _SHIFTS] if squares else []

    def add(self, numbers: FloatArray) -> None:
        """Take some more."""
        for start in range(0, len(numbers), _PIECE):
            self._add(numbers[start : start + _PIECE])
        self.count += len(numbers)

    def mean(self) -> float:
        """Their mean."""
        return float(self._sum() / self.count)

    def deviation(self) -> float:
        """The root of the mean of the squares of their distances from the mean."""
        total, count = self._sum(), self.count
        squares = sum(
            (_exact(sums, 2, shift) for sums, shift in zip(self._squares, _SHIFTS, strict=True)), Fraction(0)
        )
        return _root((count * squares - total * total) / (count * count))

    def _sum(self) -> Fraction:
        low, high = self._sums
        return _exact(low, 1, 0) + _exact(high, 1, _HALF)

    def _add(self, numbers: FloatArray) -> None:
        mantissas, exponents = np.frexp(numbers)
        whole = np.ldexp(mantissas, 53).astype(np.int64)
        bins = exponents.astype(np.int64) - (53 + _LOWEST)
        low, high = whole & _LOW, whole >> _HALF
        _gather(self._sums[0], bins, low)
        _gather(self._sums[1], bins, high)
        if self._squares:
            whole = np.abs(whole)
            low, high = whole & _LOW, whole >> _HALF
            products = (low * low, low * high, high * high)
            for number, product in enumerate(products):
                _gather(self._squares[2 * number], bins, product & _LOW)
                _gather(self._squares[2 * number + 1], bins, product >> _HALF)


# the square of low + high * 2**27, each product in two halves of 27 bits: where the last bit of each stands
_SHIFTS = (0, _HALF, _HALF + 1, 2 * _HALF + 1, 2 * _HALF, 3 * _HALF)


def _gather(sums: Int64Array, bins: Int64Array, parts: Int64Array) -> None:
    first = int(bins.min())
    found = np.bincount(bins - first, weights=parts)  # exact: see _PIECE
    sums[first : first + len(found)] += found.astype(np.int64)


def _exact(sums: Int64Array, power: int, shift: int) -> Fraction:
    """The sum of sums[k] * 2**(power * (k + _LOWEST) + shift)."""
    places = np.flatnonzero(sums)
    total = sum(int(sums[place]) << (power * place) for place in places.tolist())
    return Fraction(total << shift, 1 << (-power * _LOWEST))


def _root(square: Fraction) -> float:
    """The root of a fraction, rounded once."""
    top, bottom = square.numerator, square.denominator
    if not top:
        return 0.0
    half = (top.bit_length() - bottom.bit_length() - _ROOT_BITS) // 2
    if half >= 0:
        return float(_root_to_odd(top, bottom << 2 * half) << half)
    return _root_to_odd(top << -2 * half, bottom) / (1 << -half)


def _root_to_odd(top: int, bottom: int) -> int:
    found = math.isqrt(top // bottom)
    return found | (found * found * bottom != top)


class Extremes:
    """The least and the greatest of numbers."""

    def __init__(self) -> None:
        self.count = 0
        self.least, self.greatest = math.inf, -math.inf

    def add(self, numbers: FloatArray) -> None:
        """Take some more."""
        self.count += len(numbers)
        if len(numbers):  # 0.0 added makes one zero of the two that there are
            self.least = min(self.least, float(numbers.min()) + 0.0)
            self.greatest = max(self.greatest, float(numbers.max()) + 0.0)


class Quantiles:
    """Any quantiles of numbers, which are put aside: 8 bytes each, beyond the memory allowed on disk.

    Args:
        budget_bytes: how much of them may be kept in memory.
        spill: where the others go.
    """

    def __init__(self, *, budget_bytes: int, spill: Spill) -> None:
        self.count = 0
        self._left_bytes = budget_bytes
        self._kept: list[FloatArray] = []
        self._spill = spill
        self._blocks: list[int] = []

    def add(self, numbers: FloatArray) -> None:
        """Take some more.

        Raises:
            StoreFullError, StoreError: as `Spill.add`.
        """
        if not len(numbers):
            return
        self.count += len(numbers)
        self._left_bytes -= numbers.nbytes
        self._kept.append(numbers + 0.0)  # makes one zero of the two that there are
        if self._left_bytes < 0 and (not self._blocks or len(self._kept) >= _KEPT_PIECES):
            whole = np.concatenate(self._kept)
            self._kept = []
            for start in range(0, len(whole), _PIECE):
                piece = whole[start : start + _PIECE]
                block = Block(Chunk.empty(), np.empty(0, np.int64), (piece,))
                self._blocks.append(self._spill.add(block))

    def at(self, shares: Sequence[float]) -> list[float]:
        """Find quantiles: of n numbers in order, number (n - 1) * share, between two of them on the line.

        Args:
            shares: each from 0 to 1, as its shortest decimal says.

        Cost: O(n); where they are on disk, they are read eight times for each share.
        """
        last = self.count - 1
        wanted = [last * Fraction(repr(share)) for share in shares]
        places = sorted({near for place in wanted for near in (math.floor(place), math.ceil(place))})
        found = self._in_order(places)
        return [
            _between(found[math.floor(place)], found[math.ceil(place)], place - math.floor(place))
            for place in wanted
        ]

    def _in_order(self, places: list[int]) -> dict[int, float]:
        """Find the numbers at some places in the order of all, 0 for the least."""
        if self._blocks:
            return {place: self._on_disk(place) for place in places}
        parted = np.partition(np.concatenate(self._kept), places)
        return {place: float(parted[place]) for place in places}

    def _on_disk(self, place: int) -> float:
        """Find the bits of a number, the first 16 first: how many numbers begin with which is counted."""
        prefix = 0
        for shift in (48, 32, 16, 0):
            counts = np.zeros(1 << 16, np.int64)
            for keys in self._keys():
                if shift < 48:  # after the first round only what begins as it does
                    keys = keys[keys >> np.uint64(shift + 16) == np.uint64(prefix)]  # noqa: PLW2901
                digits = (keys >> np.uint64(shift)) & np.uint64(0xFFFF)
                counts += np.bincount(digits.astype(np.int64), minlength=1 << 16)
            ends = np.cumsum(counts)
            digit = int(np.searchsorted(ends, place, side="right"))
            place -= int(ends[digit] - counts[digit])
            prefix = prefix << 16 | digit
        bits = np.array([prefix], np.uint64)
        return float(np.where(bits & _SIGN, bits ^ _SIGN, ~bits).view(np.float64)[0])

    def _keys(self) -> Iterator[NDArray[np.uint64]]:
        """The bits of all numbers, turned so that they are in the order of the numbers."""
        for piece in chain((self._spill.read(block).beside[0] for block in self._blocks), self._kept):
            bits = piece.view(np.uint64)
            yield np.where(bits & _SIGN, ~bits, bits ^ _SIGN)


def _between(first: float, second: float, share: Fraction) -> float:
    if first == second or not share:
        return first
    if math.isinf(first) or math.isinf(second):
        return first + (second - first) * float(share)
    return float(Fraction(first) + (Fraction(second) - Fraction(first)) * share)
