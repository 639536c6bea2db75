"""The relay: keeps what a recorder would have been told in another process, to be told here in its place.

Contents stay where they are: the relay digests them, and only digests travel. Positions that a worker can't
know, because they follow from what others decided before it, are counted from a number of their own that
nobody writes by chance; whoever tells the recorder moves them to where they belong, in messages too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whence.capture.fields import NO_WATCH, FieldWatch, FieldWatches
from whence.capture.recorder import (
    BoolArray,
    Int64Array,
    NodeRecorder,
    PassRecorder,
    SetAside,
    UInt64Array,
)
from whence.capture.sourcing import ReadingWitness, object_blocks
from whence.capture.standing import Start
from whence.capture.witness import Buffer, NullWitness, SourceWitness
from whence.vocab import Columns, Hasher, digest_bytes, fast64, fast128, sample_digests

Told = list[tuple[int, str, tuple[Any, ...]]]
"""What was told: of which node, by which method, in which words."""

MARK = 5_236_987_481_205_133_312
"""Where positions begin that are yet to be moved."""

_MARKED_SPAN = 1 << 40
_NUMBER = re.compile(r"\d{19}")
_NULL_WITNESS = NullWitness()


class RelayPass:
    """Listens to one pass in a worker.

    Args:
        items_at: the node whose items are digested; -1 for none.
        with_outputs: whether outputs that functions made are digested.
        quick_by_part: of each source that is witnessed, by its node, the fast digests of parts that were
            read before.

    Attributes:
        watches: whether the fields of samples are watched: of those of the first piece, whichever worker
            gets it, so that the same are seen by however many workers.
    """

    listens = True

    def __init__(
        self, *, items_at: int, with_outputs: bool, quick_by_part: Mapping[int, Mapping[int, int]]
    ) -> None:
        self.with_digests = with_outputs
        self._items_at = items_at
        self._quick_by_part = quick_by_part
        self._told: Told = []
        self._spent: dict[int, list[int]] = {}
        self._waiting: list[tuple[int, int, int, bytes]] = []
        self._watches: dict[int, FieldWatches] = {}
        self.watches = False

    def take(self) -> Told:
        """Take what was told since the last time."""
        for node, part, quick, data in self._waiting:  # together: it costs less than between others' calls
            self.tell(node, "whole", part, quick, len(data), digest_bytes(data))
        told = self._told
        told += [(node, "spent", tuple(sums)) for node, sums in self._spent.items()]
        told += [
            (node, "saw", seen)
            for node, watches in self._watches.items()
            for seen in watches.take(all_news=True)
        ]
        self._told, self._spent, self._waiting, self._watches = [], {}, [], {}
        return told

    def tell(self, node: int, what: str, *words: Any) -> None:
        """Keep one thing that was told."""
        self._told.append((node, what, words))

    def spend(self, node: int, ns: int, in_count: int, out_count: int) -> None:
        """Add up what a node spent."""
        sums = self._spent.setdefault(node, [0, 0, 0])
        sums[0] += ns
        sums[1] += in_count
        sums[2] += out_count

    def wait(self, node: int, part: int, quick: int, data: bytes) -> None:
        """Put a small part aside, to be digested with others."""
        self._waiting.append((node, part, quick, data))

    def watch(self, node: int, part: str) -> FieldWatch:
        """What watches the fields of the samples of a node's function."""
        return self._watches.setdefault(node, FieldWatches()).of(part) if self.watches else NO_WATCH

    def node(self, index: int) -> NodeRecorder:
        """The listener for one node."""
        return _RelayNode(self, index, index == self._items_at)

    def witness(self, index: int) -> SourceWitness:
        """A listener for one reading of a source."""
        quick = self._quick_by_part.get(index)
        return _NULL_WITNESS if quick is None else _RelayWitness(self, index, quick)

    def made(self, values: list[Any] | Columns) -> None:
        """Digest outputs that functions made of batches."""
        if self.with_digests:
            self.made_as(sample_digests(values))

    def made_as(self, digests: UInt64Array) -> None:
        """Keep the digests of outputs that functions made of batches."""
        self.tell(-1, "made_as", digests)

    def skipped(self, items: int, batches: int, outputs: int) -> None:
        """Never told: the first process knows where a pass begins."""
        raise AssertionError("a worker begins where it is told")

    def begun(self, counts: Mapping[int, tuple[int, int]]) -> None:
        """Never told: the first process knows where a pass begins."""
        raise AssertionError("a worker begins where it is told")

    @property
    def place(self) -> Start | None:
        """Nowhere: a worker delivers to nobody."""
        return None

    def deliver(self, values: Iterator[Any]) -> Iterator[Any]:
        """Never asked: a worker delivers to nobody."""
        raise AssertionError("a worker delivers nothing")

    def offer(self, count: int) -> None:
        """Never asked: a worker delivers to nobody."""
        raise AssertionError("a worker delivers nothing")

    def took(self) -> None:
        """Never asked: a worker delivers to nobody."""
        raise AssertionError("a worker delivers nothing")

    def end(self, *, complete: bool) -> None:
        """Nothing to end: the pass is the first process's."""


class _RelayNode:
    __slots__ = ("_gathers", "_index", "_relay")

    def __init__(self, relay: RelayPass, index: int, gathers: bool) -> None:
        self._relay = relay
        self._index = index
        self._gathers = gathers

    def selected(self, kept: BoolArray | None, count: int) -> None:
        self._relay.tell(self._index, "selected", kept, count)

    def duplicated(self, witnesses: Int64Array) -> None:
        self._relay.tell(self._index, "duplicated", witnesses)

    def expanded(self, counts: Int64Array) -> None:
        self._relay.tell(self._index, "expanded", counts)

    def related(self, number: int, counts: Int64Array, positions: Int64Array) -> None:
        self._relay.tell(self._index, "related", number, counts, positions)

    def fitted(self, found: Sequence[Mapping[str, Any]]) -> None:
        self._relay.tell(self._index, "fitted", list(found))

    def noticed(self, what: str, count: int) -> None:
        self._relay.tell(self._index, "noticed", what, count)

    def drew(self, generators: Sequence[str]) -> None:
        self._relay.tell(self._index, "drew", list(generators))

    def watch(self, part: str = "fn") -> FieldWatch:
        return self._relay.watch(self._index, part)

    def saw(self, part: str, fields: Mapping[str, Any]) -> None:
        self._relay.tell(self._index, "saw", part, dict(fields))

    def found_rows(self, count: int) -> None:
        """The first process knows the rows of its sources."""

    def set_aside(self, samples: Sequence[SetAside]) -> None:
        self._relay.tell(self._index, "set_aside", list(samples))

    def gathered(
        self,
        items: Sequence[Any] | Columns,
        sizes: Sequence[int],
        *,
        at: tuple[Int64Array, Int64Array] | None = None,
    ) -> None:
        if self._gathers:
            self.witnessed(sample_digests(items), sizes, at)

    def witnessed(
        self, digests: UInt64Array, sizes: Sequence[int], at: tuple[Int64Array, Int64Array] | None
    ) -> None:
        if self._gathers:
            self._relay.tell(self._index, "witnessed", digests, list(sizes), at)

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        self._relay.spend(self._index, ns, in_count, out_count)


class _RelayWitness:
    """Digests what one reading of a source in a worker reads."""

    def __init__(self, relay: RelayPass, node: int, quick_by_part: Mapping[int, int]) -> None:
        self._relay = relay
        self._node = node
        self.quick_by_part = dict(quick_by_part)
        self._hashers: dict[int, Hasher] = {}

    def hear(self, what: str, words: tuple[Any, ...]) -> None:
        """Keep the digests of what a worker has read."""
        self._relay.tell(self._node, what, *words)

    def whole(self, part: int, data: Buffer) -> None:
        quick = fast64(data)
        if self.quick_by_part.get(part) == quick:
            return
        self.quick_by_part[part] = quick
        if type(data) is bytes and ReadingWitness.is_small(data):
            self._relay.wait(self._node, part, quick, data)
        else:
            self._relay.tell(self._node, "whole", part, quick, len(data), digest_bytes(data))

    def piece(self, part: int, data: Buffer) -> None:
        hasher = self._hashers.get(part)
        if hasher is None:
            hasher = self._hashers[part] = Hasher()
        hasher.update(data)

    def end(self, part: int, rows: int) -> None:
        hasher = self._hashers.pop(part, None) or Hasher()
        self._relay.tell(self._node, "part", part, rows, hasher.size, hasher.digest())

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        self._relay.tell(self._node, "block", part, first_row, len(data), fast128(data))

    def objects(self, part: int, first_row: int, values: Sequence[Any], *, block_rows: int = 0) -> None:
        for row, size, digest in object_blocks(first_row, values, block_rows):
            self._relay.tell(self._node, "block", part, row, size, digest)


def parts_heard(recorder: PassRecorder, index: int) -> Mapping[int, int] | None:
    """The fast digests of a source's parts that a recorder has heard of; None where it doesn't listen."""
    witness = recorder.witness(index)
    return witness.quick_by_part if isinstance(witness, ReadingWitness | _RelayWitness) else None


_FROM_SOURCES = frozenset({"whole", "part", "block"})


def retell(told: Told, recorder: PassRecorder, first_of: Callable[[int], int]) -> None:
    """Tell a recorder what a relay was told.

    Args:
        told: by the relay, in its order.
        recorder: listens here.
        first_of: the position at which the worker's samples begin, in the input of a node.
    """
    witnesses: dict[int, SourceWitness] = {}
    for index, what, words in told:
        if what in _FROM_SOURCES:
            witness = witnesses.setdefault(index, recorder.witness(index))
            if isinstance(witness, ReadingWitness | _RelayWitness):
                witness.hear(what, words)
            continue
        if what == "made_as":
            recorder.made_as(*words)
        else:
            getattr(recorder.node(index), what)(*_in_place(what, words, first_of(index)))


def _in_place(what: str, words: tuple[Any, ...], first: int) -> tuple[Any, ...]:
    if what == "set_aside":
        return ([replace(each, position=moved(each.position, first)) for each in words[0]],)
    if what == "related":
        number, counts, positions = words
        return number, counts, positions + np.int64(first - MARK)
    return words


def moved(position: int, first: int) -> int:
    """Move a position that was counted from the mark to where it belongs."""
    return position - MARK + first if MARK <= position < MARK + _MARKED_SPAN else position


def moved_in(text: str, first: int) -> str:
    """Move the positions in a message."""
    return _NUMBER.sub(lambda found: str(moved(int(found[0]), first)), text)
