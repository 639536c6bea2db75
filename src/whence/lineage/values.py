"""Blocks of positions: the inputs that outputs came from, in any order, read at any place.

A block is a line (each position a fixed step from the one before), positions as they are, or steps from one
to the next, whichever is shortest. What the bytes mean is written in docs/reference/lineage-encodings.md.
"""

from __future__ import annotations

import struct

import numpy as np

from whence.errors import DamagedError
from whence.lineage.bits import Encoded
from whence.lineage.lines import AnyIntArray, Line, Numbers
from whence.lineage.origins import IntArray, each_once
from whence.lineage.planes import pick_planes, planes_size, read_planes, spell_planes
from whence.lineage.sequences import CELL, Sequence, Spelling

_LINE, _PLACES, _RISING, _TURNING = range(4)
_HEAD = struct.Struct("<BBxxxxxxqq")
_ALL_AT_ONCE = 4
_NARROW = 1 << 30


def encode_values_block(values: Numbers) -> bytes:
    """Spell positions.

    Args:
        values: shape (n,), each 0 or more.

    Returns:
        24 bytes for positions at equal distances, a few bits each where they rise slowly, the logarithm of
        their range where they stand in no order.

    Cost: O(n), 5 to 25 ns for each.
    """
    if not len(values):
        return _HEAD.pack(_LINE, 0, 0, 0)
    if isinstance(values, Line):
        return _HEAD.pack(_LINE, 0, values.first, values.step if len(values) > 1 else 0)
    lowest, highest = int(values.min()), int(values.max())
    # in half the memory where twice the largest step fits: most of the time goes into reading and writing it
    return _spell_positions(values.astype(np.int32 if highest < _NARROW else np.int64), lowest, highest)


def _spell_positions(values: AnyIntArray, lowest: int, highest: int) -> bytes:
    first = int(values[0])
    turns = np.diff(values)
    least, most = (int(turns.min()), int(turns.max())) if turns.size else (0, 0)
    if least == most:
        return _HEAD.pack(_LINE, 0, first, least)
    width = (highest - lowest).bit_length()
    # steps that are a quarter of the range on average are not worth a try; the sum in float can't wrap
    if least >= 0 or _length(turns) < len(values) << max(0, width - 2):
        form = _RISING if least >= 0 else _TURNING
        steps = Spelling(_after_none(turns if form == _RISING else _zigzag(turns)))
        if steps.size < planes_size(len(values), width):
            ends = np.minimum(np.arange(CELL, len(values) + CELL, CELL), len(values)) - 1
            return _HEAD.pack(form, 0, first, 0) + steps.spell(values[ends])
    above = values - lowest if lowest else values
    return _HEAD.pack(_PLACES, width, lowest, 0) + spell_planes(above[None, :], width).tobytes()


class ValuesBlock:
    """Reads what `encode_values_block` wrote.

    Args:
        data: the bytes.
        size: how many positions there are.
    """

    __slots__ = ("_base", "_form", "_places", "_step", "_steps", "_width", "size")

    def __init__(self, data: Encoded, size: int) -> None:
        if len(data) < _HEAD.size:
            raise DamagedError("a block of positions ends before its head does")
        head: tuple[int, int, int, int] = _HEAD.unpack_from(data)
        self._form, self._width, self._base, self._step = head
        self.size = size
        end = _HEAD.size
        if self._form == _PLACES:
            if self._width > 63:
                raise DamagedError(f"a block of positions of {self._width} bits")
            self._places = np.frombuffer(data, np.uint8, offset=end)
            end += planes_size(size, self._width)
        elif self._form in (_RISING, _TURNING):
            self._steps = Sequence(data, end, size)
            end = self._steps.end
        elif self._form != _LINE:
            raise DamagedError(f"a block of positions has form {self._form}, which is none")
        if len(data) != end:
            raise DamagedError(f"a block of {size} positions has {len(data)} bytes, wanted {end}")

    def at(self, places: IntArray) -> IntArray:
        """Read some of the positions, shape (n,), each place in [0, size)."""
        found: IntArray
        if self._form == _LINE:
            found = places * self._step
            return found + self._base
        if self._form == _PLACES:
            if _ALL_AT_ONCE * len(places) > self.size:
                found = read_planes(self._places[None, :], self.size, self._width)[0, places]
            else:
                found = pick_planes(self._places, self.size, self._width, places)
            return found + self._base
        cells = each_once(places // CELL)
        steps = self._steps.cells(cells)
        if self._form == _TURNING:
            steps = (steps >> 1) ^ -(steps & 1)
        before = np.append(self._base, self._steps.anchors)[cells]
        values = np.cumsum(steps, axis=1) + before[:, None]
        rows = np.searchsorted(cells, places // CELL)
        found = values[rows, places % CELL]
        return found


def encode_witnesses_block(ranks: IntArray, places: IntArray) -> bytes:
    """Spell which outputs dropped samples repeat: by number, or how far back, whichever is shorter.

    Args:
        ranks: the outputs that are repeated, shape (n,).
        places: how many outputs there were before each dropped sample, shape (n,).
    """
    by_rank, back = encode_values_block(ranks), encode_values_block(places - 1 - ranks)
    return b"\x01" + back if len(back) < len(by_rank) else b"\x00" + by_rank


class WitnessesBlock:
    """Reads what `encode_witnesses_block` wrote.

    Args:
        data: the bytes.
        size: how many dropped samples there are.
    """

    __slots__ = ("_is_back", "_values")

    def __init__(self, data: Encoded, size: int) -> None:
        if not len(data) or data[0] > 1:
            raise DamagedError("a block of what dropped samples repeat has no form")
        self._is_back = data[0] == 1
        self._values = ValuesBlock(data[1:], size)

    def at(self, numbers: IntArray, places: IntArray) -> IntArray:
        """Find the outputs that some dropped samples repeat.

        Args:
            numbers: which dropped samples, counted from the beginning of the block, shape (n,).
            places: how many outputs there were before each, shape (n,).
        """
        found = self._values.at(numbers)
        return places - 1 - found if self._is_back else found


def _length(turns: AnyIntArray) -> float:
    """How far it is there and back, all together."""
    return float(np.abs(turns).sum(dtype=np.int64 if turns.itemsize < 8 else np.float64))


def _zigzag(numbers: AnyIntArray) -> AnyIntArray:
    found: AnyIntArray = numbers << 1
    found ^= numbers >> (8 * numbers.itemsize - 1)
    return found


def _after_none(steps: AnyIntArray) -> AnyIntArray:
    """Steps, with one of length zero before them."""
    found: AnyIntArray = np.zeros(len(steps) + 1, steps.dtype)
    found[1:] = steps
    return found
