"""Numbers of one width in planes: the lowest byte of all of them, the next byte, then bits one by one.

A width of 27 is three planes of bytes and three of bits. Nothing is shared between neighbours but the bytes
of the bit planes, so that both writing and reading are a few operations for all numbers at once, and any
number is read by itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whence.lineage.lines import AnyIntArray
from whence.lineage.origins import IntArray

Bytes = npt.NDArray[np.uint8]


def planes_size(count: int, width: int) -> int:
    """Count the bytes that `count` numbers of `width` bits take."""
    return width // 8 * count + width % 8 * ((count + 7) // 8)


def spell_planes(numbers: AnyIntArray, width: int) -> Bytes:
    """Spell rows of numbers, each row in planes of its own.

    Args:
        numbers: shape (rows, count), each in [0, 2**width).
        width: 0 to 63.

    Returns:
        Shape (rows, planes_size(count, width)).
    """
    rows, count = numbers.shape
    whole, rest = divmod(width, 8)
    out = np.empty((rows, planes_size(count, width)), np.uint8)
    little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
    by_byte = little.view(np.uint8).reshape(rows, count, numbers.itemsize)
    for plane in range(whole):
        out[:, plane * count : (plane + 1) * count] = by_byte[:, :, plane]
    if rest:
        size = (count + 7) // 8
        upper = np.ascontiguousarray(by_byte[:, :, whole])
        for bit in range(rest):
            start = whole * count + bit * size
            out[:, start : start + size] = np.packbits(upper & np.uint8(1 << bit), axis=1)
    return out


def read_planes(data: Bytes, count: int, width: int) -> IntArray:
    """Read rows of `count` numbers of `width` bits.

    Args:
        data: shape (rows, planes_size(count, width)).
        count: how many numbers a row has.
        width: 0 to 63.

    Returns:
        Shape (rows, count).
    """
    whole, rest = divmod(width, 8)
    out = np.zeros((len(data), count), "<i8")
    by_byte = out.view(np.uint8).reshape(len(data), count, 8)
    for plane in range(whole):
        by_byte[:, :, plane] = data[:, plane * count : (plane + 1) * count]
    if rest:
        size = (count + 7) // 8
        upper = np.zeros((len(data), count), np.uint8)
        for bit in range(rest):
            start = whole * count + bit * size
            upper |= np.unpackbits(data[:, start : start + size], axis=1, count=count) << np.uint8(bit)
        by_byte[:, :, whole] = upper
    return out


def pick_planes(data: Bytes, count: int, width: int, places: IntArray) -> IntArray:
    """Read some of one row's numbers.

    Args:
        data: shape (planes_size(count, width),).
        count: how many numbers the row has.
        width: 0 to 63.
        places: which of them, each in [0, count).
    """
    whole, rest = divmod(width, 8)
    out = np.zeros(len(places), np.int64)
    for plane in range(whole):
        out |= data[plane * count + places].astype(np.int64) << (8 * plane)
    if rest:
        size = (count + 7) // 8
        octets, shifts = places >> 3, (7 - (places & 7)).astype(np.uint8)
        for bit in range(rest):
            found = data[whole * count + bit * size + octets] >> shifts & np.uint8(1)
            out |= found.astype(np.int64) << (8 * whole + bit)
    return out
