"""Window: sliding groups of consecutive samples."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from whence.lineage import Mapping as Relation
from whence.lineage import Windows
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.collating import Collate, check_collate, collate_functions, collate_parameters, gathered
from whence.ops.op import Context, Fetch, Function, Input, Op, Recorded, check_count

_SAMPLES_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Op):
    """Gather the `size` samples from every `step`-th on, n -> 1; windows overlap where the step is smaller.

    Windows that overlap hold the same samples; what is stacked is copied, so that one window can be
    changed in place without changing its neighbours.

    Args:
        size: samples in a window.
        step: how far it moves on; beyond `size`, the samples between two windows are left out.
        drop_last: leave out the windows at the end that aren't full.
        collate: as of `Batch`.

    Cost: holds as many samples as a window has, and a chunk.
    """

    kind: ClassVar[str] = "window"

    size: int
    step: int = 1
    drop_last: bool = True
    collate: Collate = "stack"

    def __post_init__(self) -> None:
        check_count(self.size, "window(n)", least=1)
        check_count(self.step, "window(step=...)", least=1)
        check_collate(self.collate, "window")

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found = {"size": self.size, "step": self.step, "drop_last": self.drop_last}
        return found | collate_parameters(self.collate)

    def functions(self) -> dict[str, Function]:
        """The user's collate function, if there is one."""
        return collate_functions(self.collate)

    def out_size(self, sizes: Sequence[int]) -> int:
        """How many windows there are."""
        return self._windows(sizes[0]).out_size

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Consecutive positions, `step` apart."""
        return [self._windows(sizes[0])]

    def reason(self) -> str:
        """Why a sample is in no window."""
        return "in no window: between two, or after the last full one"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Gather across the borders of chunks, holding what the next windows will need."""
        held: list[Chunk] = []
        count = done = 0
        skipped = 0  # samples that come before the next window
        for chunk in inputs[0].scan():
            fresh = chunk.taken(slice(skipped, None)) if skipped else chunk
            skipped -= min(skipped, len(chunk))
            if len(fresh):
                held.append(fresh)
                count += len(fresh)
            if count < self.size:
                continue
            joined = Chunk.joined(held)
            windows = (count - self.size) // self.step + 1
            yield from self._gathered(joined, windows, done, context)
            done += windows
            rest = joined.taken(slice(windows * self.step, None))
            skipped = max(0, windows * self.step - count)
            held, count = [rest] if len(rest) else [], len(rest)
        if count and not self.drop_last:
            yield from self._gathered(Chunk.joined(held), -(-count // self.step), done, context)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the samples of the windows asked for, each once, and gather them."""
        rows = mappings[0].backward(positions)
        wanted = np.unique(rows.indices)
        items = fetch(0, wanted)
        firsts = np.searchsorted(wanted, rows.indices[rows.indptr[:-1]])
        ends = firsts + np.diff(rows.indptr)  # the samples of a window stand together among all wanted
        bounds = list(zip(firsts.tolist(), ends.tolist(), strict=True))
        return Chunk(
            gathered(self, self.collate, items, bounds, -1), items.ids[firsts], items.origins[firsts]
        )

    def _gathered(self, chunk: Chunk, count: int, done: int, context: Context) -> Iterator[Chunk]:
        """Make so many windows of a chunk, a few at a time: windows that overlap multiply what they hold."""
        at_once = max(1, _SAMPLES_AT_ONCE // self.size)
        apart = min(self.step, self.size)
        for number in range(0, count, at_once):
            began = time.perf_counter_ns()
            starts = range(number * self.step, min(number + at_once, count) * self.step, self.step)
            bounds = [(start, min(start + self.size, len(chunk))) for start in starts]
            values = gathered(self, self.collate, chunk, bounds, context.first + done * self.step)
            places = slice(starts.start, starts.stop, self.step)
            # what lies between windows isn't counted: where a chunk ends decides how much of it is here
            taken = sum(min(start + apart, len(chunk)) - start for start in starts)
            context.recorder.spent(time.perf_counter_ns() - began, taken, len(values))
            yield Chunk(values, chunk.ids[places], chunk.origins[places])

    def _windows(self, in_size: int) -> Windows:
        return Windows(in_size=in_size, size=self.size, step=self.step, drop_last=self.drop_last)
