"""Why rows of two passes differ: what was done otherwise, what was read otherwise, and where rows went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from whence.lineage import each_once
from whence.query.changes import Change, OpChange
from whence.query.diff import diff_streams
from whence.query.flow import Flow
from whence.query.following import Int64Array, lineage_of, stream_of
from whence.query.places import Places
from whence.query.trace import Origin, Trace, descended, part_of
from whence.runs import PassView, RunRecord, SourceView


class Delivered(NamedTuple):
    """What a pass delivered, each sample by its place."""

    record: RunRecord
    view: PassView


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a source row in the pass that didn't deliver it.

    Args:
        run: the name of its run.
        op: the operation that dropped it; empty where none did.
        reason: why, in words.
    """

    run: str
    op: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"run": self.run, "op": self.op, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a row differs, as far as the record tells.

    Args:
        origins_a: the source rows behind it in the first version.
        origins_b: the same in the second.
        ops: operations on its way that aren't the same in both.
        sources: files behind it that aren't the same in both: their digests.
        fates: of a row that only one version has: what became of its source rows in the other.
        unknown: what the record doesn't tell, in words.
    """

    origins_a: list[Origin] = field(default_factory=list)
    origins_b: list[Origin] = field(default_factory=list)
    ops: list[OpChange] = field(default_factory=list)
    sources: list[Change] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "origins_a": [each.to_json() for each in self.origins_a],
            "origins_b": [each.to_json() for each in self.origins_b],
            "ops": [each.to_json() for each in self.ops],
            "sources": [each.to_json() for each in self.sources],
            "fates": [each.to_json() for each in self.fates],
            "unknown": self.unknown,
        }


def find_cause(
    before: Delivered, after: Delivered, traces_a: Sequence[Trace], traces_b: Sequence[Trace]
) -> Cause:
    """Find why what two passes delivered differs.

    Args:
        before: the pass of the first version.
        after: that of the second.
        traces_a: of the samples in the first; none where it has none.
        traces_b: of those in the second.
    """
    origins_a, origins_b = (_origins(traces) for traces in (traces_a, traces_b))
    labels = {step.op for trace in (*traces_a, *traces_b) for step in trace.steps}
    fates: list[Fate] = []
    if not traces_b:
        fates = list(_fates(before.record, origins_a, after))
    elif not traces_a:
        fates = list(_fates(after.record, origins_b, before))
    changes = diff_streams(*(stream_of(*each) for each in (before, after)))
    gaps = [step.op for trace in (*traces_a, *traces_b) for step in trace.steps if not step.known]
    return Cause(
        origins_a=origins_a,
        origins_b=origins_b,
        ops=[change for change in changes if {change.op, change.before} & labels or change.how != "changed"],
        sources=list(_file_changes(origins_a, origins_b)),
        fates=list(dict.fromkeys(fates)),
        unknown=[f"what {op} made it of isn't known" for op in dict.fromkeys(gaps)],
    )


def rows_behind(
    delivered: Delivered, positions: Int64Array | None = None
) -> tuple[dict[int, Int64Array], bool]:
    """Find the source rows behind some samples that a pass delivered, or behind all.

    Returns:
        Rows by source, ascending and each once; and whether all is known.
    """
    record, view = delivered
    lineage = lineage_of(record, view)
    if positions is None:
        positions = np.arange(view.first, view.delivered, dtype=np.int64)
    known = positions[positions < lineage.known]
    _, rows, complete = descended(lineage, {lineage.stream.top: [Places.whole(known)]})
    return rows, complete and len(known) == len(positions)


def outputs_of(delivered: Delivered, rows_by_source: dict[int, Int64Array]) -> Int64Array:
    """Find the places of the samples that a pass delivered and that were made of some source rows."""
    return each_once(Flow(lineage_of(*delivered), rows_by_source).outputs)


def _origins(traces: Sequence[Trace]) -> list[Origin]:
    return list(dict.fromkeys(origin for trace in traces for origin in trace.origins))


def _file_changes(before: Sequence[Origin], after: Sequence[Origin]) -> Iterator[Change]:
    """Compare what was read of the same files."""
    here, there = ({(each.source, each.path): each.digest for each in found} for found in (before, after))
    for place in here:
        if place in there and here[place] != there[place]:
            source, path = place
            yield Change(name=path or source, how="changed", before=here[place], after=there[place])


def _fates(record: RunRecord, origins: Sequence[Origin], other: Delivered) -> Iterator[Fate]:
    """Follow the source rows of one pass through the other."""
    sources = {source.name: source for source in record.sources}
    name = other.record.name
    read = sources_read(other)
    for origin in origins:
        twin = next((each for each in read if each.name == origin.source), None)
        if twin is None:
            instead = ", ".join(each.name for each in read)
            yield Fate(run=name, op="", reason=f"read {instead} instead of {origin.source}")
            continue
        row = _same_row(sources[origin.source], twin, origin.row)
        if row is None:
            where = origin.path or f"row {origin.row} of {origin.source}"
            yield Fate(run=name, op="", reason=f"{where} isn't in what was read")
            continue
        flow = Flow(lineage_of(*other), {twin.number: np.array([row], np.int64)})
        yield from (
            Fate(run=name, op=op, reason=f"{reason} ({detail})" if detail else reason)
            for op, reason, detail in flow.drops
        )
        if flow.unreached:
            yield Fate(run=name, op="", reason="the pass ended before it came")
        elif flow.count:
            places = ", ".join(map(str, flow.outputs[:3].tolist()))
            yield Fate(run=name, op="", reason=f"it is behind row {places}")


def sources_read(delivered: Delivered) -> list[SourceView]:
    """Find the sources of the stream that a pass read."""
    numbers = {node["source"] for node in stream_of(*delivered).nodes if node["kind"] == "source"}
    return [source for source in delivered.record.sources if source.number in numbers]


def _same_row(source: SourceView, other: SourceView, row: int) -> int | None:
    """The same row of the same file in another reading; None where that isn't in it."""
    if source.kind in ("items", "arrays", "table", "dataset") or source.paths == other.paths:
        return row
    part = part_of(source, row)
    if part >= len(source.paths) or source.paths[part] not in other.paths:
        return None
    twin = other.paths.index(source.paths[part])
    if source.kind == "files":
        return twin
    return (
        None if not (source.rows and other.rows) else row - sum(source.rows[:part]) + sum(other.rows[:twin])
    )
