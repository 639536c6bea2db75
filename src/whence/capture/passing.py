"""The recording of one pass: what its nodes say, written before what it is about is delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from whence.capture.deciding import PassDecisions
from whence.capture.drawing import warn_of_draws
from whence.capture.fields import FieldWatches
from whence.capture.noting import NodeNotes
from whence.capture.recorder import Int64Array, NodeRecorder, RecordedPlan, UInt64Array
from whence.capture.sourcing import ReadingWitness, SourceRecord
from whence.capture.standing import Counted, PassPlace, Start
from whence.capture.witness import NullWitness, SourceWitness
from whence.lineage import encode_counts
from whence.store import RunWriter
from whence.vocab import UNKNOWN, Columns, fast128, sample_digests

DIGESTS = "digests"
FRAME = 1

_NULL_WITNESS = NullWitness()
_encode = msgspec.msgpack.Encoder().encode


class StreamRecord:
    """What a run remembers of a stream that was read in it.

    Args:
        number: of the stream.
        sources: by the nodes that read them.
        fields: what watched the fields at a node in a process that went before.
    """

    def __init__(
        self, number: int, sources: dict[int, SourceRecord], fields: Mapping[int, FieldWatches] | None = None
    ) -> None:
        self.number = number
        self.sources = sources
        self.warned: set[int] = set()  # of the nodes that draw what no replay can
        self._fields = dict(fields or {})

    def fields(self, index: int) -> FieldWatches:
        """What watches the fields of a node's first samples, in whichever pass they come."""
        return self._fields.setdefault(index, FieldWatches())


class PassRecording(Counted):
    """Listens to one pass."""

    listens = True

    def __init__(
        self,
        at: PassPlace,
        plan: RecordedPlan,
        stream: StreamRecord,
        writer: RunWriter,
        with_digests: bool,
        count_begun: Callable[[], int],
    ) -> None:
        super().__init__(at)
        self._count_begun = count_begun
        self._number = number = at.number
        self._plan, self._warned = plan, stream.warned
        self._writer = writer
        self._sources = stream.sources
        self._stream = stream.number
        self.with_digests = with_digests
        items_at = plan.items_at if with_digests else -1
        self._decisions = PassDecisions(writer, number, plan.top + 1)
        self._nodes = [
            NodeNotes(self.digest, each, each.index == items_at, stream.fields(each.index))
            for each in self._decisions.nodes
        ]
        self._item_digests: list[bytes] = []
        self._group_digests: list[bytes] = []
        self._output_digests: list[bytes] = []
        self._group_sizes: list[int] = []
        self._group_places: list[tuple[Int64Array, Int64Array]] = []
        self._view, self._slot = writer.cursor(number)
        self._view[self._slot] = self._view[self._slot + 1] = at.first
        self._ended = False

    @property
    def is_open(self) -> bool:
        """Whether it hasn't ended."""
        return not self._ended

    @property
    def delivered(self) -> int:
        """Up to which output it has handed out."""
        return self._view[self._slot]

    @property
    def place(self) -> Start:
        """Where the consumer stands."""
        run, since = self._writer.run_id, self._count_begun()
        return Start(first=self.delivered, run=run, number=self._number, since=since)

    def node(self, index: int) -> NodeRecorder:
        """The listener for one node."""
        return self._nodes[index]

    def witness(self, index: int) -> SourceWitness:
        """A listener for one reading of a source."""
        source = self._sources.get(index)
        return _NULL_WITNESS if source is None else ReadingWitness(source)

    def digest(
        self, digests: UInt64Array, sizes: Sequence[int], at: tuple[Int64Array, Int64Array] | None
    ) -> None:
        """Keep the digests of items that are about to be delivered, in groups."""
        if self._item_digests and (at is None) is bool(self._group_places):
            self._flush_digests()  # a frame's groups follow those before, or all say where they are
        if at is not None:
            self._group_places.append(at)
        short = digests.astype(np.uint32)
        short[(short == 0) & (digests != UNKNOWN)] = 1  # 0 says unknown, in 32 bits as in 64
        self._item_digests.append(short.astype("<u4", copy=False).tobytes())
        whole = digests.astype("<u8", copy=False).tobytes()
        start = 0
        for size in sizes:
            self._group_digests.append(fast128(whole[start : start + 8 * size]))
            start += 8 * size
        self._group_sizes.extend(sizes)

    def skipped(self, items: int, batches: int, outputs: int) -> None:
        """Leave room for the digests of what was delivered earlier and isn't made again."""
        if self.with_digests:
            frame = {"p": self._number, "i": b"", "g": b"", "s": [], "k": [items, batches, outputs]}
            self._write_digests(frame)

    def begun(self, counts: Mapping[int, tuple[int, int]]) -> None:
        """Write of which inputs of a node this pass doesn't tell what became."""
        nodes = [[index, inputs, outputs] for index, (inputs, outputs) in sorted(counts.items())]
        self._writer.append("begun", {"pass": self._number, "nodes": nodes})

    def made(self, values: list[Any] | Columns) -> None:
        """Witness outputs that functions made of batches."""
        if self.with_digests:
            self.made_as(sample_digests(values))

    def made_as(self, digests: UInt64Array) -> None:
        """Keep the digests of outputs that functions made of batches."""
        if self.with_digests:
            self._output_digests.append(digests.astype("<u8", copy=False).tobytes())

    def deliver(self, values: Iterator[Any]) -> Iterator[Any]:
        """Write what was decided, then hand out the values, raising the cursor around each."""
        if self._ended:
            yield from values
            return
        self._flush()
        slot = self._slot
        count = self._view[slot]
        for value in values:
            count += 1
            self._view[slot] = count
            yield value
            self._view[slot + 1] = count

    def offer(self, count: int) -> None:
        """Write what was decided, and raise the cursor by outputs that are handed out together."""
        if not self._ended:
            self._flush()
            self._view[self._slot] += count

    def took(self) -> None:
        """Note that they were taken."""
        self._view[self._slot + 1] = self._view[self._slot]

    def end(self, *, complete: bool) -> None:
        """Write the rest and the pass's totals."""
        if self._ended:
            return
        self._ended = True
        delivered = self._view[self._slot]
        # the file's view is closed with the run; the count stays, because later metrics' steps include it
        self._view = memoryview(bytearray(16 * (self._slot + 2))).cast("Q")
        self._view[self._slot] = delivered
        if not self._writer.is_open:
            return
        self._flush()
        for source in self._sources.values():
            source.flush(self._number)
            source.snapshot()
        for node in self._nodes:
            self._tell_fields(node, all_news=True)
            if node.notices:
                place = {"pass": self._number, "node": node.index}
                self._writer.append("noticed", place, {"counts": node.notices})
        nodes = [[node.ns, node.in_count, node.out_count] for node in self._nodes]
        sealed = self._decisions.seal()
        public = {"pass": self._number, "complete": complete, "delivered": delivered, "nodes": nodes}
        self._writer.append("pass_end", public | {"lineage": sealed})
        if sealed is not None:
            self._decisions.retire()

    def _flush(self) -> None:
        writer = self._writer
        for source in self._sources.values():
            if source.waiting:
                source.digest_waiting()
            if source.is_due:
                source.flush(self._number)
        for node in self._nodes:
            if node.aside:
                for sample in node.aside:
                    public = {"pass": self._number, "node": node.index, "position": sample.position}
                    body = {"origin": sample.origin, "kind": sample.kind, "message": sample.message}
                    writer.append("set_aside", public, body)
                node.aside = []
            if not node.fields.is_settled:
                self._tell_fields(node)
            if node.fits:
                place = {"pass": self._number, "node": node.index}
                writer.append("fitted", place, {"fields": node.fits})
                node.fits = []
            if not all(node.drawn.values()):
                self._tell_drawn(node)
        self._decisions.flush()
        self._flush_digests()

    def _tell_fields(self, node: NodeNotes, *, all_news: bool = False) -> None:
        for part, seen in node.fields.take(all_news=all_news):
            place = {"stream": self._stream, "node": node.index}
            self._writer.append("fields", place, {"part": part, **seen})

    def _tell_drawn(self, node: NodeNotes) -> None:
        generators = sorted(node.drawn)
        node.drawn = dict.fromkeys(generators, True)
        self._writer.append("drew", {"pass": self._number, "node": node.index, "generators": generators})
        if node.index not in self._warned:
            self._warned.add(node.index)
            warn_of_draws(self._plan.describe_nodes()[node.index], generators)

    def _flush_digests(self) -> None:
        if not self._item_digests and not self._output_digests:
            return
        frame: dict[str, Any] = {
            "p": self._number,
            "i": b"".join(self._item_digests),
            "g": b"".join(self._group_digests),
            "s": _short(self._group_sizes),
        }
        if self._output_digests:
            frame["o"] = b"".join(self._output_digests)
            self._output_digests = []
        if self._group_places:
            frame["b"] = encode_counts(np.concatenate([groups for groups, _ in self._group_places]))
            frame["a"] = encode_counts(np.concatenate([firsts for _, firsts in self._group_places]))
        self._write_digests(frame)
        self._item_digests, self._group_digests, self._group_sizes = [], [], []
        self._group_places = []

    def _write_digests(self, frame: dict[str, Any]) -> None:
        """Digests follow one another: after the first that are lost, none of the pass can be told apart."""
        if self.with_digests and self._writer.append_segment(DIGESTS, FRAME, _encode(frame)) is None:
            self.with_digests = False
            self._writer.lose("digests")


def _short(sizes: list[int]) -> list[int]:
    """Write equal group sizes once: [size, count, size, count, ...]."""
    runs: list[int] = []
    for size in sizes:
        if runs and runs[-2] == size:
            runs[-1] += 1
        else:
            runs += [size, 1]
    return runs
