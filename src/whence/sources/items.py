"""Python values as samples: a list, another sequence, an array, or anything that can be iterated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set, Sized
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from whence.capture import NullWitness, SourceWitness
from whence.errors import ExhaustedError, SourceError
from whence.sources.columns import Column
from whence.sources.source import (
    Gives,
    Int64Array,
    KnownBy,
    Listing,
    Reader,
    Sizer,
    Source,
    check_positions,
    held_in_memory,
)
from whence.sources.told import BLOCK_ROWS, ToldBlocks


class ItemsSource(Source):
    """Python values as samples, in the order in which they are given."""

    kind: ClassVar[str] = "items"

    def __init__(self, items: Any, name: str | None) -> None:
        self._items = items
        self.name = name or self.kind
        self._is_named = bool(name)
        self._begun = False

    @classmethod
    def of(cls, items: Iterable[Any], *, name: str | None = None) -> ItemsSource:
        """Take the items; a sequence or an array can be read at any position.

        Args:
            items: a sequence, an array, or an iterable. An iterator can be read only once.
            name: what origins call the source.

        Raises:
            SourceError: the items have no order of their own, or mean something else than samples.
        """
        _check_items(items)
        held = Column(items, "items") if isinstance(items, np.ndarray) else items
        return cls(held, name)

    @property
    def gives(self) -> Gives:  # type: ignore[override]  # an answer of the instance, not of the class
        """Positions of a sequence; else the items."""
        return "rows" if self.indexable else "samples"

    @property
    def known_by(self) -> KnownBy:  # type: ignore[override]  # an answer of the instance, not of the class
        """What the items hold, where they are held; else the name that was given."""
        if isinstance(self._items, Column | list | tuple | range):
            return "content"
        return "name" if self._is_named else "nothing"

    @property
    def indexable(self) -> bool:
        """Whether the items are a sequence."""
        return isinstance(self._items, Sized) and hasattr(self._items, "__getitem__")

    def size(self) -> int | None:
        """Count the items if they know their number."""
        return len(self._items) if isinstance(self._items, Sized) else None

    def listing(self) -> Listing:
        """List the one part, which stands for all items."""
        size = self.size()
        rows = None if size is None else [size]
        return Listing(kind=self.kind, name=self.name, root="", paths=[self.name], rows=rows)

    def describe(self) -> dict[str, Any]:
        """Describe what can be said without the items."""
        return {"kind": self.kind, "name": self.name, "size": self.size()}

    @classmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> ItemsSource:
        """Refuse: the items were in memory."""
        raise held_in_memory(description)

    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading."""
        if isinstance(self._items, Column):
            return _ArrayReader(self, self._items, witness)
        if isinstance(self._items, list | tuple | range):
            return _ListReader(self, self._items, witness)
        if self.indexable:
            return _SequenceReader(self, self._items, witness)
        return _IterableReader(self, witness)

    def iterate(self) -> Iterator[Any]:
        """Iterate over the items from the start.

        Raises:
            ExhaustedError: they were an iterator, and somebody has begun to read it.
        """
        iterator: Iterator[Any] = iter(self._items)
        if iterator is self._items:
            if self._begun:
                raise ExhaustedError(
                    f"the source {self.name!r} is a one-time iterator and was read before",
                    remedy="Give a list, or an object whose __iter__ begins anew, or add .cache().",
                )
            self._begun = True
        return iterator


def _check_items(items: Any) -> None:
    if isinstance(items, str | bytes | bytearray):
        raise SourceError(
            f"a {type(items).__name__} is one value, not a sequence of samples",
            remedy="Give a list of samples; for a path use from_text, from_files or another from_….",
        )
    if isinstance(items, Mapping):
        raise SourceError(
            "a mapping is not a sequence of samples",
            remedy="Give list(mapping.items()), or columns with from_arrays(**mapping).",
        )
    if isinstance(items, Set):
        raise SourceError(
            "a set has no order, so its samples would have no positions to trace",
            remedy="Give sorted(items).",
        )
    if hasattr(items, "__arrow_c_stream__"):
        raise SourceError(
            f"a {type(items).__name__} is a table or a column of one",
            remedy="Use from_table for a table, or .to_list() for a column.",
        )
    if not isinstance(items, Iterable) and not (isinstance(items, Sized) and hasattr(items, "__getitem__")):
        raise SourceError(
            f"a {type(items).__name__} can't be iterated", remedy="Give a list or another iterable."
        )


class _ListReader(Reader):
    """Reads what holds its items itself, so that whole blocks can be told at no cost."""

    def __init__(
        self, source: ItemsSource, items: list[Any] | tuple[Any, ...] | range, witness: SourceWitness
    ) -> None:
        self._source = source
        self._items = items
        if isinstance(items, range):  # three numbers that say all there is
            witness.objects(0, 0, [items])
            witness = NullWitness()
        self._witness = witness
        self._blocks = ToldBlocks(len(items), witness)

    def chunks(self, sizer: Sizer) -> Iterator[list[Any]]:
        items = self._items
        start = 0
        while start < len(items):
            wanted = sizer()
            stop = min(start + wanted - start % wanted, len(items))  # whole blocks, where it has any
            values = self._between(start, stop)
            for first, end in self._blocks.untold(start, stop):
                is_all = (first, end) == (start, stop)
                self._tell(first, values if is_all else self._between(first, end))
            yield values
            start = stop

    def fetch(self, positions: Int64Array) -> list[Any]:
        check_positions(positions, len(self._items), self._source.name)
        for first, end in self._blocks.untold_of(positions):
            self._tell(first, self._between(first, end))
        return list(map(self._items.__getitem__, positions.tolist()))

    def _tell(self, first: int, values: list[Any]) -> None:
        self._witness.objects(0, first, values, block_rows=BLOCK_ROWS)

    def _between(self, start: int, stop: int) -> list[Any]:
        items = self._items
        return items[start:stop] if type(items) is list else list(items[start:stop])


class _SequenceReader(Reader):
    """Reads a sequence that may make an item only when asked for it, so nothing is read ahead to tell it."""

    def __init__(self, source: ItemsSource, items: Sequence[Any], witness: SourceWitness) -> None:
        self._source = source
        self._items = items
        self._witness = witness
        self._is_told = bytearray(len(items))

    def chunks(self, sizer: Sizer) -> Iterator[list[Any]]:
        start = 0
        size = len(self._items)
        while start < size:
            stop = min(start + sizer(), size)
            chunk = [self._items[position] for position in range(start, stop)]
            self._tell(start, chunk)
            yield chunk
            start = stop

    def fetch(self, positions: Int64Array) -> list[Any]:
        check_positions(positions, len(self._items), self._source.name)
        fetched = []
        for position in positions.tolist():
            item = self._items[position]
            self._tell(position, [item])
            fetched.append(item)
        return fetched

    def _tell(self, start: int, values: list[Any]) -> None:
        stop = start + len(values)
        if not any(self._is_told[start:stop]):
            self._witness.objects(0, start, values)
        else:
            for position, value in enumerate(values, start):
                if not self._is_told[position]:
                    self._witness.objects(0, position, [value])
        self._is_told[start:stop] = b"\x01" * len(values)


class _ArrayReader(Reader):
    """Reads the rows of one array."""

    def __init__(self, source: ItemsSource, column: Column, witness: SourceWitness) -> None:
        self._source = source
        self._column = column
        self._witness = witness
        self._is_told = False

    def chunks(self, sizer: Sizer) -> Iterator[list[Any]]:
        self._tell()
        start = 0
        while start < len(self._column):
            stop = min(start + sizer(), len(self._column))
            yield self._column.between(start, stop).values()
            start = stop

    def fetch(self, positions: Int64Array) -> list[Any]:
        check_positions(positions, len(self._column), self._source.name)
        self._tell()
        return self._column.at(positions).values()

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._column.tell(0, self._witness)


class _IterableReader(Reader):
    """Reads what can only be iterated."""

    def __init__(self, source: ItemsSource, witness: SourceWitness) -> None:
        self._source = source
        self._witness = witness

    def chunks(self, sizer: Sizer) -> Iterator[list[Any]]:
        iterator = self._source.iterate()
        start = 0
        while chunk := list(islice(iterator, sizer())):
            self._witness.objects(0, start, chunk)
            yield chunk
            start += len(chunk)

    def fetch(self, positions: Int64Array) -> list[Any]:
        raise self._source.not_indexable()
