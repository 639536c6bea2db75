"""Files of rows: what text, JSON lines and CSV have in common.

They are read in sequence with constant memory, and at any position through a sparse index that is made
once. What a row means is said by the kind of source, which turns rows of bytes into samples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from io import FileIO
from typing import Any, ClassVar

import numpy as np

from whence.capture import SourceWitness
from whence.errors import SourceError
from whence.sources.disk import opened
from whence.sources.finding import Found, join
from whence.sources.framing import Frame
from whence.sources.rowindex import (
    GROUP_ROWS,
    IndexMaker,
    Piece,
    RowIndex,
    closed,
    line_at,
    read_pieces,
    state_of,
)
from whence.sources.source import (
    SILENT,
    Gives,
    Int64Array,
    Listing,
    Portion,
    Reader,
    Sizer,
    Source,
    check_positions,
)
from whence.sources.told import ToldParts


class BadRowError(Exception):
    """A row has no sample in it; the reader knows where, and says it in a `SourceError`.

    Args:
        index: which of the rows that were given.
        problem: what is wrong, as the end of a sentence that begins with the place.
        remedy: what the user can do.
    """

    def __init__(self, index: int, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.index = index
        self.problem = problem
        self.remedy = remedy


class RowFilesSource(Source):
    """Rows of one or more files, which follow one another."""

    gives: ClassVar[Gives] = "portions"

    def __init__(self, found: Found, name: str) -> None:
        self._found = found
        self._indexes: dict[int, RowIndex] = {}
        self._told = ToldParts()
        self.name = name

    @abstractmethod
    def frame(self, data: bytes) -> Frame:
        """Find the rows in bytes that begin at a row's start."""

    @abstractmethod
    def decode(self, rows: list[bytes]) -> list[Any]:
        """Make samples of rows.

        Raises:
            BadRowError: a row has no sample in it.
        """

    def skip_head(self, path: str, rows: list[bytes]) -> int:
        """Say how many of the first rows of a file are no samples, having checked them.

        Raises:
            SourceError: they aren't what the source needs.
        """
        return 0

    def size(self) -> int | None:
        """Count the rows if all files were read through before."""
        if len(self._indexes) < len(self._found.paths):
            return None
        return sum(index.rows for index in self._indexes.values())

    def rows(self, witness: SourceWitness = SILENT) -> int:
        """Count the rows, reading through the files that were not read yet."""
        return sum(index.rows for index in self.indexes(witness))

    def listing(self) -> Listing:
        """List the files, with their rows if all were counted."""
        paths = self._found.paths
        known = len(self._indexes) == len(paths)
        rows = [self._indexes[part].rows for part in range(len(paths))] if known else None
        return Listing(kind=self.kind, name=self.name, root=self._found.root, paths=paths, rows=rows)

    def describe(self) -> dict[str, Any]:
        """Describe the files and the options."""
        where = {"root": self._found.root, "paths": self._found.paths}
        return {"kind": self.kind, "name": self.name, **where, **self.options()}

    def options(self) -> dict[str, Any]:
        """Describe how rows are understood."""
        return {}

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading."""
        return _RowFilesReader(self, witness)

    def path(self, part: int) -> str:
        """Name the file of a part."""
        return join(self._found.root, self._found.paths[part])

    def indexes(self, witness: SourceWitness) -> list[RowIndex]:
        """Index all files that aren't indexed, or that no witness that listens was told of."""
        for part in range(len(self._found.paths)):
            if part not in self._indexes or self._told.has_gap(part, witness):
                maker = IndexMaker()
                with opened(self.path(part)) as handle:
                    for piece, skipped in self.pieces(handle, part, witness):
                        maker.add(piece.offset, piece.frame.starts()[skipped:])
                    self._indexes[part] = maker.index(state_of(handle))
                witness.end(part, maker.rows)
                self._told.note(part, witness)
        return [self._indexes[part] for part in range(len(self._found.paths))]

    def read_part(self, part: int, sizer: Sizer, witness: SourceWitness) -> Iterator[list[Any]]:
        """Read one file from its start to its end."""
        count = 0
        with opened(self.path(part)) as handle:
            for piece, skipped in self.pieces(handle, part, witness):
                rows = piece.frame.rows()
                start = skipped
                while start < len(rows):
                    chunk = rows[start : start + sizer()]
                    try:
                        samples = self.decode(chunk)
                    except BadRowError as bad:
                        place = piece.offset + int(piece.frame.starts()[start + bad.index])
                        raise self.misread(part, count + bad.index, place, bad) from bad
                    yield samples
                    start += len(chunk)
                    count += len(chunk)
        witness.end(part, count)
        self._told.note(part, witness)

    def portions_of(self, part: int, sizer: Sizer, witness: SourceWitness) -> Iterator[Portion]:
        """Read one file like `read_part`, and leave the decoding to whoever gets the rows' bytes."""
        count = 0
        with opened(self.path(part)) as handle:
            for piece, skipped in self.pieces(handle, part, witness):
                starts = piece.frame.starts()
                start = skipped
                while start < len(starts):
                    stop = min(start + sizer(), len(starts))
                    place = int(starts[start])
                    end = int(starts[stop]) if stop < len(starts) else piece.frame.used
                    rows = stop - start
                    content = (part, count, piece.offset + place, piece.data[place:end])
                    yield Portion(rows=rows, content=content)
                    start, count = stop, count + rows
        witness.end(part, count)
        self._told.note(part, witness)

    def unfold(self, content: Any) -> list[Any]:
        """Decode the rows of a portion."""
        part, first, offset, data = content
        frame = self.frame(closed(data))
        try:
            return self.decode(frame.rows())
        except BadRowError as bad:
            raise self.misread(part, first + bad.index, offset + int(frame.starts()[bad.index]), bad) from bad

    def pieces(self, handle: FileIO, part: int, witness: SourceWitness) -> Iterator[tuple[Piece, int]]:
        """Read the pieces of a file, each with how many of its first rows are no samples."""
        path = self.path(part)
        is_begun = False
        for piece in read_pieces(handle, self.frame, witness, part=part, path=path):
            if not is_begun and (rows := piece.frame.rows()):
                is_begun = True
                yield piece, self.skip_head(path, rows)
            else:
                yield piece, 0
        if not is_begun:
            self.skip_head(path, [])

    def misread(self, part: int, row: int, offset: int, bad: BadRowError) -> SourceError:
        """Say which row of which file is bad, and on which line it begins."""
        path = self.path(part)
        line = line_at(path, offset)
        return SourceError(
            f"{path}, line {line} (row {row}): {bad.problem}", remedy=bad.remedy, place=f"{path}:{line}"
        )


class _RowFilesReader(Reader):
    def __init__(self, source: RowFilesSource, witness: SourceWitness) -> None:
        self._source = source
        self._witness = witness

    def chunks(self, sizer: Sizer) -> Iterator[list[Any]]:
        for part in range(len(self._source.listing().paths)):
            yield from self._source.read_part(part, sizer, self._witness)

    def portions(self, sizer: Sizer) -> Iterator[Portion]:
        for part in range(len(self._source.listing().paths)):
            yield from self._source.portions_of(part, sizer, self._witness)

    def fetch(self, positions: Int64Array) -> list[Any]:
        source = self._source
        indexes = source.indexes(self._witness)
        ends = np.cumsum([index.rows for index in indexes])
        check_positions(positions, int(ends[-1]), source.name)
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        parts = np.searchsorted(ends, ordered, side="right")
        samples: list[Any] = []
        for part in np.unique(parts).tolist():
            within = ordered[parts == part] - (ends[part] - indexes[part].rows)
            samples += self._fetch_part(part, indexes[part], within)
        fetched: list[Any] = [None] * len(samples)
        for place, sample in zip(order.tolist(), samples, strict=True):
            fetched[place] = sample
        return fetched

    def _fetch_part(self, part: int, index: RowIndex, positions: Int64Array) -> list[Any]:
        """Fetch rows of one file in ascending order; each group is read once, each row decoded alone."""
        source = self._source
        rows: list[bytes] = []
        with opened(source.path(part)) as handle:
            if state_of(handle) != index.state:
                raise _changed(source.path(part))
            groups = positions // GROUP_ROWS
            last = -1
            for group, place in zip(groups.tolist(), (positions % GROUP_ROWS).tolist(), strict=True):
                if group != last:
                    together = source.frame(index.group(handle, group)).rows()
                    last = group
                rows.append(together[place])
            try:
                return source.decode(rows)
            except BadRowError as bad:
                row = int(positions[bad.index])
                group, place = divmod(row, GROUP_ROWS)
                starts = source.frame(index.group(handle, group)).starts()
                raise source.misread(part, row, int(index.places[group] + starts[place]), bad) from bad


def _changed(path: str) -> SourceError:
    return SourceError(
        f"{path} has changed since its rows were counted, so a position no longer means the same row",
        remedy="Make the source again, or read a copy that nobody writes to.",
        place=path,
    )
