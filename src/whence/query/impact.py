"""Whither: from source rows forward to every delivery, every drop and every model, or to nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from whence.errors import DamagedError
from whence.query.flow import ExposurePoint, Flow
from whence.query.following import Int64Array, PassLineage
from whence.query.rows import find_rows
from whence.query.trace import Origin, origin_of
from whence.runs import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Where rows were dropped, and why; `epochs` in which it happened.

    Args:
        run: the run's name.
        stream: the stream's name.
        op: the operation.
        reason: why.
        epochs: the passes in which it happened.
        detail: for a duplicate the sample that it repeats; for a failure the error.
    """

    run: str
    stream: str
    op: str
    reason: str
    epochs: tuple[int, ...]
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "stream": self.stream,
            "op": self.op,
            "reason": self.reason,
            "epochs": list(self.epochs),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """Where source rows went.

    Args:
        origin: what was asked.
        origins: the source rows found, in all runs.
        count: how many deliveries there were, over all runs.
        drops: where rows were dropped.
        runs: the runs that had a delivery.
        models: the models of those runs.
        datasets: the dataset versions that hold samples made of the rows.
        unreached: runs that read the source, but ended before these rows came.
        gaps: where the record doesn't tell.
        absent: True only where the record proves that nothing made of the rows was delivered.
    """

    origin: str
    origins: list[Origin]
    count: int
    drops: list[Drop]
    runs: list[str]
    models: list[str]
    datasets: list[str]
    unreached: list[str]
    gaps: list[str]
    absent: bool
    _flows: list[Flow] = field(default_factory=list, repr=False)

    @property
    def exposures(self) -> Iterator[ExposurePoint]:
        """Every delivery, one by one."""
        for flow in self._flows:
            yield from flow.exposures()

    def to_json(self, *, limit: int = 1000) -> dict[str, Any]:
        """As JSON; `limit` bounds the lists, never the count."""
        exposures = []
        for number, exposure in enumerate(self.exposures):
            if number >= limit:
                break
            exposures.append(exposure.to_json())
        return {
            "origin": self.origin,
            "origins": [origin.to_json() for origin in self.origins[:limit]],
            "count": self.count,
            "exposures": exposures,
            "drops": [drop.to_json() for drop in self.drops[:limit]],
            "runs": self.runs[:limit],
            "models": self.models,
            "datasets": self.datasets,
            "unreached": self.unreached[:limit],
            "gaps": self.gaps[:limit],
            "absent": self.absent,
        }


def find_impact(
    records: Iterable[RunRecord],
    origin: str | os.PathLike[str],
    *,
    rows: Sequence[int] | None,
    unreadable: Iterable[str] = (),
) -> Impact:
    """Find where source rows went, in all runs.

    Args:
        records: the runs.
        origin: a path, as it was recorded or any longer or shorter form of it that fits one file; the
            name of a source; or `SOURCE:ROW`.
        rows: rows of the source or, for a file of many rows, of that file; None asks for all.
        unreadable: runs that couldn't be read, in words: what they would tell isn't known.

    Raises:
        InputError: the path fits several files of a source.
    """
    asked = os.fspath(origin)
    flows: list[Flow] = []
    gaps = list(unreadable)
    unreached: list[str] = []
    origins: dict[tuple[str, int], Origin] = {}
    models: list[str] = []
    for record in records:
        gaps += [f"{record.name}: {gap}" for gap in record.gaps]
        rows_by_source: dict[int, Int64Array] = {}
        for source in record.sources:
            try:
                found = find_rows(source, asked, rows, record)
            except DamagedError as error:
                gaps.append(f"{record.name}: {error.message}")
                continue
            if len(found):
                rows_by_source[source.number] = found
        for number, found in rows_by_source.items():
            source = record.sources[number]
            for row in found[:1000].tolist():
                origins.setdefault((source.name, row), origin_of(source, row))
        reached, unknown = _flows_of(record, rows_by_source)
        gaps += unknown
        flows += reached
        gaps += [f"{record.name}: op {op!r} can't be followed" for flow in reached for op in flow.unknown_ops]
        if any(flow.unreached for flow in reached) and not any(flow.count for flow in reached):
            unreached.append(record.name)
        if any(flow.count for flow in reached):
            models += [model["name"] for model in record.models]
    count = sum(flow.count for flow in flows)
    return Impact(
        origin=asked,
        origins=list(origins.values()),
        count=count,
        drops=_gather_drops(flows),
        runs=list(dict.fromkeys(flow.run for flow in flows if flow.count)),
        models=list(dict.fromkeys(models)),
        datasets=[],
        unreached=unreached,
        gaps=list(dict.fromkeys(gaps)),
        absent=count == 0 and not gaps,
        _flows=[flow for flow in flows if flow.count],
    )


def _flows_of(record: RunRecord, rows_by_source: dict[int, Int64Array]) -> tuple[list[Flow], list[str]]:
    """Follow rows through each pass that read their source; and say which passes can't be followed."""
    flows: list[Flow] = []
    gaps: list[str] = []
    streams = {stream.number: stream for stream in record.streams}
    for view in record.passes if rows_by_source else ():
        stream = streams.get(view.stream)
        if stream is None or not any(node.get("source") in rows_by_source for node in stream.nodes):
            continue
        try:
            flows.append(Flow(PassLineage(record, view), rows_by_source))
        except DamagedError as error:
            gaps.append(f"{record.name}: {error.message}")
    return flows, gaps


def _gather_drops(flows: list[Flow]) -> list[Drop]:
    epochs: dict[tuple[str, str, str, str, str], list[int]] = {}
    for flow in flows:
        for op, reason, detail in flow.drops:
            epochs.setdefault((flow.run, flow.stream, op, reason, detail), []).append(flow.epoch)
    return [
        Drop(run=run, stream=stream, op=op, reason=reason, detail=detail, epochs=tuple(sorted(set(found))))
        for (run, stream, op, reason, detail), found in epochs.items()
    ]
