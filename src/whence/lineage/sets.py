"""Sets of positions that answer membership at once: which rows of a source reached a consumer.

A set is all, none, one bit a position, or the positions of the rarer kind; whichever is shortest. Nothing
is decoded to answer, so a set may be looked up where it lies, in a mapped file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from whence.errors import DamagedError
from whence.lineage.mapping import Positions, as_positions
from whence.lineage.origins import BoolArray, IntArray

Stored: TypeAlias = bytes | memoryview
ListArray: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]

NONE, ALL, BITS, FEW, MOST = range(5)
_WIDE = 1 << 32
_STRIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSet:
    """Some of the positions [0, size).

    Args:
        size: how many positions there are.
        form: NONE, ALL, BITS (a bit for each position, the lowest first), FEW (those in it, ascending) or
            MOST (those not in it); positions take 4 bytes each, 8 where the size is above 2**32.
        data: what the form needs.

    Raises:
        DamagedError: the data aren't those of such a set.
    """

    size: int
    form: int
    data: Stored = b""
    _posts: list[ListArray] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        length = len(self.data)
        fits = {
            NONE: length == 0,
            ALL: length == 0,
            BITS: length == (self.size + 7) // 8,
            FEW: length % self._width == 0,
            MOST: length % self._width == 0,
        }
        if self.size < 0 or not fits.get(self.form, False):
            raise DamagedError(
                f"a set of form {self.form} over {self.size} positions can't have {length} bytes"
            )

    @classmethod
    def of(cls, flags: BoolArray) -> PositionSet:
        """Take the positions at which `flags` holds, shape (size,)."""
        size = len(flags)
        count = int(np.count_nonzero(flags))
        if count in (0, size):
            return cls(size=size, form=ALL if count else NONE)
        width = 4 if size <= _WIDE else 8
        form, rarer = (FEW, count) if 2 * count <= size else (MOST, size - count)
        if rarer * width >= (size + 7) // 8:
            return cls(size=size, form=BITS, data=np.packbits(flags, bitorder="little").tobytes())
        places = np.flatnonzero(flags if form == FEW else ~flags)
        return cls(size=size, form=form, data=places.astype(f"<u{width}").tobytes())

    @property
    def _width(self) -> int:
        return 4 if self.size <= _WIDE else 8

    def has(self, positions: Positions) -> BoolArray:
        """Tell which positions are in it; one outside [0, size) isn't.

        Args:
            positions: shape (n,), in any order.

        Cost: O(n) for a set of bits, O(n log k) for k positions: some 150 ns each among a million.
        """
        taken = as_positions(positions)
        inside = (taken >= 0) & (taken < self.size)
        if self.form in (NONE, ALL):
            return inside & (self.form == ALL)
        if self.form == BITS:
            places = np.where(inside, taken, 0)
            packed = np.frombuffer(self.data, np.uint8)
            bits: BoolArray = ((packed[places >> 3] >> (places & 7).astype(np.uint8)) & 1).astype(np.bool_)
            return inside & bits
        found = self._lists(np.where(inside, taken, 0))
        chosen: BoolArray = inside & (found if self.form == FEW else ~found)
        return chosen

    def _lists(self, positions: IntArray) -> BoolArray:
        """Tell which positions are among those listed.

        A search that halves the whole list waits for memory at each step. So each position is first looked
        up among every 256th one, kept as they fit into the processor's cache; then all go on at once.
        """
        listed = np.frombuffer(self.data, f"<u{self._width}")
        if not len(listed):
            return np.zeros(len(positions), np.bool_)
        if not self._posts:
            self._posts.append(listed[::_STRIDE].copy())
        wanted = positions.astype(listed.dtype)
        places = np.maximum(np.searchsorted(self._posts[0], wanted, side="right") - 1, 0) * _STRIDE
        step = _STRIDE // 2
        while step:
            places += (listed.take(places + step, mode="clip") <= wanted) * step
            step //= 2
        found: BoolArray = listed.take(places, mode="clip") == wanted
        return found
