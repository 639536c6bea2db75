"""Selections and expansions of a whole stream, stored chunk by chunk and read where they are asked.

Building sums up the counts of all chunks at once and decodes none. A question finds its chunks by binary
search and decodes only those; the last few stay decoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from whence.errors import DamagedError, PositionError
from whence.lineage.bits import Encoded
from whence.lineage.counts import decode_counts
from whence.lineage.mapping import Positions, as_positions, check_positions
from whence.lineage.masks import decode_mask
from whence.lineage.origins import BoolArray, IntArray, starts_of

_DECODED_CHUNKS = 64


class SelectionIndex:
    """Which inputs of a stream were kept, and where they went.

    Args:
        in_counts: how many samples each chunk had, shape (k,).
        out_counts: how many of them were kept, shape (k,).
        datas: for each chunk what `encode_mask` returned; read only when asked.

    Raises:
        DamagedError: the three do not belong together, or a count is impossible.

    Cost: O(k) to build; a question O(n log k) and the decoding of the chunks it touches.
    """

    __slots__ = ("_in_starts", "_kept", "_out_starts")

    def __init__(self, in_counts: Positions, out_counts: Positions, datas: Sequence[Encoded]) -> None:
        self._in_starts, self._out_starts = _starts(in_counts, out_counts, datas)
        if (np.diff(self._out_starts) > np.diff(self._in_starts)).any():
            raise DamagedError("a chunk of a selection kept more samples than it had")
        in_starts, out_starts = self._in_starts, self._out_starts

        def kept(chunk: int) -> IntArray:
            size = int(in_starts[chunk + 1] - in_starts[chunk])
            places = np.flatnonzero(decode_mask(datas[chunk], size)).astype(np.int64, copy=False)
            _check_count(len(places), int(out_starts[chunk + 1] - out_starts[chunk]))
            return places

        self._kept = _remembered(kept)

    @property
    def in_size(self) -> int:
        """How many samples came in."""
        return int(self._in_starts[-1])

    @property
    def out_size(self) -> int:
        """How many were kept."""
        return int(self._out_starts[-1])

    def select(self, out_positions: Positions) -> IntArray:
        """Find the input position of each kept sample.

        Args:
            out_positions: shape (n,), each in [0, out_size); any order, repeats allowed.

        Returns:
            Input positions, shape (n,).

        Raises:
            PositionError: a position is outside [0, out_size).
            DamagedError: a chunk can't be decoded.
        """
        taken = check_positions(out_positions, self.out_size)
        found = np.empty(len(taken), dtype=np.int64)
        for chunk, rows in by_chunk(self._out_starts, taken):
            kept = self._kept(chunk)
            found[rows] = self._in_starts[chunk] + kept[taken[rows] - self._out_starts[chunk]]
        return found

    def rank(self, in_positions: Positions) -> tuple[IntArray, BoolArray]:
        """Find where each input sample went.

        Args:
            in_positions: shape (n,), each in [0, in_size); any order, repeats allowed.

        Returns:
            Output positions and whether the sample was kept, both of shape (n,). For a dropped sample the
            position is where the next kept one went.

        Raises:
            PositionError: a position is outside [0, in_size).
            DamagedError: a chunk can't be decoded.
        """
        taken = check_positions(in_positions, self.in_size)
        found = np.empty(len(taken), dtype=np.int64)
        is_kept = np.zeros(len(taken), dtype=np.bool_)
        for chunk, rows in by_chunk(self._in_starts, taken):
            kept = self._kept(chunk)
            places = taken[rows] - self._in_starts[chunk]
            ranks = np.searchsorted(kept, places)
            found[rows] = self._out_starts[chunk] + ranks
            if kept.size:
                is_kept[rows] = kept[np.minimum(ranks, len(kept) - 1)] == places
        return found, is_kept

    def flags(self) -> BoolArray:
        """Tell of all inputs at once whether each was kept, shape (in_size,).

        Raises:
            DamagedError: a chunk can't be decoded.
        """
        found = np.zeros(self.in_size, dtype=np.bool_)
        for chunk, start in enumerate(self._in_starts[:-1].tolist()):
            found[start + self._kept(chunk)] = True
        return found


class CountsIndex:
    """How many consecutive outputs each input of a stream gave.

    Args:
        in_counts: how many samples each chunk had, shape (k,).
        out_counts: how many outputs they gave together, shape (k,).
        datas: for each chunk what `encode_counts` returned; read only when asked.

    Raises:
        DamagedError: the three do not belong together, or a count is impossible.

    Cost: O(k) to build; a question O(n log k) and the decoding of the chunks it touches.
    """

    __slots__ = ("_ends", "_in_starts", "_out_starts")

    def __init__(self, in_counts: Positions, out_counts: Positions, datas: Sequence[Encoded]) -> None:
        self._in_starts, self._out_starts = _starts(in_counts, out_counts, datas)
        in_starts, out_starts = self._in_starts, self._out_starts

        def ends(chunk: int) -> IntArray:
            size = int(in_starts[chunk + 1] - in_starts[chunk])
            bounds = starts_of(decode_counts(datas[chunk], size))
            _check_count(int(bounds[-1]), int(out_starts[chunk + 1] - out_starts[chunk]))
            return bounds

        self._ends = _remembered(ends)

    @property
    def in_size(self) -> int:
        """How many samples came in."""
        return int(self._in_starts[-1])

    @property
    def out_size(self) -> int:
        """How many outputs they gave."""
        return int(self._out_starts[-1])

    def parents(self, out_positions: Positions) -> IntArray:
        """Find the input that each output came from.

        Args:
            out_positions: shape (n,), each in [0, out_size); any order, repeats allowed.

        Returns:
            Input positions, shape (n,).

        Raises:
            PositionError: a position is outside [0, out_size).
            DamagedError: a chunk can't be decoded.
        """
        taken = check_positions(out_positions, self.out_size)
        found = np.empty(len(taken), dtype=np.int64)
        for chunk, rows in by_chunk(self._out_starts, taken):
            places = taken[rows] - self._out_starts[chunk]
            # inputs without output begin where the next begins; the last of them is the one that has it
            inputs = np.searchsorted(self._ends(chunk), places, side="right") - 1
            found[rows] = self._in_starts[chunk] + inputs
        return found

    def children(self, in_positions: Positions) -> tuple[IntArray, IntArray]:
        """Find the outputs that each input gave.

        Args:
            in_positions: shape (n,), each in [0, in_size); any order, repeats allowed.

        Returns:
            The first output position and how many there are, both of shape (n,).

        Raises:
            PositionError: a position is outside [0, in_size).
            DamagedError: a chunk can't be decoded.
        """
        taken = check_positions(in_positions, self.in_size)
        first = np.empty(len(taken), dtype=np.int64)
        counts = np.empty(len(taken), dtype=np.int64)
        for chunk, rows in by_chunk(self._in_starts, taken):
            bounds = self._ends(chunk)
            places = taken[rows] - self._in_starts[chunk]
            first[rows] = self._out_starts[chunk] + bounds[places]
            counts[rows] = bounds[places + 1] - bounds[places]
        return first, counts


class WitnessIndex:
    """Which inputs the ones that were dropped repeat.

    Args:
        selection: of the same inputs.
        drop_counts: how many inputs of each chunk were dropped, shape (k,).
        datas: for each chunk what `encode_counts` returned for the positions of those they repeat; empty
            where none was dropped.

    Raises:
        DamagedError: the counts and the encodings do not belong together.

    Cost: O(k) to build; a question O(n log k) and the decoding of the chunks it touches.
    """

    __slots__ = ("_selection", "_starts", "_witnesses")

    def __init__(self, selection: SelectionIndex, drop_counts: Positions, datas: Sequence[Encoded]) -> None:
        self._selection = selection
        self._starts = starts = _starts(drop_counts, drop_counts, datas)[0]

        def witnesses(chunk: int) -> IntArray:
            return decode_counts(datas[chunk], int(starts[chunk + 1] - starts[chunk]))

        self._witnesses = _remembered(witnesses)

    def of(self, in_positions: Positions) -> IntArray:
        """Find the input that each dropped one repeats.

        Args:
            in_positions: of dropped inputs, shape (n,); any order, repeats allowed.

        Returns:
            Input positions, shape (n,).

        Raises:
            PositionError: a position is outside, or was kept.
            DamagedError: a chunk can't be decoded.
        """
        taken = as_positions(in_positions)
        places, kept = self._selection.rank(taken)
        if kept.any():
            raise PositionError(f"input {int(taken[kept][0])} was kept: it repeats none")
        return self._of(taken - places, places)

    def _of(self, numbers: IntArray, places: IntArray) -> IntArray:
        """Find them by their numbers among the dropped ones, and how many were kept before each."""
        found = np.empty(len(numbers), np.int64)
        for chunk, rows in by_chunk(self._starts, numbers):
            found[rows] = self._witnesses(chunk)[numbers[rows] - self._starts[chunk]]
        return found


def _starts(
    in_counts: Positions, out_counts: Positions, datas: Sequence[Encoded]
) -> tuple[IntArray, IntArray]:
    taken = as_positions(in_counts), as_positions(out_counts)
    if not len(taken[0]) == len(taken[1]) == len(datas):
        raise DamagedError(
            f"chunks do not belong together: {len(taken[0])} input counts, {len(taken[1])} output counts"
            f" and {len(datas)} encodings"
        )
    starts = starts_of(taken[0]), starts_of(taken[1])
    # where no count is negative, the first sum that wraps around 64 bits is
    if any((numbers < 0).any() for numbers in (*taken, *starts)):
        raise DamagedError("a chunk has a negative count, or all of them add up to more than 63 bits")
    return starts


def by_chunk(starts: IntArray, positions: IntArray) -> Iterator[tuple[int, IntArray | slice]]:
    """Sort rows by the chunk that their position is in, so that each chunk is decoded once.

    Args:
        starts: where each chunk begins, with the end of the last one, shape (k + 1,).
        positions: shape (n,), each in [0, starts[-1]); any order.

    Returns:
        The number of each chunk that is touched, and the rows whose positions are in it.
    """
    if not positions.size:
        return
    # empty chunks begin where the next begins; the last of them is the one that has the position
    chunks = np.searchsorted(starts, positions, side="right") - 1
    first = int(chunks[0])
    if len(chunks) == 1 or (chunks == first).all():
        yield first, slice(None)
        return
    if (chunks[1:] >= chunks[:-1]).all():
        cuts = [0, *(np.flatnonzero(chunks[1:] != chunks[:-1]) + 1).tolist(), len(chunks)]
        yield from ((int(chunks[begin]), slice(begin, end)) for begin, end in itertools.pairwise(cuts))
        return
    order = np.argsort(chunks, kind="stable")
    chunks = chunks[order]
    cuts = [0, *(np.flatnonzero(chunks[1:] != chunks[:-1]) + 1).tolist(), len(chunks)]
    yield from ((int(chunks[begin]), order[begin:end]) for begin, end in itertools.pairwise(cuts))


def _remembered(decode: Callable[[int], IntArray]) -> Callable[[int], IntArray]:
    """Keep the last few decoded chunks, and say which one is damaged."""

    @lru_cache(maxsize=_DECODED_CHUNKS)
    def decoded(chunk: int) -> IntArray:
        try:
            return decode(chunk)
        except DamagedError as error:
            place = f"chunk {chunk}"
            raise DamagedError(f"{place}: {error.message}", remedy=error.remedy, place=place) from error

    return decoded


def _check_count(found: int, recorded: int) -> None:
    if found != recorded:
        raise DamagedError(f"{recorded} outputs were recorded, {found} are encoded")
