"""What `show` tells of a run, as one JSON-able value."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from whence.query import ExposurePoint, drawn_in, field_uses, only_for_fits
from whence.runs import History, PassView, StreamView, finite_or_none
from whence.workspace import Run, summarise_run

_POINTS = 24
_DIFF_KEYS = ("diff", "diff_cut")


def describe_run(run: Run) -> dict[str, Any]:
    """Describe a run: its summary, metrics with their curves, streams, drops, results and surroundings."""
    environment = dict(run.environment)
    if environment.get("git"):  # the changes themselves are for the report, not for a screen
        environment["git"] = {key: each for key, each in environment["git"].items() if key not in _DIFF_KEYS}
    passes_by_stream: dict[int, list[PassView]] = collections.defaultdict(list)
    for view in run.record.latest_passes:
        passes_by_stream[view.stream].append(view)
    return {
        "kind": "run",
        **summarise_run(run.record),
        "standing": run.standing,
        "resumed_at": [at.isoformat() for at in run.resumed_at],
        "totals": run.totals,
        "notes": run.notes,
        "history": {key: _curve(each) for key, each in run.record.logged.histories(run.metrics).items()},
        "streams": [_stream(run, stream, passes_by_stream[stream.number]) for stream in run.streams],
        "drops": _drops(run, passes_by_stream),
        "fits": _fits(run, passes_by_stream),
        "noticed": _noticed(run, passes_by_stream),
        "foreign": _foreign(run),
        "sources": [
            {"name": source.name, "kind": source.kind, "root": source.root, "parts": len(source.paths)}
            for source in run.sources
        ],
        "models": run.models,
        "artifacts": run.artifacts,
        "environment": environment,
        "example": _example(run),
    }


def _curve(history: History) -> dict[str, Any]:
    values = history.value
    finite = values[np.isfinite(values)]
    return {
        "count": len(values),
        "last": finite_or_none(float(values[-1])),
        "min": float(finite.min()) if len(finite) else None,
        "max": float(finite.max()) if len(finite) else None,
        "points": [finite_or_none(float(each)) for each in values[_spread(len(values))]],
    }


def _spread(count: int) -> list[int]:
    """Choose places evenly, the first and the last among them."""
    if count <= _POINTS:
        return list(range(count))
    return [round(place * (count - 1) / (_POINTS - 1)) for place in range(_POINTS)]


def _stream(run: Run, stream: StreamView, passes: list[PassView]) -> dict[str, Any]:
    """The plan in the order it was written, with counts and times over all passes that ended."""
    ended = [view.nodes for view in passes if view.nodes]
    sums = np.array(ended, np.int64).sum(axis=0) if ended else None
    total_ns = int(sums[:, 0].sum()) if sums is not None else 0
    uses = field_uses(run.record, stream)
    steps = []
    for index in sorted(range(len(stream.nodes)), key=lambda each: stream.nodes[each]["written"]):
        node = stream.nodes[index]
        spent = [int(each) for each in sums[index]] if sums is not None else None
        # a source and an order have no loop of their own: their time is that of what reads them
        counted = spent if spent is not None and spent[0] else None
        rows = _rows_read(run, passes, index) if node["kind"] == "source" else None
        steps.append(
            {
                "op": node["label"],
                "kind": node["kind"],
                "params": node.get("params"),
                "in": counted[1] if counted else None,
                "out": counted[2] if counted else rows,
                "ns": counted[0] if counted else None,
                "time_share": counted[0] / total_ns if counted and total_ns else None,
                "fields": [use.to_json() for use in uses.get(index, [])],
            }
        )
    return {
        "name": stream.name,
        "steps": steps,
        "passes": [
            {
                "epoch": view.epoch,
                "repeat": view.repeat,
                "first": view.first,
                "delivered": view.count,
                "resumed_at": run.record.resumed_at(view),
                "complete": view.is_complete,
            }
            for view in passes
        ],
    }


def _rows_read(run: Run, passes: list[PassView], index: int) -> int:
    decided = (run.record.decisions(view.number).get(index) for view in passes)
    return sum(each.row_count for each in decided if each is not None)


def _drops(run: Run, passes_by_stream: dict[int, list[PassView]]) -> list[dict[str, Any]]:
    """Count what the data decided to drop, by operation and reason, over all passes; ended or not."""
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for stream in run.streams:
        fits = only_for_fits(stream.nodes)
        for view in passes_by_stream[stream.number]:
            for index, decided in run.record.decisions(view.number).items():
                node = stream.nodes[index]
                if node.get("mapping") == "selection":
                    selection = decided.selection()
                    aside = f" (for the {fits[index]})" if index in fits else ""
                    counts[stream.name, node["label"], node["reason"] + aside] += (
                        selection.in_size - selection.out_size
                    )
    return [
        {"stream": stream, "op": op, "reason": reason, "count": count}
        for (stream, op, reason), count in counts.items()
        if count
    ]


def _fits(run: Run, passes_by_stream: dict[int, list[PassView]]) -> list[dict[str, Any]]:
    """What was learned of fields in the latest pass over each stream, by the operation that used it."""
    found = []
    for stream in run.streams:
        views = [view for view in passes_by_stream[stream.number] if run.record.fitted(view.number)]
        for index, fields in run.record.fitted(views[-1].number).items() if views else ():
            users = [node["label"] for node in stream.nodes if index in node["inputs"]]
            found += [
                {"stream": stream.name, "op": users[0], "epoch": views[-1].epoch, **each} for each in fields
            ]
    return found


def _foreign(run: Run) -> list[dict[str, Any]]:
    """What draws from generators that aren't its samples' own, and so can't be replayed."""
    found: dict[tuple[int, int], set[str]] = collections.defaultdict(set)
    for view in run.record.passes:
        for index, generators in drawn_in(run.record, view.number).items():
            found[view.stream, index].update(generators)
    streams = {stream.number: stream for stream in run.streams}
    return [
        {
            "stream": streams[number].name,
            "op": streams[number].nodes[index]["label"],
            "generators": sorted(generators),
        }
        for (number, index), generators in sorted(found.items())
        if number in streams
    ]


def _noticed(run: Run, passes_by_stream: dict[int, list[PassView]]) -> list[dict[str, Any]]:
    """What operations told of samples, counted over all passes."""
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for stream in run.streams:
        for view in passes_by_stream[stream.number]:
            for index, told in run.record.noticed(view.number).items():
                for what, count in told.items():
                    counts[stream.name, stream.nodes[index]["label"], what] += count
    return [
        {"stream": stream, "op": op, "what": what, "count": count}
        for (stream, op, what), count in counts.items()
    ]


def _example(run: Run) -> str | None:
    """The address of the first sample delivered, to ask about; as short as it may be."""
    first = next(iter(run.exposures()), None)
    return None if first is None else short_address(first, has_streams=len(run.streams) > 1)


def short_address(point: ExposurePoint, *, has_streams: bool) -> str:
    """The address of a delivery, with its stream only where the run has several."""
    full = point.address
    return full if has_streams else full.replace(f"/{point.stream}@", "@", 1)
