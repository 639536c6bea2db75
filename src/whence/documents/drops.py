"""What went no further, and why: by reason, by failure, by duplicate; with names of source rows."""

from __future__ import annotations

from dataclasses import dataclass

from whence.documents.wording import counted, listed, shown
from whence.errors import WhenceError
from whence.query import PassCount, PassLineage, StreamCount, name_origin
from whence.runs import RunRecord

EXAMPLES = 6
ROWS = 100
PASSES_LOOKED_AT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why samples went no further at one node.

    Args:
        stream: the stream.
        op: the operation.
        reason: why.
        count: how many, over all passes.
        per_pass: the same in words.
        width: of its bar, in percent of the longest.
        share: of the samples that came to the operation.
        examples: source rows it happened to.
    """

    stream: str
    op: str
    reason: str
    count: int
    per_pass: str
    width: float
    share: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A sample that an operation failed on and that was set aside."""

    origin: str
    op: str
    error: str
    epochs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A dropped duplicate, and the sample that it repeats."""

    origin: str
    repeats: str
    op: str
    epochs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """All that went no further.

    Args:
        reasons: by reason, the most frequent first.
        failures: those set aside, at most `ROWS`; `failures_left_out` says how many more there are.
        duplicates: at most `ROWS`; `duplicates_are_all` is False where there are more.
    """

    reasons: list[Reason]
    failures: list[Failure]
    failures_left_out: int
    duplicates: list[Duplicate]
    duplicates_are_all: bool


def gather_drops(record: RunRecord, streams: list[StreamCount]) -> Drops:
    """Gather what went no further in a run."""
    failures = _failures(record, streams)
    duplicates, duplicates_are_all = _duplicates(streams)
    return Drops(
        reasons=_reasons(streams),
        failures=failures[:ROWS],
        failures_left_out=max(0, len(failures) - ROWS),
        duplicates=duplicates[:ROWS],
        duplicates_are_all=duplicates_are_all and len(duplicates) <= ROWS,
    )


def _reasons(streams: list[StreamCount]) -> list[Reason]:
    found = []
    most = max((node.dropped for stream in streams for node in stream.nodes), default=0)
    for stream in streams:
        for index, count in enumerate(stream.nodes):
            if not count.dropped:
                continue
            node = stream.view.nodes[index]
            each = [one.nodes[index].dropped for one in stream.counted_passes]
            taken = count.ins[0] or count.dropped
            found.append(
                Reason(
                    stream=shown(stream.view.name, 60),
                    op=shown(node["label"], 60),
                    reason=shown(node["reason"], 120),
                    count=count.dropped,
                    per_pass=_per_pass(each),
                    width=round(100 * count.dropped / most, 2),
                    share=count.dropped / taken,
                    examples=_examples(stream, index),
                )
            )
    return sorted(found, key=lambda reason: -reason.count)


def _per_pass(each: list[int]) -> str:
    if len(each) == 1:
        return "in one pass"
    if len(set(each)) == 1:
        return f"{each[0]:,} in each of {counted(len(each), 'pass', 'passes')}"
    return f"{min(each):,} to {max(each):,} a pass, {counted(len(each), 'pass', 'passes')}"


def _examples(stream: StreamCount, index: int) -> tuple[str, ...]:
    """Name a few of the source rows dropped at a node; failures and duplicates have tables of their own."""
    node = stream.view.nodes[index]
    if node["kind"] in ("map", "dedup"):
        return ()
    for each in stream.counted_passes:
        if each.lineage is not None and each.nodes[index].dropped:
            below = each.lineage.inputs(index)[0]
            gone = each.lineage.dropped(index, limit=EXAMPLES).tolist()
            return tuple(shown(_named(each.lineage, below, position), 120) for position in gone)
    return ()


def _failures(record: RunRecord, streams: list[StreamCount]) -> list[Failure]:
    views = {stream.view.number: stream.view for stream in streams}
    # those of earlier passes too, which others went on with: what came before isn't told again
    passes = {view.number: (views[view.stream], view.epoch) for view in record.passes if view.stream in views}
    epochs: dict[tuple[str, str, str], list[int]] = {}
    for event in record.journal.find("set_aside"):
        known = passes.get(event.public["pass"])
        if known is None:
            continue
        stream, epoch = known
        body = event.body or {}
        op = stream.nodes[event.public["node"]]["label"]
        error = f"{body['kind']}: {body['message']}" if body else "what was said of it has been destroyed"
        origin = body.get("origin", f"sample {event.public['position']}")
        epochs.setdefault((origin, op, error), []).append(epoch)
    return [
        Failure(origin=shown(origin, 160), op=shown(op, 60), error=shown(error, 300), epochs=listed(found))
        for (origin, op, error), found in epochs.items()
    ]


def _duplicates(streams: list[StreamCount]) -> tuple[list[Duplicate], bool]:
    epochs: dict[tuple[str, str, str], list[int]] = {}
    are_all = True
    for stream in streams:
        looked_at = stream.counted_passes[:PASSES_LOOKED_AT]
        are_all = are_all and len(looked_at) == len(stream.counted_passes)
        for index, node in enumerate(stream.view.nodes):
            if node["kind"] != "dedup":
                continue
            for each in looked_at:
                pairs = _pairs(each, index)
                are_all = are_all and len(pairs) == each.nodes[index].dropped
                for name, repeated in pairs:
                    epochs.setdefault((name, repeated, node["label"]), []).append(each.view.epoch)
    found = [
        Duplicate(
            origin=shown(name, 160), repeats=shown(repeated, 160), op=shown(op, 60), epochs=listed(seen)
        )
        for (name, repeated, op), seen in epochs.items()
    ]
    return found, are_all


def _pairs(counted_pass: PassCount, index: int) -> list[tuple[str, str]]:
    lineage = counted_pass.lineage
    if lineage is None:
        return []
    below = lineage.inputs(index)[0]
    found = []
    for position in lineage.dropped(index, limit=ROWS).tolist():
        witness = lineage.witness_of(index, position)
        repeated = "not recorded" if witness is None else _named(lineage, below, witness)
        found.append((_named(lineage, below, position), repeated))
    return found


def _named(lineage: PassLineage, index: int, position: int) -> str:
    try:
        return name_origin(lineage, index, position)
    except WhenceError:
        return f"sample {position}"
