"""What a sealed pass holds and where: blocks, and the directory that is written after them.

The blocks of a pass stand in a framed file, among those of other passes. Each says itself which node it is
about, in what role, and how many inputs and outputs it has; so the directory can be made again from them,
byte by byte. What the bytes mean is written in docs/reference/format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from whence.errors import DamagedError
from whence.lineage.bits import Encoded
from whence.lineage.origins import IntArray, starts_of

ROWS, SELECTION, EXPANSION, WITNESSES, TAKEN_COUNTS, TAKEN, GIVEN_COUNTS, GIVEN = range(1, 9)
"""What a block says of a node: how many rows a source has; which inputs were kept; how many outputs each
gave; what dropped ones repeat; of how many positions of an input each output was made, and which; how
many outputs each position of an input went to, and which."""

_BLOCK = struct.Struct("<IIHHIQQ")
_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<IHHIIQQ")
_CHAIN_BYTES = 32

BLOCK_HEAD_BYTES = _BLOCK.size


class Key(NamedTuple):
    """A list of blocks: the node, their role, and which input of the node they are about."""

    node: int
    role: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHead:
    """What a block says of itself before its data."""

    pass_number: int
    key: Key
    in_count: int
    out_count: int

    def spell(self) -> bytes:
        """Spell it, 32 bytes."""
        node, role, number = self.key
        return _BLOCK.pack(self.pass_number, node, role, number, 0, self.in_count, self.out_count)

    @classmethod
    def read(cls, data: Encoded) -> BlockHead:
        """Read it from the beginning of a block."""
        if len(data) < _BLOCK.size:
            raise DamagedError("a block of lineage ends before its head does")
        pass_number, node, role, number, _, in_count, out_count = _BLOCK.unpack_from(data)
        return cls(
            pass_number=pass_number, key=Key(node, role, number), in_count=in_count, out_count=out_count
        )


class Place(NamedTuple):
    """Where the frame of a block is, and what checks it: the chain before it and its own."""

    offset: int
    length: int
    before: bytes
    chain: bytes


@dataclass(frozen=True, slots=True, eq=False)
class BlockList:
    """The blocks of one key, in order.

    Args:
        in_starts: how many inputs come before each block, and all of them: shape (k + 1,).
        out_starts: the same for outputs.
        places: where each block is.
    """

    in_starts: IntArray
    out_starts: IntArray
    places: Sequence[Place]


class Directory:
    """The blocks of a pass as they are written; the empty one at first."""

    def __init__(self, pass_number: int) -> None:
        self.pass_number = pass_number
        self._blocks: dict[Key, list[tuple[int, int, Place]]] = {}

    def add(self, head: BlockHead, place: Place) -> None:
        """Take the next block."""
        self._blocks.setdefault(head.key, []).append((head.in_count, head.out_count, place))

    def spell(self) -> bytes:
        """Spell it: keys in order, then arrays of fixed width for each."""
        keys = sorted(self._blocks)
        parts = [_HEAD.pack(self.pass_number, len(keys))]
        parts += [_ENTRY.pack(*key, len(self._blocks[key]), 0, *_totals(self._blocks[key])) for key in keys]
        for key in keys:
            blocks = self._blocks[key]
            counts = np.array([block[:2] for block in blocks], np.int64).reshape(-1, 2)
            places = np.array([block[2][:2] for block in blocks], np.int64).reshape(-1, 2)
            starts = (starts_of(counts[:, column])[:-1] for column in (0, 1))
            parts += [column.astype("<i8").tobytes() for column in (*starts, places[:, 0], places[:, 1])]
            parts += [place.before for _, _, place in blocks]
            parts += [place.chain for _, _, place in blocks]
        return b"".join(parts)


def read_directory(data: Encoded) -> tuple[int, dict[Key, BlockList]]:
    """Read the number of a pass and its blocks.

    Raises:
        DamagedError: the bytes are no directory.

    Cost: O(1) for each key and nothing for its blocks; the arrays stay where they are.
    """
    try:
        return _read_directory(data)
    except (struct.error, ValueError) as error:
        raise DamagedError("a directory of lineage ends too early") from error


def _read_directory(data: Encoded) -> tuple[int, dict[Key, BlockList]]:
    pass_number, key_count = _HEAD.unpack_from(data)
    at = _HEAD.size
    entries = [_ENTRY.unpack_from(data, at + number * _ENTRY.size) for number in range(key_count)]
    at += key_count * _ENTRY.size
    found: dict[Key, BlockList] = {}
    for node, role, number, count, _, in_total, out_total in entries:
        columns = np.frombuffer(data, "<i8", 4 * count, at).reshape(4, count)
        chains = at + columns.nbytes
        at = chains + 2 * count * _CHAIN_BYTES
        if at > len(data):
            raise ValueError
        found[Key(node, role, number)] = BlockList(
            np.append(columns[0], in_total).astype(np.int64),
            np.append(columns[1], out_total).astype(np.int64),
            _Places(columns[2], columns[3], data, chains),
        )
    if at != len(data):
        raise DamagedError("a directory of lineage goes on after its end")
    return pass_number, found


class _Places(Sequence[Place]):
    """Places in a directory, each read when it is asked for."""

    def __init__(self, offsets: IntArray, lengths: IntArray, data: Encoded, chains: int) -> None:
        self._offsets, self._lengths = offsets, lengths
        self._data, self._chains = data, chains

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, number: int) -> Place:  # type: ignore[override]  # nobody asks for slices
        before = self._chains + number * _CHAIN_BYTES
        chain = before + len(self) * _CHAIN_BYTES
        return Place(
            int(self._offsets[number]),
            int(self._lengths[number]),
            bytes(self._data[before : before + _CHAIN_BYTES]),
            bytes(self._data[chain : chain + _CHAIN_BYTES]),
        )


def _totals(blocks: Iterable[tuple[int, int, Place]]) -> tuple[int, int]:
    found = list(blocks)
    return sum(block[0] for block in found), sum(block[1] for block in found)
