"""A source as it is read back from a run's journal."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from whence.store import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """A source as a run recorded it.

    Args:
        number: counts the sources of the run.
        name: what origins call it.
        kind: files, csv, arrays, ...
        root: the folder its paths are relative to, as it was given.
        paths: its parts.
        rows: rows in each part; None where each part is one row, or where only reading told.
        layout: whether parts follow one another ("rows") or lie side by side ("columns").
        description: what makes it again.
        digests: by part and first row: algorithm, size in bytes and digest, as last read.
        part_rows: rows found in a part that was read through.
        snapshot: one digest for all that was read of it, hexadecimal; None before a pass ended.
        is_redacted: whether what it was has been destroyed.
    """

    number: int
    name: str
    kind: str
    root: str
    paths: list[str]
    rows: list[int] | None
    layout: str
    description: dict[str, Any]
    digests: dict[tuple[int, int], tuple[str, int, bytes]]
    part_rows: dict[int, int]
    snapshot: str | None = None
    is_redacted: bool = False


def source_view(number: int, event: Event | None, told: list[Event], snapshot: str | None) -> SourceView:
    """Read a source from the events that tell of it: the one that names it, and what was read of it."""
    outline = event.body if event is not None else None
    digests: dict[tuple[int, int], tuple[str, int, bytes]] = {}
    part_rows: dict[int, int] = {}
    for each in told:
        body = each.body
        if body is None:
            continue
        parts = body["parts"]
        width = len(body["digests"]) // len(parts)
        first_rows = body.get("first_rows") or [0] * len(parts)
        for place, (part, row, size) in enumerate(zip(parts, first_rows, body["sizes"], strict=True)):
            digest = body["digests"][place * width : (place + 1) * width]
            digests[part, row] = (body["algorithm"], size, digest)
        part_rows |= {int(part): rows for part, rows in body.get("rows", {}).items()}
    if outline is None:
        return SourceView(
            number=number, name=f"redacted source {number}", kind="unknown", root="", paths=[], rows=None,
            layout="rows", description={}, digests=digests, part_rows=part_rows, snapshot=snapshot,
            is_redacted=True,
        )  # fmt: skip
    paths = zlib.decompress(outline["paths"]).decode("utf-8", "surrogateescape")
    return SourceView(
        number=number,
        name=outline["name"],
        kind=outline["kind"],
        root=outline["root"],
        paths=paths.split("\0") if paths else [],
        rows=outline["rows"],
        layout=outline["layout"],
        description=outline["description"],
        digests=digests,
        part_rows=part_rows,
        snapshot=snapshot,
    )
