"""Map batches: a function over groups of samples, for what is quicker in groups."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from whence.capture import FieldWatch
from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Identity
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, UInt64Array, in_groups
from whence.ops.flat_map import apart, together
from whence.ops.op import Context, Fetch, Function, Input, Op, Recorded, check_count, failed, plain_params
from whence.ops.seeding import calls_of, foreign_parameters
from whence.ops.stacking import stacked
from whence.vocab import Columns

Form = Literal["list", "columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapBatches(Op):
    """Apply a function to groups of `size` consecutive samples, 1 -> 1 by position.

    Args:
        fn: `fn(samples, **params)`, gets a list (or a dict of stacked columns) and returns a list (or
            a dict of columns) of the same length, the n-th result belonging to the n-th sample. Of arrays
            that it returns samples get what iterating over them gives.
        size: samples in a group; the last may be smaller.
        form: "list" or "columns".
        params: passed to `fn` by keyword and recorded.
        seed_foreign: seed the generators of `random`, `numpy.random` and PyTorch, and of objects that take a
            seed, for each group by its first sample; see `ops.seeding`.
    """

    kind: ClassVar[str] = "map_batches"

    fn: Function
    size: int
    form: Form = "list"
    params: Mapping[str, Any] = field(default_factory=dict)
    seed_foreign: bool = False

    def __post_init__(self) -> None:
        check_count(self.size, f"map_batches({self.label}, size=...)", least=1)
        if self.form not in ("list", "columns"):
            raise PlanError(
                f"map_batches({self.label}, form={self.form!r}): wanted 'list' or 'columns'",
                remedy="Use form='columns' to get a dict of arrays.",
            )

    @property
    def unit(self) -> int:  # type: ignore[override]  # an answer of the instance, not of the class
        """Its groups must come whole."""
        return self.size

    @property
    def is_random(self) -> bool:  # type: ignore[override]  # as above
        """Whether it may draw."""
        return self.seed_foreign

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found = {"size": self.size, "form": self.form, "params": plain_params(self.params)}
        return found | foreign_parameters(seed_foreign=self.seed_foreign)

    def functions(self) -> dict[str, Function]:
        """The user's function."""
        return {"fn": self.fn}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Identity, as its contract says."""
        return [Identity(sizes[0])]

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Map group by group, across the borders of chunks."""
        done = context.first
        for chunk in in_groups(inputs[0].scan(), self.size):
            yield self._mapped(chunk, done, context)
            done += len(chunk)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the whole groups of the positions, since a result may depend on its group."""
        end = mappings[0].in_size
        groups, which = np.unique(positions // self.size, return_inverse=True)
        starts = groups * self.size
        sizes = np.minimum(starts + self.size, end) - starts
        firsts = np.cumsum(sizes) - sizes
        wanted = np.repeat(starts - firsts, sizes) + np.arange(int(sizes.sum()))
        chunk = fetch(0, wanted.astype(np.int64))
        whole = [
            (chunk.taken(slice(first, first + size)), -1)
            for first, size in zip(firsts.tolist(), sizes.tolist(), strict=True)
        ]
        made = self._made_of(whole, chunk.ids[firsts], context)
        places = firsts[which] + positions - starts[which]
        return together(made, chunk.ids, chunk.origins).taken(places)

    def _mapped(self, chunk: Chunk, done: int, context: Context) -> Chunk:
        began = time.perf_counter_ns()
        if self.form == "list":
            chunk.values  # noqa: B018 - makes rows of columns at once, not group by group
        groups = [
            (chunk.taken(slice(start, start + self.size)), done + start)
            for start in range(0, len(chunk), self.size)
        ]
        made = self._made_of(groups, chunk.ids[:: self.size], context)
        context.recorder.spent(time.perf_counter_ns() - began, len(chunk), len(chunk))
        return together(made, chunk.ids, chunk.origins)

    def _made_of(
        self, groups: Sequence[tuple[Chunk, int]], ids: UInt64Array, context: Context
    ) -> list[list[Any] | Columns]:
        """Map some groups, each with the position of its first sample (-1: not known)."""
        calls = calls_of(context, self.fn, self.params, seed_foreign=self.seed_foreign)
        with calls.over(ids) as seed:
            return [
                self._called(group, position, context, functools.partial(seed, place))
                for place, (group, position) in enumerate(groups)
            ]

    def _made(self, group: Chunk, watch: FieldWatch, seed: Callable[[], None]) -> Any:
        def call(samples: Any) -> Any:
            seed()
            return self.fn(samples, **self.params)

        if self.form == "columns":
            columns = stacked(group)
            return watch.map_columns(call, columns, len(group)) if watch.begin(self.fn) else call(columns)
        return watch.map_group(call, group.values) if watch.begin(self.fn) else call(group.values)

    def _called(
        self, group: Chunk, position: int, context: Context, seed: Callable[[], None]
    ) -> list[Any] | Columns:
        try:
            made = apart(self._made(group, context.recorder.watch(), seed))
        except WhenceError:
            raise
        except Exception as error:
            raise failed(self, position, context.name_origin(int(group.origins[0])), error) from error
        if len(made) != len(group):
            raise OpError(
                f"op {self.label!r} returned {len(made)} samples for {len(group)}",
                remedy="map_batches must return one result a sample; use flat_map where counts differ.",
                op=self.label,
                position=position,
                origin=context.name_origin(int(group.origins[0])),
            )
        return made
