"""Which samples of a chunk were kept, in close to as few bytes as information theory allows.

The first byte is the form (three bits) and a width (five bits). What each form means is written, to be
read without this code, in docs/reference/lineage-encodings.md.
"""

from __future__ import annotations

import numpy as np

from whence.errors import DamagedError
from whence.lineage import bits
from whence.lineage.origins import BoolArray, IntArray

_NONE, _ALL, _PLAIN, _KEPT, _DROPPED, _CHANGES = range(6)
_WIDTH_BITS = 5
_SPACINGS = (_KEPT, _DROPPED, _CHANGES)


def encode_mask(mask: BoolArray) -> bytes:
    """Spell which samples of a chunk were kept, in the form of six that suits them best.

    Args:
        mask: True where a sample was kept, shape (n,).

    Returns:
        1 byte where all or none were kept, at most 1 + n / 8 bytes rounded up; for random masks within a
        fifth of the entropy, and little for long runs.

    Cost: O(n).
    """
    mask = np.asarray(mask, dtype=np.bool_)
    kept_count = int(np.count_nonzero(mask))
    if kept_count in {0, len(mask)}:
        return bytes([(_ALL if kept_count else _NONE) << _WIDTH_BITS])
    if _is_balanced(mask, kept_count):
        return bytes([_PLAIN << _WIDTH_BITS]) + bits.pack(mask.view(np.uint8))
    # the fewest marks need the fewest bits, up to a byte or two
    form, marks = min(((form, _marks(mask, form)) for form in _SPACINGS), key=_mark_count)
    gaps = _gaps(marks)
    width = bits.best_rice_width(len(gaps), int(gaps.sum()))
    head = bytes([form << _WIDTH_BITS | width]) + bits.varint(len(gaps))
    if len(head) + (bits.rice_size(gaps, width) + 7) // 8 > (len(mask) + 7) // 8:
        return bytes([_PLAIN << _WIDTH_BITS]) + bits.pack(mask.view(np.uint8))
    return head + bits.pack(bits.rice_bits(gaps, width))


def spell_mask(mask: BoolArray) -> bytes:
    """Spell which samples of a chunk were kept as plain bits: for what is soon written again, in less.

    Cost: O(n), a microsecond for a chunk of a thousand.
    """
    return _PLAIN_HEAD + np.packbits(mask).tobytes()


def decode_mask(data: bits.Encoded, size: int) -> BoolArray:
    """Read which samples of a chunk of `size` samples were kept.

    Args:
        data: what `encode_mask` returned.
        size: how many samples the chunk had.

    Returns:
        True where a sample was kept, shape (size,).

    Raises:
        DamagedError: the bytes are not what `encode_mask` writes for a chunk of this size.
    """
    if not len(data):
        raise DamagedError("an encoded selection is empty; it has at least its form")
    form, width = data[0] >> _WIDTH_BITS, data[0] & ((1 << _WIDTH_BITS) - 1)
    if form in _SPACINGS:
        return _read_spacings(data, size, form=form, width=width)
    if width:
        raise DamagedError(f"an encoded selection begins with {data[0]:#04x}, which is no form")
    if form in {_NONE, _ALL}:
        if len(data) > 1:
            raise DamagedError("an encoded selection goes on after its end")
        return np.full(size, form == _ALL, dtype=np.bool_)
    if form == _PLAIN:
        return _read_plain(data, size)
    raise DamagedError(f"an encoded selection begins with {data[0]:#04x}, which is no form")


def _is_balanced(mask: BoolArray, kept_count: int) -> bool:
    """Tell whether no other form can be much smaller than a bit a sample, at a fraction of their cost.

    Where the rarer choice has more than 3 of 10 samples, its entropy is above 0.88 bits; and changes
    between neighbours as frequent as chance makes them leave nothing for the form that spells runs.
    """
    size = len(mask)
    if 10 * min(kept_count, size - kept_count) <= 3 * size:
        return False
    change_count = int(np.count_nonzero(mask[1:] != mask[:-1]))
    return 10 * change_count > 3 * size


def _marks(mask: BoolArray, form: int) -> BoolArray:
    """Mark what a form spells the places of; a change is where a mask differs from the sample before."""
    if form == _KEPT:
        return mask
    if form == _DROPPED:
        return ~mask
    return mask ^ np.concatenate((_BEFORE, mask[:-1]))


def _mark_count(spacing: tuple[int, BoolArray]) -> int:
    return int(np.count_nonzero(spacing[1]))


def _gaps(marks: BoolArray) -> IntArray:
    """Count the unmarked places before each marked one."""
    places = np.flatnonzero(marks).astype(np.int64, copy=False)
    gaps = places - 1
    gaps[0] = places[0]
    gaps[1:] -= places[:-1]
    return gaps


def _read_plain(data: bits.Encoded, size: int) -> BoolArray:
    stream = bits.unpack(data, 1)
    if len(stream) < size:
        raise DamagedError(f"an encoded selection ends after {len(stream)} of {size} samples")
    bits.check_filling(stream[size:])
    return stream[:size].astype(np.bool_)


def _read_spacings(data: bits.Encoded, size: int, *, form: int, width: int) -> BoolArray:
    count, at = bits.read_varint(data, 1)
    if not 0 < count <= size:
        raise DamagedError(f"an encoded selection marks {count} of {size} samples")
    gaps, rest = bits.read_rice(bits.unpack(data, at), count, width)
    bits.check_filling(rest)
    # no wrap around 64 bits: the high parts sum to less than the bits there are, a low part is below 2**31
    places = np.cumsum(gaps + 1) - 1
    if int(places[-1]) >= size:
        raise DamagedError(f"an encoded selection marks a sample after its last, {size - 1}")
    marks = np.zeros(size, dtype=np.bool_)
    marks[places] = True
    if form == _KEPT:
        return marks
    return ~marks if form == _DROPPED else np.logical_xor.accumulate(marks)


ALL_KEPT = bytes([_ALL << _WIDTH_BITS])
"""What `encode_mask` says of a chunk whose samples were all kept."""

_PLAIN_HEAD = bytes([_PLAIN << _WIDTH_BITS])
_BEFORE: BoolArray = np.zeros(1, dtype=np.bool_)
