"""Batch: consecutive samples together, as a model takes them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Blocks
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.op import Context, Fetch, Function, Input, Op, Recorded, check_callable, check_count

Collate = Literal["stack"] | Function
_NUMBERS = {bool, int, float, complex, np.ndarray}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Op):
    """Gather `size` consecutive samples into one, n -> 1.

    Args:
        size: samples in a batch; the last may be smaller.
        drop_last: leave out a last batch that isn't full.
        collate: "stack" makes one dict of stacked arrays, shape (size, ...), out of dict samples and
            one array out of arrays or numbers; what isn't numbers becomes an object array. Or a
            function of a list of samples, `list` for instance.
    """

    kind: ClassVar[str] = "batch"

    size: int
    drop_last: bool = False
    collate: Collate = "stack"

    def __post_init__(self) -> None:
        check_count(self.size, "batch(n)", least=1)
        if self.collate != "stack":
            if isinstance(self.collate, str):
                raise PlanError(
                    f"batch(collate={self.collate!r}): wanted 'stack' or a function",
                    remedy="Use collate='stack', collate=list or a function of a list of samples.",
                )
            check_callable(self.collate, "batch(collate=...)")

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"size": self.size, "drop_last": self.drop_last}
        if self.collate == "stack" or self.collate is list:
            found["collate"] = "stack" if self.collate == "stack" else "list"
        return found

    def functions(self) -> dict[str, Function]:
        """The user's collate function, if there is one."""
        plain_ones = self.collate == "stack" or self.collate is list or isinstance(self.collate, str)
        return {} if plain_ones else {"collate": self.collate}  # type: ignore[dict-item]  # a str was excluded

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
        waiting = Chunk.empty()
        done = 0
        for following in inputs[0].scan():
            chunk = Chunk.joined([waiting, following]) if len(waiting) else following
            full = len(chunk) // self.size * self.size
            waiting = chunk.taken(slice(full, None))
            if full:
                yield self._gather(chunk, full, done, context)
                done += full
        if len(waiting) and not self.drop_last:
            yield self._gather(waiting, len(waiting), done, context)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the items of the batches asked for and gather them."""
        rows = mappings[0].backward(positions)
        items = fetch(0, rows.indices)
        bounds = rows.indptr.tolist()
        values = [self._collated(items.values[start:end], -1) for start, end in itertools.pairwise(bounds)]
        firsts = rows.indptr[:-1]
        context.recorder.gathered(
            items.values, np.diff(rows.indptr).tolist(), at=(positions, rows.indices[firsts])
        )
        return Chunk(values, items.ids[firsts], items.origins[firsts])

    def _gather(self, chunk: Chunk, count: int, done: int, context: Context) -> Chunk:
        began = time.perf_counter_ns()
        items = chunk.values[:count] if count < len(chunk.values) else chunk.values
        starts = range(0, count, self.size)
        values = [self._collated(items[start : start + self.size], done + start) for start in starts]
        context.recorder.spent(time.perf_counter_ns() - began, count, len(values))
        context.recorder.gathered(items, [min(self.size, count - start) for start in starts])
        return Chunk(values, chunk.ids[: count : self.size], chunk.origins[: count : self.size])

    def _collated(self, items: list[Any], first: int) -> Any:
        try:
            if self.collate == "stack":
                return stack(items)
            return self.collate(items)
        except WhenceError:
            raise
        except Exception as error:
            place = f"samples {first} to {first + len(items) - 1}" if first >= 0 else "a batch"
            raise OpError(
                f"op {self.label!r} can't gather {place}: {type(error).__name__}: {error}",
                remedy="Give the samples one form before batch (resize, pad), or pass collate=list.",
                op=self.label,
                position=first,
            ) from error


def stack(items: Sequence[Any]) -> Any:
    """Stack samples: dicts into a dict of arrays, arrays and numbers into an array, shape (n, ...)."""
    first = items[0]
    if type(first) is not dict:
        return _stacked(items, "")
    names = first.keys()
    for number, item in enumerate(items):
        if type(item) is not dict or item.keys() != names:
            found = sorted(map(str, item)) if isinstance(item, dict) else type(item).__name__
            raise ValueError(
                f"sample {number} of the batch has {found}, the first has {sorted(map(str, names))}"
            )
    return {name: _stacked([item[name] for item in items], str(name)) for name in names}


def _stacked(column: Sequence[Any], name: str) -> Any:
    first = column[0]
    kinds = set(map(type, column))
    if kinds <= _NUMBERS or all(issubclass(kind, np.generic | np.ndarray | int | float) for kind in kinds):
        if not isinstance(first, np.ndarray):
            return np.array(column)
        shape = first.shape
        for number, value in enumerate(column):
            if getattr(value, "shape", None) != shape:
                where = f" in {name!r}" if name else ""
                found = getattr(value, "shape", type(value).__name__)
                raise ValueError(f"sample {number} of the batch has shape {found}{where}, the first {shape}")
        return np.stack(column)
    objects = np.empty(len(column), object)
    objects[:] = column
    return objects
