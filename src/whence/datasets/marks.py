"""Marks of values: 64 bits that differ where values do, made for whole columns at a few nanoseconds each.

They tell where to cut and about how many values differ, and identify nothing: of a text they know the length
and its first, middle and last eight bytes, of a list the length and the first item.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.datasets.arrow import pa, pc
from whence.datasets.logical import is_list, plain_array
from whence.vocab import mix64

UInt64Array = NDArray[np.uint64]
Int64Array = NDArray[np.int64]

_ITEM_BYTES = 16
_WORD = 8
_ODD = np.uint64(0x9E3779B97F4A7C15)


def column_marks(array: Any) -> tuple[UInt64Array, Int64Array]:
    """Mark each value of an array, and count its bytes.

    Returns:
        Marks, uniform over 64 bits for values that differ, and sizes; shapes (n,).
    """
    marks = np.zeros(len(array), np.uint64)
    sizes = np.ones(len(array), np.int64)
    _mark(plain_array(array), marks, sizes)
    return mix64(marks), sizes


def fold(marks: UInt64Array, words: UInt64Array) -> None:
    """Mix further words into marks, in place."""
    marks ^= words
    marks *= _ODD
    marks ^= marks >> np.uint64(29)


def _mark(array: Any, marks: UInt64Array, sizes: Int64Array) -> None:
    """Mix the values of a column into the marks, and add their bytes."""
    kind = array.type
    if kind in (pa.large_string(), pa.large_binary()):
        lengths, *words = _words_within(array)
        sizes += lengths + _WORD
        for each in (lengths.view(np.uint64), *words):
            fold(marks, each)
    elif pa.types.is_struct(kind):
        for field in array.flatten():
            _mark(plain_array(field), marks, sizes)
    elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        fold(marks, _words_of(array))
        sizes += max(1, kind.bit_width // 8)
    elif is_list(kind):
        _mark_lists(array, marks, sizes)


def _mark_lists(array: Any, marks: UInt64Array, sizes: Int64Array) -> None:
    """Lists are marked by how long they are, and by their first items."""
    lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int64()), 0).to_numpy()
    fold(marks, lengths.view(np.uint64))
    items = plain_array(array.flatten())
    is_fixed = pa.types.is_primitive(items.type)
    sizes += lengths * (max(1, items.type.bit_width // 8) if is_fixed else _ITEM_BYTES) + _WORD
    with_items = np.flatnonzero(lengths)
    firsts = (np.cumsum(lengths) - lengths)[with_items]
    found, ignored = np.zeros(len(firsts), np.uint64), np.zeros(len(firsts), np.int64)
    _mark(items.take(pa.array(firsts)), found, ignored)
    spread = np.zeros(len(array), np.uint64)
    spread[with_items] = found
    fold(marks, spread)


def _words_of(array: Any) -> UInt64Array:
    """A word for each value of fixed width; 0 where it is missing."""
    kind = array.type
    if pa.types.is_boolean(kind):
        flags: NDArray[np.uint8] = pc.fill_null(array.cast(pa.uint8()), 2).to_numpy()
        return flags.astype(np.uint64)
    width = kind.bit_width // 8
    raw = np.frombuffer(array.buffers()[1], np.uint8)
    raw = raw[array.offset * width : (array.offset + len(array)) * width]
    if width in (1, 2, 4, 8):
        words = raw.view(f"<u{width}").astype(np.uint64)
    else:  # decimals, intervals, bytes of one length: the last eight and the first few tell enough
        table = raw.reshape(len(array), width)
        words = _number(table[:, :_WORD]) ^ mix64(_number(table[:, -_WORD:]))
    if array.null_count:
        words[array.is_null().to_numpy(zero_copy_only=False)] = 0
    return words


def _number(columns: NDArray[np.uint8]) -> UInt64Array:
    found = np.zeros(len(columns), np.uint64)
    for place in range(columns.shape[1]):
        found |= columns[:, place].astype(np.uint64) << np.uint64(8 * place)
    return found


def _words_within(array: Any) -> tuple[Int64Array, UInt64Array, UInt64Array, UInt64Array]:
    """The lengths of texts, and their first, middle and last eight bytes; all 0 where one is missing."""
    _, offsets, content = array.buffers()
    ends = np.frombuffer(offsets, "<i8")[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(ends)
    if array.null_count:
        lengths[array.is_null().to_numpy(zero_copy_only=False)] = 0
    held = memoryview(content)[int(ends[0]) : int(ends[-1])] if content is not None else b""
    padded = np.zeros(len(held) + 2 * _WORD, np.uint8)
    padded[_WORD:-_WORD] = np.frombuffer(held, np.uint8)
    words = np.lib.stride_tricks.sliding_window_view(padded, _WORD).view("<u8")[:, 0]
    starts = ends[:-1] - ends[0]
    room = np.uint64(8) * (_WORD - lengths.clip(max=_WORD)).astype(np.uint64)
    first = words[starts + _WORD] << np.minimum(room, np.uint64(63))
    middle = words[starts + _WORD + (lengths - _WORD).clip(min=0) // 2] << np.minimum(room, np.uint64(63))
    last = words[starts + lengths] >> np.minimum(room, np.uint64(63))
    for each in (first, middle, last):
        each[lengths == 0] = 0
    return lengths, first, middle, last
