"""A second reader of blocks, written from docs/reference/lineage-encodings.md: it uses nothing of whence."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CELL = 256


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def read_planes(data: bytes, count: int, width: int) -> tuple[list[int], bytes]:
    """Read numbers in planes, and give the bytes behind them."""
    numbers = [0] * count
    at = 0
    for plane in range(width // 8):
        for place in range(count):
            numbers[place] |= data[at + place] << (8 * plane)
        at += count
    for bit in range(width // 8 * 8, width):
        size = -(-count // 8)
        for place, value in enumerate(bits_of(data[at : at + size])[:count]):
            numbers[place] |= int(value) << bit
        at += size
    return numbers, data[at:]


def read_sequence(data: bytes, count: int, *, has_positions: bool = False) -> tuple[list[int], bytes]:
    """Read a sequence, check its directory, and give the bytes behind it."""
    form, width, wide, zero, high_bytes, base = struct.unpack("<BBBBIq", data[:16])
    data = data[16:]
    assert zero == 0
    if form == 0:
        return [base] * count, data
    cells = -(-count // CELL)
    ends = [int.from_bytes(data[at * wide : (at + 1) * wide], "little") for at in range(cells)]
    data = data[cells * wide :]
    high = [0] * count
    bit_ends: list[int] = []
    if form == 1:
        bit_ends = list(struct.unpack(f"<{cells}I", data[: 4 * cells]))
        stream = bits_of(data[4 * cells : 4 * cells + high_bytes])
        data = data[4 * cells + high_bytes :]
        at = 0
        for place in range(count):
            stop = stream.index("1", at)
            high[place], at = stop - at, stop + 1
            if (place + 1) % CELL == 0 or place + 1 == count:
                assert bit_ends.pop(0) == at
    low: list[int] = []
    for start in range(0, count, CELL):
        numbers, data = read_planes(data, min(CELL, count - start), width)
        low += numbers
    above = [upper << width | lower for upper, lower in zip(high, low, strict=True)]
    if not has_positions:
        assert ends == [sum(above[:end]) for end in range(CELL, count + CELL, CELL)]
    return [base + number for number in above], data


@dataclass
class Steps:
    """A selection or an expansion: how many outputs each input gave."""

    counts: list[int]

    @property
    def kept(self) -> list[int]:
        """The inputs that were kept."""
        assert set(self.counts) <= {0, 1}
        return [place for place, count in enumerate(self.counts) if count]


def read_steps(data: bytes, in_count: int, out_count: int) -> Steps:
    """Read a block of a selection or an expansion."""
    form, zeros, count, usual, excess = struct.unpack("<B3sIQq", data[:24])
    assert zeros == bytes(3)
    if form == 0:
        assert len(data) == 24 + -(-in_count // 8)
        return Steps([int(bit) for bit in bits_of(data[24:])[:in_count]])
    stretches, rest = read_sequence(data[24:], count)
    others, rest = read_sequence(rest, count)
    assert rest == b""
    if stretches:
        stretches[0] += excess
    counts: list[int] = []
    for stretch, other in zip(stretches, others, strict=True):
        counts += [usual] * stretch + ([other] if form == 1 else [1] * other)
    counts += [usual] * (in_count - len(counts))
    assert len(counts) == in_count
    assert sum(counts) == out_count
    return Steps(counts)


def read_positions(data: bytes, count: int) -> list[int]:
    """Read a block of positions."""
    form, width, zeros, base, step = struct.unpack("<BB6sqq", data[:24])
    assert zeros == bytes(6)
    if form == 0:
        return [base + step * place for place in range(count)]
    if form == 1:
        numbers, rest = read_planes(data[24:], count, width)
        assert rest == b""
        return [base + number for number in numbers]
    numbers, rest = read_sequence(data[24:], count, has_positions=True)
    assert rest == b""
    found = [base]
    for number in numbers[1:]:
        turned = number if form == 2 else number // 2 if number % 2 == 0 else -(number + 1) // 2
        found.append(found[-1] + turned)
    return found


def read_repeated(data: bytes, before: list[int]) -> list[int]:
    """Read which outputs dropped inputs repeat, given how many outputs there were before each."""
    found = read_positions(data[1:], len(before))
    return found if data[0] == 0 else [place - 1 - back for place, back in zip(before, found, strict=True)]
