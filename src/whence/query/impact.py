"""Whither: from source rows forward to every delivery, every drop and every model, or to nothing."""

from __future__ import annotations

import os
import pathlib
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whence.errors import InputError
from whence.lineage import Mapping, Origins
from whence.query.following import Int64Array, PassLineage
from whence.query.trace import Origin, origin_of
from whence.runs import RunRecord, SourceView


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposurePoint:
    """One delivery of a sample made of the rows asked about."""

    run: str
    stream: str
    epoch: int
    repeat: int
    batch: int | None
    item: int

    @property
    def address(self) -> str:
        """The sample's address."""
        repeat = f"#{self.repeat}" if self.repeat else ""
        place = f"{self.item}" if self.batch is None else f"{self.batch}.{self.item}"
        return f"{self.run}/{self.stream}@{self.epoch}{repeat}:{place}"

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "stream": self.stream,
            "epoch": self.epoch,
            "repeat": self.repeat,
            "batch": self.batch,
            "item": self.item,
        }


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
    _flows: list[_Flow] = field(default_factory=list, repr=False)

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
    records: Iterable[RunRecord], origin: str | os.PathLike[str], *, rows: Sequence[int] | None
) -> Impact:
    """Find where source rows went, in all runs.

    Args:
        records: the runs.
        origin: a path, as it was recorded or any longer or shorter form of it that fits one file; the
            name of a source; or `SOURCE:ROW`.
        rows: rows of the source or, for a file of many rows, of that file; None asks for all.

    Raises:
        InputError: the path fits several files of a source.
    """
    asked = os.fspath(origin)
    flows: list[_Flow] = []
    gaps: list[str] = []
    unreached: list[str] = []
    origins: dict[tuple[str, int], Origin] = {}
    models: list[str] = []
    for record in records:
        if record.has_gaps:
            gaps.append(f"{record.name}: {_gap_of(record)}")
        rows_by_source = {
            source.number: found
            for source in record.sources
            if len(found := find_rows(source, asked, rows, record)) or source.is_redacted
        }
        for number, found in rows_by_source.items():
            source = record.sources[number]
            if source.is_redacted:
                gaps.append(f"{record.name}: what a source was has been destroyed")
            for row in found[:1000].tolist():
                origins.setdefault((source.name, row), origin_of(source, row))
        reached = list(_flows_of(record, rows_by_source))
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


def find_rows(source: SourceView, asked: str, rows: Sequence[int] | None, record: RunRecord) -> Int64Array:
    """Find the rows of a source that a question is about; none where it isn't about this source."""
    if source.name == asked:
        if rows is not None:
            return np.unique(np.array(rows, np.int64))
        return np.arange(_row_count(source, record), dtype=np.int64)
    name, _, number = asked.rpartition(":")
    if name and number.isdigit() and rows is None:
        return find_rows(source, name, [int(number)], record)
    if source.kind in ("items", "arrays", "table"):
        return np.empty(0, np.int64)
    parts = _parts_matching(source, asked)
    if not parts:
        return np.empty(0, np.int64)
    starts, counts = _part_rows(source, record)
    found = []
    for part in parts:
        local = np.arange(counts[part], dtype=np.int64) if rows is None else np.array(rows, np.int64)
        found.append(starts[part] + local[(local >= 0) & (local < counts[part])])
    return np.unique(np.concatenate(found))


def _parts_matching(source: SourceView, asked: str) -> list[int]:
    wanted = posixpath.normpath(pathlib.PurePath(asked).as_posix())
    absolute = posixpath.normpath(pathlib.PurePath(os.path.abspath(asked)).as_posix())
    matches = []
    for part, path in enumerate(source.paths):
        full = posixpath.normpath(posixpath.join(source.root, path))
        if full in (wanted, absolute):
            return [part]
        if (
            ("/" + wanted).endswith("/" + full)
            or ("/" + full).endswith("/" + wanted)
            or absolute.endswith("/" + full)
        ):
            matches.append(part)
    if len(matches) > 1:
        shown = ", ".join(source.paths[part] for part in matches[:3])
        raise InputError(
            f"{asked!r:.200} fits {len(matches)} files of the source {source.name!r}: {shown}, ...",
            remedy="Give more of the path.",
        )
    return matches


def _part_rows(source: SourceView, record: RunRecord) -> tuple[list[int], list[int]]:
    """The first row of each part, and how many rows each has."""
    if source.kind == "files":
        return list(range(len(source.paths))), [1] * len(source.paths)
    counts = source.rows
    if counts is None:
        rest = _row_count(source, record) - sum(source.part_rows.values())
        counts = []
        for part in range(len(source.paths)):
            known = source.part_rows.get(part)
            counts.append(rest if known is None else known)
            rest = rest if known is not None else 0
    return [0, *np.cumsum(counts)[:-1].tolist()] if counts else [], list(counts)


def _row_count(source: SourceView, record: RunRecord) -> int:
    """How many rows a source had, as far as any pass of the run found out."""
    found = 0
    for view in record.passes:
        stream = next((each for each in record.streams if each.number == view.stream), None)
        for index, node in enumerate(stream.nodes if stream else []):
            if node["kind"] == "source" and node["source"] == source.number:
                decisions = record.decisions(view.number).get(index)
                found = max(found, decisions.row_count if decisions else 0)
    return found


class _Flow:
    """How rows of a run's sources went through one pass."""

    def __init__(self, lineage: PassLineage, rows_by_source: dict[int, Int64Array]) -> None:
        self.run = lineage.record.name
        self.stream = lineage.stream.name
        self.epoch = lineage.view.epoch
        self.repeat = lineage.view.repeat
        self.drops: list[tuple[str, str, str]] = []
        self.unknown_ops: list[str] = []
        self.unreached = 0
        self._lineage = lineage
        self._has_batches = lineage.node(lineage.stream.items_at)["kind"] == "batch"
        self._items, self._outputs = self._follow(rows_by_source)

    @property
    def count(self) -> int:
        """How many deliveries there were."""
        return len(self._outputs)

    def exposures(self) -> Iterator[ExposurePoint]:
        """Every delivery."""
        for item, output in zip(self._items.tolist(), self._outputs.tolist(), strict=True):
            yield ExposurePoint(
                run=self.run,
                stream=self.stream,
                epoch=self.epoch,
                repeat=self.repeat,
                batch=output if self._has_batches else None,
                item=item if self._has_batches else output,
            )

    def _follow(self, rows_by_source: dict[int, Int64Array]) -> tuple[Int64Array, Int64Array]:
        """Fold forward over the plan; at the last batch op each item's place in its batch is kept."""
        nodes = self._lineage.stream.nodes
        top, items_at = self._lineage.stream.top, self._lineage.stream.items_at
        places: dict[int, tuple[Int64Array, Int64Array]] = {}  # node -> (positions, items), aligned
        for index, node in enumerate(nodes):
            if node["kind"] == "source":
                rows = rows_by_source.get(node["source"], np.empty(0, np.int64))
                known = self._lineage.size(index)
                self.unreached += int((rows >= known).sum())
                rows = rows[rows < known]
                places[index] = (rows, rows)
                continue
            positions: list[Int64Array] = []
            items: list[Int64Array] = []
            mappings = self._lineage.mappings(index)
            for number, mapping in zip(self._lineage.inputs(index), mappings, strict=True):
                below, carried = places.pop(number)
                if index == items_at and self._has_batches:
                    carried = below % int(node["params"]["size"])
                elif not self._has_batches or index < items_at:
                    carried = below
                rows_out, carried_out = self._step(index, mapping, below, carried)
                positions.append(rows_out)
                items.append(carried_out)
            places[index] = _unique_pairs(
                np.concatenate(positions), np.concatenate(items), by_item=index >= items_at
            )
        outputs, items_of = places[top]
        delivered = outputs < self._lineage.view.delivered
        self.unreached += int((~delivered).sum())
        return items_of[delivered], outputs[delivered]

    def _step(
        self, index: int, mapping: Mapping, below: Int64Array, carried: Int64Array
    ) -> tuple[Int64Array, Int64Array]:
        node = self._lineage.node(index)
        if not mapping.known:
            if len(below):
                self.unknown_ops.append(node["label"])
            return below[:0], carried[:0]
        here = below < mapping.in_size
        self.unreached += int((~here).sum())
        below, carried = below[here], carried[here]
        if not len(below):
            return below, carried
        forward: Origins = mapping.forward(below)
        counts = np.diff(forward.indptr)
        gone = below[counts == 0]
        if len(gone):
            self._drop(index, gone)
        return forward.indices, np.repeat(carried, counts)

    def _drop(self, index: int, positions: Int64Array) -> None:
        node = self._lineage.node(index)
        view = self._lineage.view
        if node["mapping"] == "closed" and not view.is_complete and node["kind"] == "batch":
            self.unreached += len(positions)  # its batch might have filled up yet
            return
        for position in positions.tolist():
            self.drops.append((node["label"], node["reason"], self._detail(index, position)))

    def _detail(self, index: int, position: int) -> str:
        lineage = self._lineage
        kind = lineage.node(index)["kind"]
        if kind == "dedup":
            witness = lineage.witness_of(index, position)
            return "" if witness is None else f"repeats {self._name(lineage.inputs(index)[0], witness)}"
        if kind == "map":
            for node, place, said in lineage.record.set_aside(lineage.view.number):
                if node == index and place == position:
                    return f"{said.get('kind', 'error')}: {said.get('message', 'destroyed')}"
        return ""

    def _name(self, index: int, position: int) -> str:
        """Name the first source row that a node's output came from."""
        lineage = self._lineage
        positions = np.array([position], np.int64)
        while lineage.node(index)["kind"] != "source":
            below = lineage.mappings(index)[0].backward(positions).indices[:1]
            if not len(below):
                return f"sample {position} at {lineage.node(index)['label']}"
            positions, index = below, lineage.inputs(index)[0]
        source = lineage.record.sources[lineage.node(index)["source"]]
        found = origin_of(source, int(positions[0]))
        return found.path if found.path and source.kind == "files" else f"{found.source}:{found.row}"


def _unique_pairs(
    positions: Int64Array, items: Int64Array, *, by_item: bool
) -> tuple[Int64Array, Int64Array]:
    """Sort by position (and item), and count what came to one place by two ways once."""
    if not by_item:
        unique = np.unique(positions)
        return unique, unique
    pairs = (
        np.unique(np.stack((positions, items), axis=1), axis=0)
        if len(positions)
        else np.empty((0, 2), np.int64)
    )
    return pairs[:, 0], pairs[:, 1]


def _flows_of(record: RunRecord, rows_by_source: dict[int, Int64Array]) -> Iterator[_Flow]:
    if not rows_by_source:
        return
    streams = {stream.number: stream for stream in record.streams}
    for view in record.passes:
        stream = streams.get(view.stream)
        if stream is not None and any(node.get("source") in rows_by_source for node in stream.nodes):
            yield _Flow(PassLineage(record, view), rows_by_source)


def _gather_drops(flows: list[_Flow]) -> list[Drop]:
    epochs: dict[tuple[str, str, str, str, str], list[int]] = {}
    for flow in flows:
        for op, reason, detail in flow.drops:
            epochs.setdefault((flow.run, flow.stream, op, reason, detail), []).append(flow.epoch)
    return [
        Drop(run=run, stream=stream, op=op, reason=reason, detail=detail, epochs=tuple(sorted(set(found))))
        for (run, stream, op, reason, detail), found in epochs.items()
    ]


def _gap_of(record: RunRecord) -> str:
    if record.journal.damages:
        return f"its record is damaged ({record.journal.damages[0].problem})"
    return "passes were read with the record off"
