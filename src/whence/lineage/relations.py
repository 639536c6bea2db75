"""Relations of any form: for each output the input positions it came from, stored as they are.

Sorts, joins, groups and packs are kept this way. A chunk is some consecutive outputs; its positions are
spelled as distances from one to the next or as they are, whichever is shorter. What the bytes mean is
written, to be read without this code, in docs/reference/lineage-encodings.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from whence.errors import DamagedError
from whence.lineage import bits
from whence.lineage.counts import decode_counts, encode_counts
from whence.lineage.mapping import Positions, as_positions, check_positions
from whence.lineage.origins import IntArray, Origins, starts_of

_DISTANCES, _PLACES = range(2)
_DECODED_CHUNKS = 64


def encode_relation(counts: IntArray, positions: IntArray) -> bytes:
    """Spell which input positions each output of a chunk came from.

    Args:
        counts: how many each output came from, shape (n,).
        positions: output by output, shape (sum of counts,), each 0 or more.

    Returns:
        A few bytes for consecutive positions, about the logarithm of their range for arbitrary ones.

    Cost: O(m).
    """
    spelled = encode_counts(counts)
    head = bits.varint(len(spelled)) + spelled
    if not len(positions):
        return head
    places = bytes([_PLACES]) + encode_counts(positions)
    turned = np.diff(positions, prepend=positions[:1])
    distances = bytes([_DISTANCES]) + bits.varint(int(positions[0])) + encode_counts(_zigzag(turned))
    return head + min(distances, places, key=len)


def decode_relation(data: bits.Encoded, out_count: int) -> tuple[IntArray, IntArray]:
    """Read which input positions each of `out_count` outputs came from.

    Returns:
        Counts, shape (out_count,), and positions, shape (sum of counts,).

    Raises:
        DamagedError: the bytes are not what `encode_relation` writes for a chunk of this size.
    """
    length, at = bits.read_varint(data, 0)
    counts = decode_counts(data[at : at + length], out_count)
    at += length
    total = int(counts.sum())
    if not total:
        return counts, np.zeros(0, np.int64)
    if at >= len(data):
        raise DamagedError("an encoded relation ends before its positions")
    if data[at] == _PLACES:
        return counts, decode_counts(data[at + 1 :], total)
    if data[at] != _DISTANCES:
        raise DamagedError(f"an encoded relation has positions of form {data[at]}, which is none")
    first, at = bits.read_varint(data, at + 1)
    positions = first + np.cumsum(_unzigzag(decode_counts(data[at:], total)))
    if int(positions.min()) < 0:
        raise DamagedError("an encoded relation has a negative position")
    return counts, positions


class RelationIndex:
    """Which input positions each output of a stream came from, and where each input went.

    Args:
        in_size: how many positions the input has.
        out_counts: how many outputs each chunk has, shape (k,).
        datas: for each chunk what `encode_relation` returned; read only when asked.

    Cost: O(k) to build; backward the decoding of the chunks it touches; forward of all, the first time.
    """

    def __init__(self, in_size: int, out_counts: Positions, datas: Sequence[bits.Encoded]) -> None:
        self.in_size = in_size
        self._starts = starts_of(as_positions(out_counts))
        self._datas = datas
        self._chunk = lru_cache(maxsize=_DECODED_CHUNKS)(self._decoded)
        self._inverse: tuple[IntArray, IntArray] | None = None

    @property
    def out_size(self) -> int:
        """How many outputs there are."""
        return int(self._starts[-1])

    def backward(self, positions: Positions) -> Origins:
        """Find the input positions that each output came from; see `Mapping.backward`."""
        taken = check_positions(positions, self.out_size)
        chunks = np.searchsorted(self._starts, taken, side="right") - 1
        counts = np.zeros(len(taken), np.int64)
        rows: list[IntArray] = [_NONE] * len(taken)
        for place, (chunk, position) in enumerate(zip(chunks.tolist(), taken.tolist(), strict=True)):
            bounds, found = self._chunk(chunk)
            inside = position - int(self._starts[chunk])
            rows[place] = found[bounds[inside] : bounds[inside + 1]]
            counts[place] = len(rows[place])
        return Origins(starts_of(counts), np.concatenate(rows) if rows else _NONE)

    def forward(self, positions: Positions) -> Origins:
        """Find the outputs that each input position went to; see `Mapping.forward`."""
        taken = check_positions(positions, self.in_size)
        if self._inverse is None:
            self._inverse = self._inverted()
        inputs, outputs = self._inverse
        first = np.searchsorted(inputs, taken, side="left")
        found = Origins.ranges(first, np.searchsorted(inputs, taken, side="right") - first)
        return Origins(found.indptr, outputs[found.indices])

    def _decoded(self, chunk: int) -> tuple[IntArray, IntArray]:
        size = int(self._starts[chunk + 1] - self._starts[chunk])
        counts, positions = decode_relation(self._datas[chunk], size)
        if positions.size and int(positions.max()) >= self.in_size:
            raise DamagedError(f"chunk {chunk}: an input position is outside [0, {self.in_size})")
        return starts_of(counts), positions

    def _inverted(self) -> tuple[IntArray, IntArray]:
        inputs, outputs = [_NONE], [_NONE]
        for chunk in range(len(self._starts) - 1):
            bounds, found = self._chunk(chunk)
            inputs.append(found)
            numbers = np.arange(len(bounds) - 1, dtype=np.int64) + self._starts[chunk]
            outputs.append(np.repeat(numbers, np.diff(bounds)))
        flat = np.concatenate(inputs)
        order = np.argsort(flat, kind="stable")  # the outputs of one input stay ascending
        return flat[order], np.concatenate(outputs)[order]


_NONE = np.zeros(0, np.int64)


def _zigzag(numbers: IntArray) -> IntArray:
    return (numbers << 1) ^ (numbers >> 63)


def _unzigzag(numbers: IntArray) -> IntArray:
    return (numbers >> 1) ^ -(numbers & 1)
