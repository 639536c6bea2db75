"""CSV files as samples, a dict for each record."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from whence.errors import SourceError
from whence.sources.columntypes import INFERRED_ROWS, BadValueError, infer_type, parse_column, type_names
from whence.sources.disk import opened
from whence.sources.finding import Found, Given, find_documents
from whence.sources.framing import Frame, Records
from whence.sources.rowfiles import BadRowError, RowFilesSource
from whence.sources.rowindex import read_pieces
from whence.sources.source import SILENT
from whence.sources.text import decode_utf8
from whence.vocab import as_dicts


class CsvSource(RowFilesSource):
    """Records of CSV files as dicts; the first line of each file names the columns.

    An empty value is None. The types of columns are inferred from the first 1,000 records and hold for
    all: a value that breaks them stops the reading, because a column that changes its type on the way
    is a mistake more often than a wish.
    """

    kind: ClassVar[str] = "csv"

    def __init__(
        self, found: Found, name: str, *, types: dict[str, str], delimiter: str, missing: Sequence[str]
    ) -> None:
        super().__init__(found, name)
        self._types = types
        self._columns = list(types)
        self._delimiter = delimiter
        self._missing = frozenset(missing)

    @classmethod
    def of(
        cls,
        given: Given,
        *,
        name: str | None = None,
        types: Mapping[str, str | type] | None = None,
        delimiter: str | None = None,
        missing: Sequence[str] = ("",),
    ) -> CsvSource:
        """Find the files that are meant, and infer the columns' types from the first of them.

        Args:
            given: a file, a pattern, or a list of these.
            name: what origins call the source; by default the file's or the folder's name.
            types: `int`, `float` or `str` by column, where the inferred one isn't wanted.
            delimiter: what stands between values; by default a tab for `.tsv`, else a comma.
            missing: the texts that mean that there is no value, such as `("", "NA")`.

        Raises:
            SourceError: something is missing or unreadable, nothing matches, it is a URL, or the first
                file has no usable header.
        """
        found = find_documents(given, ".csv")
        if delimiter is None:
            delimiter = "\t" if found.paths[0].endswith(".tsv") else ","
        if len(delimiter.encode()) != 1 or delimiter in '"\r\n':
            raise SourceError(
                f"the delimiter must be one ASCII character, not {delimiter!r}", remedy="Use ',' or '\\t'."
            )
        source = cls(found, name or found.name(), types={}, delimiter=delimiter, missing=missing)
        source._infer(types or {})
        return source

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> CsvSource:
        """Make it again with the types that were inferred then, from another root folder if one is given."""
        root = description["root"] if root is None else root
        return cls(
            Found(root=root, paths=list(description["paths"])),
            description["name"],
            types=dict(description["types"]),
            delimiter=description["delimiter"],
            missing=description["missing"],
        )

    def options(self) -> dict[str, Any]:
        """Describe the columns with their types, the delimiter and what counts as missing."""
        # Pairs, because the order of the columns is lost where an object's keys are sorted.
        types = [[column, self._types[column]] for column in self._columns]
        return {"types": types, "delimiter": self._delimiter, "missing": sorted(self._missing)}

    def frame(self, data: bytes) -> Frame:
        """Find the records."""
        return Records(data, self._delimiter)

    def skip_head(self, path: str, rows: list[bytes]) -> int:
        """Check that the file has the columns that the first one has."""
        columns = self._header(path, rows)
        if columns != self._columns:
            raise SourceError(
                f"{path} has the columns {', '.join(columns)}, not {', '.join(self._columns)} as the others",
                remedy="Read files with different columns as sources of their own.",
                place=path,
            )
        return 1

    def decode(self, rows: list[bytes]) -> list[Any]:
        """Make dicts of records.

        Raises:
            BadRowError: a record has too many or too few values, or one that isn't of its type.
        """
        records = self._records(rows)
        if not records:
            return []
        parsed = []
        for column, values in zip(self._columns, zip(*records, strict=True), strict=True):
            try:
                parsed.append(parse_column(values, self._types[column], self._missing))
            except BadValueError as bad:
                raise BadRowError(
                    bad.index,
                    f"the value in column {column!r} is not of its type, {self._types[column]}",
                    f'Correct the value, or read the column as text: types={{"{column}": str}}.',
                ) from bad
        return as_dicts(self._columns, parsed)

    def _records(self, rows: list[bytes]) -> list[list[str]]:
        records = self._split(rows)
        width = len(self._columns)
        if set(map(len, records)) - {width}:
            index, found = next((i, len(r)) for i, r in enumerate(records) if len(r) != width)
            raise BadRowError(
                index,
                f"{found} values, where the header names {width} columns",
                "Correct the record; a value that holds the delimiter must be in quotes.",
            )
        return records

    def _split(self, rows: list[bytes]) -> list[list[str]]:
        records: list[list[str]] = []
        try:
            records.extend(csv.reader(decode_utf8(rows), delimiter=self._delimiter))
        except csv.Error as error:
            raise BadRowError(
                len(records),
                f"not CSV: {error}",
                "Correct the record; for very long values raise csv.field_size_limit.",
            ) from error
        return records

    def _header(self, path: str, rows: list[bytes]) -> list[str]:
        try:
            columns = self._split(rows[:1])
        except BadRowError as bad:
            raise SourceError(f"{path}, line 1: {bad.problem}", remedy=bad.remedy, place=f"{path}:1") from bad
        if not columns:
            raise SourceError(
                f"{path} is empty, where a line with the names of the columns was expected",
                remedy="Add the header line.",
                place=path,
            )
        twice = sorted({column for column in columns[0] if columns[0].count(column) > 1})
        if twice:
            raise SourceError(
                f"{path} names the column {twice[0]!r} twice",
                remedy="Give each column a name of its own.",
                place=f"{path}:1",
            )
        return columns[0]

    def _infer(self, given: Mapping[str, str | type]) -> None:
        """Take the columns from the first file, their types from the first records, of however many files."""
        path = self.path(0)
        rows = self._first_rows(0, INFERRED_ROWS + 1)
        self._columns = self._header(path, rows)
        named = type_names(given, self._columns, path)
        records = self._first_records(rows[1:])
        for part in range(1, len(self.listing().paths)):
            if len(records) >= INFERRED_ROWS:
                break
            records += self._first_records(self._first_rows(part, INFERRED_ROWS + 1 - len(records))[1:])
        for place, column in enumerate(self._columns):
            values = [record[place] for record in records]
            self._types[column] = named.get(column) or infer_type(values, self._missing)

    def _first_rows(self, part: int, count: int) -> list[bytes]:
        path = self.path(part)
        rows: list[bytes] = []
        with opened(path) as handle:
            for piece in read_pieces(handle, self.frame, SILENT, part=part, path=path):
                rows += islice(piece.frame.rows(), count - len(rows))
                if len(rows) >= count:
                    break
        return rows

    def _first_records(self, rows: list[bytes]) -> list[list[str]]:
        """Split the first records; what is wrong in them is reported when they are read, with their line."""
        while True:
            try:
                return self._records(rows)
            except BadRowError as bad:
                rows = rows[: bad.index]
