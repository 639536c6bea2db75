"""Relations of any form: for each output the input positions it came from, stored as they are.

Sorts, joins, groups and packs are kept this way, here chunk by chunk as they were told, a chunk being some
consecutive outputs; `sealed` reads them when the pass is over. What the bytes mean is written, to be
read without this code, in docs/reference/lineage-encodings.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from whence.errors import DamagedError
from whence.lineage import bits
from whence.lineage.chunks import by_chunk
from whence.lineage.counts import decode_counts, spell_counts
from whence.lineage.lines import Numbers
from whence.lineage.mapping import Positions, as_positions, check_positions
from whence.lineage.origins import BoolArray, IntArray, Origins, starts_of

_DECODED_CHUNKS = 64


def encode_relation(counts: IntArray, positions: IntArray) -> tuple[bytes, Numbers, Numbers]:
    """Spell which input positions each output of a chunk came from, in whole bytes.

    Args:
        counts: how many each output came from, shape (n,).
        positions: output by output, shape (sum of counts,), each 0 or more.

    Returns:
        The bytes, and counts and positions in arrays of their own, of few bytes where they are small; or as
        lines.

    Cost: O(m), some microseconds for a chunk of a thousand.
    """
    spelled, small_counts = spell_counts(counts)
    spelled_positions, small_positions = spell_counts(positions)
    data = b"".join((bits.varint(len(spelled)), spelled, spelled_positions))
    return data, small_counts, small_positions


def decode_relation(data: bits.Encoded, out_count: int) -> tuple[IntArray, IntArray]:
    """Read which input positions each of `out_count` outputs came from.

    Returns:
        Counts, shape (out_count,), and positions, shape (sum of counts,).

    Raises:
        DamagedError: the bytes are not what `encode_relation` writes for a chunk of this size.
    """
    length, at = bits.read_varint(data, 0)
    counts = decode_counts(data[at : at + length], out_count)
    return counts, decode_counts(data[at + length :], int(counts.sum()))


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
        counts = np.empty(len(taken), np.int64)
        first = np.empty(len(taken), np.int64)
        decoded: list[IntArray] = [_NONE]
        done = 0
        for chunk, rows in by_chunk(self._starts, taken):
            bounds, found = self._chunk(chunk)
            inside = taken[rows] - self._starts[chunk]
            counts[rows] = bounds[inside + 1] - bounds[inside]
            first[rows] = bounds[inside] + done
            decoded.append(found)
            done += len(found)
        picked = Origins.ranges(first, counts)
        return Origins(picked.indptr, np.concatenate(decoded)[picked.indices])

    def forward(self, positions: Positions) -> Origins:
        """Find the outputs that each input position went to; see `Mapping.forward`."""
        taken = check_positions(positions, self.in_size)
        if self._inverse is None:
            self._inverse = self._inverted()
        inputs, outputs = self._inverse
        first = np.searchsorted(inputs, taken, side="left")
        found = Origins.ranges(first, np.searchsorted(inputs, taken, side="right") - first)
        return Origins(found.indptr, outputs[found.indices])

    def used(self) -> BoolArray:
        """Which input positions any output came from, shape (in_size,).

        Cost: the decoding of all chunks; of sealed ones only of how often each input was used.
        """
        found = np.zeros(self.in_size, np.bool_)
        for chunk in range(len(self._starts) - 1):
            found[self._chunk(chunk)[1]] = True
        return found

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
