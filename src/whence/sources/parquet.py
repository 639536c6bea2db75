"""Parquet files as samples, a dict for each row, read a row group at a time."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import Any, ClassVar

import numpy as np

from whence.capture import SourceWitness
from whence.errors import SourceError
from whence.sources.arrow import (
    arrow_errors,
    distinct_names,
    pq,
    without_views,
)
from whence.sources.arrowcolumns import columns_at, columns_of
from whence.sources.disk import opened
from whence.sources.finding import Found, Given, find_documents, join
from whence.sources.source import Int64Array, Listing, Reader, Samples, Sizer, Source, check_positions
from whence.sources.told import ToldParts
from whence.vocab import Columns

_BATCH_ROWS = 8192
_BLOCK_BYTES = 1 << 20
_KEPT_BYTES = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What a file's footer says: rows in each row group, and where the bytes of each end."""

    path: str
    rows: list[int]
    ends: list[int]


class ParquetSource(Source):
    """Rows of Parquet files as dicts, handed on as columns; only the footers are read beforehand."""

    kind: ClassVar[str] = "parquet"

    def __init__(self, found: Found, name: str, columns: list[str] | None) -> None:
        self._found = found
        self._columns = columns
        self._told = ToldParts()
        self.name = name
        self.files = [_read_footer(join(found.root, path), columns) for path in found.paths]

    @classmethod
    def of(
        cls, given: Given, *, name: str | None = None, columns: Sequence[str] | None = None
    ) -> ParquetSource:
        """Find the files that are meant, and read their footers.

        Args:
            given: a file, a pattern, or a list of these.
            name: what origins call the source; by default the file's or the folder's name.
            columns: the columns to read; by default all.

        Raises:
            SourceError: something is missing or isn't Parquet, nothing matches, or it is a URL.
        """
        found = find_documents(given, ".parquet")
        return cls(found, name or found.name(), None if columns is None else list(columns))

    def size(self) -> int:
        """Count the rows, as the footers say."""
        return sum(sum(file.rows) for file in self.files)

    def listing(self) -> Listing:
        """List the files and their rows."""
        rows = [sum(file.rows) for file in self.files]
        return Listing(
            kind=self.kind, name=self.name, root=self._found.root, paths=self._found.paths, rows=rows
        )

    def describe(self) -> dict[str, Any]:
        """Describe the files and the columns that are read."""
        where = {"root": self._found.root, "paths": self._found.paths}
        return {"kind": self.kind, "name": self.name, **where, "columns": self._columns}

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> ParquetSource:
        """Make it again, from another root folder if one is given."""
        root = description["root"] if root is None else root
        found = Found(root=root, paths=list(description["paths"]))
        return cls(found, description["name"], description["columns"])

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading."""
        return _ParquetReader(self, self._columns, witness, self._told)


def _read_footer(path: str, columns: list[str] | None) -> _File:
    with arrow_errors(path), pq.ParquetFile(path) as file:
        names = distinct_names(file.schema_arrow, path)
        groups = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
    for column in columns or ():
        if column not in names:
            raise SourceError(
                f"{path} has no column {column!r}", remedy=f"Its columns are {', '.join(names)}.", place=path
            )
    return _File(
        path=path,
        rows=[group.num_rows for group in groups],
        ends=[_end_of(group) for group in groups],
    )


def _end_of(group: Any) -> int:
    ends = []
    for place in range(group.num_columns):
        column = group.column(place)
        start = column.dictionary_page_offset or column.data_page_offset
        ends.append(min(start, column.data_page_offset) + column.total_compressed_size)
    return max(ends, default=0)


class _ParquetReader(Reader):
    def __init__(
        self, source: ParquetSource, columns: list[str] | None, witness: SourceWitness, told: ToldParts
    ) -> None:
        self._source = source
        self._columns = columns
        self._witness = witness
        self._told = told
        self._groups = _KeptGroups(columns)

    def chunks(self, sizer: Sizer) -> Iterator[Samples]:
        for part, file in enumerate(self._source.files):
            yield from self._read_part(part, file, sizer)

    def fetch(self, positions: Int64Array) -> Samples:
        source = self._source
        check_positions(positions, source.size(), source.name)
        if not len(positions):
            return []
        groups = [(part, group) for part, file in enumerate(source.files) for group in range(len(file.rows))]
        ends = np.cumsum([rows for file in source.files for rows in file.rows])
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        which = np.searchsorted(ends, ordered, side="right")
        found: list[Columns] = []
        for group in np.unique(which).tolist():
            part, number = groups[group]
            file = source.files[part]
            self._tell_unless_told(part, file)
            first = int(ends[group]) - file.rows[number]
            table = self._groups.read(file.path, number)
            with arrow_errors(file.path):
                found.append(columns_at(table, ordered[which == group] - first))
        places = np.argsort(order)
        joined = Columns.joined(found)
        if joined is not None:
            return joined.taken(places)
        samples = [sample for columns in found for sample in columns.rows()]  # of files with other fields
        return [samples[place] for place in places.tolist()]

    def _read_part(self, part: int, file: _File, sizer: Sizer) -> Iterator[Samples]:
        """Read a file; the bytes up to each row group's end are told before its rows are handed out."""
        with opened(file.path) as raw, arrow_errors(file.path), pq.ParquetFile(file.path) as parquet:
            for group, end in enumerate(file.ends):
                self._tell(part, raw, end)
                rows = max(_BATCH_ROWS, sizer())
                for batch in parquet.iter_batches(rows, row_groups=[group], columns=self._columns):
                    start = 0
                    while start < batch.num_rows:
                        piece = batch.slice(start, sizer())
                        yield columns_of(piece)
                        start += piece.num_rows
            self._tell_rest(part, raw, file)

    def _tell_unless_told(self, part: int, file: _File) -> None:
        """Tell a whole file before rows are fetched from it: a digest of some of its rows would not do."""
        if self._told.has_gap(part, self._witness):
            with opened(file.path) as raw:
                self._tell_rest(part, raw, file)

    def _tell_rest(self, part: int, raw: FileIO, file: _File) -> None:
        self._tell(part, raw, sys.maxsize)
        self._witness.end(part, sum(file.rows))
        self._told.note(part, self._witness)

    def _tell(self, part: int, raw: FileIO, end: int) -> None:
        """Tell the bytes from where `raw` stands up to `end`."""
        while (wanted := min(_BLOCK_BYTES, end - raw.tell())) > 0 and (block := raw.read(wanted)):
            self._witness.piece(part, block)


class _KeptGroups:
    """Row groups that were read lately, up to 256 MiB: random access would read each for every sample."""

    def __init__(self, columns: list[str] | None) -> None:
        self._columns = columns
        self._tables: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def read(self, path: str, group: int) -> Any:
        key = (path, group)
        if key not in self._tables:
            with arrow_errors(path), pq.ParquetFile(path) as file:
                self._tables[key] = without_views(file.read_row_group(group, columns=self._columns))
        self._tables.move_to_end(key)
        while len(self._tables) > 1 and sum(table.nbytes for table in self._tables.values()) > _KEPT_BYTES:
            self._tables.popitem(last=False)
        return self._tables[key]
