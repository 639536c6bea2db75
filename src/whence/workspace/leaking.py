"""Leaks: rows of one dataset version that come from the same source rows as another's, or say the same.

Rows are followed back through the passes that saved them, and through versions that were read for it, down to
the first sources; of those, two are the same where they have one name, place and list of files, or, in
memory, one content. Two splits of one stream are shown to be apart by that alone, without reading a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whence import datasets  # what compares on first use: it needs pyarrow
from whence.errors import NotFoundError
from whence.query import origin_of, outputs_of, rows_behind, sources_read
from whence.runs import SourceView
from whence.vocab import digest_text
from whence.workspace.datasets import Dataset

Int64Array = NDArray[np.int64]
OpenVersion = Callable[[str], Dataset]

_IN_MEMORY = ("items", "arrays", "table")
_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Rows of two versions that have something in common.

    Args:
        kind: source: they come from the same source row; content: they say the same; column: they have the
            same values in the columns asked about.
        rows_a: how many rows of the first version.
        rows_b: how many of the second.
        examples: some of them: `row_a`, `row_b`, and `origin` where it is a source row.
    """

    kind: Literal["source", "content", "column"]
    rows_a: int
    rows_b: int
    examples: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind, "rows_a": self.rows_a, "rows_b": self.rows_b, "examples": self.examples,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """What two dataset versions have in common.

    Args:
        before: the first version.
        after: the second.
        by: the columns asked about.
        found: the leaks of each kind, with 0 rows where there is none.
        gaps: where the record doesn't tell, in words.
    """

    before: str
    after: str
    by: list[str]
    found: list[Leak]
    gaps: list[str]

    @property
    def holds(self) -> bool:
        """Whether they are shown to have nothing in common."""
        return not self.gaps and not any(leak.rows_a for leak in self.found)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "by": self.by,
            "holds": self.holds,
            "leaks": [leak.to_json() for leak in self.found],
            "gaps": self.gaps,
        }


def find_leaks(
    before: Dataset, after: Dataset, by: Sequence[str], open_version: OpenVersion, *, limit: int = _LIMIT
) -> Leaks:
    """Find what two versions have in common.

    Args:
        before: the first, a split for training for example.
        after: the second.
        by: columns that say what belongs together, as a patient; none to ask for rows alone.
        open_version: opens a version by its reference.
        limit: bounds the examples of each kind.

    Raises:
        InputError: there is no such column.

    Cost: follows all rows of both back, vectorised, and reads both once.
    """
    first, second = (_Ancestry(version, open_version) for version in (before, after))
    found = [_by_source(first, second, limit)]
    choices: list[Sequence[str]] = [(), by] if by else [()]
    shared = datasets.find_shared(before.compared(), after.compared(), choices, limit=limit)
    kinds: tuple[Literal["content", "column"], ...] = ("content", "column")
    for kind, each in zip(kinds, shared, strict=False):
        examples = [{"row_a": row_a, "row_b": row_b} for row_a, row_b in each.pairs]
        found.append(Leak(kind=kind, rows_a=len(each.rows_a), rows_b=len(each.rows_b), examples=examples))
    gaps = list(dict.fromkeys(first.gaps + second.gaps))
    return Leaks(before=before.reference, after=after.reference, by=list(by), found=found, gaps=gaps)


class _Source(NamedTuple):
    """What makes two sources the same."""

    kind: str
    name: str
    root: str
    paths: tuple[str, ...]
    content: str | None


class _Ancestry:
    """The source rows behind a version, and back."""

    def __init__(self, version: Dataset, open_version: OpenVersion) -> None:
        self._version = version
        self._open = open_version
        self.gaps: list[str] = []
        self.views: dict[_Source, SourceView] = {}
        self.rows: dict[_Source, Int64Array] = {}
        self._follow(version, None)

    def forward(self, rows: dict[_Source, Int64Array]) -> Int64Array:
        """Find the rows of the version that were made of some source rows."""
        return self._forward(self._version, rows)

    def _follow(self, version: Dataset, positions: Int64Array | None) -> None:
        rows, complete = rows_behind(version.delivered, positions)
        if not complete:
            self.gaps.append(f"not all that {version.reference} was made of is known")
        for source in sources_read(version.delivered):
            found = rows.get(source.number, np.empty(0, np.int64))
            lower = self._lower(source)
            if lower is not None:
                self._follow(lower, found)
                continue
            named = _source_of(source)
            self.views[named] = source
            known = self.rows.get(named)
            self.rows[named] = found if known is None else np.union1d(known, found)

    def _forward(self, version: Dataset, rows: dict[_Source, Int64Array]) -> Int64Array:
        reached: dict[int, Int64Array] = {}
        for source in sources_read(version.delivered):
            lower = self._lower(source)
            found = self._forward(lower, rows) if lower is not None else rows.get(_source_of(source))
            if found is not None and len(found):
                reached[source.number] = found
        return outputs_of(version.delivered, reached) if reached else np.empty(0, np.int64)

    def _lower(self, source: SourceView) -> Dataset | None:
        """The version that a source is; None where it is none, or isn't here."""
        if source.kind != "dataset":
            return None
        try:
            found = self._open(source.name)
        except NotFoundError:
            found = None
        if found is None or found.digest != digest_text(source.description["digest"]):
            self.gaps.append(f"{source.name}, which was read, isn't in this workspace")
            return None
        return found


def _source_of(source: SourceView) -> _Source:
    content = source.snapshot if source.kind in _IN_MEMORY else None
    return _Source(source.kind, source.name, source.root, tuple(source.paths), content)


def _by_source(first: _Ancestry, second: _Ancestry, limit: int) -> Leak:
    shared = {
        source: np.intersect1d(rows, second.rows[source], assume_unique=True)
        for source, rows in first.rows.items()
        if source in second.rows
    }
    shared = {source: rows for source, rows in shared.items() if len(rows)}
    if not shared:
        return Leak(kind="source", rows_a=0, rows_b=0)
    return Leak(
        kind="source",
        rows_a=len(first.forward(shared)),
        rows_b=len(second.forward(shared)),
        examples=list(_examples(first, second, shared, limit)),
    )


def _examples(
    first: _Ancestry, second: _Ancestry, shared: dict[_Source, Int64Array], limit: int
) -> Iterator[dict[str, Any]]:
    pairs = [(source, row) for source, rows in shared.items() for row in rows[:limit].tolist()]
    for source, row in pairs[:limit]:
        one = {source: np.array([row], np.int64)}
        origin = origin_of(first.views[source], row)
        yield {
            "row_a": int(first.forward(one)[0]),
            "row_b": int(second.forward(one)[0]),
            "origin": origin.to_json(),
        }
