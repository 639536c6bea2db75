"""What a model saw: the passes that its run had read when it was logged, and their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from whence.errors import DamagedError
from whence.query.following import PassLineage, lineage_of
from whence.runs import PassView, RunRecord, SourceView


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSeen:
    """A pass, as far as it had come.

    Args:
        run: the run's name.
        stream: the stream's name.
        epoch: which epoch.
        repeat: counts the passes over the same stream and epoch.
        outputs: how many outputs (batches, say) had been delivered.
        samples: how many samples these were; None where the record is damaged.
        whole: whether the stream had been read to its end.
    """

    run: str
    stream: str
    epoch: int
    repeat: int
    outputs: int
    samples: int | None
    whole: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "stream": self.stream,
            "epoch": self.epoch,
            "repeat": self.repeat,
            "outputs": self.outputs,
            "samples": self.samples,
            "whole": self.whole,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSeen:
    """A source of which something had been read.

    Args:
        run: the run's name.
        name: what origins call it.
        kind: files, csv, arrays, ...
        parts: how many files or columns it has.
        digest: one for all that the run read of it; None where no pass over it ended.
    """

    run: str
    name: str
    kind: str
    parts: int
    digest: str | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "name": self.name,
            "kind": self.kind,
            "parts": self.parts,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What had been read when something was logged.

    Args:
        passes: as far as they had come.
        sources: those that they read.
        gaps: what isn't known, in words.
    """

    passes: list[PassSeen]
    sources: list[SourceSeen]
    gaps: list[str]


def seen_before(record: RunRecord, number: int, going_on: Mapping[int, int]) -> Seen:
    """Find what a run had read before one of its events.

    Args:
        record: the run.
        number: of the event.
        going_on: by pass, of those that hadn't ended: how many outputs had been delivered, from the start of
            the epoch.
    """
    ended = {event.public["pass"] for event in record.journal.find("pass_end") if event.number < number}
    begun = {event.public["pass"] for event in record.journal.find("pass_start") if event.number < number}
    passes: list[PassSeen] = []
    used: set[int] = set()
    gaps = [f"{record.name}: {gap}" for gap in record.gaps]
    for view in record.passes:
        if view.number not in begun:
            continue
        has_ended = view.number in ended
        if not has_ended and view.number not in going_on:
            gaps.append(
                f"{record.name}: how far epoch {view.epoch} had come when it was logged isn't recorded"
            )
        delivered = (
            view.delivered if has_ended else min(view.delivered, going_on.get(view.number, view.delivered))
        )
        if delivered > view.first:
            passes.append(_seen(record, view, delivered, is_whole=has_ended and view.is_complete, gaps=gaps))
            used |= _sources_of(record, view)
    sources = [_source(record, source) for source in record.sources if source.number in used]
    return Seen(passes=passes, sources=sources, gaps=list(dict.fromkeys(gaps)))


def _seen(record: RunRecord, view: PassView, delivered: int, *, is_whole: bool, gaps: list[str]) -> PassSeen:
    name, samples = "", None
    try:
        lineage = lineage_of(record, view)
        name, samples = lineage.stream.name, _count_samples(lineage, view.first, delivered)
    except DamagedError as error:
        gaps.append(f"{record.name}: {error.message}")
    return PassSeen(
        run=record.name,
        stream=name,
        epoch=view.epoch,
        repeat=view.repeat,
        outputs=delivered - view.first,
        samples=samples,
        whole=is_whole,
    )


def _count_samples(lineage: PassLineage, first: int, stop: int) -> int:
    """Count the items of outputs: those of their batches, where there are batches."""
    items_at = lineage.stream.items_at
    if lineage.node(items_at)["kind"] != "batch":
        return stop - first
    index, positions = lineage.stream.top, np.arange(first, stop)
    while index != items_at:
        positions = lineage.mappings(index)[0].backward(positions).indices
        index = lineage.inputs(index)[0]
    return len(lineage.mappings(index)[0].backward(positions).indices)


def _sources_of(record: RunRecord, view: PassView) -> set[int]:
    return {
        node["source"]
        for stream in record.streams
        if stream.number == view.stream
        for node in stream.nodes
        if "source" in node
    }


def _source(record: RunRecord, source: SourceView) -> SourceSeen:
    return SourceSeen(
        run=record.name,
        name=source.name,
        kind=source.kind,
        parts=len(source.paths),
        digest=None if source.snapshot is None else f"sha256:{source.snapshot}",
    )
