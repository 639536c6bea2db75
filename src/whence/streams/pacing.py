"""Pacing: how many rows a chunk has, by the time and the memory that chunks take; no sample depends on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from whence.ops import Chunk

FIRST_CHUNK = 64
LARGEST_CHUNK = 1024
LARGEST_QUICK_CHUNK = 8192
LARGEST_COLUMN_CHUNK = 65_536
_VERY_QUICK_NS = 2_000_000
_LEAP = 8
_QUICK_NS = 40_000_000
_SLOW_NS = 200_000_000
_CHUNK_BYTES = 4 * 1024 * 1024
_SPREAD_SHARE = 4


class Pace:
    """The pace of one evaluation.

    Attributes:
        size: how many rows the next chunk has.
        reads_rows: whether any source gives rows, not columns.
    """

    def __init__(self) -> None:
        self.size = FIRST_CHUNK
        self.reads_rows = False
        self._rows_read = 0
        self._row_bytes = 0
        self._row_outputs = 1
        self._away_ns = 0

    def handed_out(self, chunk: Chunk) -> Iterator[Chunk]:
        """Hand out a chunk of what was asked for; what the consumer does meanwhile takes none of our time."""
        left = time.perf_counter_ns()
        yield chunk
        self._away_ns += time.perf_counter_ns() - left

    def paced(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Hand on what is read, and choose by the time that each chunk takes how large the next ones are.

        The time is that of reading it and of all that is done with it before another one is asked for, but
        not what the consumer does meanwhile.
        """
        began, away = time.perf_counter_ns(), self._away_ns
        for chunk in chunks:
            rows = len(chunk)
            row_bytes = bytes_made(chunk) // rows + 1
            self._rows_read += rows
            yield chunk
            now = time.perf_counter_ns()
            elapsed_ns = now - began - (self._away_ns - away)
            size = self.size
            self.size = adapted(
                size,
                elapsed_ns * size // max(rows, 1),
                max(row_bytes, self._row_bytes) * size,
                self._row_outputs if self.reads_rows else None,
            )
            began, away = now, self._away_ns

    def weighed(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Hand on what is made, and note how much memory it takes for each row read."""
        for chunk in chunks:
            self._weigh(chunk)
            yield chunk

    def _weigh(self, chunk: Chunk) -> None:
        if self._rows_read:
            self._row_bytes = bytes_made(chunk) // self._rows_read
            self._row_outputs = max(1, len(chunk) // self._rows_read)
            self._rows_read = 0


def adapted(size: int, elapsed_ns: int, made_bytes: int, row_outputs: int | None) -> int:
    """Let chunks grow while they are quick and small, and shrink when they aren't.

    Args:
        size: how many rows a chunk has.
        elapsed_ns: how long all that is done with so many takes.
        made_bytes: about how much memory it takes.
        row_outputs: how many samples each row becomes, which are what is counted: a chunk of many samples
            leaves the processor's caches from one operation to the next, and all that is alive at once is
            looked through by Python's garbage collector. None for columns, which don't mind.
    """
    if elapsed_ns > _SLOW_NS:
        return max(1, size // 2)
    largest = LARGEST_CHUNK if (row_outputs or 1) == 1 else LARGEST_CHUNK // _SPREAD_SHARE
    if elapsed_ns < _VERY_QUICK_NS:
        largest = LARGEST_QUICK_CHUNK if row_outputs else LARGEST_COLUMN_CHUNK
    largest //= row_outputs or 1
    if elapsed_ns < _QUICK_NS and size < largest:
        times = 2 if row_outputs or elapsed_ns > _VERY_QUICK_NS // _LEAP else _LEAP
        return max(1, min(size * times, largest, _CHUNK_BYTES * size // made_bytes))
    return size


def bytes_made(chunk: Chunk) -> int:
    """About how much memory the samples of a chunk take."""
    if chunk.columns is not None:
        return max(1, chunk.columns.nbytes)
    values = chunk.values  # none of outputs that stayed where they were made
    return _bytes_of(values[0]) * len(chunk) if values else 1


def _bytes_of(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_bytes_of, value.values())) + 1
    return int(getattr(value, "nbytes", 0)) or sys.getsizeof(value)
