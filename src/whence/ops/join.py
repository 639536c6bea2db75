"""Join: samples of two streams that have one key, put together.

For each output the record has the position of the left sample and that of the right one, where there is
one; of a semi join, of all right samples with the key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from whence.capture import memory_budget_bytes
from whence.errors import PlanError
from whence.lineage import Mapping as Relation
from whence.ops.arranging import merged
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.combining import Combining, Pairs, joined_ids
from whence.ops.keyed import Keyed, weight_of
from whence.ops.keys import Key, KeyReader, Kinds, as_key, fields_of, key_parameter
from whence.ops.matching import Ahead, Parts, RightSide, with_gaps, without_samples
from whence.ops.merging import Form, Merger, form_of, shared_fields
from whence.ops.op import (
    Context,
    Fetch,
    Function,
    Input,
    MappingKind,
    Op,
    Recorded,
    check_callable,
    related_of,
)
from whence.ops.spill import Block, Spill

How = Literal["inner", "left", "right", "outer", "semi", "anti"]

_RIGHT_ROWS = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Op):
    """Put samples of two streams together that have one key.

    In the order of the left side; where a left sample goes with several right ones, in their order; then,
    of a right or an outer join, the right samples that no left one goes with, in their order. The right side
    is kept while the left one streams past it; where it doesn't fit in the memory allowed
    (`config(memory=...)`), both are put aside in temporary files, with the same result.

    Without `combine`, dicts are merged: a right field that the left sample has too is called `NAME_right`,
    and key fields of one name come once. The fields of a side that is missing are None, as that side's first
    sample says which they are. Samples that aren't dicts are paired up in a tuple. What `unbatch` takes out
    of a joined sample came from both sides.

    Args:
        on: a field, several fields, or a function of a sample; see `ops.keys` for what can be a key.
        right_on: the same for the right side, where it is another.
        how: inner: pairs only. left, right, outer: also the left samples, the right ones, both, that nothing
            goes with. semi: the left samples that something goes with, as they are; anti: the others.
        combine: `combine(left, right)` makes the sample; a side that is missing is None.
    """

    kind: ClassVar[str] = "join"
    mapping_kind: ClassVar[MappingKind] = "relation"

    on: Key
    right_on: Key | None = None
    how: How = "inner"
    combine: Function | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", as_key(self.on, "join(on=...)"))
        if self.right_on is not None:
            object.__setattr__(self, "right_on", as_key(self.right_on, "join(right_on=...)"))
        left, right = fields_of(self.on), fields_of(self.right_key)
        if left is not None and right is not None and len(left) != len(right):
            raise PlanError(
                f"join: {len(left)} fields on the left, {len(right)} on the right",
                remedy="Name as many on each side, in the same order.",
            )
        if self.how not in get_args(How):
            raise PlanError(
                f"join(how={self.how!r:.40}): wanted one of {', '.join(get_args(How))}",
                remedy='Write how="left", for example.',
            )
        if self.combine is not None:
            check_callable(self.combine, "join(combine=...)")
            if self.hands_on:
                raise PlanError(
                    f"join(how={self.how!r}, combine=...): there is nothing to combine",
                    remedy="Leave combine out; a map can change the samples.",
                )

    @property
    def right_key(self) -> Key:
        """The key of the right side."""
        return self.on if self.right_on is None else self.right_on

    @property
    def hands_on(self) -> bool:
        """Whether it only chooses left samples."""
        return self.how in ("semi", "anti")

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"how": self.how}
        if fields_of(self.on) is not None:
            found["on"] = key_parameter(self.on)
        if self.right_on is not None and fields_of(self.right_on) is not None:
            found["right_on"] = key_parameter(self.right_on)
        return found

    def functions(self) -> dict[str, Function]:
        """The user's functions."""
        named = {"on": self.on, "right_on": self.right_on, "combine": self.combine}
        return {name: fn for name, fn in named.items() if callable(fn)}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The left and the right samples of each, as recorded."""
        return related_of(recorded, sizes)

    def reason(self) -> str:
        """Why a sample isn't in any output."""
        return "has a match" if self.how == "anti" else "no match"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Keep the right side, then read the left one."""
        return _Joining(self, context).joined(inputs[0], inputs[1])

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make pairs again of both sides' samples."""
        lefts, rights = (mapping.backward(positions) for mapping in mappings)
        left = fetch(0, lefts.indices)
        if self.hands_on:
            return left
        right = fetch(1, rights.indices)
        takes = [np.where(np.diff(rows.indptr) > 0, rows.indptr[:-1], -1) for rows in (lefts, rights)]
        forms: list[Form | None] = [None, None]
        for number, (mapping, take) in enumerate(zip(mappings, takes, strict=True)):
            if self.combine is None and mapping.in_size and (take < 0).any():
                forms[number] = form_of(fetch(number, np.zeros(1, np.int64)))
        pairs = Pairs(left=left, right=right, left_take=takes[0], right_take=takes[1])
        return self.combining(context, forms).made(pairs, lefts.indices, rights.indices)

    def combining(self, context: Context, forms: Sequence[Form | None] = (None, None)) -> Combining:
        """What makes samples of its pairs."""
        shared = shared_fields(fields_of(self.on), fields_of(self.right_key))
        return Combining(
            op=self, combine=self.combine, merger=Merger(shared), context=context, forms=list(forms)
        )


class _Joining:
    """One reading of a join."""

    def __init__(self, op: Join, context: Context) -> None:
        self._op = op
        self._context = context
        self._combining = op.combining(context)
        self._at_least = 1 if op.how in ("left", "outer") else 0
        self._gives_right = op.how in ("right", "outer")

    def joined(self, left: Input, right: Input) -> Iterator[Chunk]:
        """Join two inputs."""
        keyed = Keyed(
            label=self._op.label, name_origin=self._context.name_origin, budget_bytes=memory_budget_bytes()
        )
        kinds = Kinds()
        rights = self._rights(right, keyed, kinds)
        lefts = self._lefts(left, keyed, kinds)
        held: list[Block] = []
        weight_bytes = 0
        for block in rights:
            held.append(block)
            weight_bytes += weight_of(block)
            if weight_bytes > keyed.allowed_bytes(0):
                with keyed.spill() as spill, keyed.spill() as left_spill:
                    yield from self._on_disk(keyed, (held, rights), lefts, spill, left_spill)
                return
        yield from self._in_memory(keyed, RightSide(keyed, held), lefts)

    def _rights(self, given: Input, keyed: Keyed, kinds: Kinds) -> Iterator[Block]:
        reader = KeyReader(self._op, self._op.right_key, self._context, kinds=kinds, side="right", coded=True)
        for block in self._read(given, keyed, reader, 1):
            chunk = without_samples(block.chunk) if self._op.hands_on else block.chunk
            yield Block(chunk, block.positions, block.beside)

    def _lefts(self, given: Input, keyed: Keyed, kinds: Kinds) -> Iterator[Block]:
        first = self._context.first
        reader = KeyReader(
            self._op, self._op.on, self._context, first=first, kinds=kinds, side="left", coded=True
        )
        return self._read(given, keyed, reader, 0)

    def _read(self, given: Input, keyed: Keyed, reader: KeyReader, number: int) -> Iterator[Block]:
        position = self._context.first if number == 0 else 0
        for chunk in given.scan():
            if not len(chunk):
                continue
            began = time.perf_counter_ns()
            keys = reader.read(chunk)
            self._combining.see(number, chunk)
            positions = np.arange(position, position + len(chunk), dtype=np.int64)
            position += len(chunk)
            self._context.recorder.spent(time.perf_counter_ns() - began, len(chunk), 0)
            yield keyed.block(chunk, positions, keys)

    def _in_memory(self, keyed: Keyed, kept: RightSide, lefts: Iterator[Block]) -> Iterator[Chunk]:
        for block in lefts:
            if block.chunk.columns is not None and self._op.combine is None:
                kept.use_columns()
            began = time.perf_counter_ns()
            found = kept.find(keyed.keys_of(block))
            self._context.recorder.spent(time.perf_counter_ns() - began, 0, 0)
            if self._op.how == "anti":
                yield from self._without(block, found.counts)
            elif self._op.how == "semi":
                for rows, counts, at in found.lists():
                    yield self._chosen(block, rows, counts, kept.positions[kept.places[at]])
            else:
                for rows, at in found.pieces(at_least=self._at_least):
                    places = kept.places_at(at)
                    pairs = Pairs(left=block.chunk, right=kept.chunk, left_take=rows, right_take=places)
                    yield self._told(pairs, block.positions, kept.positions)
        if self._gives_right:
            places = kept.unmatched()
            for start in range(0, len(places), _RIGHT_ROWS):
                some = places[start : start + _RIGHT_ROWS]
                yield self._right_only(kept.chunk.taken(some), kept.positions[some])

    def _on_disk(
        self,
        keyed: Keyed,
        rights: tuple[list[Block], Iterator[Block]],
        lefts: Iterator[Block],
        spill: Spill,
        left_spill: Spill,
    ) -> Iterator[Chunk]:
        """Find all pairs part by part, then read the left side again and what was found beside it."""

        def put_aside() -> Iterator[Block]:
            for block in lefts:
                for piece in Block(block.chunk, block.positions).cut():
                    left_spill.add(piece)
                yield Block(without_samples(block.chunk), block.positions, block.beside)

        parts = Parts(keyed, spill, once=self._op.how == "anti")
        matched, others = parts.matched(*rights, put_aside())
        ahead = Ahead(merged([map(spill.read, matched)]))
        for number in range(len(left_spill)):
            block = left_spill.read(number)
            yield from self._beside(block, ahead)
        if self._gives_right:
            for number in others:
                block = spill.read(number)
                yield self._right_only(block.chunk, block.positions)

    def _beside(self, block: Block, ahead: Ahead) -> Iterator[Chunk]:
        """Give what comes of some left samples; `ahead` has the right samples for them."""
        first, count = int(block.positions[0]), len(block.chunk)
        counts = np.zeros(count, np.int64)
        done = 0
        for found in ahead.taken_below(first + count):
            rows = found.beside[0] - first
            if self._op.how == "anti":
                counts[rows] = 1
            elif self._op.how == "semi":
                kept, sizes = np.unique(rows, return_counts=True)
                yield self._chosen(block, kept, sizes, found.positions)
            else:
                take = np.arange(len(rows))
                if self._at_least:
                    rows, take = with_gaps(rows, done, int(rows[-1]) + 1)
                    done = int(rows[-1]) + 1
                pairs = Pairs(left=block.chunk, right=found.chunk, left_take=rows, right_take=take)
                yield self._told(pairs, block.positions, found.positions)
        if self._op.how == "anti":
            yield from self._without(block, counts)
        elif self._at_least and done < count:
            rest = np.arange(done, count)
            pairs = Pairs(
                left=block.chunk, right=Chunk.empty(), left_take=rest, right_take=np.full(len(rest), -1)
            )
            yield self._told(pairs, block.positions, np.empty(0, np.int64))

    def _told(self, pairs: Pairs, left_positions: Int64Array, right_positions: Int64Array) -> Chunk:
        began = time.perf_counter_ns()
        made = self._combining.made(pairs, left_positions, right_positions)
        recorder, has_right = self._context.recorder, pairs.right_take >= 0
        take = pairs.right_take if has_right.all() else pairs.right_take[has_right]
        recorder.related(0, np.ones(len(made), np.int64), pairs.of_left(left_positions))
        recorder.related(1, has_right.astype(np.int64), right_positions[take])
        recorder.spent(time.perf_counter_ns() - began, 0, len(made))
        return made

    def _right_only(self, chunk: Chunk, positions: Int64Array) -> Chunk:
        began = time.perf_counter_ns()
        count = len(chunk)
        pairs = Pairs(
            left=Chunk.empty(), right=chunk, left_take=np.full(count, -1), right_take=np.arange(count)
        )
        made = self._combining.made(pairs, np.empty(0, np.int64), positions)
        self._context.recorder.related(0, np.zeros(count, np.int64), np.empty(0, np.int64))
        self._context.recorder.related(1, np.ones(count, np.int64), positions)
        self._context.recorder.spent(time.perf_counter_ns() - began, 0, count)
        return made

    def _chosen(self, block: Block, rows: Int64Array, counts: Int64Array, matches: Int64Array) -> Chunk:
        """Hand left samples on, with the right ones that they were chosen for."""
        recorder = self._context.recorder
        recorder.related(0, np.ones(len(rows), np.int64), block.positions[rows])
        recorder.related(1, counts, matches)
        recorder.spent(0, 0, len(rows))
        return block.chunk if len(rows) == len(block.chunk) else block.chunk.taken(rows)

    def _without(self, block: Block, counts: Int64Array) -> Iterator[Chunk]:
        rows = np.flatnonzero(counts == 0)
        if len(rows):
            yield self._chosen(block, rows, np.zeros(len(rows), np.int64), np.empty(0, np.int64))


def joined_ids_at(
    op: Join,
    positions: Int64Array,
    mappings: Sequence[Relation],
    below: Callable[[int, Int64Array], UInt64Array],
) -> UInt64Array:
    """The draw ids of a join's outputs, of those of its inputs."""
    lefts = mappings[0].backward(positions)
    if op.hands_on:
        return below(0, lefts.indices)
    ids: list[UInt64Array] = []
    there: list[NDArray[np.bool_]] = []
    for number, rows in enumerate((lefts, mappings[1].backward(positions))):
        has_one = np.diff(rows.indptr) > 0
        found = np.zeros(len(positions), np.uint64)
        found[has_one] = below(number, rows.indices)
        ids.append(found)
        there.append(has_one)
    return joined_ids(ids[0], ids[1], there[0], there[1])
