"""Tables in memory as samples: Arrow, pandas, Polars, and whatever else speaks the Arrow interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from whence.capture import SourceWitness
from whence.errors import SourceError
from whence.sources.arrow import distinct_names, pa, without_views
from whence.sources.arrowcolumns import columns_at, columns_of, told_bytes
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
from whence.sources.told import ToldBlocks

TOLD_ROWS = 65_536


class TableSource(Source):
    """Rows of a table as dicts of Python values, handed on as columns."""

    kind: ClassVar[str] = "table"
    gives: ClassVar[Gives] = "rows"
    known_by: ClassVar[KnownBy] = "content"

    def __init__(self, table: Any, name: str) -> None:
        self._table = table
        self.name = name

    @classmethod
    def of(cls, table: Any, *, name: str | None = None) -> TableSource:
        """Take a table; a pandas index is left out.

        Args:
            table: a pyarrow Table or RecordBatch, a pandas or Polars DataFrame, or any object with
                `__arrow_c_stream__`.
            name: what origins call the source.

        Raises:
            SourceError: it isn't a table, or two columns have one name.
        """
        taken = _as_arrow(table)
        distinct_names(taken.schema, "the table")
        return cls(taken, name or "table")

    def size(self) -> int:
        """Count the rows."""
        return int(self._table.num_rows)

    def listing(self) -> Listing:
        """List the one part, which stands for the table."""
        return Listing(kind=self.kind, name=self.name, root="", paths=[self.name], rows=[self.size()])

    def describe(self) -> dict[str, Any]:
        """Describe the columns and their types."""
        columns = {field.name: str(field.type) for field in self._table.schema}
        return {"kind": self.kind, "name": self.name, "size": self.size(), "columns": columns}

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> TableSource:
        """Refuse: the table was in memory."""
        raise held_in_memory(description)

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading."""
        return _TableReader(self, self._table, witness)


def _as_arrow(table: Any) -> Any:
    try:
        if type(table).__module__.partition(".")[0] == "pandas":
            # threads would cost more than they bring: most columns are taken as they are
            return pa.Table.from_pandas(table, preserve_index=False, nthreads=1)
        if isinstance(table, pa.RecordBatch):
            return pa.Table.from_batches([table])
        if hasattr(table, "__arrow_c_stream__"):
            return without_views(pa.table(table))
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"a {type(table).__name__} can't be made a table: {error}") from error
    raise SourceError(
        f"a {type(table).__name__} is not a table",
        remedy="Give an Arrow, pandas or Polars table; use from_items or from_arrays for the rest.",
    )


class _TableReader(Reader):
    """Tells what rows hold and not how, so that pandas and Polars give one digest for one content.

    The bytes of an Arrow table depend on who made it.
    """

    def __init__(self, source: TableSource, table: Any, witness: SourceWitness) -> None:
        self._source = source
        self._table = table
        self._witness = witness
        self._blocks = ToldBlocks(source.size(), witness, block_rows=TOLD_ROWS)

    def chunks(self, sizer: Sizer) -> Iterator[Samples]:
        start = 0
        size = self._source.size()
        while start < size:
            wanted = sizer()
            stop = min(start + wanted - start % wanted, size)  # where what is done in groups needs no joining
            self._tell(self._blocks.untold(start, stop))
            yield columns_of(self._table.slice(start, stop - start))
            start = stop

    def fetch(self, positions: Int64Array) -> Samples:
        check_positions(positions, self._source.size(), self._source.name)
        self._tell(self._blocks.untold_of(positions))
        return columns_at(self._table, positions)

    def _tell(self, untold: list[tuple[int, int]]) -> None:
        for first, end in untold:
            for start in range(first, end, TOLD_ROWS):
                rows = self._table.slice(start, min(TOLD_ROWS, end - start))
                self._witness.memory(0, start, told_bytes(rows))
