"""Which rows of a recorded source a question is about: by path, by source, by number."""

from __future__ import annotations

import os
import pathlib
import posixpath
from collections.abc import Sequence

import numpy as np

from whence.errors import InputError
from whence.query.following import Int64Array
from whence.runs import RunRecord, SourceView


def find_rows(source: SourceView, asked: str, rows: Sequence[int] | None, record: RunRecord) -> Int64Array:
    """Find the rows of a source that a question is about; none where it isn't about this source."""
    if source.name == asked:
        if rows is not None:
            return np.unique(np.array(rows, np.int64))
        return np.arange(row_count(source, record), dtype=np.int64)
    parts = [] if source.kind in ("items", "arrays", "table") else _parts_matching(source, asked)
    if not parts:
        name, _, number = asked.rpartition(":")
        if name and number.isdecimal() and rows is None:
            return find_rows(source, name, [int(number)], record)
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
        rest = row_count(source, record) - sum(source.part_rows.values())
        counts = []
        for part in range(len(source.paths)):
            known = source.part_rows.get(part)
            counts.append(rest if known is None else known)
            rest = rest if known is not None else 0
    return [0, *np.cumsum(counts)[:-1].tolist()] if counts else [], list(counts)


def row_count(source: SourceView, record: RunRecord) -> int:
    """How many rows a source had, as far as any pass of the run found out."""
    found = 0
    for view in record.passes:
        stream = next((each for each in record.streams if each.number == view.stream), None)
        for index, node in enumerate(stream.nodes if stream else []):
            if node["kind"] == "source" and node["source"] == source.number:
                decisions = record.decisions(view.number).get(index)
                found = max(found, decisions.row_count if decisions else 0)
    return found
