"""A source for tests that gives its samples in pieces of chosen sizes, each as rows or as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from tests.rooms.vocab.exactly import exact
from whence.capture import SourceWitness
from whence.errors import WhenceError
from whence.sources import Reader, Source
from whence.sources.source import Int64Array, Listing, Sizer, held_in_memory
from whence.streams import Stream, from_source
from whence.vocab import Columns


class Pieces(Source):
    """Rows in pieces.

    Args:
        rows: the samples.
        cuts: where pieces end; the last one takes the rest.
        columns: whether pieces come as columns, where their samples have one form.
        indexable: whether it may be read at any position.
    """

    kind: ClassVar[str] = "items"

    def __init__(
        self, rows: Sequence[Any], cuts: Sequence[int] = (), *, columns: bool = False, indexable: bool = True
    ) -> None:
        self.name = "pieces"
        self.pieces = [
            list(rows[start:end])
            for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True)
            if rows[start:end]
        ]
        self._rows = list(rows)
        self._columns = columns
        self._indexable = indexable
        self.readings = 0

    @property
    def indexable(self) -> bool:
        return self._indexable

    def size(self) -> int | None:
        return len(self._rows)

    def listing(self) -> Listing:
        return Listing(kind=self.kind, name=self.name, root="", paths=[self.name], rows=[len(self._rows)])

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "size": len(self._rows)}

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> Source:
        raise held_in_memory(description)

    def open(self, witness: SourceWitness) -> Reader:
        return _Reader(self)

    def formed(self, rows: Sequence[Any]) -> Any:
        """Some rows in the form in which they come."""
        copies = [dict(row) if type(row) is dict else row for row in rows]
        return (Columns.of_rows(copies) if self._columns else None) or copies


class _Reader(Reader):
    def __init__(self, source: Pieces) -> None:
        self._source = source

    def chunks(self, sizer: Sizer) -> Iterator[Any]:
        self._source.readings += 1
        yield from map(self._source.formed, self._source.pieces)

    def fetch(self, positions: Int64Array) -> Any:
        return self._source.formed([self._source._rows[position] for position in positions.tolist()])


def given_as(rows: Sequence[Any], cuts: Sequence[int] = (), **form: bool) -> Stream:
    """A stream of rows in pieces."""
    return from_source(Pieces(rows, cuts, **form))


def ways(rows: Sequence[Any], cuts: Sequence[int]) -> list[Stream]:
    """The same samples by every road: rows and columns, at once, in pieces, one by one, readable once."""
    alone = range(1, len(rows))
    return [
        given_as(rows, some, columns=columns, indexable=indexable)
        for columns in (False, True)
        for some, indexable in (((), True), (cuts, True), (alone, True), (cuts, False))
    ]


def outcomes(streams: Sequence[Stream]) -> list[Any]:
    """What comes of each: its samples to the bit, or the error in words."""
    found = []
    for stream in streams:
        try:
            found.append(exact(stream.collect()))
        except WhenceError as error:
            found.append((type(error), str(error)))
    return found


def picked(stream: Stream) -> list[Any]:
    """The samples of a stream, each made by itself at its position, the last first."""
    back = stream.slice(0, None, 1).shuffle(5).collect()
    return sorted(back, key=repr)


def assert_all_alike(found: Sequence[Any]) -> None:
    """They are the same."""
    for each in found[1:]:
        assert each == found[0]


def floats(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Values as numbers, what is missing as NaN."""
    return np.array([np.nan if value is None else value for value in values], np.float64)
