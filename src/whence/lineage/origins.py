"""Relations between positions, row by row, and how two of them become one.

Here live `Origins`, the answer of every mapping, and its composition. What a mapping is lives in
`mapping`. Positions are signed 64-bit everywhere: of the integer types that other tools exchange, it is the
one that all of them hand back unchanged.
Source: rid indexes in CSR form, Psallidas & Wu, "Smoke", VLDB 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Origins:
    """For each position asked about, the positions it is related to, in CSR form.

    Row `i` is `indices[indptr[i]:indptr[i + 1]]`, ascending and without repeats. The rows stand in the
    order in which the positions were asked.

    Args:
        indptr: where each row begins, shape (n + 1,), from 0 to m.
        indices: the related positions, shape (m,).
    """

    indptr: IntArray
    indices: IntArray

    @classmethod
    def one_each(cls, indices: IntArray) -> Origins:
        """Relate each row to exactly one position."""
        return cls(np.arange(len(indices) + 1, dtype=np.int64), indices)

    @classmethod
    def none_each(cls, row_count: int) -> Origins:
        """Relate none of the rows to anything."""
        return cls(np.zeros(row_count + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @classmethod
    def at_most_one(cls, indices: IntArray, present: BoolArray) -> Origins:
        """Relate a row to its position where `present` holds, to nothing elsewhere."""
        if present.all():
            return cls.one_each(indices)
        return cls(starts_of(present), indices[present])

    @classmethod
    def ranges(cls, first: IntArray, counts: IntArray) -> Origins:
        """Relate each row to the consecutive positions `first`, `first + 1`, … of which it has `counts`."""
        indptr = starts_of(counts)
        shift = np.repeat(first - indptr[:-1], counts)
        return cls(indptr, shift + np.arange(indptr[-1], dtype=np.int64))

    @property
    def counts(self) -> IntArray:
        """How many positions each row has, shape (n,)."""
        return np.diff(self.indptr)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, number: int) -> IntArray:
        """Look up one row, counted from 0."""
        return self.indices[self.indptr[number] : self.indptr[number + 1]]

    def tolist(self) -> list[list[int]]:
        """Spell the relation as one list of positions for each row."""
        flat, bounds = self.indices.tolist(), self.indptr.tolist()
        return [flat[bounds[i] : bounds[i + 1]] for i in range(len(self))]


def compose(outer: Origins, inner: Callable[[IntArray], Origins]) -> Origins:
    """Follow each row of `outer` one step further.

    Args:
        outer: rows of positions in the middle.
        inner: answers for positions in the middle, in any order and with repeats, such as `mapping.backward`.

    Returns:
        As many rows as `outer` has; each is the union of what `inner` says of its positions.

    Cost: one call of `inner`, and a sort only where two answers of one row interleave.
    """
    further = inner(outer.indices)
    return _ascending(further.indptr[outer.indptr], further.indices)


def starts_of(counts: IntArray | BoolArray) -> IntArray:
    """Sum counts up to where each one starts, with the total at the end: shape (n + 1,)."""
    starts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def each_once(positions: IntArray) -> IntArray:
    """Put positions in order, each once: `np.unique` without what it loads, and quick for few.

    Cost: O(n) where they are in order, else that of sorting them.
    """
    if len(positions) < 2:
        return positions
    if (positions[1:] < positions[:-1]).any():
        positions = np.sort(positions)
    fresh = np.ones(len(positions), np.bool_)
    np.not_equal(positions[1:], positions[:-1], out=fresh[1:])
    found: IntArray = positions[fresh]
    return found


def _ascending(indptr: IntArray, indices: IntArray) -> Origins:
    rises = np.ones(len(indices) + 1, dtype=np.bool_)
    rises[1:-1] = indices[1:] > indices[:-1]
    rises[indptr] = True
    if rises.all():
        return Origins(indptr, indices)
    rows = np.repeat(np.arange(len(indptr) - 1, dtype=np.int64), np.diff(indptr))
    order = np.lexsort((indices, rows))
    rows, indices = rows[order], indices[order]
    fresh = np.ones(len(indices), dtype=np.bool_)
    fresh[1:] = (rows[1:] != rows[:-1]) | (indices[1:] != indices[:-1])
    return Origins(starts_of(np.bincount(rows[fresh], minlength=len(indptr) - 1)), indices[fresh])
