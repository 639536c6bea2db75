"""Numbers as bits and bytes: variable-length integers, fixed-width fields, Rice codes.

The bits of a stream fill each byte from its most significant bit on; the last byte is filled with zeros.
Everything read is checked to the last bit, so that damage is seen here and not in an answer.
Source: varints as in LEB128 (DWARF 5, section 7.6); R. F. Rice, "Some practical universal noiseless coding
techniques", JPL Publication 79-22, 1979: close to the entropy where numbers fall off geometrically, as the
gaps of a random selection do.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from whence.errors import DamagedError
from whence.lineage.origins import IntArray

Encoded: TypeAlias = bytes | memoryview
Bits: TypeAlias = npt.NDArray[np.uint8]

NUMBER_BITS = 63
_WIDTH_LIMIT = 31


def varint(number: int) -> bytes:
    """Spell a number in [0, 2**63): seven bits a byte, lowest first; the top bit says that more follow."""
    spelled = bytearray()
    while number >= 0x80:
        spelled.append(number & 0x7F | 0x80)
        number >>= 7
    spelled.append(number)
    return bytes(spelled)


def read_varint(data: Encoded, at: int) -> tuple[int, int]:
    """Read a number that `varint` spelled.

    Returns:
        The number, and where the next byte stands.

    Raises:
        DamagedError: the bytes end too early, or spell more than 63 bits, or spell a number too long.
    """
    number = 0
    for shift in range(0, NUMBER_BITS, 7):
        if at >= len(data):
            raise DamagedError("an encoded number ends too early")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise DamagedError("an encoded number is longer than it must be")
            return number, at
    raise DamagedError("an encoded number has more than 63 bits")


def fixed_bits(numbers: IntArray, width: int) -> Bits:
    """Spell each number in `width` bits, the most significant first."""
    shifts = np.arange(width - 1, -1, -1, dtype=np.int64)
    return ((numbers[:, None] >> shifts) & 1).astype(np.uint8).ravel()


def read_fixed(bits: Bits, count: int, width: int) -> IntArray:
    """Read `count` numbers of `width` bits, which must be exactly the bits given."""
    numbers = np.zeros(count, dtype=np.int64)
    for column in bits.reshape(count, width).T:
        numbers = numbers << 1 | column
    return numbers


def best_rice_width(count: int, total: int) -> int:
    """Choose how many low bits of each number are better spelled as they are than counted.

    Close to log2(mean * ln 2), the best for numbers that fall off geometrically; it is written with the
    code, so that a better choice later needs no new format.
    """
    if not total:
        return 0
    # 89 / 128 is ln 2 to three places
    return min(max(((total + count) * 89 // (count * 128)).bit_length() - 1, 0), _WIDTH_LIMIT)


def rice_size(numbers: IntArray, width: int) -> int:
    """Count the bits that `rice_bits` will use."""
    return len(numbers) * (width + 1) + int((numbers >> width).sum())


def rice_bits(numbers: IntArray, width: int) -> Bits:
    """Spell numbers as Rice codes, all high parts before all low parts.

    A high part `number >> width` is as many 0 as it counts and then a 1; a low part is the lowest `width`
    bits. Standing apart, both can be read for a whole chunk at once.
    """
    stops = np.cumsum((numbers >> width) + 1) - 1
    high = np.zeros(int(stops[-1]) + 1 if stops.size else 0, dtype=np.uint8)
    high[stops] = 1
    return np.concatenate((high, fixed_bits(numbers, width))) if width else high


def read_rice(bits: Bits, count: int, width: int) -> tuple[IntArray, Bits]:
    """Read `count` Rice codes.

    Returns:
        The numbers, and the bits that are left over.

    Raises:
        DamagedError: the bits end too early, or a number has more than 63 bits.
    """
    stops = np.flatnonzero(bits)[:count].astype(np.int64, copy=False)
    begin = int(stops[-1]) + 1 if stops.size else 0
    end = begin + count * width
    if len(stops) < count or end > len(bits):
        raise DamagedError("an encoded list of numbers ends too early")
    high = np.diff(stops, prepend=-1) - 1
    if high.size and int(high.max()) >> (NUMBER_BITS - width):
        raise DamagedError("an encoded number has more than 63 bits")
    return high << width | read_fixed(bits[begin:end], count, width), bits[end:]


def pack(bits: Bits) -> bytes:
    """Fill bytes with bits, the first into the most significant place."""
    return np.packbits(bits).tobytes()


def unpack(data: Encoded, at: int) -> Bits:
    """Take all bits from byte `at` on."""
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8, offset=at)) if at < len(data) else _NO_BITS


def check_filling(rest: Bits) -> None:
    """Check that only the filling of the last byte is left.

    Raises:
        DamagedError: a whole byte is left over, or a bit of the filling is not 0.
    """
    if len(rest) >= 8 or rest.any():
        raise DamagedError("encoded bytes go on after their end")


_NO_BITS: Bits = np.zeros(0, dtype=np.uint8)
