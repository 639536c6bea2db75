"""Pack: consecutive samples together, as many as a budget allows."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.collating import Collate, check_collate, collate_functions, collate_parameters, gathered
from whence.ops.op import (
    Context,
    Fetch,
    Function,
    Input,
    MappingKind,
    Op,
    Recorded,
    check_callable,
    check_count,
    failed,
    related_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack(Op):
    """Gather consecutive samples while their lengths sum up to at most `budget`, n -> 1, in order.

    A pack is closed by the first sample that doesn't fit; every sample is in exactly one.

    Args:
        budget: the most that the lengths in a pack may sum up to.
        length: how long a sample is: a function of it that gives a whole number, or a field that holds
            one, or that holds a list, a tuple, an array or bytes, whose length it then is.
        collate: as of `Batch`; `list` by default, since samples of different lengths don't stack.
    """

    kind: ClassVar[str] = "pack"
    mapping_kind: ClassVar[MappingKind] = "relation"

    budget: int
    length: str | Function
    collate: Collate = list

    def __post_init__(self) -> None:
        check_count(self.budget, "pack(budget)", least=1)
        if not isinstance(self.length, str):
            if self.length is None:
                raise PlanError(
                    "pack(length=None): wanted a field or a function",
                    remedy='Write pack(2048, "tokens") or pack(2048, len).',
                )
            check_callable(self.length, "pack(length=...)")
        check_collate(self.collate, "pack")

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"budget": self.budget}
        if isinstance(self.length, str):
            found["length"] = self.length
        return found | collate_parameters(self.collate)

    def functions(self) -> dict[str, Function]:
        """The user's functions, where there are some."""
        found = {} if isinstance(self.length, str) else {"length": self.length}
        return found | collate_functions(self.collate)

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Which samples are in each pack, as recorded."""
        return related_of(recorded, sizes)

    def reason(self) -> str:
        """Why a sample is in no pack: none is left out."""
        return "its pack wasn't full when the pass was left"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Gather across the borders of chunks."""
        waiting: list[Chunk] = []
        total = held = 0
        position = context.first
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            ends: list[int] = []
            for place, length in enumerate(self._lengths(chunk, position, context), held):
                total += length
                if total > self.budget:
                    ends.append(place)
                    total = length
            position += len(chunk)
            waiting.append(chunk)
            held += len(chunk)
            if ends:
                joined = Chunk.joined(waiting)
                waiting = [joined.taken(slice(ends[-1], None))]
                yield self._packed(joined, ends, position - held, context, began)
                held -= ends[-1]
        if held:
            joined = Chunk.joined(waiting)
            yield self._packed(joined, [held], position - held, context, time.perf_counter_ns())

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the samples of the packs asked for and gather them."""
        rows = mappings[0].backward(positions)
        items = fetch(0, rows.indices)
        bounds = list(zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True))
        firsts = rows.indptr[:-1]
        return Chunk(
            gathered(self, self.collate, items, bounds, -1), items.ids[firsts], items.origins[firsts]
        )

    def _packed(self, chunk: Chunk, ends: list[int], first: int, context: Context, began: int) -> Chunk:
        """Make a pack up to each end; `first` is the input position of the chunk's first sample."""
        starts = [0, *ends[:-1]]
        positions = np.arange(first, first + ends[-1], dtype=np.int64)
        context.recorder.related(0, np.diff(ends, prepend=0).astype(np.int64), positions)
        values = gathered(self, self.collate, chunk, list(zip(starts, ends, strict=True)), first)
        context.recorder.spent(time.perf_counter_ns() - began, ends[-1], len(values))
        return Chunk(values, chunk.ids[starts], chunk.origins[starts])

    def _lengths(self, chunk: Chunk, position: int, context: Context) -> list[int]:
        """Measure the samples of a chunk, each at most as long as a pack may be."""
        columns = chunk.columns
        if isinstance(self.length, str) and columns is not None and self.length in columns.by_name:
            found: Iterable[Any] = columns.by_name[self.length].values()
            measure = _size_of
        elif isinstance(self.length, str):
            found, field = chunk.values, self.length
            measure = lambda value: _size_of(value[field])  # noqa: E731 - as short as what it stands for
        else:
            found = context.recorder.watch("length").reading(self.length, chunk.values)
            measure = _whole
        lengths: list[int] = []
        try:
            for value in found:
                lengths.append(measure(value))
        except WhenceError:
            raise
        except Exception as error:
            origin = context.name_origin(int(chunk.origins[len(lengths)]))
            raise failed(self, position + len(lengths), origin, error) from error
        if lengths and max(lengths) > self.budget:
            raise self._too_long(lengths, chunk, position, context)
        return lengths

    def _too_long(self, lengths: list[int], chunk: Chunk, position: int, context: Context) -> OpError:
        index = next(index for index, length in enumerate(lengths) if length > self.budget)
        origin = context.name_origin(int(chunk.origins[index]))
        return OpError(
            f"op {self.label!r}: sample {position + index} ({origin}) has length {lengths[index]}, "
            f"a pack holds {self.budget}",
            remedy="Raise the budget, or shorten, cut up (flat_map) or leave out (filter) such samples.",
            op=self.label,
            position=position + index,
            origin=origin,
        )


def _size_of(value: Any) -> int:
    """The length that a field says: a whole number, or that of what it holds."""
    if isinstance(value, list | tuple | bytes) or (isinstance(value, np.ndarray) and value.ndim):
        return len(value)
    return _whole(value)


def _whole(value: Any) -> int:
    """Take a whole number of at least 0; 3.0 and True are none."""
    if isinstance(value, bool | np.bool_):
        raise TypeError("wanted a length that is a whole number, got a bool")
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"wanted a length that is a whole number, got {type(value).__name__}") from None
    if found < 0:
        raise ValueError(f"wanted a length of at least 0, got {found}")
    return found
