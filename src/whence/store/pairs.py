"""Pairs of positions put in another order with bounded memory: how a relation is turned round.

Pairs come in the order of their outputs and are wanted in the order of their inputs. Some millions are sorted
in memory; more than that go as sorted runs to a temporary file without a name, beside the record, and are
merged range by range. An input with any number of outputs is a range of its own, handed on as it comes.
"""

from __future__ import annotations

import contextlib
import mmap
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from whence.lineage import Line, Numbers, as_array, joined_numbers
from whence.store.files import explained

Int64Array = NDArray[np.int64]
IntArray = NDArray[np.integer[Any]]

_SAMPLED = 1_024
_DIGIT_BITS = 16
_SPAN_PER_PAIR = 2
_NOBODY = -1


class _Run(NamedTuple):
    """A sorted run in the file: its inputs and then its outputs, 64 bits each."""

    offset: int
    size: int


class PairSorter:
    """Takes pairs in the order of their outputs and gives them in the order of their inputs.

    Args:
        folder: where a temporary file may be made.
        run_pairs: how many pairs are sorted in memory at once.
    """

    def __init__(self, folder: pathlib.Path, *, run_pairs: int) -> None:
        self._folder = folder
        self._run_pairs = run_pairs
        self._inputs: list[IntArray] = []
        self._counts: list[Numbers] = []
        self._pair_count = self._out_count = self._done_count = 0
        self._runs: list[_Run] = []
        self._file: BinaryIO | None = None

    def add(self, inputs: IntArray, counts: Numbers) -> None:
        """Take the pairs of the next outputs.

        Args:
            inputs: output by output, shape (sum of counts,).
            counts: how many inputs each output has, shape (n,).

        Raises:
            StoreFullError: there is no room for the temporary file.
        """
        self._inputs.append(inputs)
        self._counts.append(counts)
        self._pair_count += len(inputs)
        self._out_count += len(counts)
        if self._pair_count >= self._run_pairs:
            self._spill()

    def drain(self) -> Iterator[tuple[Numbers, IntArray]]:
        """Give all pairs, and end.

        Returns:
            Inputs and outputs, some at a time: inputs ascending over all, the outputs of one input as well;
            inputs that follow one another as a line.

        Raises:
            StoreError: the temporary file can't be written or read.
        """
        try:
            if not self._runs:
                yield self._sorted()
                return
            if self._pair_count:
                self._spill()
            yield from self._merged()
        finally:
            self.close()

    def close(self) -> None:
        """Let everything go."""
        self._inputs, self._counts, self._pair_count = [], [], 0
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _sorted(self) -> tuple[Numbers, IntArray]:
        inputs = np.concatenate([*self._inputs, _NONE[:0].astype(np.uint8)])
        counts = joined_numbers(self._counts)
        first = self._done_count
        self._inputs, self._counts, self._pair_count, self._done_count = [], [], 0, self._out_count
        if (inputs[1:] >= inputs[:-1]).all():  # of the left side of a join, for example
            return inputs.astype(np.int64, copy=False), _outputs_of(counts, first)
        if _may_be_placed(inputs):
            outputs = _outputs_of(counts, first)
            placed = _placed(inputs, outputs)
            if placed is not None:
                return placed
        order = order_of(inputs)
        inputs = inputs[order].astype(np.int64, copy=False)
        if _is_one_each(counts):
            order += first
            return inputs, order
        return inputs, _outputs_of(counts, first)[order]

    def _spill(self) -> None:
        with explained(self._folder):
            if self._file is None:
                file = tempfile.TemporaryFile(prefix="whence-", dir=self._folder)  # noqa: SIM115 - closed by close
                self._file = cast("BinaryIO", file)
            offset = self._file.tell()
            inputs, outputs = self._sorted()
            for numbers in (as_array(inputs), outputs):
                self._file.write(numbers.astype(np.int64, copy=False).tobytes())
        self._runs.append(_Run(offset, len(inputs)))

    def _merged(self) -> Iterator[tuple[Int64Array, Int64Array]]:
        if self._file is None:
            return
        with explained(self._folder):
            self._file.flush()
            content = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        runs = [
            np.frombuffer(content, np.int64, 2 * run.size, run.offset).reshape(2, -1) for run in self._runs
        ]
        for low, high in self._ranges([run[0] for run in runs]):
            content.madvise(mmap.MADV_DONTNEED)  # what was read may leave memory: it counts as ours
            cuts = [np.searchsorted(run[0], (low, high)).tolist() for run in runs]
            parts = [run[:, begin:end] for run, (begin, end) in zip(runs, cuts, strict=True) if begin < end]
            if high - low == 1:  # outputs ascend from run to run
                yield from ((part[0].copy(), part[1].copy()) for part in parts)
            elif parts:
                inputs, outputs = np.concatenate(parts, axis=1)
                order = order_of(inputs)
                yield inputs[order], outputs[order]

    def _ranges(self, inputs: list[Int64Array]) -> Iterator[tuple[int, int]]:
        """Cut the inputs in ranges of about a run's pairs; the first by itself, since it may have many."""
        samples = np.sort(np.concatenate([run[::_SAMPLED] for run in inputs]))
        firsts = np.unique(samples[:: max(1, self._run_pairs // _SAMPLED)]).tolist()
        low = 0
        for first in firsts:
            yield low, first
            yield first, first + 1
            low = first + 1
        yield low, max(int(run[-1]) for run in inputs) + 1


def _outputs_of(counts: Numbers, first: int) -> Int64Array:
    """The output of each pair, where the first output is this one."""
    outputs = np.arange(first, first + len(counts))
    return outputs if _is_one_each(counts) else np.repeat(outputs, as_array(counts))


def _is_one_each(counts: Numbers) -> bool:
    if isinstance(counts, Line):
        return counts.first == 1 and not counts.step
    return bool((counts == 1).all())


def _may_be_placed(inputs: IntArray) -> bool:
    """Whether inputs lie close together and are as few as if each came once."""
    return len(inputs) <= int(inputs.max()) - int(inputs.min()) + 1 <= _SPAN_PER_PAIR * len(inputs)


def _placed(inputs: IntArray, outputs: Int64Array) -> tuple[Numbers, IntArray] | None:
    """Put each pair in the place of its input; None where an input has several.

    Cost: 4 ns for each pair, against 6 to 30 of sorting them.
    """
    lowest = int(inputs.min())
    span = int(inputs.max()) - lowest + 1
    found: IntArray = np.full(span, _NOBODY, np.int64 if int(outputs[-1]) >> 31 else np.int32)
    found[inputs.astype(np.int64) - lowest if lowest else inputs] = outputs
    is_given = found != _NOBODY
    count = int(np.count_nonzero(is_given))
    if count < len(inputs):
        return None
    if count == span:
        return Line(lowest, 1, span), found
    return np.flatnonzero(is_given) + lowest, found[is_given]


def order_of(numbers: IntArray) -> Int64Array:
    """Find the order that sorts numbers, equal ones as they stand.

    Cost: 6 to 15 ns for each number and 16 bits of their range; `np.argsort` takes 80 to 150 ns.
    """
    order: Int64Array | None = None
    if not numbers.size:
        return _NONE
    if numbers.dtype.kind == "u" and 8 * numbers.itemsize <= _DIGIT_BITS:
        return np.argsort(numbers, kind="stable")
    lowest = int(numbers.min())
    span = int(numbers.max()) - lowest
    if span >> 32:
        above = numbers - lowest
    else:
        above = (numbers - numbers.dtype.type(lowest) if lowest else numbers).astype(np.uint32, copy=False)
    for shift in range(0, max(1, span.bit_length()), _DIGIT_BITS):
        digits = (above >> above.dtype.type(shift) if shift else above).astype(np.uint16)
        if order is None:
            order = np.argsort(digits, kind="stable")
        else:
            order = order[np.argsort(digits[order], kind="stable")]
    return _NONE if order is None else order


_NONE: Int64Array = np.zeros(0, np.int64)
