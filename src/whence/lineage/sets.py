"""Sets of positions that answer membership at once: which rows of a source reached a consumer.

A set is all, none, one bit a position, or the positions of the rarer kind; whichever is shortest. Nothing
is decoded to answer, so a set may be looked up where it lies, in a mapped file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from whence.errors import DamagedError
from whence.lineage.mapping import Positions, as_positions
from whence.lineage.origins import BoolArray

Stored: TypeAlias = bytes | memoryview

NONE, ALL, BITS, FEW, MOST = range(5)
_WIDE = 1 << 32


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

        Cost: O(n) for a set of bits, O(n log k) for k positions.
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
        listed = np.frombuffer(self.data, f"<u{self._width}")
        wanted = np.where(inside, taken, 0).astype(listed.dtype)
        place = np.minimum(np.searchsorted(listed, wanted), max(len(listed) - 1, 0))
        found = listed[place] == wanted if len(listed) else np.zeros(len(taken), np.bool_)
        chosen: BoolArray = inside & (found if self.form == FEW else ~found)
        return chosen
