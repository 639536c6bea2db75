"""Whither: from source rows forward to every delivery, every drop and every model, or to nothing."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from whence.errors import DamagedError
from whence.query.fits import Influence
from whence.query.flow import ExposurePoint, Flow, gather_fits
from whence.query.following import Int64Array, lineage_of
from whence.query.outlines import Outline
from whence.query.reach import Reach
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


class _Asked:
    """A run that read what is asked about, and the rows asked about; followed only when that is needed."""

    def __init__(self, outline: Outline, rows_by_source: dict[int, Int64Array]) -> None:
        self.outline = outline
        self._rows_by_source = rows_by_source

    @functools.cached_property
    def _followed(self) -> tuple[list[Flow], list[str]]:
        return _flows_of(self.outline.record, self._rows_by_source)

    @property
    def is_followed(self) -> bool:
        """Whether that was needed."""
        return "_followed" in self.__dict__

    @property
    def flows(self) -> list[Flow]:
        """How the rows flowed through each pass that read them."""
        return self._followed[0]

    @property
    def gaps(self) -> list[str]:
        """Where they can't be followed, in words."""
        name = self.outline.name
        unknown = [f"{name}: op {op!r} can't be followed" for flow in self.flows for op in flow.unknown_ops]
        return self._followed[1] + unknown

    @property
    def is_unreached(self) -> bool:
        """Whether a pass ended before any of the rows came."""
        came = any(flow.count or flow.learned for flow in self.flows)
        return not came and any(flow.unreached for flow in self.flows)

    def answer(self, found: _Found) -> tuple[int, bool, list[str]]:
        """Count the deliveries, tell whether anything was learned of the rows, and what isn't known."""
        try:
            counted, was_learned_of = self.count(found), self.was_learned_of(found)
        except DamagedError as error:
            return 0, False, [f"{self.outline.name}: {error.message}"]
        return counted, was_learned_of, self.gaps if self.outline.reach is None else []

    def was_learned_of(self, found: _Found) -> bool:
        """Whether anything was learned of the rows: by the run's sets where they tell, else by following."""
        known = found.was_learned_of(self.outline, self._rows_by_source)
        return any(flow.learned for flow in self.flows) if known is None else known

    def count(self, found: _Found) -> int:
        """Count the deliveries: by the run's sets where they tell, by following the rows elsewhere."""
        counted = found.count(self.outline, self._rows_by_source)
        return sum(flow.count for flow in self.flows) if counted is None else counted


@dataclass(frozen=True, kw_only=True)
class Impact:
    """Where source rows went.

    Args:
        origin: what was asked.
        origins: the source rows found, in all runs.
        count: how many deliveries there were, over all runs.
        runs: the runs that had a delivery.
        models: the models of those runs, and of those in which something was learned of the rows.
        datasets: the dataset versions that hold samples made of the rows.
        touched: the ids of the runs that had a delivery, or in which something was learned of the rows.
        versions: the versions of models that those runs logged: `digits@3`.
        indirect: versions that were made from those by other runs: model, how, and through which.
        absent: True only where the record proves that nothing made of the rows was delivered, and that
            nothing was learned of them: no mean, no scale, no list of categories.
    """

    origin: str
    origins: list[Origin]
    count: int
    runs: list[str]
    models: list[str]
    datasets: list[str]
    absent: bool
    touched: list[str] = field(default_factory=list, repr=False)
    versions: list[str] = field(default_factory=list)
    indirect: list[dict[str, Any]] = field(default_factory=list)
    _gaps: list[str] = field(default_factory=list, repr=False)
    _asked: list[_Asked] = field(default_factory=list, repr=False)
    _learned_in: list[str] = field(default_factory=list, repr=False)

    @property
    def gaps(self) -> list[str]:
        """Where the record doesn't tell; also of what was followed for drops and exposures, once it was."""
        followed = [gap for asked in self._asked if asked.is_followed for gap in asked.gaps]
        return list(dict.fromkeys(self._gaps + followed))

    @property
    def exposures(self) -> Iterator[ExposurePoint]:
        """Every delivery, one by one."""
        reached = set(self.runs)
        for asked in self._asked:
            for flow in asked.flows if asked.outline.name in reached else ():
                yield from flow.exposures()

    @functools.cached_property
    def drops(self) -> list[Drop]:
        """Where rows were dropped."""
        return _gather_drops([flow for asked in self._asked for flow in asked.flows])

    @functools.cached_property
    def fits(self) -> list[Influence]:
        """What was learned of samples made of the rows, and so had a part in others."""
        names = set(self._learned_in)
        learned_in = [asked for asked in self._asked if asked.outline.name in names]
        return gather_fits(flow for asked in learned_in for flow in asked.flows)

    @functools.cached_property
    def unreached(self) -> list[str]:
        """The runs that read the source, but ended before these rows came."""
        return [asked.outline.name for asked in self._asked if asked.is_unreached]

    def to_json(self, *, limit: int = 1000) -> dict[str, Any]:
        """As JSON; `limit` bounds the lists, never the count."""
        exposures = [exposure.to_json() for exposure in islice(self.exposures, limit)]
        return {
            "origin": self.origin,
            "origins": [origin.to_json() for origin in self.origins[:limit]],
            "count": self.count,
            "exposures": exposures,
            "drops": [drop.to_json() for drop in self.drops[:limit]],
            "fits": [fit.to_json() for fit in self.fits[:limit]],
            "runs": self.runs[:limit],
            "models": self.models,
            "versions": self.versions[:limit],
            "indirect": self.indirect[:limit],
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
    """Find where source rows went, in some runs that are open; see `find_impact_across`."""
    return find_impact_across(map(Outline.of, records), origin, rows=rows, unreadable=unreadable)


def find_impact_across(
    outlines: Iterable[Outline],
    origin: str | os.PathLike[str],
    *,
    rows: Sequence[int] | None,
    unreadable: Iterable[str] = (),
) -> Impact:
    """Find where source rows went, in all runs.

    Args:
        outlines: the runs.
        origin: a path, as it was recorded or any longer or shorter form of it that fits one file; the
            name of a source; or `SOURCE:ROW`.
        rows: rows of the source or, for a file of many rows, of that file; None asks for all.
        unreadable: runs that couldn't be read, in words: what they would tell isn't known.

    Raises:
        InputError: the path fits several files of a source.

    Cost: one look at each run's outline, and one at each different set of rows; runs are opened where
        their sets don't tell, and later when drops or exposures are asked for.
    """
    asked = os.fspath(origin)
    found = _Found(asked, rows)
    gaps = list(unreadable)
    reading: list[_Asked] = []
    reached: list[Outline] = []
    influenced: list[Outline] = []
    count = 0
    for outline in outlines:
        gaps += [f"{outline.name}: {gap}" for gap in outline.gaps]
        rows_by_source, unknown = found.in_run(outline)
        gaps += unknown
        if not rows_by_source:
            continue
        reading.append(_Asked(outline, rows_by_source))
        counted, was_learned_of, unknown = reading[-1].answer(found)
        gaps += unknown
        if counted:
            reached.append(outline)
            count += counted
        if was_learned_of:
            influenced.append(outline)
    return Impact(
        origin=asked,
        origins=list(found.origins.values()),
        count=count,
        runs=[outline.name for outline in reached],
        models=list(dict.fromkeys(model for outline in reached + influenced for model in outline.models)),
        datasets=[],
        touched=list(dict.fromkeys(outline.run_id for outline in reached + influenced)),
        _gaps=gaps,
        absent=count == 0 and not influenced and not gaps,
        _asked=reading,
        _learned_in=[outline.name for outline in influenced],
    )


class _Found:
    """The rows asked about, found once for all sources that are alike and looked up once in each set."""

    def __init__(self, asked: str, rows: Sequence[int] | None) -> None:
        self.origins: dict[tuple[str, int], Origin] = {}
        self._asked = asked
        self._rows = rows
        self._by_fingerprint: dict[bytes, Int64Array | str] = {}
        self._hits: dict[tuple[bytes, bytes], int] = {}

    def in_run(self, outline: Outline) -> tuple[dict[int, Int64Array], list[str]]:
        """Find the rows in a run's sources, by source; and say where that isn't known."""
        rows_by_source: dict[int, Int64Array] = {}
        gaps: list[str] = []
        for number, fingerprint in enumerate(outline.sources):
            if fingerprint not in self._by_fingerprint:
                self._by_fingerprint[fingerprint] = self._find(outline, number)
            rows = self._by_fingerprint[fingerprint]
            if isinstance(rows, str):
                gaps.append(f"{outline.name}: {rows}")
            elif len(rows):
                rows_by_source[number] = rows
        return rows_by_source, gaps

    def count(self, outline: Outline, rows_by_source: dict[int, Int64Array]) -> int | None:
        """Count the deliveries of rows in a run by its sets; None where these don't tell."""
        if outline.reach is None:
            return None
        total = 0
        seen: set[int] = set()
        for reach, digest in outline.reach:
            rows = rows_by_source.get(reach.source)
            if rows is None or reach.fit is not None:
                continue
            hits = self._hit(reach, digest, outline, rows)
            # what came from two sources at once is delivered once
            if hits and (not reach.times or reach.pass_number in seen):
                return None
            if hits:
                seen.add(reach.pass_number)
            total += hits * reach.times
        return total

    def was_learned_of(self, outline: Outline, rows_by_source: dict[int, Int64Array]) -> bool | None:
        """Tell by a run's sets whether anything was learned of rows; None where these don't tell."""
        if outline.reach is None:
            return None
        times = [
            reach.times
            for reach, digest in outline.reach
            if reach.fit is not None
            and reach.source in rows_by_source
            and self._hit(reach, digest, outline, rows_by_source[reach.source])
        ]
        return any(times) if any(times) or not times else None

    def _hit(self, reach: Reach, digest: bytes, outline: Outline, rows: Int64Array) -> int:
        """Count the rows in a set."""
        key = (digest, outline.sources[reach.source])
        if key not in self._hits:
            self._hits[key] = int(np.count_nonzero(reach.rows.has(rows)))
        return self._hits[key]

    def _find(self, outline: Outline, number: int) -> Int64Array | str:
        source = outline.record.sources[number]
        try:
            rows = find_rows(source, self._asked, self._rows, outline.record)
        except DamagedError as error:
            return error.message
        for row in rows[:1000].tolist():
            self.origins.setdefault((source.name, row), origin_of(source, row))
        return rows


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
            lineage = lineage_of(record, view)
            flows.append(Flow(lineage, rows_by_source))
            if lineage.known < view.delivered:
                what = f"outputs {lineage.known} to {view.delivered - 1} of pass {view.number}"
                gaps.append(f"{record.name}: what {what} were made of was lost")
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
