"""Sort: samples in the order of a key, equal ones as they came."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from whence.capture import memory_budget_bytes
from whence.errors import OpError, PlanError
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.footprint import footprint
from whence.ops.keys import Key, KeyPart, KeyReader, Keys, as_key, fields_of, key_parameter
from whence.ops.op import Context, Function, Input, MappingKind, Op, Recorded, name_of, related_of
from whence.ops.ordering import UnorderableError, count_before, is_before, key_at, ordered
from whence.ops.spill import BLOCK_BYTES, BLOCK_ROWS, Block, Spill

_GIVEN_ROWS = 4096
_FEWEST_RUNS = 4
_MOST_RUNS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort(Op):
    """Put samples in the order of a key, n -> n; samples with equal keys keep the order they came in.

    All keys are of one kind: numbers, bools, text, bytes, dates and times, anything else of one type that
    has an order, or tuples of these. Beyond the memory allowed, sorted runs go to disk and are merged.

    Args:
        key: a field, several fields (the first counts most), or a function of a sample.
        reverse: the largest key first.
    """

    kind: ClassVar[str] = "sort"
    mapping_kind: ClassVar[MappingKind] = "relation"

    key: Key
    reverse: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", as_key(self.key, "sort"))
        if not isinstance(self.reverse, bool | np.bool_):
            raise PlanError(
                f"sort(reverse={self.reverse!r:.40}): wanted True or False", remedy="Write reverse=True."
            )

    @classmethod
    def by(cls, key: str | Sequence[str] | Function, *, reverse: bool = False) -> Sort:
        """Sort by a key as a user gives it.

        Raises:
            PlanError: it is no key, or `reverse` is neither True nor False.
        """
        found = as_key(key, "sort")
        shown = name_of(found) if callable(found) else ", ".join(fields_of(found) or ())
        return cls(label=f"sort({shown})", key=found, reverse=reverse)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"reverse": bool(self.reverse)}
        return found if callable(self.key) else found | {"key": key_parameter(self.key)}

    def functions(self) -> dict[str, Function]:
        """The user's key function, if there is one."""
        return {"key": self.key} if callable(self.key) else {}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Which sample came where, as recorded."""
        return related_of(recorded, sizes)

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Take all samples, then give them in order."""
        recorder = context.recorder
        with _Sorting(self, context) as sorting:
            for chunk in inputs[0].scan():
                began = time.perf_counter_ns()
                sorting.add(chunk)
                recorder.spent(time.perf_counter_ns() - began, len(chunk), 0)
            merged = sorting.sorted()
            while True:
                began = time.perf_counter_ns()
                block = next(merged, None)
                if block is None:
                    return
                count = len(block.chunk)
                recorder.related(0, np.ones(count, np.int64), block.positions)
                recorder.spent(time.perf_counter_ns() - began, 0, count)
                yield block.chunk


class _Sorting:
    """One sort: samples come in, and go out in order.

    Samples are gathered until the memory allowed is used, sorted and written as a *run*: blocks on disk,
    in order. Runs are merged round by round: what is certain to come before everything not yet read is
    sorted together and given.
    """

    def __init__(self, op: Sort, context: Context) -> None:
        self._op = op
        self._context = context
        self._reader = KeyReader(op, op.key, context, first=context.first)
        self._budget_bytes = memory_budget_bytes()
        self._count = context.first
        self._chunks: list[Chunk] = []
        self._keys: list[Keys] = []
        self._weight_bytes = 0
        self._like = Keys(())
        self._spill = self._new_spill()
        self._runs: list[array[int]] = []

    def add(self, chunk: Chunk) -> None:
        """Take samples."""
        if not len(chunk):
            return
        keys = self._reader.read(chunk)
        weight = footprint(chunk)
        if chunk.columns is not None:
            weight *= 2  # they are copied once, when all are put together
        self._like = keys
        self._chunks.append(chunk)
        self._keys.append(keys)
        self._weight_bytes += weight + 3 * sum(part.data.nbytes for part in keys.parts)
        if self._weight_bytes > self._budget_bytes:
            self._write_run()

    def sorted(self) -> Iterator[Block]:
        """Give all samples in order."""
        if not self._runs:
            if self._chunks:
                whole, order = self._in_order()
                yield from _arranged(whole, order, _GIVEN_ROWS)
            return
        if self._chunks:
            self._write_run()
        most = min(max(self._budget_bytes // (2 * BLOCK_BYTES), _FEWEST_RUNS), _MOST_RUNS)
        while len(self._runs) > most:
            self._merge_some(most)
        yield from self._merged(self._runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._chunks, self._keys = [], []
        self._spill.close()

    def _new_spill(self) -> Spill:
        return Spill(label=self._op.label, name_origin=self._context.name_origin)

    def _in_order(self) -> tuple[Block, Int64Array]:
        """Put together what was gathered, and find its order."""
        keys = Keys.joined(self._keys)
        whole = Block(
            Chunk.joined(self._chunks),
            np.arange(self._count, self._count + len(keys), dtype=np.int64),
            tuple(part.data for part in keys.parts),
        )
        self._chunks, self._keys, self._weight_bytes = [], [], 0
        self._count += len(keys)
        return whole, self._ordered(keys, whole)

    def _ordered(self, keys: Keys, block: Block) -> Int64Array:
        try:
            return ordered(keys, reverse=self._op.reverse)
        except UnorderableError as error:
            raise self._refused(block, error) from error

    def _write_run(self) -> None:
        whole, order = self._in_order()
        numbers = (self._spill.add(block) for block in _arranged(whole, order, BLOCK_ROWS))
        self._runs.append(array("q", numbers))

    def _merge_some(self, most: int) -> None:
        """Make longer runs of so many each; neighbours, so that equal keys stay as they came."""
        longer: list[array[int]] = []
        spill = self._new_spill()
        try:
            for first in range(0, len(self._runs), most):
                merged = self._merged(self._runs[first : first + most])
                longer.append(array("q", (spill.add(part) for block in merged for part in block.cut())))
        except BaseException:
            spill.close()
            raise
        self._spill.close()
        self._spill, self._runs = spill, longer

    def _merged(self, runs: Sequence[array[int]]) -> Iterator[Block]:
        """Give the samples of several runs in order."""
        cursors = [_Cursor(self._spill, run, self._like) for run in runs]
        while cursors:
            try:
                counts = self._certain(cursors)
            except UnorderableError as error:
                raise self._refused(cursors[-1].block, error) from error
            taken = [cursor.taken(count) for cursor, count in zip(cursors, counts, strict=True) if count]
            whole = Block.joined(taken)
            yield from _arranged(whole, self._ordered(_keys_of(whole, self._like), whole), _GIVEN_ROWS)
            cursors = [cursor for cursor in cursors if cursor.refill()]

    def _certain(self, cursors: Sequence[_Cursor]) -> list[int]:
        """Count what each run has read that comes before everything not yet read."""
        reverse = self._op.reverse
        bound, bounding = None, -1
        for number, cursor in enumerate(cursors):
            if cursor.has_more:
                last = key_at(cursor.keys, len(cursor.keys) - 1)
                if bounding < 0 or is_before(last, bound, reverse=reverse):
                    bound, bounding = last, number
        if bounding < 0:
            return [len(cursor.keys) for cursor in cursors]
        # keys that equal the bound: those of runs after the bounding one wait for what it hasn't read yet
        return [
            count_before(cursor.keys, bound, reverse=reverse, with_equal=number <= bounding)
            for number, cursor in enumerate(cursors)
        ]

    def _refused(self, block: Block, error: UnorderableError) -> OpError:
        position = int(block.positions[error.place])
        origin = self._context.name_origin(int(block.chunk.origins[error.place]))
        return OpError(
            f"op {self._op.label!r}: the key of sample {position} ({origin}) has no order: {error.why}",
            remedy="Give keys that can be compared: numbers, text, dates, or tuples of them.",
            op=self._op.label,
            position=position,
            origin=origin,
        )


class _Cursor:
    """Reads one sorted run, a block at a time."""

    def __init__(self, spill: Spill, numbers: Sequence[int], like: Keys) -> None:
        self._spill = spill
        self._left = iter(numbers)
        self._left_count = len(numbers)
        self._like = like
        self.block: Block = self._read()
        self.keys = _keys_of(self.block, like)

    @property
    def has_more(self) -> bool:
        """Whether there are blocks left to read."""
        return self._left_count > 0

    def taken(self, count: int) -> Block:
        """Take the first samples of what was read."""
        found = self.block.taken(slice(0, count))
        self.block = self.block.taken(slice(count, None))
        self.keys = self.keys.taken(slice(count, None))
        return found

    def refill(self) -> bool:
        """Read the next block once nothing is left of the last; False where there is none."""
        if not len(self.keys) and self.has_more:
            self.block = self._read()
            self.keys = _keys_of(self.block, self._like)
        return len(self.keys) > 0

    def _read(self) -> Block:
        self._left_count -= 1
        return self._spill.read(next(self._left))


def _keys_of(block: Block, like: Keys) -> Keys:
    """The keys that lie beside samples, of the same kinds as others."""
    parts = zip(like.parts, block.beside, strict=True)
    return Keys(tuple(KeyPart(part.kind, data) for part, data in parts), like.shape)


def _arranged(block: Block, order: Int64Array, rows: int) -> Iterator[Block]:
    """Give samples in an order, in blocks of at most so many, and of fewer large ones."""
    count = len(order)
    rows = max(1, min(rows, BLOCK_BYTES * count // max(1, footprint(block.chunk))))
    for start in range(0, count, rows):
        yield block.taken(order[start : start + rows])
