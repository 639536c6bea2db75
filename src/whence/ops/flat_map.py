"""Flat map and unbatch: many samples out of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from whence.capture import FieldWatch
from whence.chance import Bits
from whence.errors import OpError, WhenceError
from whence.lineage import CountsIndex, Expansion
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.map import takes_rng
from whence.ops.op import Context, Fetch, Function, Input, MappingKind, Op, Recorded, failed, plain_params
from whence.ops.seeding import NO_SEEDS, Calls, calls_of, foreign_parameters
from whence.vocab import Column, Columns, mix64

_CHILD = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatMap(Op):
    """Make 0..n samples out of each, 1 -> n, in order.

    Args:
        fn: `fn(sample, **params)`, any iterable of samples.
        params: passed to `fn` by keyword and recorded.
        seed_foreign: seed the generators of `random`, `numpy.random` and PyTorch, and of objects that take a
            seed, for each sample; see `ops.seeding`.
    """

    kind: ClassVar[str] = "flat_map"
    mapping_kind: ClassVar[MappingKind] = "expansion"
    unit: ClassVar[int] = 1

    fn: Function
    params: Mapping[str, Any] = field(default_factory=dict)
    seed_foreign: bool = False

    @property
    def is_random(self) -> bool:  # type: ignore[override]  # an answer of the instance, not of the class
        """Whether it draws."""
        return self.seed_foreign or takes_rng(self.fn, self.params)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found = {"params": plain_params(self.params)}
        return found | foreign_parameters(seed_foreign=self.seed_foreign)

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
        watch = context.recorder.watch()
        watch.begin(self.fn)
        return scan_expanded(self, self._parts_of(context), inputs[0], context, watch, self._calls(context))

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the parents again and take the children asked for."""
        calls = self._calls(context)
        return pick_expanded(self, self._parts_of(context), positions, mappings[0], fetch, context, calls)

    def _calls(self, context: Context) -> Calls:
        return calls_of(context, self.fn, self.params, seed_foreign=self.seed_foreign)

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
        return scan_expanded(self, _apart, inputs[0], context)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make the batches again and take the items asked for."""
        return pick_expanded(self, _apart, positions, mappings[0], fetch, context)


Family = list[Any] | Columns
_Parts = Callable[[Any, UInt64Array], Family]


def _apart(batch: Any, ids: UInt64Array) -> Family:
    return apart(batch)


def apart(batch: Any) -> Family:
    """Take one batch apart; a dict of arrays into columns."""
    if isinstance(batch, dict):
        columns = _columns_of(batch)
        if columns is not None:
            return columns
        names = list(batch)
        sizes = {len(batch[name]) for name in names}
        if len(sizes) > 1:
            raise ValueError(f"the batch's columns have different lengths: {sorted(sizes)}")
        return [dict(zip(names, row, strict=True)) for row in zip(*batch.values(), strict=True)]
    if isinstance(batch, list | tuple | np.ndarray):
        return list(batch)
    raise TypeError(f"wanted a dict of columns, an array or a list, got {type(batch).__name__}")


def _columns_of(batch: dict[Any, Any]) -> Columns | None:
    """Take a dict of arrays for columns; None where it is something else, or has no samples."""
    if not all(type(name) is str for name in batch):
        return None
    sizes = {
        len(column) if type(column) is list or (type(column) is np.ndarray and column.ndim) else 0
        for column in batch.values()
    }
    if len(sizes) != 1 or 0 in sizes:
        return None
    return Columns({name: Column.of_items(column) for name, column in batch.items()})


def together(families: Sequence[Family], ids: UInt64Array, origins: Int64Array) -> Chunk:
    """Make one chunk of samples that were made in several parts: of columns if all of them are."""
    found = [family for family in families if isinstance(family, Columns)]
    joined = Columns.joined(found) if found and len(found) == len(families) else None
    if joined is not None:
        return Chunk.of_columns(joined, ids, origins)
    lists = (family.rows() if isinstance(family, Columns) else family for family in families)
    return Chunk(list(chain.from_iterable(lists)), ids, origins)


def expansion_of(recorded: Recorded | None) -> list[Relation]:
    """The mapping of an op that expands: what was recorded; nothing, where nothing came that far."""
    if isinstance(recorded, CountsIndex):
        return [Expansion(recorded)]
    return [Expansion(CountsIndex([], [], []))]


def scan_expanded(
    op: Op,
    parts_of: _Parts,
    upstream: Input,
    context: Context,
    watch: FieldWatch | None = None,
    calls: Calls = NO_SEEDS,
) -> Iterator[Chunk]:
    """Expand a stream chunk by chunk, telling the counts; the fields of the first samples are watched."""
    position = context.first
    for chunk in upstream.scan():
        began = time.perf_counter_ns()
        made = _families_of(op, parts_of, chunk, position, context, watch, calls)
        counts = np.fromiter(map(len, made), np.int64, len(made))
        context.recorder.expanded(counts)
        numbers = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        ids = _child_ids(np.repeat(chunk.ids, counts), numbers)
        out = together(made, ids, np.repeat(chunk.origins, counts))
        context.recorder.spent(time.perf_counter_ns() - began, len(chunk), len(out))
        position += len(chunk)
        if len(out):
            yield out


def _families_of(
    op: Op,
    parts_of: _Parts,
    chunk: Chunk,
    position: int,
    context: Context,
    watch: FieldWatch | None,
    calls: Calls,
) -> list[Family]:
    """Take apart the samples of a chunk, whose first one is at an input position (-1: not known)."""
    made: list[Family] = []
    with calls.over(chunk.ids) as seed:
        for index, value in enumerate(chunk.values):

            def expand(sample: Any, index: int = index) -> Family:
                seed(index)
                return parts_of(sample, chunk.ids[index : index + 1])

            try:
                made.append(
                    watch.expand(expand, value) if watch is not None and watch.left else expand(value)
                )
            except WhenceError:
                raise
            except Exception as error:
                place = position + index if position >= 0 else -1
                raise failed(op, place, context.name_origin(int(chunk.origins[index])), error) from error
    return made


def pick_expanded(
    op: Op,
    parts_of: _Parts,
    positions: Int64Array,
    mapping: Relation,
    fetch: Fetch,
    context: Context,
    calls: Calls = NO_SEEDS,
) -> Chunk:
    """Make the parents of the positions, each once, and take the children asked for."""
    parents, which, numbers = _families(positions, mapping)
    chunk = fetch(0, parents)
    families = _families_of(op, parts_of, chunk, -1, context, None, calls)
    counts = np.fromiter(map(len, families), np.int64, len(families))
    if (numbers >= counts[which]).any():
        raise OpError(
            f"op {op.label!r} gave fewer samples than when it was recorded",
            remedy="Its code or the source has changed; replay reports which.",
            op=op.label,
        )
    places = (np.cumsum(counts) - counts)[which] + numbers
    siblings = together(families, np.repeat(chunk.ids, counts), np.repeat(chunk.origins, counts))
    picked = siblings.taken(places)
    return picked.with_ids(_child_ids(picked.ids, numbers))


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
