"""The questions that a run answers, each with the exact command, and the answer where it is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whence.documents.journeys import JourneyView
from whence.documents.wording import command_text, counted, shown
from whence.errors import WhenceError
from whence.query import StreamCount, Verdict, find_impact, name_origin, parse_address, trace_address
from whence.runs import RunRecord

_EQUAL = "Made again for this page: equal to what was delivered, by its digest."
_UNEQUAL = "Made again for this page: it differs, as said above."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, the command that asks it, and what the record answered for this page."""

    text: str
    command: str
    answer: str = ""


def list_questions(
    record: RunRecord,
    streams: list[StreamCount],
    journeys: Sequence[JourneyView],
    *,
    records: Sequence[RunRecord],
    verdict: Verdict,
) -> list[Question]:
    """List the questions to ask about a run.

    Args:
        record: the run.
        streams: its counts.
        journeys: those on the page; the first one is asked about.
        records: the runs that an impact is asked of.
        verdict: of the verification made for the page.
    """
    found: list[Question] = []
    if journeys:
        found += _about_sample(record, journeys[0], records)
    dropped = _dropped_origin(streams)
    if dropped:
        found.append(
            Question(
                text="Why did this one never arrive?",
                command=command_text(["whence", "impact", _as_operand(dropped)]),
                answer=_impact_text(records, dropped),
            )
        )
    found.append(
        Question(
            text="Is the record what was recorded?",
            command="whence verify",
            answer=verdict_text(verdict),
        )
    )
    found.append(Question(text="What was this run?", command=command_text(["whence", "show", record.name])))
    return found


def verdict_text(verdict: Verdict) -> str:
    """Say a verdict in a sentence."""
    if not verdict.holds:
        first = verdict.findings[0].problem if verdict.findings else "nothing could be verified"
        return f"It does not hold: {shown(first, 200)}"
    checked = verdict.checked
    return (
        f"It holds: {counted(checked['events'], 'event')}, "
        f"{counted(checked['frames'], 'frame')} of lineage and "
        f"{counted(checked['objects'], 'object')} checked."
    )


def _about_sample(record: RunRecord, journey: JourneyView, records: Sequence[RunRecord]) -> list[Question]:
    address = journey.address
    origin = ""
    try:
        trace = trace_address(record, parse_address(address))
        if trace.origins:
            first = trace.origins[0]
            kinds = {source.name: source.kind for source in record.sources}
            is_file = bool(first.path) and kinds.get(first.source) == "files"
            origin = str(first.path) if is_file else f"{first.source}:{first.row}"
    except WhenceError:
        origin = ""
    found = [
        Question(
            text="Whence: where did this sample come from?",
            command=command_text(["whence", "trace", address]),
            answer=f"From {journey.origin}." if origin else "",
        )
    ]
    if origin:
        found.append(
            Question(
                text="Whither: where did this source row go?",
                command=command_text(["whence", "impact", _as_operand(origin)]),
                answer=_impact_text(records, origin),
            )
        )
    found.append(
        Question(
            text="Again: what exactly did the program receive?",
            command=command_text(["whence", "replay", address]),
            answer="" if journey.equal is None else _EQUAL if journey.equal else _UNEQUAL,
        )
    )
    return found


def _impact_text(records: Sequence[RunRecord], origin: str) -> str:
    try:
        impact = find_impact(records, origin, rows=None)
    except WhenceError:
        return ""
    parts = [f"{counted(impact.count, 'delivery', 'deliveries')} in {counted(len(impact.runs), 'run')}"]
    if impact.models:
        parts.append(f"models: {shown(', '.join(impact.models), 120)}")
    for drop in impact.drops[:2]:
        detail = f" ({shown(drop.detail, 120)})" if drop.detail else ""
        parts.append(f"dropped at {shown(drop.op, 60)}: {shown(drop.reason, 120)}{detail}")
    if impact.absent:
        parts.append("proved for everything recorded here")
    return "; ".join(parts) + "."


def _dropped_origin(streams: list[StreamCount]) -> str:
    """A source row that went no further, for the question about it."""
    for stream in streams:
        for index in range(len(stream.view.nodes)):
            for each in stream.counted_passes[:1]:
                if each.lineage is None or not each.nodes[index].dropped:
                    continue
                gone = each.lineage.dropped(index, limit=1).tolist()
                if gone:
                    try:
                        return name_origin(each.lineage, each.lineage.inputs(index)[0], gone[0])
                    except WhenceError:
                        return ""
    return ""


def _as_operand(origin: str) -> str:
    """A name that begins like an option must not be taken for one."""
    return f"./{origin}" if origin.startswith("-") else origin
