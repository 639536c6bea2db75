"""Where rows are cut into chunks: by what they hold, so that a changed row changes about one chunk.

A row ends a chunk if its mark is small: the mark is a hash of its values, and how small it must be depends on
its size, so that chunks are of some size on average whatever rows are like. So rows behind a change are
cut where they were before. A chunk has at least a quarter of that size and at most four times as much.

Source: Muthitacharoen, Chen, Mazières, "A Low-bandwidth Network File System", SOSP 2001, with rows for bytes.
"""

from __future__ import annotations

import numpy as np

from whence.datasets.marks import Int64Array, UInt64Array

CHUNK_BYTES = 4 << 20
_LEAST = 4
_MOST = 4


class Cutter:
    """Tells where rows end chunks, however they come.

    Args:
        chunk_bytes: how large chunks are on average, as values lie in memory.
    """

    __slots__ = ("_chunk_bytes", "_held")

    def __init__(self, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._chunk_bytes = chunk_bytes
        self._held = 0

    def cuts(self, marks: UInt64Array, sizes: Int64Array) -> list[int]:
        """Find the places in further rows before which a chunk has ended: row counts, ascending.

        Args:
            marks: of the rows, shape (n,).
            sizes: their bytes, shape (n,).
        """
        ends = self._held + np.cumsum(sizes)
        limits = (sizes * (2.0**64 / self._chunk_bytes)).clip(max=2.0**63).astype(np.uint64)
        natural = np.flatnonzero(marks < limits)
        least, most = self._chunk_bytes // _LEAST, self._chunk_bytes * _MOST
        found: list[int] = []
        begin = 0  # of the chunk, in bytes as `ends` counts them
        while True:
            after = int(np.searchsorted(ends, begin + least))
            full = int(np.searchsorted(ends, begin + most))
            place = int(np.searchsorted(natural, after))
            last = min(int(natural[place]) if place < len(natural) else len(ends), full)
            if last >= len(ends):
                break
            found.append(last + 1)
            begin = int(ends[last])
        self._held = int(ends[-1]) - begin if len(ends) else self._held
        return found
