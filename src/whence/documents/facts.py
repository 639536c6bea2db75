"""What a page says of a run besides its data: head, parameters, results, environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whence.documents.wording import (
    command_text,
    counted,
    duration_text,
    shown,
    shown_lines,
    shown_value,
    size_text,
    time_text,
)
from whence.query import StreamCount
from whence.runs import RunRecord
from whence.vocab import digest_text

ROWS = 200
PACKAGES = 400

STATUS = {
    "finished": ("good", "The run ended by itself."),
    "failed": ("bad", "The run ended with an error; what it recorded until then is whole."),
    "running": ("open", "The run was still going on when this page was written."),
    "lost": ("bad", "Its process died without ending the run; everything delivered until then is recorded."),
    "resumed": ("open", "The run was gone on with, and still going on when this page was written."),
    "unknown": ("open", "Whether the run goes on can't be seen from this machine."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A name and a value in words; where the list was cut, how many more there are."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A bounded list of rows."""

    rows: list[Row]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The top of the page."""

    title: str
    name: str
    run_id: str
    status: str
    tone: str
    status_told: str
    started: str
    took: str
    sentence: str
    numbers: list[Row]
    notes: list[str]
    traceback: str


def tell_head(record: RunRecord, streams: list[StreamCount]) -> Head:
    """Say what a run was, when, how long, and what the page answers."""
    tone, told = STATUS.get(record.status, ("open", ""))
    ended = record.ended_at_ns
    took = ""
    if ended is not None and record.started_at_ns:
        took = duration_text(record.totals.get("wall_s", (ended - record.started_at_ns) / 1e9))
    return Head(
        title=shown(record.title or record.name, 120),
        name=shown(record.name, 60),
        run_id=record.id,
        status=record.status,
        tone=tone,
        status_told=told,
        started=time_text(record.started_at_ns) if record.started_at_ns else "unknown",
        took=took,
        sentence=_sentence(record, streams),
        numbers=_numbers(record, streams),
        notes=[shown(note, 500) for note in record.notes[:20]],
        traceback=shown_lines(record.totals.get("traceback", "")),
    )


def _sentence(record: RunRecord, streams: list[StreamCount]) -> str:
    if not streams:
        return (
            "This run read no recorded stream. The page tells its parameters, metrics and results, "
            "what it ran in, and how to check the record."
        )
    sources = ", ".join(shown(source.name, 40) for source in record.sources[:3])
    more = f" and {counted(len(record.sources) - 3, 'more source')}" if len(record.sources) > 3 else ""
    return (
        f"From which rows of {sources}{more} this run was fed, what happened to each of them, what its "
        "program really received, what came of it, and how to check and repeat any of that."
    )


def _numbers(record: RunRecord, streams: list[StreamCount]) -> list[Row]:
    rows = []
    passes = [each for stream in streams for each in stream.passes]
    if passes:
        rows.append(Row(name="passes over data", value=f"{len(passes):,}"))
        items = sum(_items(stream) for stream in streams)
        if items:
            rows.append(Row(name="samples delivered", value=f"{items:,}"))
        batched = [stream for stream in streams if _is_batched(stream)]
        batches = sum(each.view.count for stream in batched for each in stream.passes)
        if batches:
            rows.append(Row(name="in batches", value=f"{batches:,}"))
    dropped = sum(node.dropped for stream in streams for node in stream.nodes)
    if streams:
        rows.append(Row(name="drops, each with its reason", value=f"{dropped:,}"))
    totals = record.totals
    if "cpu_s" in totals:
        rows.append(Row(name="processor time", value=duration_text(totals["cpu_s"])))
    if "peak_memory_bytes" in totals:
        rows.append(Row(name="peak memory", value=size_text(totals["peak_memory_bytes"])))
    return rows


def _is_batched(stream: StreamCount) -> bool:
    return bool(stream.view.nodes[stream.view.items_at]["kind"] == "batch")


def _items(stream: StreamCount) -> int:
    """How many samples the program received: the items of delivered batches, or the outputs."""
    if not _is_batched(stream):
        return sum(each.view.count for each in stream.passes)
    size = int(stream.view.nodes[stream.view.items_at]["params"]["size"])
    total = 0
    for each in stream.counted_passes:
        gathered = each.nodes[stream.view.items_at].ins[0] or 0
        total += min(each.view.delivered * size, gathered) - each.view.first * size
    return total


def tell_pairs(pairs: dict[str, Any]) -> Rows:
    """Say parameters or tags."""
    rows = [Row(name=shown(key, 80), value=shown_value(value)) for key, value in list(pairs.items())[:ROWS]]
    return Rows(rows=rows, left_out=len(pairs) - len(rows))


def tell_results(bodies: list[dict[str, Any]]) -> Rows:
    """Say models or artifacts, with their digests."""
    rows = []
    for body in bodies[:ROWS]:
        about = [size_text(body["bytes"])]
        if body.get("format"):
            about.append(
                f"{shown(body['format'], 40)}{', loading it runs code' if body.get('unsafe') else ''}"
            )
        if body.get("media_type"):
            about.append(shown(body["media_type"], 60))
        if body.get("metadata"):
            about.append(shown_value(body["metadata"], 160))
        rows.append(
            Row(name=shown(body["name"], 80), value=", ".join(about), note=digest_text(body["digest"]))
        )
    return Rows(rows=rows, left_out=len(bodies) - len(rows))


def tell_sources(record: RunRecord) -> Rows:
    """Say what was read: kind, place, parts, and how many of them have a digest."""
    rows = []
    for source in record.sources[:ROWS]:
        where = source.root or ("memory" if source.kind in ("items", "arrays", "table") else ".")
        if len(source.paths) == 1 and source.kind not in ("items", "arrays", "table"):
            where = "/".join(part for part in (source.root.rstrip("/"), source.paths[0]) if part)
        parts = {part for part, _ in source.digests}
        size = sum(size for _, size, _ in source.digests.values())
        digests = f"{counted(len(parts), 'part')} digested, {size_text(size)}" if parts else "no digest"
        rows.append(
            Row(
                name=shown(source.name, 80),
                value=f"{source.kind}: {counted(len(source.paths) or 1, 'part')} from {shown(where, 160)}",
                note=digests,
            )
        )
    return Rows(rows=rows, left_out=len(record.sources) - len(rows))


def tell_environment(record: RunRecord) -> Rows:
    """Say what the code ran in; no folder of the machine's and no diff, which may hold anything."""
    found = record.environment
    python, system, cpu = (found.get(key) or {} for key in ("python", "platform", "cpu"))
    rows = [
        Row(name="command", value=shown(command_text([str(word) for word in found.get("argv") or []]), 600)),
        Row(name="code", value=_git_text(found.get("git") or {})),
        Row(name="Python", value=_joined(python.get("implementation"), python.get("version"))),
        Row(
            name="system",
            value=_joined(*(system.get(key) for key in ("system", "release", "machine", "libc"))),
        ),
        Row(name="processor", value=_joined(cpu.get("model"), _cores(cpu))),
    ]
    if found.get("memory_bytes"):
        rows.append(Row(name="memory", value=size_text(int(found["memory_bytes"]))))
    for gpu in (found.get("gpus") or [])[:16]:
        rows.append(Row(name="GPU", value=_joined(gpu.get("name"), gpu.get("memory"), gpu.get("driver"))))
    for name, value in list((found.get("variables") or {}).items())[:ROWS]:
        rows.append(Row(name=shown(name, 60), value=shown(value, 200)))
    return Rows(rows=[row for row in rows if row.value])


def tell_packages(record: RunRecord) -> Rows:
    """Say the installed packages."""
    packages = record.environment.get("packages") or {}
    rows = [
        Row(name=shown(name, 60), value=shown(version, 40))
        for name, version in list(packages.items())[:PACKAGES]
    ]
    return Rows(rows=rows, left_out=len(packages) - len(rows))


def _git_text(git: dict[str, Any]) -> str:
    if not git:
        return ""
    if not git.get("commit"):
        return shown(f"no commit: {git.get('reason', 'unknown')}")
    parts = [f"commit {shown(git['commit'], 64)}"]
    if git.get("branch"):
        parts.append(f"branch {shown(git['branch'], 80)}")
    if git.get("dirty"):
        parts.append("with changes that weren't committed")
    elif git.get("dirty") is False:
        parts.append("nothing uncommitted")
    if git.get("untracked_count"):
        parts.append(counted(git["untracked_count"], "untracked file"))
    if git.get("remote"):
        parts.append(shown(git["remote"], 120))
    return ", ".join(parts)


def _cores(cpu: dict[str, Any]) -> str:
    count, allowed = cpu.get("count"), cpu.get("allowed")
    if not count:
        return ""
    return counted(count, "core") + (f", {allowed} allowed" if allowed and allowed != count else "")


def _joined(*parts: Any) -> str:
    return shown(", ".join(str(part) for part in parts if part), 200)
