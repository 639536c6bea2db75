"""Map batches: a function over groups of samples, for what is quicker in groups."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from whence.capture import FieldWatch
from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Identity
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, in_groups
from whence.ops.flat_map import apart, together
from whence.ops.op import Context, Fetch, Function, Input, Op, Recorded, check_count, failed, plain_params
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
    """

    kind: ClassVar[str] = "map_batches"

    fn: Function
    size: int
    form: Form = "list"
    params: Mapping[str, Any] = field(default_factory=dict)

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

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"size": self.size, "form": self.form, "params": plain_params(self.params)}

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
        made = [
            self._called(chunk.taken(slice(first, first + size)), -1, context)
            for first, size in zip(firsts.tolist(), sizes.tolist(), strict=True)
        ]
        places = firsts[which] + positions - starts[which]
        return together(made, chunk.ids, chunk.origins).taken(places)

    def _mapped(self, chunk: Chunk, done: int, context: Context) -> Chunk:
        began = time.perf_counter_ns()
        if self.form == "list":
            chunk.values  # noqa: B018 - makes rows of columns at once, not group by group
        made = [
            self._called(chunk.taken(slice(start, start + self.size)), done + start, context)
            for start in range(0, len(chunk), self.size)
        ]
        context.recorder.spent(time.perf_counter_ns() - began, len(chunk), len(chunk))
        return together(made, chunk.ids, chunk.origins)

    def _made(self, group: Chunk, watch: FieldWatch) -> Any:
        call = functools.partial(self.fn, **self.params)
        if self.form == "columns":
            columns = stacked(group)
            return watch.map_columns(call, columns, len(group)) if watch.begin(self.fn) else call(columns)
        return watch.map_group(call, group.values) if watch.begin(self.fn) else call(group.values)

    def _called(self, group: Chunk, position: int, context: Context) -> list[Any] | Columns:
        try:
            made = apart(self._made(group, context.recorder.watch()))
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
