"""Outlines: the little of each run that a question about rows needs first, so that few runs are opened.

An outline says what would make any answer incomplete, which sources were read, and what their rows
reached. It is made of the record once, kept by the catalog, and made again where the run has changed.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from whence.errors import DamagedError
from whence.query.reach import Reach, reach_entries, read_reach
from whence.query.rows import row_count
from whence.runs import RunRecord, SourceView
from whence.store import SealedSegment
from whence.vocab import digest_value


class Outline:
    """What is known of a run without opening it.

    Args:
        content: what `outline_of` made.
        path: the run's folder.
        open_record: reads the run.
    """

    def __init__(
        self, content: Mapping[str, Any], path: pathlib.Path, open_record: Callable[[], RunRecord]
    ) -> None:
        self.run_id = path.name
        self.name: str = content["name"]
        self.gaps: list[str] = content["gaps"]
        self.models: list[str] = content["models"]
        self.sources: list[bytes] = content["sources"]
        self._entries: list[dict[str, Any]] | None = content["reach"]
        self._path = path
        self._open = open_record

    @classmethod
    def of(cls, record: RunRecord) -> Outline:
        """Make the outline of a run that is open."""
        return cls(outline_of(record), record.journal.path, lambda: record)

    @functools.cached_property
    def record(self) -> RunRecord:
        """The run itself."""
        return self._open()

    @functools.cached_property
    def reach(self) -> list[tuple[Reach, bytes]] | None:
        """What the rows of its sources reached, each with a digest of the set; None where that isn't known.

        Raises:
            DamagedError: a set isn't the one that was sealed.
        """
        if self._entries is None:
            return None
        segment = SealedSegment(self._path / "segments" / "reach")
        return [(read_reach(entry, segment), entry["d"]) for entry in self._entries]


def outline_of(record: RunRecord) -> dict[str, Any]:
    """Make what a catalog keeps of a run for questions about rows.

    Two sources have one fingerprint where any question finds the same rows in both.
    """
    return {
        "name": record.name,
        "gaps": record.gaps,
        "models": [model["name"] for model in record.models],
        "sources": [_fingerprint(source, record) for source in record.sources],
        "reach": reach_entries(record),
    }


def _fingerprint(source: SourceView, record: RunRecord) -> bytes:
    try:
        count = row_count(source, record)
    except DamagedError:
        count = -1
    parts = sorted(source.part_rows.items())
    described = [source.name, source.kind, source.root, source.paths, source.rows, source.layout, parts]
    return digest_value([*described, count, source.is_redacted])
