"""Gathering: numbers that were decided, on their way into blocks; relations into blocks both ways round.

Numbers come as they were told and are let go as soon as a block of them is full. What is turned round waits
for the end, with bounded memory, unless it stays in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from whence.lineage import (
    Line,
    Numbers,
    as_array,
    encode_counts_block,
    encode_values_block,
    encode_witnesses_block,
    joined_numbers,
    numbers_between,
)
from whence.store import PairSorter

Int64Array = NDArray[np.int64]

COUNTS_BLOCK = 1 << 19
VALUES_BLOCK = 1 << 18
_RUN_AT_ONCE = 1 << 20
_NO_NUMBERS = np.zeros(0, np.uint8)

Emit = Callable[[bytes, int, int], None]
"""Takes the data of a block, and how many inputs and outputs it is about."""


class _Gathered:
    """Gathers numbers for blocks of one size."""

    def __init__(self, emit: Emit, size: int) -> None:
        self._emit = emit
        self._size = size
        self._parts: list[Numbers] = []
        self._count = 0

    def add(self, numbers: Numbers) -> None:
        self._parts.append(numbers)
        self._count += len(numbers)
        if self._count >= self._size:
            self._seal(self._count // self._size * self._size)

    def finish(self) -> None:
        self._seal(self._count)

    def _seal(self, count: int) -> None:
        if not count:
            return
        numbers = joined_numbers(self._parts)
        for start in range(0, count, self._size):
            self._write(numbers_between(numbers, start, min(start + self._size, count)))
        rest = numbers_between(numbers, count, len(numbers))
        self._parts, self._count = [rest if isinstance(rest, Line) else rest.copy()], len(rest)

    def _write(self, numbers: Numbers) -> None:
        raise NotImplementedError


class Counts(_Gathered):
    def __init__(self, emit: Emit) -> None:
        super().__init__(emit, COUNTS_BLOCK)

    def _write(self, numbers: Numbers) -> None:
        if isinstance(numbers, Line) and not numbers.step:
            total = numbers.first * len(numbers)
        else:
            total = int(as_array(numbers).sum(dtype=np.int64))
        self._emit(encode_counts_block(numbers), len(numbers), total)


class Values(_Gathered):
    def __init__(self, emit: Emit) -> None:
        super().__init__(emit, VALUES_BLOCK)

    def _write(self, numbers: Numbers) -> None:
        self._emit(encode_values_block(numbers), len(numbers), 0)


class Witnesses(_Gathered):
    """Gathers what dropped samples repeat, as pairs: the output repeated, and the outputs before the drop."""

    def __init__(self, emit: Emit) -> None:
        super().__init__(emit, 2 * VALUES_BLOCK)

    def add(self, ranks: Int64Array, places: Int64Array) -> None:  # type: ignore[override]  # two columns in one
        super().add(np.column_stack((ranks, places)).ravel())

    def _write(self, numbers: Numbers) -> None:
        ranks, places = as_array(numbers).astype(np.int64, copy=False).reshape(-1, 2).T
        self._emit(encode_witnesses_block(ranks, places), len(ranks), 0)


class Relation:
    """Gathers a relation to one input, and turns it round."""

    def __init__(self, emits: Sequence[Emit], pairs: PairSorter) -> None:
        taken_counts, taken, given_counts, given = emits
        self._taken_counts, self._taken = Counts(taken_counts), Values(taken)
        self._given_counts, self._given = Counts(given_counts), Values(given)
        self._pairs = pairs
        self._runs: list[tuple[Line, Line]] | None = []
        self._out_count = 0

    def add(self, counts: Numbers, positions: Numbers) -> None:
        self._taken_counts.add(counts)
        self._taken.add(positions)
        if self._runs is not None and not self._goes_on(counts, positions):
            self._sort_runs()
        if self._runs is None:
            self._pairs.add(as_array(positions), counts)
        self._out_count += len(counts)

    def finish(self) -> None:
        self._taken_counts.finish()
        self._taken.finish()
        if self._runs is None:
            self._turn_pairs()
        else:
            end = 0
            for inputs, outputs in self._runs:
                self._given_counts.add(Line(0, 0, inputs.first - end))
                self._given_counts.add(Line(1, 0, len(inputs)))
                self._given.add(outputs)
                end = inputs.first + len(inputs)
        self._given_counts.finish()
        self._given.finish()

    def close(self) -> None:
        self._pairs.close()

    def _goes_on(self, counts: Numbers, positions: Numbers) -> bool:
        """Take outputs of one input each, these in their order, as the left side of a join has them."""
        runs = self._runs
        if runs is None or not (isinstance(positions, Line) and isinstance(counts, Line)):
            return False
        if not len(positions):
            return True
        count = len(positions)
        if counts != Line(1, 0, count) or (positions.step != 1 and count > 1):
            return False
        inputs, outputs = Line(positions.first, 1, count), Line(self._out_count, 1, count)
        if runs:
            last_in, last_out = runs[-1]
            gaps = inputs.first - last_in.first - len(last_in), outputs.first - last_out.first - len(last_out)
            if gaps[0] < 0:
                return False
            if gaps == (0, 0):
                runs[-1] = (
                    Line(last_in.first, 1, len(last_in) + count),
                    Line(last_out.first, 1, len(last_out) + count),
                )
                return True
        runs.append((inputs, outputs))
        return True

    def _sort_runs(self) -> None:
        """Turn pair by pair from here on, and what came before as well."""
        runs, done = self._runs or [], 0
        self._runs = None
        for inputs, outputs in runs:
            self._pairs.add(_NO_NUMBERS, Line(0, 0, outputs.first - done))
            for start in range(0, len(inputs), _RUN_AT_ONCE):
                part = inputs.between(start, min(start + _RUN_AT_ONCE, len(inputs)))
                self._pairs.add(part.array(), Line(1, 0, len(part)))
            done = outputs.first + len(outputs)
        self._pairs.add(_NO_NUMBERS, Line(0, 0, self._out_count - done))

    def _turn_pairs(self) -> None:
        begun, count = 0, 0  # the input that is being counted
        for inputs, outputs in self._pairs.drain():
            self._given.add(outputs)
            if isinstance(inputs, Line):  # all that there are
                self._given_counts.add(Line(0, 0, inputs.first))
                self._given_counts.add(Line(1, 0, len(inputs)))
                return
            at = 0
            while at < len(inputs):
                gap = int(inputs[at]) - begun
                if gap > COUNTS_BLOCK:
                    self._given_counts.add(np.array([count]))
                    self._given_counts.add(Line(0, 0, gap - 1))
                    begun, count = int(inputs[at]), 0
                end = int(np.searchsorted(inputs, begun + 2 * COUNTS_BLOCK))
                found = np.bincount(inputs[at:end] - begun)
                found[0] += count
                self._given_counts.add(found[:-1])
                begun, count, at = begun + len(found) - 1, int(found[-1]), end
        if begun or count:
            self._given_counts.add(np.array([count]))
