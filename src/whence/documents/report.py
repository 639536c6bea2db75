"""A run as one page of HTML: self-contained, without script or network, the same bytes for the same record.

Only what the record says is written, and of the data itself nothing but the thumbnails and bounded words
of the journeys. Making those runs the recorded code on the recorded sources, as `whence replay` does.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from whence.documents.drops import gather_drops
from whence.documents.facts import (
    tell_environment,
    tell_head,
    tell_packages,
    tell_pairs,
    tell_results,
    tell_sources,
)
from whence.documents.journeys import choose_addresses, tell_journeys
from whence.documents.pages import render_page, write_page
from whence.documents.picture import describe_op, draw_stream
from whence.documents.plots import HEIGHT, LEFT, RIGHT, WIDTH, plot_machine, plot_metrics
from whence.documents.questions import list_questions, verdict_text
from whence.documents.surroundings import (
    tell_company,
    tell_energy,
    tell_files,
    tell_fits,
    tell_sampling,
    tell_unfollowed,
)
from whence.documents.wording import duration_text, listed, shown
from whence.query import Address, NodeCount, PassCount, StreamCount, count_streams, verify_runs
from whence.runs import RunRecord

STREAMS = 6
PASSES = 30
OPS = 100
INPUTS = 3


def write_report(
    record: RunRecord,
    path: str | os.PathLike[str],
    *,
    records: Sequence[RunRecord] = (),
    journeys: Sequence[Address] | None = None,
) -> pathlib.Path:
    """Write a run as one page of HTML.

    Args:
        record: the run.
        path: the file to write; replaced if it is there.
        records: other runs of the workspace, for what is said of all of them (where a file went).
        journeys: the samples to make again and show; by default a few are chosen, one source row in
            several epochs among them. An empty list runs none of the recorded code.

    Returns:
        The path.

    Raises:
        StoreError: the page can't be written there.
        InputError: the path is a folder.
    """
    return write_page(path, render_report(record, records=records, journeys=journeys))


def render_report(
    record: RunRecord, *, records: Sequence[RunRecord] = (), journeys: Sequence[Address] | None = None
) -> str:
    """Make the page of a run; see `write_report`."""
    streams = count_streams(record)
    verdict = verify_runs([record])
    asked = [record, *(other for other in records if other.id != record.id)]
    told = tell_journeys(record, choose_addresses(record) if journeys is None else journeys)
    return render_page(
        "report.html",
        head=tell_head(record, streams),
        pictures=[draw_stream(record, stream) for stream in streams[:STREAMS]],
        streams=[_stream_table(record, stream) for stream in streams[:STREAMS]],
        streams_left_out=max(0, len(streams) - STREAMS),
        gaps=[shown(gap, 400) for gap in record.gaps],
        drops=gather_drops(record, streams),
        metrics=plot_metrics(record),
        machine=plot_machine(record),
        sampling=tell_sampling(record),
        energy=tell_energy(record),
        inputs=tell_files(record.inputs),
        outputs=tell_files(record.outputs),
        unfollowed=tell_unfollowed(record),
        fits=tell_fits(record),
        company=tell_company(record),
        plot={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT},
        journeys=told,
        params=tell_pairs(record.params),
        tags=tell_pairs(record.tags),
        models=tell_results(record.models),
        artifacts=tell_results(record.artifacts),
        sources=tell_sources(record),
        environment=tell_environment(record),
        packages=tell_packages(record),
        questions=list_questions(record, streams, told, records=asked, verdict=verdict),
        workspace=shown(_without_home(record.folder.path), 200),
        verdict=verdict_text(verdict),
        holds=verdict.holds,
        findings=[(shown(each.where, 200), shown(each.problem, 200)) for each in verdict.findings[:20]],
        verdict_notes=[shown(note, 300) for note in verdict.notes[:20]],
        chain=record.journal.chain.hex(),
        events=len(record.journal.events),
    )


def _stream_table(record: RunRecord, stream: StreamCount) -> dict[str, Any]:
    """What the tables of one stream say: each op over all passes, and in each pass."""
    several = len(stream.counted_passes) > 1
    return {
        "name": shown(stream.view.name, 80),
        "rows": _rows(stream, stream.nodes) if stream.counted_passes else [],
        "rows_left_out": max(0, len(stream.nodes) - OPS),
        "passes": [
            _pass_row(stream, each, record.resumed_at(each.view), with_rows=several)
            for each in stream.passes[:PASSES]
        ],
        "passes_left_out": max(0, len(stream.passes) - PASSES),
        "pass_count": len(stream.counted_passes),
        "is_alike": stream.is_alike,
        "is_reordered": _is_reordered(stream),
    }


def _rows(stream: StreamCount, counts: Sequence[NodeCount]) -> list[dict[str, Any]]:
    all_ns = sum(count.ns for count in counts)
    return [
        {
            "op": shown(node["label"], 60),
            "detail": "source" if node["kind"] == "source" else shown(describe_op(node), 80),
            "in": _ins_text(count),
            "out": count.out,
            "dropped": count.dropped,
            "time": duration_text(count.ns / 1e9) if count.ns else "",
            "share": count.ns / all_ns if all_ns else 0.0,
        }
        for node, count in zip(stream.view.nodes[:OPS], counts, strict=False)
    ]


def _ins_text(count: NodeCount) -> str:
    if len(count.ins) <= INPUTS:
        return " + ".join("?" if each is None else f"{each:,}" for each in count.ins)
    return f"{sum(each or 0 for each in count.ins):,}"


def _pass_row(
    stream: StreamCount, each: PassCount, resumed_at: Sequence[int], *, with_rows: bool
) -> dict[str, Any]:
    view = each.view
    ended = "read to its end" if view.is_complete else "left before its end" if view.is_ended else "not ended"
    if resumed_at:
        ended += f", resumed at {listed(resumed_at)}"
    return {
        "epoch": f"{view.epoch}#{view.repeat}" if view.repeat else str(view.epoch),
        "delivered": view.count,
        "ended": ended,
        "mode": "yes" if view.mode == "full" else "no",
        "time": duration_text(each.ns / 1e9) if each.ns else "",
        "problem": shown(each.problem, 200),
        "rows": _rows(stream, each.nodes) if with_rows and each.nodes else [],
    }


def _is_reordered(stream: StreamCount) -> bool:
    """Whether a shuffle runs before operations that were written before it."""
    nodes = stream.view.nodes
    return any(nodes[below]["written"] > node["written"] for node in nodes for below in node["inputs"])


def _without_home(path: pathlib.Path) -> str:
    home = os.path.expanduser("~")
    text = str(path)
    return text.replace(home, "~", 1) if home.count(os.sep) > 1 and text.startswith(home) else text
