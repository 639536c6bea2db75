"""Long sequences of numbers, entropy-coded and still read anywhere: in cells of 256, with a directory.

A sequence is all equal, of fixed width, or in Rice codes (see `bits`): all high parts of the sequence in one
stream of bits, the low parts of each cell in planes of their own. The directory says of each cell where its
high parts end and what its numbers add up to, so that a question decodes the cells it touches and no others,
all of them together. What the bytes mean is written in docs/reference/lineage-encodings.md.
"""

from __future__ import annotations

import struct

import numpy as np

from whence.errors import DamagedError
from whence.lineage.bits import Encoded, best_rice_width
from whence.lineage.lines import AnyIntArray
from whence.lineage.origins import IntArray
from whence.lineage.planes import Bytes, planes_size, read_planes, spell_planes

CELL = 256

_EQUAL, _RICE, _FIXED = range(3)
_HEAD = struct.Struct("<BBBxIq")
_NARROW = 1 << 32


class Spelling:
    """How a sequence would be spelled, and in how many bytes: known before anything is.

    Args:
        numbers: shape (n,), each 0 or more.
    """

    __slots__ = ("_above", "base", "form", "size", "width")

    def __init__(self, numbers: AnyIntArray) -> None:
        self.base = int(numbers.min()) if numbers.size else 0
        self._above = numbers - self.base if self.base else numbers
        self.form, self.width = _EQUAL, 0
        self.size = _HEAD.size
        highest = int(self._above.max()) if numbers.size else 0
        if not highest:
            return
        count, total = len(numbers), int(self._above.sum(dtype=np.int64))
        cells = -(-count // CELL)
        wide = 8 if total >= _NARROW else 4
        # the best width is this one or the next
        narrow = best_rice_width(count, total)
        rice, rice_width = min(
            (
                (count + int((self._above >> width).sum(dtype=np.int64)) + 7) // 8
                + planes_size_of_cells(count, width),
                width,
            )
            for width in (narrow, narrow + 1)
        )
        rice += cells * (wide + 4)
        fixed = planes_size_of_cells(count, highest.bit_length()) + cells * wide
        self.form, self.width = (_RICE, rice_width) if rice < fixed else (_FIXED, highest.bit_length())
        self.size += min(rice, fixed)

    def spell(self, anchors: AnyIntArray | None = None) -> bytes:
        """Spell it.

        Args:
            anchors: what the directory says of each cell's end, each 0 or more; by default what the numbers
                above the smallest add up to until there.
        """
        if self.form == _EQUAL:
            return _HEAD.pack(_EQUAL, 0, 0, 0, self.base)
        above = self._above
        if anchors is None:
            anchors = np.cumsum(above, dtype=np.int64)[_ends_of(len(above)) - 1]
        wide = 8 if int(anchors[-1]) >= _NARROW or int(anchors.max()) >= _NARROW else 4
        parts = [anchors.astype(f"<u{wide}").tobytes()]
        high_bytes = 0
        if self.form == _RICE:
            stops = np.cumsum((above >> self.width) + 1, dtype=np.int64) - 1
            high = np.zeros(int(stops[-1]) + 1, np.uint8)
            high[stops] = 1
            parts += [(stops[_ends_of(len(above)) - 1] + 1).astype("<u4").tobytes(), _packed(high)]
            high_bytes = len(parts[-1])
        parts.append(_spell_cells(above & ((1 << self.width) - 1), self.width))
        return _HEAD.pack(self.form, self.width, wide, high_bytes, self.base) + b"".join(parts)


class Sequence:
    """Reads what `Spelling.spell` wrote.

    Args:
        data: the bytes; more may follow.
        at: where the sequence begins.
        count: how many numbers it has.

    Raises:
        DamagedError: the bytes can't be a sequence of so many numbers.
    """

    __slots__ = ("_base", "_ends", "_form", "_high", "_low", "_width", "anchors", "count", "end")

    def __init__(self, data: Encoded, at: int, count: int) -> None:
        if len(data) < at + _HEAD.size:
            raise DamagedError("an encoded sequence ends before its head does")
        self._form, self._width, wide, high_bytes, self._base = _HEAD.unpack_from(data, at)
        self.count = count
        at += _HEAD.size
        if self._form == _EQUAL:
            self.end = at
            self.anchors = np.zeros(self.cell_count, np.int64)
            return
        if self._form not in (_RICE, _FIXED) or self._width > 63 or wide not in (4, 8) or not count:
            raise DamagedError(f"an encoded sequence has form {self._form}, which is none")
        cells = self.cell_count
        is_rice = self._form == _RICE
        low_bytes = planes_size_of_cells(count, self._width)
        self.end = at + cells * (wide + 4 * is_rice) + high_bytes + low_bytes
        if len(data) < self.end:
            raise DamagedError(f"an encoded sequence ends before the last of {count} numbers")
        self.anchors = np.frombuffer(data, f"<u{wide}", cells, at).astype(np.int64)
        at += cells * wide
        if is_rice:
            self._ends = np.zeros(cells + 1, np.int64)
            self._ends[1:] = np.frombuffer(data, "<u4", cells, at)
            at += cells * 4
            self._high = np.frombuffer(data, np.uint8, high_bytes, at)
            if (np.diff(self._ends) < 0).any() or self._ends[-1] > 8 * high_bytes:
                raise DamagedError("the directory of an encoded sequence doesn't fit it")
        self._low = np.frombuffer(data, np.uint8, low_bytes, at + high_bytes)

    @property
    def cell_count(self) -> int:
        """How many cells it has."""
        return -(-self.count // CELL)

    @property
    def only(self) -> int | None:
        """The number that all of them are; None where they may differ."""
        return int(self._base) if self._form == _EQUAL else None

    def sums(self) -> IntArray:
        """Add up the numbers before each cell, with the total at the end: shape (cells + 1,)."""
        found = np.zeros(self.cell_count + 1, np.int64)
        found[1:] = self.anchors
        if self._base:
            found += self._base * np.minimum(np.arange(len(found)) * CELL, self.count)
        return found

    def cells(self, chosen: IntArray) -> IntArray:
        """Read cells.

        Args:
            chosen: their numbers, ascending and without repeats.

        Returns:
            Shape (len(chosen), 256); behind the end of the sequence there are zeros.

        Raises:
            DamagedError: the bytes and the directory don't go together.
        """
        found = np.full((len(chosen), CELL), self._base, np.int64)
        if not len(chosen):
            return found
        last = self.count - CELL * (self.cell_count - 1)  # how many numbers the last cell has
        if self._form != _EQUAL:
            has_last = int(chosen[-1]) == self.cell_count - 1 and last < CELL
            full = chosen[:-1] if has_last else chosen
            found[: len(full)] += self._low_of(full)
            if has_last:
                tail = self._low[planes_size(CELL, self._width) * (self.cell_count - 1) :]
                found[-1:, :last] += read_planes(tail[None, :], last, self._width)
            if self._form == _RICE:
                found += self._high_of(chosen, last if has_last else CELL) << self._width
        if int(chosen[-1]) == self.cell_count - 1:
            found[-1, last:] = 0
        return found

    def _low_of(self, chosen: IntArray) -> IntArray:
        if not self._width:
            return np.zeros((len(chosen), CELL), np.int64)
        size = planes_size(CELL, self._width)
        full = self._low[: size * (self.count // CELL)].reshape(-1, size)
        return read_planes(full[chosen], CELL, self._width)

    def _high_of(self, chosen: IntArray, last: int) -> IntArray:
        """Read high parts: the distances between the ones in the bits of each cell."""
        begins, ends = self._ends[chosen], self._ends[chosen + 1]
        first_bytes, byte_counts = begins >> 3, ((ends + 7) >> 3) - (begins >> 3)
        offsets = np.cumsum(byte_counts) - byte_counts
        places = np.repeat(first_bytes - offsets, byte_counts) + np.arange(int(byte_counts.sum()))
        ones = np.flatnonzero(np.unpackbits(self._high[places]))
        starts = 8 * offsets + (begins & 7)
        which = np.searchsorted(ones, starts)[:, None] + _IN_CELL
        if last < CELL:
            which[-1, last:] = which[-1, last - 1]
        if int(which[-1, -1]) >= len(ones):
            raise DamagedError("the high parts of an encoded sequence end too early")
        stops: IntArray = ones[which] - starts[:, None]
        if (stops[:, -1] != ends - begins - 1).any():
            raise DamagedError("the directory of an encoded sequence doesn't fit it")
        stops[:, 1:] -= stops[:, :-1] + 1
        if last < CELL:
            stops[-1, last:] = 0
        return stops


def planes_size_of_cells(count: int, width: int) -> int:
    """Count the bytes of `count` numbers of `width` bits in cells, each in planes of its own."""
    full, rest = divmod(count, CELL)
    return full * planes_size(CELL, width) + planes_size(rest, width)


def _spell_cells(numbers: AnyIntArray, width: int) -> bytes:
    full = len(numbers) // CELL * CELL
    cells: Bytes = spell_planes(numbers[:full].reshape(-1, CELL), width)
    return cells.tobytes() + spell_planes(numbers[None, full:], width).tobytes()


def _ends_of(count: int) -> IntArray:
    """Where each cell ends."""
    return np.minimum(np.arange(CELL, count + CELL, CELL, dtype=np.int64), count)


def _packed(bits: Bytes) -> bytes:
    return np.packbits(bits).tobytes()


_IN_CELL = np.arange(CELL, dtype=np.int64)
