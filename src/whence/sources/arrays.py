"""Arrays as columns: a sample is a dict with the same row of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from whence.capture import SourceWitness
from whence.errors import SourceError
from whence.sources.columns import Column
from whence.sources.source import (
    Gives,
    Int64Array,
    KnownBy,
    Listing,
    Reader,
    Samples,
    Sizer,
    Source,
    check_positions,
    held_in_memory,
)
from whence.vocab import Columns


class ArraysSource(Source):
    """Arrays of equal length as the columns of dict samples."""

    kind: ClassVar[str] = "arrays"
    gives: ClassVar[Gives] = "rows"
    known_by: ClassVar[KnownBy] = "content"

    def __init__(self, columns: dict[str, Column], name: str) -> None:
        self._columns = columns
        self._size = len(next(iter(columns.values())))
        self.name = name

    @classmethod
    def of(cls, columns: Mapping[str, Any], *, name: str | None = None) -> ArraysSource:
        """Take the columns; anything that NumPy can see as an array will do.

        Args:
            columns: arrays by the key that they have in each sample.
            name: what origins call the source; by default the names of the columns.

        Raises:
            SourceError: there is none, one isn't an array, or their lengths differ.
        """
        if not columns:
            raise SourceError("no array was given", remedy="Give at least one, such as images=array.")
        taken = {key: Column(values, key) for key, values in columns.items()}
        lengths = {key: len(column) for key, column in taken.items()}
        if len(set(lengths.values())) > 1:
            each = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            raise SourceError(
                f"the arrays differ in their number of rows: {each}",
                remedy="Give arrays whose first dimensions are equal.",
            )
        return cls(taken, name or "+".join(taken))

    def size(self) -> int:
        """Count the rows."""
        return self._size

    def listing(self) -> Listing:
        """List the columns, a part each."""
        paths = list(self._columns)
        rows = [self._size] * len(paths)
        return Listing(kind=self.kind, name=self.name, root="", paths=paths, rows=rows, layout="columns")

    def describe(self) -> dict[str, Any]:
        """Describe the columns' types and shapes."""
        columns = {key: column.describe() for key, column in self._columns.items()}
        return {"kind": self.kind, "name": self.name, "columns": columns}

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> ArraysSource:
        """Refuse: the arrays were in memory."""
        raise held_in_memory(description)

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading."""
        return _ArraysReader(self, self._columns, witness)


class _ArraysReader(Reader):
    def __init__(self, source: ArraysSource, columns: dict[str, Column], witness: SourceWitness) -> None:
        self._source = source
        self._columns = columns
        self._witness = witness
        self._is_told = False

    def chunks(self, sizer: Sizer) -> Iterator[Samples]:
        self._tell()
        size = self._source.size()
        start = 0
        while start < size:
            stop = min(start + sizer(), size)
            yield Columns({key: column.between(start, stop) for key, column in self._columns.items()})
            start = stop

    def fetch(self, positions: Int64Array) -> Samples:
        check_positions(positions, self._source.size(), self._source.name)
        self._tell()
        return Columns({key: column.at(positions) for key, column in self._columns.items()})

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            for part, column in enumerate(self._columns.values()):
                column.tell(part, self._witness)
