"""What a page says of a run beside its streams: files it opened, trainings, the processes it was one with."""

from __future__ import annotations

from typing import Any

from whence.documents.facts import ROWS, Row, Rows
from whence.documents.wording import counted, duration_text, shown, shown_value, size_text
from whence.runs import FileSeen, RunRecord, read_fits

_FACTS = 40


def tell_files(files: list[FileSeen]) -> Rows:
    """Say files that were read or written beside the streams, with their digests."""
    rows = []
    for file in files[:ROWS]:
        told = [file.how] + ([] if file.size_bytes is None else [size_text(file.size_bytes)])
        if file.opened > 1:
            told.append(f"{file.opened:,} times")
        if file.note:
            told.append(shown(file.note, 160))
        rows.append(
            Row(name=shown(file.path, 160), value=", ".join(told), note=file.digest or "digest unknown")
        )
    return Rows(rows=rows, left_out=len(files) - len(rows))


def tell_unfollowed(record: RunRecord) -> Rows:
    """Say what couldn't be followed: what went in or out that way isn't known."""
    rows = [
        Row(
            name=each.kind,
            value=shown(each.what, 300),
            note=f"{each.count:,} times" if each.count > 1 else "",
        )
        for each in record.unfollowed[:ROWS]
    ]
    return Rows(rows=rows, left_out=len(record.unfollowed) - len(rows))


def tell_fits(record: RunRecord) -> list[tuple[str, Rows]]:
    """Say what each training that was heard of was done with."""
    found = []
    for fit in read_fits(record.journal)[:20]:
        facts = [(key, value) for key, value in fit.items() if key not in ("number", "began_at_ns")]
        rows = [Row(name=shown(key, 60), value=shown_value(value, 300)) for key, value in facts[:_FACTS]]
        found.append((f"Training {fit['number']}", Rows(rows=rows, left_out=len(facts) - len(rows))))
    return found


def tell_company(record: RunRecord) -> Rows:
    """Say with whom it ran: its group, the run its program was begun in, its parts."""
    rows = []
    group = record.group
    if group is not None:
        place = "" if group["rank"] is None else f", rank {group['rank']}"
        size = "" if group["size"] is None else f" of {group['size']}"
        rows.append(Row(name="group", value=f"{group['id']}{place}{size}", note=shown(group["by"], 60)))
    if record.begun_in is not None:
        rows.append(Row(name="begun in", value=shown(record.begun_in, 60)))
    if record.part_of is not None:
        rows.append(Row(name="part of", value=shown(record.part_of, 60)))
    for part in record.parts[:ROWS]:
        rows.append(Row(name="part", value=f"{shown(part.name, 60)}, {part.status}", note=part.id))
    return Rows(rows=rows, left_out=max(0, len(record.parts) - ROWS))


def tell_energy(record: RunRecord) -> list[str]:
    """Say the energy that was used, and how that is known."""
    energy: list[dict[str, Any]] = record.totals.get("energy") or []
    return [
        f"{shown(each['of'], 60)}: {each['joules'] / 3.6e6:.4g} kWh, {each['how']} ({shown(each['by'], 60)})"
        for each in energy
    ]


def tell_sampling(record: RunRecord) -> str:
    """Say how often the machine was looked at."""
    keys = [key for key in record.metric_keys if key.startswith("system/")]
    if not keys:
        return ""
    history = record.history(keys[0])
    spans = (history.at[1:] - history.at[:-1]) / 1e9
    every = f", every {duration_text(float(spans.mean()))} on average" if len(spans) else ""
    return f"{counted(len(history.at), 'reading')}{every}."


def _times(count: int) -> str:
    return f"{count:,} times" if count > 1 else ""
