"""Flat map and unbatch: many samples out of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from whence.chance import Bits
from whence.errors import OpError, WhenceError
from whence.lineage import CountsIndex, Expansion
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.map import takes_rng
from whence.ops.op import Context, Fetch, Function, Input, MappingKind, Op, Recorded, failed, plain_params
from whence.vocab import mix64

_CHILD = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatMap(Op):
    """Make 0..n samples out of each, 1 -> n, in order.

    Args:
        fn: `fn(sample, **params)`, any iterable of samples.
        params: passed to `fn` by keyword and recorded.
    """

    kind: ClassVar[str] = "flat_map"
    mapping_kind: ClassVar[MappingKind] = "expansion"
    unit: ClassVar[int] = 1

    fn: Function
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_random(self) -> bool:  # type: ignore[override]  # an answer of the instance, not of the class
        """Whether it draws."""
        return takes_rng(self.fn, self.params)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"params": plain_params(self.params)}

    def functions(self) -> dict[str, Function]:
        """The user's function."""
        return {"fn": self.fn}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The counts that were recorded."""
        return expansion_of(recorded)

    def reason(self) -> str:
        """Why a sample gives nothing here."""
        return f"{self.label} gave no samples"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Expand chunk by chunk."""
        return scan_expanded(self, self._parts_of(context), inputs[0], context)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the parents again and take the children asked for."""
        return pick_expanded(self, self._parts_of(context), positions, mappings[0], fetch, context)

    def _parts_of(self, context: Context) -> _Parts:
        fn, params = self.fn, self.params
        if not takes_rng(fn, params):
            return lambda value, _: list(fn(value, **params))
        key, epoch = context.key, context.epoch
        return lambda value, ids: list(fn(value, rng=next(iter(Bits(key, epoch, ids).rngs())), **params))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbatch(Op):
    """Take batches apart, 1 -> n: a dict of columns into dicts, an array into rows, a list into items."""

    kind: ClassVar[str] = "unbatch"
    mapping_kind: ClassVar[MappingKind] = "expansion"
    unit: ClassVar[int] = 1

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The counts that were recorded."""
        return expansion_of(recorded)

    def reason(self) -> str:
        """Why a batch gives nothing here."""
        return "the batch was empty"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Take apart chunk by chunk."""
        return scan_expanded(self, lambda value, _: apart(value), inputs[0], context)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the batches again and take the items asked for."""
        return pick_expanded(self, lambda value, _: apart(value), positions, mappings[0], fetch, context)


_Parts = Callable[[Any, UInt64Array], list[Any]]


def apart(batch: Any) -> list[Any]:
    """Take one batch apart."""
    if isinstance(batch, dict):
        names = list(batch)
        sizes = {len(batch[name]) for name in names}
        if len(sizes) > 1:
            raise ValueError(f"the batch's columns have different lengths: {sorted(sizes)}")
        return [dict(zip(names, row, strict=True)) for row in zip(*batch.values(), strict=True)]
    if isinstance(batch, list | tuple | np.ndarray):
        return list(batch)
    raise TypeError(f"wanted a dict of columns, an array or a list, got {type(batch).__name__}")


def expansion_of(recorded: Recorded | None) -> list[Relation]:
    """The mapping of an op that expands: what was recorded; nothing, where nothing came that far."""
    if isinstance(recorded, CountsIndex):
        return [Expansion(recorded)]
    return [Expansion(CountsIndex([], [], []))]


def scan_expanded(op: Op, parts_of: _Parts, upstream: Input, context: Context) -> Iterator[Chunk]:
    """Expand a stream chunk by chunk, telling the counts."""
    position = context.first
    for chunk in upstream.scan():
        began = time.perf_counter_ns()
        made: list[Any] = []
        counts = np.empty(len(chunk), np.int64)
        for index, value in enumerate(chunk.values):
            before = len(made)
            made.extend(_parts(op, parts_of, value, chunk, index, position + index, context))
            counts[index] = len(made) - before
        context.recorder.expanded(counts)
        numbers = np.arange(len(made)) - np.repeat(np.cumsum(counts) - counts, counts)
        ids = _child_ids(np.repeat(chunk.ids, counts), numbers)
        out = Chunk(made, ids, np.repeat(chunk.origins, counts))
        context.recorder.spent(time.perf_counter_ns() - began, len(chunk), len(made))
        position += len(chunk)
        if made:
            yield out


def pick_expanded(
    op: Op, parts_of: _Parts, positions: Int64Array, mapping: Relation, fetch: Fetch, context: Context
) -> Chunk:
    """Make the parents of the positions, each once, and take the children asked for."""
    parents, which, numbers = _families(positions, mapping)
    chunk = fetch(0, parents)
    families = [
        _parts(op, parts_of, value, chunk, index, -1, context) for index, value in enumerate(chunk.values)
    ]
    if any(
        number >= len(families[parent])
        for parent, number in zip(which.tolist(), numbers.tolist(), strict=True)
    ):
        raise OpError(
            f"op {op.label!r} gave fewer samples than when it was recorded",
            remedy="Its code or the source has changed; replay reports which.",
            op=op.label,
        )
    values = [
        families[parent][number] for parent, number in zip(which.tolist(), numbers.tolist(), strict=True)
    ]
    return Chunk(values, _child_ids(chunk.ids[which], numbers), chunk.origins[which])


def child_ids_at(
    positions: Int64Array, mapping: Relation, ids_of: Callable[[Int64Array], UInt64Array]
) -> UInt64Array:
    """Find the draw ids of children by their positions."""
    parents, which, numbers = _families(positions, mapping)
    return _child_ids(ids_of(parents)[which], numbers)


def _families(positions: Int64Array, mapping: Relation) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Find the parents of children, which parent each has, and each one's number among its siblings."""
    parents, which = np.unique(mapping.backward(positions).indices, return_inverse=True)
    children = mapping.forward(parents)
    firsts = children.indices[children.indptr[:-1]]
    return parents, which, positions - firsts[which]


def _child_ids(ids: UInt64Array, numbers: Int64Array) -> UInt64Array:
    """Give each child a draw id of its own, made of its parent's and its number among the siblings."""
    return mix64(ids + (numbers.astype(np.uint64) + np.uint64(1)) * _CHILD)


def _parts(
    op: Op, parts_of: _Parts, value: Any, chunk: Chunk, index: int, position: int, context: Context
) -> list[Any]:
    try:
        return parts_of(value, chunk.ids[index : index + 1])
    except WhenceError:
        raise
    except Exception as error:
        raise failed(op, position, context.name_origin(int(chunk.origins[index])), error) from error
