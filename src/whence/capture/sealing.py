"""Sealing: what a pass decided, written again in blocks that a question can read one by one.

While a pass goes on, its decisions are written as they come (`deciding`), before each delivery. Here they are
gathered for some hundred thousand samples at a time and spelled in as few bytes as their entropy allows,
while the pass goes on, so that its end isn't waited for; relations are turned round at the end, with bounded
memory. The directory written last makes the blocks the record of the pass; before that they are
nothing, and a pass whose sealing failed keeps what was written as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.capture.gathering import Counts, Emit, Relation, Witnesses
from whence.errors import StoreError, StoreFullError
from whence.lineage import (
    EXPANSION,
    GIVEN,
    GIVEN_COUNTS,
    ROWS,
    SELECTION,
    TAKEN,
    TAKEN_COUNTS,
    WITNESSES,
    BlockHead,
    Directory,
    Key,
    Numbers,
    Place,
    as_array,
    encode_mask_block,
)
from whence.store import BLOCK, DIRECTORY, PairSorter, RunWriter
from whence.vocab import digest_bytes

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]
AnyIntArray = NDArray[np.integer[Any]]

LINEAGE = "lineage"
MASK_BLOCK = 1 << 20
PAIRS_AT_ONCE = 1 << 21


class Sealing:
    """Seals the decisions of one pass.

    Args:
        writer: where it writes.
        pass_number: the pass.
    """

    def __init__(self, writer: RunWriter, pass_number: int) -> None:
        self._writer = writer
        self._directory = Directory(pass_number)
        self._rows: dict[int, int] = {}
        self._selections: dict[int, _Selection] = {}
        self._counts: dict[int, Counts] = {}
        self._relations: dict[tuple[int, int], Relation] = {}
        self._has_failed = False

    def found_rows(self, node: int, count: int) -> None:
        """So many more rows are there at a source."""
        self._rows[node] = self._rows.get(node, 0) + count

    def selected(
        self, node: int, count: int, out_count: int, bits: bytes | None, witnesses: Numbers | None
    ) -> None:
        """Of the next inputs so many went on: those with a bit in `bits`, or all."""
        selection = self._selections.get(node)
        if selection is None:
            selection = self._selections[node] = _Selection(
                self._emit(node, SELECTION), self._emit(node, WITNESSES)
            )
        selection.add(count, out_count, bits, witnesses)

    def expanded(self, node: int, counts: Numbers) -> None:
        """The next inputs gave so many outputs each."""
        gathered = self._counts.get(node)
        if gathered is None:
            gathered = self._counts[node] = Counts(self._emit(node, EXPANSION))
        gathered.add(counts)

    def related(self, node: int, number: int, counts: Numbers, positions: Numbers) -> None:
        """The next outputs came from these positions of one input."""
        relation = self._relations.get((node, number))
        if relation is None:
            emits = [self._emit(node, role, number) for role in (TAKEN_COUNTS, TAKEN, GIVEN_COUNTS, GIVEN)]
            relation = self._relations[node, number] = Relation(emits, self._sorter())
        relation.add(counts, positions)

    def attempt(self, act: Callable[[], None]) -> bool:
        """Do something that writes; where the disk refuses, nothing more is sealed, and nothing is lost.

        Returns:
            Whether the pass can still be sealed.
        """
        if not self._has_failed:
            try:
                act()
            except StoreError:
                self.let_go()
        return not self._has_failed

    def let_go(self) -> None:
        """Seal nothing more: what was written as it came stays the record of the pass."""
        self._has_failed = True
        self._let_go()

    def finish(self) -> dict[str, Any] | None:
        """Write all that is left, and the directory.

        Returns:
            Where the directory is and its digest, for the journal; None where the pass couldn't be sealed.
        """
        found: dict[str, Any] = {}

        def finish() -> None:
            for node, count in self._rows.items():
                self._emit(node, ROWS)(b"", count, count)
            for selection in self._selections.values():
                selection.finish()
            for counts in self._counts.values():
                counts.finish()
            for relation in self._relations.values():
                relation.finish()
            content = self._directory.spell()
            found["at"] = self._written(DIRECTORY, content).offset
            found["digest"] = digest_bytes(content)

        is_sealed = self.attempt(finish)
        self._let_go()
        return found if is_sealed else None

    def _sorter(self) -> PairSorter:
        return PairSorter(self._writer.path, run_pairs=PAIRS_AT_ONCE)

    def _emit(self, node: int, role: int, number: int = 0) -> Emit:
        key = Key(node, role, number)

        def emit(data: bytes, in_count: int, out_count: int) -> None:
            head = BlockHead(
                pass_number=self._directory.pass_number, key=key, in_count=in_count, out_count=out_count
            )
            self._directory.add(head, self._written(BLOCK, head.spell() + data))

        return emit

    def _written(self, kind: int, payload: bytes) -> Place:
        place = self._writer.append_segment(LINEAGE, kind, payload)
        if place is None:  # not lost: it was written before
            raise StoreFullError(f"{self._writer.path}: no room for what the pass is sealed with")
        return place

    def _let_go(self) -> None:
        for relation in self._relations.values():
            relation.close()
        self._selections, self._counts, self._relations = {}, {}, {}


class _Selection:
    """Gathers a selection, and what its dropped samples repeat."""

    def __init__(self, emit: Emit, emit_witnesses: Emit) -> None:
        self._emit = emit
        self._counts: list[int] = []
        self._bits: list[bytes | None] = []
        self._witnesses: list[AnyIntArray] = []
        self._size = 0
        self._dropped = self._told = 0
        self._ranks = _Ranks()
        self._values = Witnesses(emit_witnesses)

    def add(self, count: int, out_count: int, bits: bytes | None, witnesses: Numbers | None) -> None:
        self._counts.append(count)
        self._bits.append(bits)
        self._dropped += count - out_count
        if witnesses is not None:
            self._witnesses.append(as_array(witnesses))
            self._told += len(witnesses)
        self._size += count
        if self._size >= MASK_BLOCK:
            self._seal(self._size // MASK_BLOCK * MASK_BLOCK)

    def finish(self) -> None:
        self._seal(self._size)
        self._values.finish()

    def _seal(self, size: int) -> None:
        if self._told not in (0, self._dropped):
            raise AssertionError("an op names what some of its dropped samples repeat, and not of others")
        mask = _joined(self._counts, self._bits)
        for start in range(0, size, MASK_BLOCK):
            block = mask[start : min(start + MASK_BLOCK, size)]
            self._emit(encode_mask_block(block), len(block), int(np.count_nonzero(block)))
        if self._told or not self._dropped:
            self._rank(mask[:size])
        else:
            self._ranks = _Ranks()  # nothing is repeated here: a filter
        rest = mask[size:]
        self._counts, self._bits, self._size = [len(rest)], [np.packbits(rest).tobytes()], len(rest)

    def _rank(self, mask: BoolArray) -> None:
        """Number what is repeated by outputs: there are fewer of them than inputs."""
        before = self._ranks.add(mask)
        gone = np.flatnonzero(~mask)
        if not len(gone):
            return
        witnesses = np.concatenate(self._witnesses).astype(np.int64, copy=False)
        self._witnesses = [witnesses[len(gone) :]]
        places = np.cumsum(mask)[gone] + before
        self._values.add(self._ranks.of(witnesses[: len(gone)]), places)


class _Ranks:
    """How many samples were kept before each position: a bit for each, and a sum for each 64."""

    def __init__(self) -> None:
        self._words = np.zeros(0, np.uint64)
        self._sums = np.zeros(0, np.int64)
        self._count = self._kept = 0

    def add(self, mask: BoolArray) -> int:
        """Take the next samples, a multiple of 64 but at the end; returns how many were kept before."""
        bits = np.packbits(np.pad(mask, (0, -len(mask) % 64))).view(">u8").astype(np.uint64)
        end = self._count + len(bits)
        if end > len(self._words):
            room = max(end, 2 * len(self._words))
            self._words = np.concatenate(
                (self._words[: self._count], np.zeros(room - self._count, np.uint64))
            )
            self._sums = np.concatenate((self._sums[: self._count], np.zeros(room - self._count, np.int64)))
        counts = np.bitwise_count(bits).astype(np.int64)
        before = self._kept
        self._words[self._count : end] = bits
        self._sums[self._count : end] = np.cumsum(counts) - counts + before
        self._count = end
        self._kept += int(counts.sum())
        return before

    def of(self, positions: Int64Array) -> Int64Array:
        """How many were kept before each position, shape (n,); itself it was kept."""
        numbers, places = positions >> 6, (positions & 63).astype(np.uint64)
        words = self._words[numbers] >> (np.uint64(63) - places)
        found: Int64Array = self._sums[numbers] + np.bitwise_count(words) - 1
        return found


def _joined(counts: Sequence[int], bits: Sequence[bytes | None]) -> BoolArray:
    """Join the masks of chunks, each of plain bits that fill whole bytes, or None: all were kept."""
    sizes = np.array(counts, np.int64)
    is_plain = np.array([each is not None for each in bits], np.bool_)
    plain_sizes = sizes[is_plain]
    spelled = np.frombuffer(b"".join(each for each in bits if each is not None), np.uint8)
    found = np.unpackbits(spelled)
    padded = (plain_sizes + 7) // 8 * 8
    if (padded != plain_sizes).any():
        ends = np.cumsum(plain_sizes)
        shifts = np.cumsum(padded) - padded - (ends - plain_sizes)
        found = found[np.arange(int(plain_sizes.sum())) + np.repeat(shifts, plain_sizes)]
    if is_plain.all():
        return found.view(np.bool_)
    mask = np.ones(int(sizes.sum()), np.bool_)
    mask[np.repeat(is_plain, sizes)] = found.view(np.bool_)
    return mask
