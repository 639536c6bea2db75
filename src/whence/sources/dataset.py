"""A dataset version as samples: its rows as dicts, handed on as columns, from chunks that are objects."""

from __future__ import annotations

import pathlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from whence.capture import NullWitness, SourceWitness
from whence.errors import DamagedError, NotFoundError, SourceError
from whence.sources.arrow import arrow_errors, pa, pq, without_views
from whence.sources.arrowcolumns import columns_at, columns_of
from whence.sources.source import (
    Gives,
    Int64Array,
    Listing,
    Reader,
    Samples,
    Sizer,
    Source,
    check_positions,
)
from whence.sources.told import ToldParts
from whence.store import Folder
from whence.vocab import Columns, digest_text

_KEPT_BYTES = 1 << 28


class TablePart(NamedTuple):
    """Consecutive rows of a dataset version: how many, and the object that holds them."""

    rows: int
    digest: bytes


class DatasetSource(Source):
    """Rows of a dataset version that was saved as a table.

    Args:
        folder: the workspace that holds it.
        name: what origins call it: `digits-clean@3`.
        digest: of what its rows say.
        schema: of its columns, Arrow's.
        parts: its rows, in order.
    """

    kind: ClassVar[str] = "dataset"
    gives: ClassVar[Gives] = "rows"

    def __init__(
        self, folder: Folder, *, name: str, digest: bytes, schema: Any, parts: Sequence[TablePart]
    ) -> None:
        self.folder = folder
        self.name = name
        self.digest = digest
        self.schema = schema
        self.parts = list(parts)
        self.told = ToldParts()

    def size(self) -> int:
        """Count the rows."""
        return sum(part.rows for part in self.parts)

    def listing(self) -> Listing:
        """List the chunks and their rows."""
        return Listing(
            kind=self.kind,
            name=self.name,
            root="",
            paths=[f"{self.name}/part-{number:05}.parquet" for number in range(len(self.parts))],
            rows=[part.rows for part in self.parts],
        )

    def describe(self) -> dict[str, Any]:
        """Describe the version, and where its chunks are."""
        return {
            "kind": self.kind,
            "name": self.name,
            "digest": self.digest,
            "root": str(self.folder.path),
            "schema": self.schema.serialize().to_pybytes(),
            "parts": [list(part) for part in self.parts],
        }

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> DatasetSource:
        """Make it again, from the workspace that is in another folder if one is given."""
        return cls(
            Folder.find(pathlib.Path(description["root"] if root is None else root)),
            name=description["name"],
            digest=description["digest"],
            schema=schema_of(description["schema"]),
            parts=[TablePart(*part) for part in description["parts"]],
        )

    def table(self, part: int) -> Any:
        """Read a chunk as a table of Arrow.

        Raises:
            NotFoundError, DamagedError: it isn't there, or isn't what was saved.
        """
        return _DatasetReader(self, NullWitness()).read(part)

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading."""
        return _DatasetReader(self, witness)


def schema_of(data: bytes) -> Any:
    """Read a schema of Arrow from its bytes."""
    return pa.ipc.read_schema(pa.py_buffer(data))


class _DatasetReader(Reader):
    def __init__(self, source: DatasetSource, witness: SourceWitness) -> None:
        self._source = source
        self._witness = witness
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def chunks(self, sizer: Sizer) -> Iterator[Samples]:
        for part in range(len(self._source.parts)):
            table = self.read(part)
            start = 0
            while start < len(table):
                piece = table.slice(start, sizer())
                yield columns_of(piece)
                start += len(piece)

    def fetch(self, positions: Int64Array) -> Samples:
        source = self._source
        check_positions(positions, source.size(), source.name)
        if not len(positions):
            return []
        ends = np.cumsum([part.rows for part in source.parts])
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        which = np.searchsorted(ends, ordered, side="right")
        found: list[Columns] = []
        for part in np.unique(which).tolist():
            first = int(ends[part]) - source.parts[part].rows
            found.append(columns_at(self._kept_part(part), ordered[which == part] - first))
        joined = Columns.joined(found)
        assert joined is not None, "all parts have one schema"
        return joined.taken(np.argsort(order))

    def _kept_part(self, part: int) -> Any:
        """Read a part, or take it from those that were read lately: up to 256 MiB."""
        if part not in self._kept:
            self._kept[part] = self.read(part)
        self._kept.move_to_end(part)
        while len(self._kept) > 1 and sum(table.nbytes for table in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return self._kept[part]

    def read(self, part: int) -> Any:
        """Read a chunk, checked."""
        source = self._source
        rows, digest = source.parts[part]
        first = sum(each.rows for each in source.parts[:part])
        place = f"{source.name}, rows {first} to {first + rows - 1}"
        try:
            data = source.folder.read_object(digest)
        except (NotFoundError, DamagedError) as error:
            raise type(error)(
                f"{place}: {error.message}",
                remedy="Bring it from a workspace or remote that has it: whence sync; or save it again.",
            ) from error
        self._witness.whole(part, data)
        with arrow_errors(place):
            table = without_views(pq.read_table(pa.BufferReader(data)))
        if len(table) != rows:
            raise SourceError(
                f"{place}: {digest_text(digest)} holds {len(table)} rows",
                remedy="Save it again.",
                place=place,
            )
        return table if table.schema.equals(source.schema) else _cast(table, source.schema)


def _cast(table: Any, schema: Any) -> Any:
    """Give columns the types that they have in the whole: one may hold nothing but missing values here."""
    columns = [
        table.column(field.name)
        if table.column(field.name).type == field.type
        else table.column(field.name).cast(field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
