"""Spool: samples put aside until all have come, in memory first and then on disk."""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np

from whence.ops.chunk import Chunk, Int64Array
from whence.store import explained

BUDGET_BYTES = 256 * 1024 * 1024

_EMITTED = 1024
_BASE_BYTES = 64


class Spool:
    """Keeps samples for reading in any order.

    Samples that can't be pickled stay in memory, whatever the budget.

    Args:
        budget_bytes: how much may be kept in memory, as estimated.
    """

    def __init__(self, *, budget_bytes: int = BUDGET_BYTES) -> None:
        self._left_bytes = budget_bytes
        self._values: list[Any] = []
        self._places: list[tuple[int, int] | None] = []
        self._file: BinaryIO | None = None
        self._end = 0
        self._ids: list[Any] = []
        self._origins: list[Any] = []

    def __len__(self) -> int:
        return len(self._values)

    def add(self, chunk: Chunk) -> None:
        """Keep a chunk.

        Raises:
            StoreFullError: the folder for temporary files is full.
        """
        self._ids.append(chunk.ids)
        self._origins.append(chunk.origins)
        for value in chunk.values:
            if self._left_bytes > 0:
                self._left_bytes -= _size_of(value)
                self._keep(value)
            else:
                self._spill(value)

    def pick(self, positions: Int64Array) -> Chunk:
        """Read samples at some positions, in the order asked for."""
        if len(self._ids) != 1:
            self._ids = [np.concatenate(self._ids) if self._ids else np.empty(0, np.uint64)]
            self._origins = [np.concatenate(self._origins) if self._origins else np.empty(0, np.int64)]
        values = [self._read(position) for position in positions.tolist()]
        return Chunk(values, self._ids[0][positions], self._origins[0][positions])

    def scan(self) -> Iterator[Chunk]:
        """Read all samples in order."""
        for start in range(0, len(self), _EMITTED):
            yield self.pick(np.arange(start, min(start + _EMITTED, len(self)), dtype=np.int64))

    def close(self) -> None:
        """Let everything go."""
        if self._file is not None:
            self._file.close()
        self._values, self._places = [], []

    def _keep(self, value: Any) -> None:
        self._values.append(value)
        self._places.append(None)

    def _spill(self, value: Any) -> None:
        try:
            data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception:  # any type may refuse in its own way
            self._keep(value)
            return
        with explained(tempfile.gettempdir()):
            if self._file is None:
                self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="whence-"))  # noqa: SIM115 - closed by close
            self._file.seek(self._end)
            self._file.write(data)
        self._values.append(None)
        self._places.append((self._end, len(data)))
        self._end += len(data)

    def _read(self, position: int) -> Any:
        place = self._places[position]
        if place is None or self._file is None:
            return self._values[position]
        with explained(tempfile.gettempdir()):
            self._file.seek(place[0])
            return pickle.loads(self._file.read(place[1]))


def _size_of(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.nbytes) + _BASE_BYTES
    if isinstance(value, dict):
        return _BASE_BYTES + sum(map(_size_of, value.values()))
    if isinstance(value, list | tuple):
        return _BASE_BYTES + sum(map(_size_of, value))
    return sys.getsizeof(value)
