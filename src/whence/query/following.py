"""The lineage of one pass: each node's mapping as it was, and the sizes that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.errors import DamagedError, NotFoundError
from whence.lineage import Blocks, CountsIndex, Identity, Mapping, Permuted, SelectionIndex, Unknown
from whence.ops import Op, Recorded, draw_ids, draw_numbers, find_frozen, ids_apart, outline_op
from whence.query.addresses import Address
from whence.runs import PassView, RunRecord, StreamView

Int64Array = NDArray[np.int64]
UInt64Array = NDArray[np.uint64]

SOURCE_BITS = 48
_BLOCK = 1 << 16


class PassLineage:
    """Follows positions through one recorded pass.

    Args:
        record: the run.
        view: the pass.
    """

    def __init__(self, record: RunRecord, view: PassView) -> None:
        self.record = record
        self.view = view
        self.stream = stream_of(record, view)
        self._decisions = record.decisions(view.number)
        self._ops: dict[int, Op | None] = {}
        self._sizes: dict[int, int] = {}
        self._recorded: dict[int, Recorded | None] = {}
        self._mappings: dict[int, Sequence[Mapping]] = {}
        nodes = self.stream.nodes
        self._draw_numbers = draw_numbers(
            [node["kind"] for node in nodes],
            [node["inputs"] for node in nodes],
            [node.get("source_number", -1) for node in nodes],
        )
        self._frozen = find_frozen([node["kind"] for node in nodes], [node["inputs"] for node in nodes])

    def node(self, index: int) -> dict[str, Any]:
        """What the record says of a node."""
        return self.stream.nodes[index]

    def inputs(self, index: int) -> list[int]:
        """The nodes that a node reads."""
        return list(self.node(index)["inputs"])

    def op(self, index: int) -> Op | None:
        """A node's op, for its mapping only; None at a source, and where the op isn't one of ours."""
        if index not in self._ops:
            node = self.node(index)
            found = None
            if node["kind"] != "source":
                found = outline_op(
                    node["kind"], node["label"], node["params"], list(node.get("functions", {}))
                )
            self._ops[index] = found
        return self._ops[index]

    def key(self, index: int) -> int:
        """The key of a node's random draws."""
        return int.from_bytes(self.node(index).get("key", b""), "little")

    def epoch(self, index: int) -> int:
        """The epoch whose draws a node makes: below a cache it is always 0."""
        return 0 if self._frozen[index] else self.view.epoch

    def size(self, index: int) -> int:
        """How many outputs a node has given, as far as the record goes."""
        if index not in self._sizes:
            self._sizes[index] = self._size(index)
        return self._sizes[index]

    def _size(self, index: int) -> int:
        if self.node(index)["kind"] == "source":
            return self._decisions[index].row_count if index in self._decisions else 0
        if self.node(index).get("mapping") == "fit":
            return len(self.node(index)["params"]["statistics"])
        recorded = self._recorded_at(index)
        if isinstance(recorded, SelectionIndex | CountsIndex):
            return recorded.out_size
        if recorded is not None:
            return recorded[0].out_size
        op = self.op(index)
        if op is None or op.mapping_kind == "unknown":
            counts = self.view.nodes[index] if self.view.nodes else [0, 0, 0]
            return counts[2] or self.view.delivered
        if op.mapping_kind != "closed":
            return 0
        return self.mappings(index)[0].out_size  # a mix that ends early knows its size by its order only

    @property
    def known(self) -> int:
        """Up to which output it is recorded what they were made of; what came after that was lost."""
        top, delivered = self.stream.top, self.view.delivered
        if self.view.number in self.record.uncertain_passes or self.size(top) < delivered:
            return min(delivered, self._settled(top))
        return delivered

    def _settled(self, index: int) -> int:
        """How many outputs of a node stay as they are, whatever more its inputs gave than is recorded."""
        if self.node(index)["kind"] == "source" or self._recorded_at(index) is not None:
            return self.size(index)
        if len(self.inputs(index)) != 1:
            return 0  # what one input gives depends on how much the others did
        below, mapping = self._settled(self.inputs(index)[0]), self.mappings(index)[0]
        if isinstance(mapping, Identity):
            return min(below, mapping.out_size)
        size = {Blocks: "size", Permuted: "window"}.get(type(mapping))
        group = self.node(index)["params"].get(size) if size is not None else None
        if not group:
            return 0  # a shuffle of all depends on how many there were
        return below // int(group) * (int(group) if isinstance(mapping, Permuted) else 1)

    def mappings(self, index: int) -> Sequence[Mapping]:
        """A node's mapping, one for each input."""
        if index not in self._mappings:
            op = self.op(index)
            sizes = [self.size(each) for each in self.inputs(index)]
            if op is None:
                unknown = self.size(index)
                self._mappings[index] = [Unknown(in_size=size, out_size=unknown) for size in sizes]
            else:
                self._mappings[index] = op.mappings(
                    sizes, self._recorded_at(index), self.key(index), self.epoch(index)
                )
        return self._mappings[index]

    def ids(self, index: int, positions: Int64Array) -> UInt64Array:
        """The draw ids of a node's outputs, shape (n,)."""
        node = self.node(index)
        if node["kind"] == "source":
            rows: Int64Array = positions | (self._draw_numbers[index] << SOURCE_BITS)
            return rows.view(np.uint64)
        op = self.op(index)
        if op is None:
            return np.zeros(len(positions), np.uint64)
        inputs = self.inputs(index)
        ids = draw_ids(
            op, positions, self.mappings(index), lambda number, below: self.ids(inputs[number], below)
        )
        return ids_apart(ids, self._draw_numbers[index])  # of splits and caches only; of all others it is 0

    def witness_of(self, index: int, position: int) -> int | None:
        """The input position that a dropped duplicate repeats; None where that isn't recorded."""
        witnesses = self._decisions[index].witnesses() if index in self._decisions else None
        return None if witnesses is None else int(witnesses.of([position])[0])

    def dropped(self, index: int, *, limit: int | None = None) -> Int64Array:
        """The input positions of a node that gave no output, ascending; none where data decided nothing.

        Of a pass that began in the middle, those of which it tells.

        Args:
            index: the node.
            limit: stop after so many.
        """
        recorded = self._recorded_at(index)
        found: list[Int64Array] = [np.empty(0, np.int64)]
        if not isinstance(recorded, SelectionIndex | CountsIndex):
            return found[0]
        count = 0
        untold, _ = self.view.untold.get(index, (0, 0))
        for start in range(untold, recorded.in_size, _BLOCK):
            places = np.arange(start, min(start + _BLOCK, recorded.in_size), dtype=np.int64)
            if isinstance(recorded, SelectionIndex):
                gone = places[~recorded.rank(places)[1]]
            else:
                gone = places[recorded.children(places)[1] == 0]
            found.append(gone)
            count += len(gone)
            if limit is not None and count >= limit:
                break
        return np.concatenate(found)[:limit]

    def _recorded_at(self, index: int) -> Recorded | None:
        if index not in self._recorded:
            decisions = self._decisions.get(index)
            kind = self.node(index).get("mapping")
            found: Recorded | None = None
            if decisions is not None and kind in ("selection", "fit"):
                found = decisions.selection()
            elif decisions is not None and kind == "expansion":
                found = decisions.counts()
            elif decisions is not None and kind == "relation":
                found = decisions.relations([self.size(each) for each in self.inputs(index)])
            self._recorded[index] = found
        return self._recorded[index]


def lineage_of(record: RunRecord, view: PassView) -> PassLineage:
    """Follow positions through a pass, as whoever asked before: what was opened for him stays open."""
    found: PassLineage = record.remember(("lineage", view.number), lambda: PassLineage(record, view))
    return found


def stream_of(record: RunRecord, view: PassView) -> StreamView:
    """Find the stream of a pass; raises `DamagedError` where its description is gone."""
    for stream in record.streams:
        if stream.number == view.stream:
            return stream
    raise DamagedError(
        f"run {record.name}: the description of stream {view.stream} is damaged or was destroyed",
        remedy="Restore the run's folder from a copy.",
        place=str(record.journal.path),
    )


def delivered_addresses(
    record: RunRecord, within: Address, first: int = 0, stop: int | None = None
) -> Iterator[Address]:
    """Give the addresses of consecutive outputs of a pass, whichever passes that went on with it gave them.

    Args:
        record: the run.
        within: says which pass.
        first: the first output.
        stop: the one after the last; None for all.

    Raises:
        NotFoundError: the run has no such pass, or nothing of what is asked was delivered in it.
    """
    found = find_pass(record, epoch=within.epoch, stream=within.stream, repeat=within.repeat)
    place = (found.stream, found.epoch, found.repeat)
    for view in record.latest_passes:
        if (view.stream, view.epoch, view.repeat) == place:
            found = view
    outputs = range(max(first, found.first), min(found.delivered if stop is None else stop, found.delivered))
    if not outputs:
        raise NotFoundError(
            f"{within}: pass {found.epoch} delivered {found.first} to {found.delivered - 1}"
            if found.count
            else f"{within}: pass {found.epoch} delivered nothing",
            remedy="Ask for some of them." if found.count else "Ask for another pass.",
        )
    for output in outputs:
        yield replace(within, batch=output)


def find_pass(
    record: RunRecord, *, epoch: int, stream: str | None, repeat: int = 0, output: int | None = None
) -> PassView:
    """Find a pass by its address.

    Args:
        record: the run.
        epoch: the number of the pass.
        stream: the stream's name; None where there is only one.
        repeat: counts the passes over the same epoch.
        output: which output is asked for: where passes went on with one another, the last that gave it.

    Raises:
        NotFoundError: the run has no such stream, or it wasn't read in that epoch.
    """
    names = {view.number: view.name for view in record.streams}
    if not record.passes:
        raise NotFoundError(f"run {record.name} read no stream", remedy="Ask for another run: whence runs")
    if stream is None:
        if len(set(names.values())) > 1:
            raise NotFoundError(
                f"run {record.name} read several streams: {', '.join(names.values())}",
                remedy=f"Name one: {record.name}/{next(iter(names.values()))}@{epoch}:...",
            )
    elif stream not in names.values():
        raise NotFoundError(
            f"run {record.name} has no stream {stream!r}", remedy=f"It has: {', '.join(names.values())}."
        )
    found = [view for view in record.passes if stream is None or names.get(view.stream) == stream]
    alike = [view for view in found if view.epoch == epoch and view.repeat == repeat]
    for view in reversed(alike):
        if output is not None and view.first <= output < view.delivered:
            return view
    if alike:
        return alike[-1]
    epochs = ", ".join(f"{view.epoch}#{view.repeat}" if view.repeat else str(view.epoch) for view in found)
    wanted = f"{epoch}#{repeat}" if repeat else str(epoch)
    raise NotFoundError(f"run {record.name} has no pass {wanted}", remedy=f"It has passes {epochs}.")
