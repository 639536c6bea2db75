"""How many outputs each sample of a chunk gave, in few bytes.

The first byte is the form (two bits) and a width (six bits). What each form means is written, to be read
without this code, in docs/reference/lineage-encodings.md.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from whence.errors import DamagedError, PlanError
from whence.lineage import bits
from whence.lineage.lines import Line, Numbers
from whence.lineage.mapping import POSITION_LIMIT
from whence.lineage.masks import decode_mask, encode_mask
from whence.lineage.origins import IntArray

T = TypeVar("T")

_RUNS, _FIXED, _RICE, _MOSTLY = range(4)
_WIDTH_BITS = 6
_WHOLE_LIMIT = 1 << 32
_CONSECUTIVE = bytes([_RUNS << _WIDTH_BITS | 1])


def encode_counts(counts: IntArray) -> bytes:
    """Spell how many outputs each sample of a chunk gave, in the smallest of four forms.

    Args:
        counts: numbers of outputs, shape (n,).

    Returns:
        2 bytes where all counts are one number below 128, about the entropy where they vary.

    Raises:
        PlanError: a count is negative, or they add up to more than positions can number.

    Cost: O(n).
    """
    counts = np.asarray(counts, dtype=np.int64)
    if not counts.size:
        return bytes([_RUNS << _WIDTH_BITS])
    if int(counts.min()) < 0:
        raise PlanError(f"a sample can't give {int(counts.min())} outputs")
    _check_total(counts, PlanError)
    simple = _spell_simple(counts)
    # the value of more than half of the samples, if there is one, stands in the middle
    usual = int(np.partition(counts, len(counts) // 2)[len(counts) // 2])
    unusual = counts != usual
    if not 0 < 2 * np.count_nonzero(unusual) < len(counts):
        return simple
    mask = encode_mask(unusual)
    head = bytes([_MOSTLY << _WIDTH_BITS]) + bits.varint(usual) + bits.varint(len(mask))
    return min(simple, head + mask + _spell_simple(counts[unusual]), key=len)


def spell_counts(counts: IntArray) -> tuple[bytes, Numbers]:
    """Spell counts in whole bytes, all of one width, or a few numbers: for what is soon written in less.

    Returns:
        The bytes, and the counts in an array of their own, of few bytes where they are small; or as a line.

    Cost: O(n), a few microseconds for a chunk of a thousand.

    Raises:
        PlanError: a count is negative, or they add up to more than positions can number.
    """
    if not counts.size:
        return encode_counts(counts), counts.copy()
    # a microsecond less each than the methods of an array
    lowest, highest = int(np.minimum.reduce(counts)), int(np.maximum.reduce(counts))
    if lowest < 0 or highest >= _WHOLE_LIMIT:
        return encode_counts(counts), counts.copy()
    if lowest == highest:
        return bytes([_RUNS << _WIDTH_BITS]) + bits.varint(lowest), Line(lowest, 0, len(counts))
    if highest - lowest == len(counts) - 1 and (counts[1:] > counts[:-1]).all():
        return _CONSECUTIVE + bits.varint(lowest), Line(lowest, 1, len(counts))
    small = counts.astype(_whole(highest, "u1", "u2", "u4"))
    base = lowest if _whole(highest - lowest, 1, 2, 4) < small.itemsize else 0
    above = (small - small.dtype.type(base) if base else small).astype(
        _whole(highest - base, "u1", ">u2", ">u4")
    )
    head = bytes([_FIXED << _WIDTH_BITS | 8 * above.itemsize]) + bits.varint(base)
    return b"".join((head, above.view(np.uint8).data)), small


def _whole(highest: int, one: T, two: T, four: T) -> T:
    """Choose by how many whole bytes a number takes."""
    if highest < 1 << 8:
        return one
    return two if highest < 1 << 16 else four


def decode_counts(data: bits.Encoded, size: int) -> IntArray:
    """Read how many outputs each of `size` samples gave.

    Args:
        data: what `encode_counts` returned.
        size: how many samples the chunk had.

    Returns:
        Numbers of outputs, shape (size,).

    Raises:
        DamagedError: the bytes are not what `encode_counts` writes for a chunk of this size.
    """
    if len(data) and data[0] == _MOSTLY << _WIDTH_BITS:
        counts = _read_mostly(data, size)
    else:
        counts = _read_simple(data, size)
    _check_total(counts, DamagedError)
    return counts


def _spell_simple(counts: IntArray) -> bytes:
    base = int(counts.min())
    above = counts - base
    fixed_width = int(above.max()).bit_length()
    rice_width = bits.best_rice_width(len(above), int(above.sum()))
    rice_bit_count, fixed_bit_count = bits.rice_size(above, rice_width), fixed_width * len(above)
    spelled_base = bits.varint(base)
    other_size = len(spelled_base) + (min(rice_bit_count, fixed_bit_count) + 7) // 8
    starts = np.flatnonzero(np.diff(counts, prepend=-1)).astype(np.int64, copy=False)
    # a run takes two bytes at least, the last one only one
    if 2 * len(starts) - 1 <= other_size:
        runs = _spell_runs(counts, starts)
        if len(runs) <= other_size:
            return bytes([_RUNS << _WIDTH_BITS]) + runs
    if rice_bit_count < fixed_bit_count:
        head, stream = _RICE << _WIDTH_BITS | rice_width, bits.rice_bits(above, rice_width)
    else:
        head, stream = _FIXED << _WIDTH_BITS | fixed_width, bits.fixed_bits(above, fixed_width)
    return bytes([head]) + spelled_base + bits.pack(stream)


def _read_simple(data: bits.Encoded, size: int) -> IntArray:
    if not len(data):
        raise DamagedError("encoded counts are empty; they have at least their form")
    form, width = data[0] >> _WIDTH_BITS, data[0] & ((1 << _WIDTH_BITS) - 1)
    if form == _RUNS and not width:
        return _read_runs(data, size)
    if data[0] == _CONSECUTIVE[0]:
        first, end = bits.read_varint(data, 1)
        if end == len(data) and first + size < POSITION_LIMIT:
            return np.arange(first, first + size, dtype=np.int64)
    if form in {_FIXED, _RICE} and size:
        return _read_above(data, size, form=form, width=width)
    raise DamagedError(f"encoded counts begin with {data[0]:#04x}, which is no form for {size} samples")


def _read_mostly(data: bits.Encoded, size: int) -> IntArray:
    usual, at = bits.read_varint(data, 1)
    length, at = bits.read_varint(data, at)
    unusual = decode_mask(data[at : at + length], size)
    counts = np.full(size, usual, dtype=np.int64)
    counts[unusual] = _read_simple(data[at + length :], int(np.count_nonzero(unusual)))
    return counts


def _spell_runs(counts: IntArray, starts: IntArray) -> bytes:
    lengths = np.diff(starts).tolist()
    spelled = [bits.varint(value) for value in counts[starts].tolist()]
    pairs = [value + bits.varint(length) for value, length in zip(spelled, lengths, strict=False)]
    return b"".join([*pairs, spelled[-1]])


def _read_runs(data: bits.Encoded, size: int) -> IntArray:
    numbers: list[int] = []
    at = 1
    while at < len(data):
        number, at = bits.read_varint(data, at)
        numbers.append(number)
    values, lengths = numbers[::2], numbers[1::2]
    if values:
        lengths.append(size - sum(lengths))
    if len(values) != len(lengths) or sum(lengths) != size or min(lengths, default=1) < 1:
        raise DamagedError(f"encoded runs of counts do not make {size} samples")
    return np.repeat(np.array(values, dtype=np.int64), lengths)


def _read_above(data: bits.Encoded, size: int, *, form: int, width: int) -> IntArray:
    base, at = bits.read_varint(data, 1)
    if form == _FIXED and width in (8, 16, 32) and len(data) == at + size * width // 8:
        return base + np.frombuffer(data, f">u{width // 8}", size, at).astype(np.int64)
    stream = bits.unpack(data, at)
    if form == _RICE:
        above, rest = bits.read_rice(stream, size, width)
    else:
        if len(stream) < size * width:
            raise DamagedError(f"encoded counts end before the last of {size} samples")
        above, rest = bits.read_fixed(stream[: size * width], size, width), stream[size * width :]
    bits.check_filling(rest)
    if base + int(above.max()) >= POSITION_LIMIT:
        raise DamagedError("an encoded count has more than 63 bits")
    return base + above


def _check_total(counts: IntArray, error: type[DamagedError | PlanError]) -> None:
    # the sum in floating point can't wrap; its error is far below the factor of two kept in reserve
    if float(counts.sum(dtype=np.float64)) >= POSITION_LIMIT / 2:
        raise error("counts add up to more than positions can number")
