"""Reach: which rows of each source had a part in what a pass delivered, as one set for the whole pass.

Made when a run is sealed and kept with it, so that a question about rows is answered for a thousand runs
by looking rows up in sets; only for runs that the rows reached are segments opened. What can't be followed
has no reach, and is asked the slow way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.errors import WhenceError
from whence.lineage import (
    Affine,
    Blocks,
    BoolArray,
    Everywhere,
    Identity,
    Mapping,
    Part,
    Permuted,
    Place,
    PositionSet,
    Related,
    Selection,
)
from whence.query.fits import nodes_below
from whence.query.following import PassLineage
from whence.runs import PassView, RunRecord
from whence.store import RunWriter, SealedSegment
from whence.vocab import fast128

Int64Array = NDArray[np.int64]

REACH = "reach"
SET = 2
_BLOCK = 1 << 13
_AT_MOST_ONE = (Identity, Permuted, Affine, Part, Selection)
_VARIES = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The rows of one source that reached one place of a pass.

    Args:
        pass_number: the pass.
        source: the number of the source in its run.
        fit: the node at which something was learned of the rows; None for what was delivered.
        times: how often each of the rows was delivered; 0 where that varies. At a fit 1 where it was learned
            of each of them; 0 where some may only have come in a batch with those that it was learned of.
        rows: the rows.
    """

    pass_number: int
    source: int
    fit: int | None
    times: int
    rows: PositionSet


def find_reach(record: RunRecord) -> list[Reach] | None:
    """Find what the rows of all sources of a run reached; None where some of it can't be known."""
    found: list[Reach] = []
    for view in record.passes:
        try:
            reached = _reach_of_pass(record, view)
        except WhenceError:
            return None
        if reached is None:
            return None
        found += reached
    return found


def write_reach(record: RunRecord, writer: RunWriter) -> None:
    """Keep with a run, before it is sealed, what its rows reached; nothing where that can't be known."""
    found = None if writer.is_behind else find_reach(record)
    if found is None:
        return
    places: dict[bytes, Place] = {}
    entries = []
    for each in found:
        rows = each.rows
        digest = fast128(bytes([rows.form]) + rows.size.to_bytes(8, "little") + bytes(rows.data))
        entry: dict[str, Any] = {"p": each.pass_number, "s": each.source, "t": each.times}
        entry |= {"n": rows.size, "f": rows.form, "d": digest}
        if rows.data:
            if digest not in places:
                place = writer.append_aligned(REACH, SET, bytes(rows.data))
                if place is None:
                    return  # without room for it the run is only slower to ask
                places[digest] = place
            entry["at"] = list(places[digest])
        entries.append(entry if each.fit is None else entry | {"fit": each.fit})
    writer.append("reach", {"entries": entries})


def reach_entries(record: RunRecord) -> list[dict[str, Any]] | None:
    """Look up what was kept with a sealed run; None where nothing was, or only before it was resumed."""
    resumed = max((event.number for event in record.journal.find("run_resume")), default=-1)
    events = [event for event in record.journal.find(REACH) if event.number > resumed]
    return events[-1].public["entries"] if events and record.is_ended else None


def read_reach(entry: dict[str, Any], segment: SealedSegment) -> Reach:
    """Make a reach of what `reach_entries` gave; its set stays in the file and is checked when first used.

    Raises:
        DamagedError: the set isn't the one that was sealed.
    """
    data = memoryview(b"")
    if "at" in entry:
        block = segment.block(Place(*entry["at"]))
        data = block[1 + block[0] :]
    rows = PositionSet(size=entry["n"], form=entry["f"], data=data)
    return Reach(pass_number=entry["p"], source=entry["s"], fit=entry.get("fit"), times=entry["t"], rows=rows)


def _reach_of_pass(record: RunRecord, view: PassView) -> list[Reach] | None:
    lineage = PassLineage(record, view)
    top = lineage.stream.top
    if lineage.known < view.delivered:
        return None
    found = _fold(lineage, top, _Some.between(lineage.size(top), view.first, view.delivered), times=1)
    if found is None:
        return None
    for index, node in enumerate(lineage.stream.nodes):
        if node.get("mapping") == "fit":
            learned = _fold(lineage, index, _Some.everything(lineage.size(index)), times=_VARIES)
            if learned is None:
                return None
            apart = any(lineage.node(each)["kind"] == "unbatch" for each in nodes_below(lineage, index))
            found += [(each, index, some, _VARIES if apart else 1) for each, _, some, _ in learned]
    counts: dict[tuple[int, int | None], int] = {}
    for index, fit, _, _ in found:
        key = (lineage.node(index)["source"], fit)
        counts[key] = counts.get(key, 0) + 1
    reaches = []
    for index, fit, some, times in found:
        source = lineage.node(index)["source"]
        # what came to one place by two ways is delivered once: only the segments tell how often
        often = times if fit is not None or counts[source, fit] == 1 else _VARIES
        reaches.append(
            Reach(pass_number=view.number, source=source, fit=fit, times=often, rows=some.as_set())
        )
    return reaches


@dataclass(frozen=True, slots=True)
class _Some:
    """Some positions of a node's output: all of them, or those at which flags hold."""

    size: int
    flags: BoolArray | None

    @classmethod
    def everything(cls, size: int) -> _Some:
        return cls(size, None)

    @classmethod
    def where(cls, flags: BoolArray) -> _Some:
        return cls(len(flags), None if flags.all() else flags)

    @classmethod
    def between(cls, size: int, first: int, end: int) -> _Some:
        if first == 0 and end >= size:
            return cls(size, None)
        flags = np.zeros(size, np.bool_)
        flags[first:end] = True
        return cls(size, flags)

    def among(self, size: int) -> _Some:
        """The same positions of a node that gave more than was taken of it, as a zip's longer input."""
        if size == self.size:
            return self
        flags = np.ones(self.size, np.bool_) if self.flags is None else self.flags
        return _Some.where(np.pad(flags[:size], (0, max(0, size - self.size))))

    def blocks(self) -> Iterator[Int64Array]:
        """The positions, some at a time."""
        for start in range(0, self.size, _BLOCK):
            end = min(start + _BLOCK, self.size)
            if self.flags is None:
                yield np.arange(start, end, dtype=np.int64)
            else:
                places = np.flatnonzero(self.flags[start:end])
                if len(places):
                    yield places + start

    def as_set(self) -> PositionSet:
        return PositionSet.of(np.ones(self.size, np.bool_) if self.flags is None else self.flags)


_Found = list[tuple[int, int | None, _Some, int]]


def _fold(lineage: PassLineage, top: int, some: _Some, *, times: int) -> _Found | None:
    """Go down from some positions of a node to the sources; None where a mapping isn't known."""
    found: _Found = []
    items_at = lineage.stream.items_at
    waiting = [(top, some, times)]
    while waiting:
        index, here, often = waiting.pop()
        if lineage.node(index)["kind"] == "source":
            found.append((index, None, here, often))
            continue
        inputs = lineage.inputs(index)
        for number, mapping in enumerate(lineage.mappings(index)):
            if not mapping.known:
                return None
            if isinstance(mapping, Everywhere):
                continue  # of what was learned the fit itself tells
            one = isinstance(mapping, _AT_MOST_ONE) or (index == items_at and isinstance(mapping, Blocks))
            waiting.append((inputs[number], _below(mapping, here), often if one else _VARIES))
    return found


def _below(mapping: Mapping, here: _Some) -> _Some:
    here = here.among(mapping.out_size)
    if here.flags is None and _is_onto(mapping):
        return _Some.everything(mapping.in_size)
    if isinstance(mapping, Identity) and mapping.in_size == mapping.out_size:
        return here
    if here.flags is None and isinstance(mapping, Related):
        return _Some.where(mapping.index.used())
    if isinstance(mapping, Selection):
        kept = mapping.masks.flags()
        if here.flags is not None:
            kept[kept] = here.flags
        return _Some.where(kept)
    flags = np.zeros(mapping.in_size, np.bool_)
    for positions in here.blocks():
        flags[mapping.backward(positions).indices] = True
    return _Some(mapping.in_size, flags)


def _is_onto(mapping: Mapping) -> bool:
    """Whether all outputs together came from all inputs."""
    if isinstance(mapping, Blocks):
        return not mapping.drop_last
    return isinstance(mapping, Identity | Permuted) and mapping.in_size == mapping.out_size
