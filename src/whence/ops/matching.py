"""Matching: which right samples have the key of each left one.

The right side is kept, in memory where it fits, and the left one streams past it. Where it doesn't fit,
both sides are spread over parts by their keys, each part is matched by itself, and what was found is
merged again in the left side's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from whence.ops.arranging import merged, whole_groups
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.keyed import LEVELS, Keyed, taken_together, weight_of
from whence.ops.keys import Keys
from whence.ops.numbering import KeyNumbering, numbering_of, ordered_by
from whence.ops.spill import Block, Partitions, Spill
from whence.vocab import Columns

_PIECE_ROWS = 1 << 13


class Found(NamedTuple):
    """What was found for some left samples.

    Args:
        starts: where in `RightSide.places` the matches of each begin, shape (n,).
        counts: how many there are.
    """

    starts: Int64Array
    counts: Int64Array

    def pieces(self, *, at_least: int) -> Iterator[tuple[Int64Array, Int64Array]]:
        """Give the pairs in order, some thousands at a time.

        Args:
            at_least: 1: a left sample without a match makes a pair too, without a right one; 0: it doesn't.

        Returns:
            For each pair the number of the left sample, and where in `RightSide.places` its match is; or -1.
        """
        if (
            not len(self.counts) or int(self.counts.max()) <= 1
        ):  # the usual case: keys of the right side differ
            if self.counts.all():
                if len(self.counts):
                    yield np.arange(len(self.counts)), self.starts
                return
            at = np.where(self.counts > 0, self.starts, -1)
            rows = np.arange(len(at)) if at_least else np.flatnonzero(self.counts)
            if len(rows):
                yield rows, at[rows]
            return
        ends = np.cumsum(np.maximum(self.counts, at_least))
        total = int(ends[-1])
        for start in range(0, total, _PIECE_ROWS):
            pairs = np.arange(start, min(start + _PIECE_ROWS, total))
            low, high = np.searchsorted(ends, [pairs[0], pairs[-1]], side="right")
            rows = low + np.searchsorted(ends[low : high + 1], pairs, side="right")
            nth = pairs - (ends[rows] - np.maximum(self.counts[rows], at_least))
            yield rows, np.where(self.counts[rows] > 0, self.starts[rows] + nth, -1)

    def lists(self) -> Iterator[tuple[Int64Array, Int64Array, Int64Array]]:
        """Give left samples that have matches, with all of these, some thousands at a time.

        Returns:
            The numbers of left samples, how many matches each has, and where in `RightSide.places` they are.
        """
        full = np.flatnonzero(self.counts)
        counts, starts = self.counts[full], self.starts[full]
        bounds = np.zeros(len(full) + 1, np.int64)
        np.cumsum(counts, out=bounds[1:])
        for start, end in whole_groups(bounds, _PIECE_ROWS):
            some = counts[start:end]
            at = np.arange(bounds[start], bounds[end]) + np.repeat(
                starts[start:end] - bounds[start:end], some
            )
            yield full[start:end], some, at


class RightSide:
    """A right side in memory, whole or a part of it.

    Args:
        keyed: gave its blocks.
        held: the blocks; emptied.
    """

    def __init__(self, keyed: Keyed, held: list[Block]) -> None:
        self._numbering: KeyNumbering | None = None
        self._has_tried = False
        self.chunk = Chunk.empty()
        self.positions = np.empty(0, np.int64)
        self.places = self.positions
        """The samples by key, those of one key in order."""
        self._bounds = np.zeros(1, np.int64)
        if held:
            self._numbering = numbering_of(Keys.joined([keyed.keys_of(block) for block in held]))
            self.places, self._bounds = ordered_by(self._numbering.numbers, self._numbering.count)
            whole = taken_together(held)
            self.chunk, self.positions = whole.chunk, whole.positions
        self._is_asked = np.zeros(len(self._bounds) - 1, np.bool_)
        self._is_unique = len(self._is_asked) == len(self.places)  # the samples by key stand as they came

    def use_columns(self) -> None:
        """Keep the samples as columns, if they can be: those that they go with are."""
        if self.chunk.columns is None and not self._has_tried:
            self._has_tried = True
            columns = self.chunk.as_columns()
            if columns is not None:
                self.chunk = Chunk.of_columns(columns, self.chunk.ids, self.chunk.origins)

    def find(self, keys: Keys) -> Found:
        """Find the matches of left samples, and remember that they were asked for."""
        if self._numbering is None:
            nothing = np.zeros(len(keys), np.int64)
            return Found(nothing, nothing)
        numbers = self._numbering.find(keys)
        is_there = numbers >= 0
        self._is_asked[numbers if is_there.all() else numbers[is_there]] = True
        if self._is_unique:
            return Found(numbers, is_there.astype(np.int64))
        numbers = np.where(is_there, numbers, 0)
        starts = self._bounds[numbers]
        return Found(starts, np.where(is_there, self._bounds[numbers + 1] - starts, 0))

    def places_at(self, at: Int64Array) -> Int64Array:
        """The samples at some of `places`; -1 where that is -1."""
        if self._is_unique or self._numbering is None:
            return at
        return self.places[at] if (at >= 0).all() else np.where(at < 0, -1, self.places[at])

    def unmatched(self) -> Int64Array:
        """The samples that nobody asked for, in order."""
        if self._numbering is None:
            return self.places
        return np.flatnonzero(~self._is_asked[self._numbering.numbers])


class Parts:
    """Matches of two sides, found part by part and put aside on disk.

    Args:
        keyed: gave the blocks of both sides.
        once: whether one match of a left sample is enough.
        spill: takes what was found.
    """

    def __init__(self, keyed: Keyed, spill: Spill, *, once: bool) -> None:
        self._keyed = keyed
        self._spill = spill
        self._once = once

    def matched(
        self, held: list[Block], waiting: Iterable[Block], left: Iterable[Block], level: int = 0
    ) -> tuple[list[int], list[int]]:
        """Match both sides.

        Args:
            held: the first blocks of the right side; emptied.
            waiting: the others.
            left: the left side, of which only keys and positions matter.
            level: how often both were spread before.

        Returns:
            Two runs of blocks by number: right samples beside the positions of left ones with their key, in
            the left side's order; and right samples that nobody asked for, beside their own positions.
        """
        found: list[tuple[list[int], list[int]]] = []
        with self._keyed.parts() as rights, self._keyed.parts() as lefts:
            self._keyed.spread(held, waiting, rights, level)
            self._keyed.spread([], left, lefts, level)
            for part in np.flatnonzero(rights.rows).tolist():
                found.append(self._part(rights, lefts, part, level))
                rights.release(part)
                lefts.release(part)
        runs, others = zip(*found, strict=True)
        return self._as_one(runs), self._as_one(others)

    def _part(
        self, rights: Partitions, lefts: Partitions, part: int, level: int
    ) -> tuple[list[int], list[int]]:
        is_all = rights.rows[part] == rights.rows.sum()
        deeper = LEVELS if is_all else level + 1
        waiting, held, weight_bytes = rights.scan(part), list[Block](), 0
        for block in waiting:
            held.append(block)
            weight_bytes += weight_of(block)
            if weight_bytes > self._keyed.allowed_bytes(deeper) and deeper < LEVELS:
                return self.matched(held, waiting, lefts.scan(part), deeper)
        kept = RightSide(self._keyed, held)
        run: list[int] = []
        for block in lefts.scan(part):
            found = kept.find(self._keyed.keys_of(block))
            if self._once:
                found = Found(found.starts, np.minimum(found.counts, 1))
            for rows, at in found.pieces(at_least=0):
                places = kept.places[at]
                self._add(run, kept.chunk.taken(places), kept.positions[places], block.positions[rows])
        others: list[int] = []
        places = kept.unmatched()
        for start in range(0, len(places), _PIECE_ROWS):
            some = places[start : start + _PIECE_ROWS]
            self._add(others, kept.chunk.taken(some), kept.positions[some], kept.positions[some])
        return run, others

    def _add(self, run: list[int], chunk: Chunk, positions: Int64Array, ranks: Int64Array) -> None:
        run.extend(self._spill.add(piece) for piece in Block(chunk, positions, (ranks,)).cut())

    def _as_one(self, runs: Iterable[list[int]]) -> list[int]:
        """Merge runs into one."""
        full = [run for run in runs if run]
        if len(full) <= 1:
            return list(chain.from_iterable(full))
        blocks = merged([map(self._spill.read, run) for run in full])
        return [self._spill.add(piece) for block in blocks for piece in block.cut()]


class Ahead:
    """Reads what was found on disk, as far as it is needed.

    Args:
        blocks: of whole ranks, ascending: the positions of left samples.
    """

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._left: Block | None = None

    def taken_below(self, end: int) -> Iterator[Block]:
        """Take what was found for the left samples up to a position."""
        while True:
            block = self._left or next(self._blocks, None)
            self._left = None
            if block is None:
                return
            count = int(np.searchsorted(block.beside[0], end))
            if count < len(block.chunk):
                self._left = block.taken(slice(count, None))
                if count:
                    yield block.taken(slice(0, count))
                return
            yield block


def with_gaps(rows: Int64Array, start: int, end: int) -> tuple[Int64Array, Int64Array]:
    """Put the numbers from `start` up to `end` that aren't among `rows` between them.

    Returns:
        All numbers, ascending, and for each its place in `rows`; -1 where it isn't there.
    """
    gaps = np.setdiff1d(np.arange(start, end), rows)
    numbers = np.concatenate([rows, gaps])
    places = np.concatenate([np.arange(len(rows)), np.full(len(gaps), -1)])
    order = np.argsort(numbers, kind="stable")
    return numbers[order], places[order]


def without_samples(chunk: Chunk) -> Chunk:
    """As many samples without anything in them, where only keys matter."""
    return Chunk.of_columns(Columns({}, count=len(chunk)), chunk.ids, chunk.origins)
