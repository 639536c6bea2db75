"""Chunks: samples on their way from one op to the next, as rows or as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.vocab import Columns, chosen

Int64Array = NDArray[np.int64]
UInt64Array = NDArray[np.uint64]

_FEW_OF = 3
"""Fewer than one of so many are taken by their positions, more by going through all."""


class Chunk:
    """Some consecutive (scan) or asked-for (pick) samples of a node's output.

    Samples come as rows or, where they are dicts of one form, as columns; an op that asks for the other
    form gets the same samples in it. Only a chunk that was made of columns keeps them.

    Args:
        values: the samples.
        ids: shape (n,), uint64: the draw id of each, on which its random draws depend; None where they are
            the bits of the origins, as most are, so that one array is carried along and not two.
        origins: shape (n,), int64: the source row each came from (the first, where there are several),
            with the number of the source in the upper 16 bits; for messages only.
    """

    __slots__ = ("_columns", "_ids", "_origins", "_values")

    def __init__(self, values: list[Any], ids: UInt64Array | None, origins: Int64Array) -> None:
        self._values: list[Any] | None = values
        self._columns: Columns | None = None
        self._ids = ids
        self._origins = origins

    @classmethod
    def of_columns(cls, columns: Columns, ids: UInt64Array | None, origins: Int64Array) -> Chunk:
        """Take samples as columns."""
        chunk = cls.__new__(cls)
        chunk._values = None
        chunk._columns = columns
        chunk._ids = ids
        chunk._origins = origins
        return chunk

    @classmethod
    def empty(cls) -> Chunk:
        """No samples."""
        return cls([], np.empty(0, np.uint64), np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._origins)

    @property
    def ids(self) -> UInt64Array:
        """The draw ids."""
        return self._origins.view(np.uint64) if self._ids is None else self._ids

    @ids.setter
    def ids(self, ids: UInt64Array) -> None:
        self._ids = ids

    @property
    def origins(self) -> Int64Array:
        """Where they came from."""
        return self._origins

    @origins.setter
    def origins(self, origins: Int64Array) -> None:
        self._ids = self.ids  # which stay what they are
        self._origins = origins

    @property
    def values(self) -> list[Any]:
        """The samples as rows."""
        if self._values is None:
            self._values = [] if self._columns is None else self._columns.rows()
            self._columns = None  # rows may be changed by whom they are given to
        return self._values

    @values.setter
    def values(self, values: list[Any]) -> None:
        self._values = values
        self._columns = None

    @property
    def columns(self) -> Columns | None:
        """The samples as columns, where that is how they came."""
        return self._columns

    @property
    def content(self) -> list[Any] | Columns:
        """The samples in the form they have."""
        return self.values if self._columns is None else self._columns

    def as_columns(self) -> Columns | None:
        """The samples as columns; None where they aren't dicts with the same fields in the same order."""
        return self._columns if self._columns is not None else Columns.of_rows(self.values)

    def taken(self, which: Any) -> Chunk:
        """Some of the samples, in the form they have: by mask, by positions or by slice."""
        places = chosen(which)
        ids, origins = None if self._ids is None else self._ids[places], self._origins[places]
        if self._columns is not None:
            return Chunk.of_columns(self._columns.taken(places), ids, origins)
        values = self.values
        if isinstance(places, slice):
            return Chunk(values[places], ids, origins)
        if places is not which and len(places) * _FEW_OF > len(values):
            return Chunk(list(compress(values, which.tobytes())), ids, origins)
        return Chunk(list(map(values.__getitem__, places.tolist())), ids, origins)

    def with_ids(self, ids: UInt64Array) -> Chunk:
        """The same samples with other draw ids; neither chunk notices what is done to the other's list."""
        if self._columns is not None:
            return Chunk.of_columns(self._columns, ids, self._origins)
        return Chunk(list(self.values), ids, self._origins)

    @classmethod
    def joined(cls, chunks: Sequence[Chunk]) -> Chunk:
        """Several, one after the other; as columns where all of them come so, with the same fields."""
        if len(chunks) == 1:
            return chunks[0]
        if not chunks:
            return cls.empty()
        ids = None
        if any(chunk._ids is not None for chunk in chunks):
            ids = np.concatenate([chunk.ids for chunk in chunks])
        origins = np.concatenate([chunk._origins for chunk in chunks])
        parts = [chunk.columns for chunk in chunks]
        if all(part is not None for part in parts):
            columns = Columns.joined([part for part in parts if part is not None])
            if columns is not None:
                return cls.of_columns(columns, ids, origins)
        values: list[Any] = []
        for chunk in chunks:
            values += chunk.values
        return cls(values, ids, origins)


def in_groups(chunks: Iterator[Chunk], size: int) -> Iterator[Chunk]:
    """Arrange samples so that each chunk has whole groups of so many; only the last one may have a rest.

    Args:
        chunks: of any sizes.
        size: samples in a group.
    """
    waiting: list[Chunk] = []
    count = 0
    for chunk in chunks:
        waiting.append(chunk)
        count += len(chunk)
        if count >= size:
            joined = Chunk.joined(waiting)
            full = count // size * size
            count -= full
            waiting = [joined.taken(slice(full, None))] if count else []
            yield joined.taken(slice(full)) if count else joined
    if count:
        yield Chunk.joined(waiting)
