"""Kept: copies of samples for reading at any position, as often as wanted, in memory first and then on disk.

What is handed out is made anew each time, so that an operation which changes its sample in place changes
nothing for the next reading. Samples of one form are kept as arrays, others as `pickle` spells them; those
that can't be pickled are kept as they are, as long as there is memory.
"""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

import numpy as np

from whence.capture import memory_budget_bytes
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.footprint import footprint_of
from whence.ops.spill import BLOCK_BYTES, Block, Spill, unreadable
from whence.vocab import Column, Columns

_JOINED_ROWS = 1 << 16
_JOINED_BYTES = 1 << 26
_JOINED_SHARE = 8
_SPILLED_ROWS = 256
_READ_PIECES = 16
_SCANNED_ROWS = 1024
_FLAT = frozenset("biufcmM")
_ALONE = (int, float, complex, np.ndarray, np.number, np.bool_, np.datetime64)


@dataclass(frozen=True, slots=True)
class _Pickled:
    """Samples one after the other as `pickle` spells each."""

    data: bytes
    bounds: Int64Array

    @classmethod
    def of(cls, values: Sequence[Any]) -> _Pickled:
        spelled = [pickle.dumps(value, protocol=5) for value in values]
        return cls(b"".join(spelled), np.array([0, *accumulate(map(len, spelled))], np.int64))

    @classmethod
    def joined(cls, parts: Sequence[_Pickled]) -> _Pickled:
        sizes = np.concatenate([np.diff(part.bounds) for part in parts])
        return cls(b"".join(part.data for part in parts), np.concatenate([[0], np.cumsum(sizes)]))

    def rows(self, positions: Int64Array) -> list[Any]:
        view, starts, ends = memoryview(self.data), self.bounds[positions], self.bounds[positions + 1]
        return [
            pickle.loads(view[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some consecutive samples.

    Args:
        content: the samples in columns, pickled, or as they are.
        ids, origins: as in a chunk.
        is_bare: whether the samples are the values of the one column rather than dicts.
    """

    content: Columns | _Pickled | list[Any]
    ids: UInt64Array
    origins: Int64Array
    is_bare: bool = False

    @classmethod
    def of(cls, chunk: Chunk) -> _Piece:
        """Copy the samples of a chunk; as they are, if they can't be pickled."""
        ids, origins = chunk.ids, chunk.origins
        columns, is_bare = chunk.columns, False
        if columns is not None:
            columns = columns.taken(np.arange(len(columns))) if _is_flat(columns) else None
        else:
            columns = Columns.of_rows(chunk.values)
            if columns is None and isinstance(chunk.values[0], _ALONE):
                columns, is_bare = Columns({"": Column.of(chunk.values)}), True
        if columns is not None and _is_flat(columns):
            return cls(columns, ids, origins, is_bare)
        try:
            return cls(_Pickled.of(chunk.values), ids, origins)
        except MemoryError:
            raise
        except Exception:  # any type may refuse in its own way
            return cls(list(chunk.values), ids, origins)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def form(self) -> Any:
        """What pieces have in common that can be joined."""
        if not isinstance(self.content, Columns):
            return type(self.content)
        fields = self.content.by_name.items()
        return self.is_bare, tuple(
            (
                name,
                column.native,
                column.data.dtype.str,
                column.data.dtype.char,
                column.data.shape[1:],
                column.data.flags.writeable,
            )
            for name, column in fields
        )

    @property
    def weight_bytes(self) -> int:
        """How much memory it takes."""
        labels = self.ids.nbytes + self.origins.nbytes
        if isinstance(self.content, list):
            return labels + footprint_of(self.content)
        if isinstance(self.content, _Pickled):
            return labels + len(self.content.data) + self.content.bounds.nbytes
        masks = (column.missing for column in self.content.by_name.values())
        return labels + self.content.nbytes + sum(mask.nbytes for mask in masks if mask is not None)

    @classmethod
    def joined(cls, pieces: Sequence[_Piece]) -> _Piece:
        """Join pieces of one form."""
        if len(pieces) == 1:
            return pieces[0]
        contents = [piece.content for piece in pieces]
        content: Columns | _Pickled | list[Any] | None
        if isinstance(contents[0], Columns):
            content = Columns.joined([each for each in contents if isinstance(each, Columns)])
        elif isinstance(contents[0], _Pickled):
            content = _Pickled.joined([each for each in contents if isinstance(each, _Pickled)])
        else:
            content = [value for each in contents if isinstance(each, list) for value in each]
        if content is None:
            raise AssertionError("pieces of one form have the same fields")
        ids = np.concatenate([piece.ids for piece in pieces])
        origins = np.concatenate([piece.origins for piece in pieces])
        return cls(content, ids, origins, pieces[0].is_bare)

    def taken(self, positions: Int64Array) -> Chunk:
        """Make some of the samples."""
        ids, origins = self.ids[positions], self.origins[positions]
        if isinstance(self.content, Columns):
            columns = self.content.taken(positions)
            if self.is_bare:
                return Chunk(columns.by_name[""].values(), ids, origins)
            return Chunk.of_columns(columns, ids, origins)
        if isinstance(self.content, _Pickled):
            return Chunk(self.content.rows(positions), ids, origins)
        return Chunk([self.content[position] for position in positions.tolist()], ids, origins)


class Kept:
    """Copies of samples, put together chunk by chunk and then read, by several threads at once.

    Args:
        label: of the op that keeps them.
        name_origin: says in words where a sample came from.
    """

    def __init__(self, *, label: str, name_origin: Callable[[int], str]) -> None:
        self._label = label
        self._budget_bytes = memory_budget_bytes()
        self._spill = Spill(label=label, name_origin=name_origin)
        self._joining: list[_Piece] = []
        self._joining_bytes = 0
        self._form: Any = None
        self._pieces: list[_Piece] = []
        self._kept_bytes = 0
        self._ends = array("q")
        self._count = 0
        self._piece_at = lru_cache(maxsize=_READ_PIECES)(self._spilled_piece)

    def __len__(self) -> int:
        return self._count

    def add(self, chunk: Chunk) -> None:
        """Keep copies of the samples of a chunk.

        Raises:
            OpError: there is no memory left, and a sample can't be pickled.
            StoreFullError, StoreError: as `Spill.add`.
        """
        if not len(chunk):
            return
        if self._kept_bytes + self._joining_bytes > self._budget_bytes:
            self._join()
            self._spill_pieces(chunk)
            return
        piece = _Piece.of(chunk)
        self._count += len(piece)
        form = piece.form
        if self._joining and form != self._form:
            self._join()
        self._form = form
        self._joining.append(piece)
        self._joining_bytes += piece.weight_bytes
        rows = sum(map(len, self._joining))
        if rows >= _JOINED_ROWS or self._joining_bytes >= min(
            _JOINED_BYTES, self._budget_bytes // _JOINED_SHARE
        ):
            self._join()

    def finish(self) -> None:
        """Make all that was added ready to be read; more may be added, and is read after this again."""
        self._join()

    def pick(self, positions: Int64Array) -> Chunk:
        """Make the samples at some positions, in the order asked for.

        Raises:
            DamagedError, OpError, StoreError: as `Spill.read`.
        """
        ends = np.frombuffer(self._ends, np.int64) if self._ends else np.empty(0, np.int64)
        numbers = np.searchsorted(ends, positions, side="right")
        order = np.argsort(numbers, kind="stable")
        found, firsts = np.unique(numbers[order], return_index=True)
        chunks = []
        for number, places in zip(found.tolist(), np.split(order, firsts[1:]), strict=True):
            start = int(ends[number - 1]) if number else 0
            piece = self._piece(number)
            try:
                chunks.append(piece.taken(positions[places] - start))
            except Exception as error:  # any type may refuse in its own way
                raise unreadable(self._label, error) from error
        if len(chunks) == 1:
            return chunks[0]
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return Chunk.joined(chunks).taken(back)

    def scan(self) -> Iterator[Chunk]:
        """Make all samples in order."""
        for start in range(0, self._count, _SCANNED_ROWS):
            yield self.pick(np.arange(start, min(start + _SCANNED_ROWS, self._count), dtype=np.int64))

    def close(self) -> None:
        """Let everything go."""
        self._pieces = []
        self._spill.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _join(self) -> None:
        """Put small pieces together: reading at random is as quick as there are few of them."""
        if self._joining:
            self._pieces.append(_Piece.joined(self._joining))
            self._ends.append((self._ends[-1] if self._ends else 0) + len(self._pieces[-1]))
            self._kept_bytes += self._joining_bytes
            self._joining, self._joining_bytes = [], 0

    def _spill_pieces(self, chunk: Chunk) -> None:
        """Write samples in small pieces: one read at random brings all of its piece along."""
        whole = _Piece.of(chunk)
        rows = max(1, min(_SPILLED_ROWS, BLOCK_BYTES * len(whole) // max(1, whole.weight_bytes)))
        for start in range(0, len(whole), rows):
            part = chunk.taken(slice(start, start + rows))
            piece = _Piece.of(part)
            if isinstance(piece.content, list):
                positions = np.arange(self._count, self._count + len(piece), dtype=np.int64)
                self._spill.refuse_unpicklable(Block(part, positions))
            self._spill.add_bytes(pickle.dumps(piece, protocol=5))
            self._count += len(piece)
            self._ends.append(self._count)

    def _piece(self, number: int) -> _Piece:
        kept = len(self._pieces)
        return self._pieces[number] if number < kept else self._piece_at(number - kept)

    def _spilled_piece(self, number: int) -> _Piece:
        piece: _Piece = pickle.loads(self._spill.read_bytes(number))
        return piece


def _is_flat(columns: Columns) -> bool:
    """Whether samples come back from copies of the columns' arrays as they were."""
    return all(
        type(column) is Column and column.data.dtype.kind in _FLAT for column in columns.by_name.values()
    )
