"""Batch: consecutive samples together, as a model takes them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from whence.errors import PlanError
from whence.lineage import Blocks
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, in_groups
from whence.ops.collating import Collate, check_collate, collate_functions, collate_parameters, gathered
from whence.ops.op import Context, Fetch, Function, Input, Op, Recorded, check_count
from whence.ops.seeding import SeededCalls, foreign_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Op):
    """Gather `size` consecutive samples into one, n -> 1.

    Args:
        size: samples in a batch; the last may be smaller.
        drop_last: leave out a last batch that isn't full.
        collate: "stack" makes one dict of stacked arrays, shape (size, ...), out of dict samples and
            one array out of arrays or numbers; what isn't numbers becomes an object array. Or a
            function of a list of samples, `list` for instance.
        seed_foreign: seed the generators of `random`, `numpy.random` and PyTorch, and of objects that take a
            seed, for each call of the collate function by its first sample; see `ops.seeding`.
    """

    kind: ClassVar[str] = "batch"

    size: int
    drop_last: bool = False
    collate: Collate = "stack"
    seed_foreign: bool = False

    def __post_init__(self) -> None:
        check_count(self.size, "batch(n)", least=1)
        check_collate(self.collate, "batch")
        if self.seed_foreign and not self.functions():
            raise PlanError(
                "batch(seed_foreign=True): only a function can draw, and there is none",
                remedy="Leave it out, or pass collate=function.",
            )

    @property
    def is_random(self) -> bool:  # type: ignore[override]  # an answer of the instance, not of the class
        """Whether it may draw."""
        return self.seed_foreign

    @property
    def unit(self) -> int:  # type: ignore[override]  # an answer of the instance, not of the class
        """Its groups must come whole."""
        return self.size

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found = {"size": self.size, "drop_last": self.drop_last} | collate_parameters(self.collate)
        return found | foreign_parameters(seed_foreign=self.seed_foreign)

    def functions(self) -> dict[str, Function]:
        """The user's collate function, if there is one."""
        return collate_functions(self.collate)

    def out_size(self, sizes: Sequence[int]) -> int:
        """How many batches there are."""
        return sizes[0] // self.size if self.drop_last else -(-sizes[0] // self.size)

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Consecutive blocks."""
        return [Blocks(in_size=sizes[0], size=self.size, drop_last=self.drop_last)]

    def reason(self) -> str:
        """Why a sample isn't in a batch."""
        return "the last batch wasn't full (drop_last)"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Gather across the borders of chunks."""
        done = context.first
        for chunk in in_groups(inputs[0].scan(), self.size):
            if len(chunk) >= self.size or not self.drop_last:
                yield self._gather(chunk, done, context)
                done += len(chunk)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the items of the batches asked for and gather them."""
        rows = mappings[0].backward(positions)
        items = fetch(0, rows.indices)
        values = self._values(items, list(itertools.pairwise(rows.indptr.tolist())), -1, context)
        firsts = rows.indptr[:-1]
        context.recorder.gathered(
            items.content, np.diff(rows.indptr).tolist(), at=(positions, rows.indices[firsts])
        )
        return Chunk(values, items.ids[firsts], items.origins[firsts])

    def _values(
        self, items: Chunk, bounds: Sequence[tuple[int, int]], first: int, context: Context
    ) -> list[Any]:
        if isinstance(self.collate, str) or not self.seed_foreign:
            return gathered(self, self.collate, items, bounds, first)
        with SeededCalls(context, self.collate, {}).over(items.ids[[start for start, _ in bounds]]) as seed:
            return gathered(self, self.collate, items, bounds, first, seed)

    def _gather(self, items: Chunk, done: int, context: Context) -> Chunk:
        began = time.perf_counter_ns()
        count = len(items)
        bounds = [(start, min(start + self.size, count)) for start in range(0, count, self.size)]
        values = self._values(items, bounds, done, context)
        context.recorder.spent(time.perf_counter_ns() - began, count, len(values))
        context.recorder.gathered(items.content, [end - start for start, end in bounds])
        return Chunk(values, items.ids[:: self.size], items.origins[:: self.size])
