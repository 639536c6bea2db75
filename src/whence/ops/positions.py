"""Ops that only choose or arrange positions: slice (take, skip, shard), shuffle, sample, repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from whence.chance import blocks, draw, permutation
from whence.errors import PlanError
from whence.lineage import Affine, Permuted, Tile
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.filter import keep, selection_of
from whence.ops.kept import Kept
from whence.ops.op import Context, Fetch, Input, MappingKind, Op, Recorded, check_count, check_seed
from whence.ops.spool import Spool
from whence.vocab import key64, mix64

_REPETITION = np.uint64(0x8CB92BA72F3D8DD7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Op):
    """Keep every `step`-th position from `start` up to `stop`; take, skip and shard are its cases."""

    kind: ClassVar[str] = "slice"
    reads_by_position: ClassVar[bool] = True

    start: int = 0
    stop: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        check_count(self.start, f"{self.label}: start")
        check_count(self.step, f"{self.label}: step", least=1)
        if self.stop is not None:
            check_count(self.stop, f"{self.label}: stop")

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"start": self.start, "stop": self.stop, "step": self.step}

    def out_size(self, sizes: Sequence[int]) -> int:
        """How many positions it keeps."""
        end = sizes[0] if self.stop is None else min(self.stop, sizes[0])
        return max(0, -(-(end - self.start) // self.step))

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Affine."""
        return [Affine(in_size=sizes[0], start=self.start, step=self.step, out_size=self.out_size(sizes))]

    def reason(self) -> str:
        """Why a position isn't kept."""
        return f"not in {self.label}"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Keep positions as they come, and stop reading when no more can come."""
        if self.stop is not None and self.stop <= self.start:
            return
        seen = 0
        for chunk in inputs[0].scan():
            size = len(chunk)
            first = self.start - seen if seen < self.start else -(seen - self.start) % self.step
            last = size if self.stop is None else min(size, self.stop - seen)
            seen += size
            if first < last:
                yield chunk.taken(slice(first, last, self.step))
            if self.stop is not None and seen >= self.stop:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle(Op):
    """Arrange samples at random by a key: all of them, or within consecutive windows.

    Args:
        seed: with the epoch it decides the order.
        window: None arranges all samples; otherwise each run of `window` samples by itself.
    """

    kind: ClassVar[str] = "shuffle"
    is_random: ClassVar[bool] = True
    reads_by_position: ClassVar[bool] = True

    seed: int
    window: int | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed, "shuffle")
        if self.window is not None:
            check_count(self.window, "shuffle(window=...)", least=1)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"seed": self.seed, "window": self.window}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """A permutation by key."""
        key = key64(key.to_bytes(8, "little"), epoch)
        if self.window is None:
            return [Permuted(permutation(sizes[0], key))]
        return [Permuted(blocks(sizes[0], self.window, key))]

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Put aside and hand out in the new order; an indexable input never comes this way."""
        if self.window is not None:
            yield from self._scan_windows(self.window, inputs[0], context)
            return
        with Spool(label=self.label, name_origin=context.name_origin) as spool:
            for chunk in inputs[0].scan():
                spool.add(chunk)
            order = self.mappings([len(spool)], None, context.key, context.epoch)[0]
            yield from spool.arranged(order)

    def _scan_windows(self, window: int, upstream: Input, context: Context) -> Iterator[Chunk]:
        waiting: list[Chunk] = []
        count = done = 0
        for chunk in upstream.scan():
            waiting.append(chunk)
            count += len(chunk)
            if count >= window:
                joined = Chunk.joined(waiting)
                full = count // window * window
                for start in range(0, full, window):
                    yield self._arranged(joined, start, window, done + start, context)
                waiting = [joined.taken(slice(full, None))]
                done, count = done + full, count - full
        if count:
            yield self._arranged(Chunk.joined(waiting), 0, count, done, context)

    def _arranged(self, chunk: Chunk, start: int, count: int, done: int, context: Context) -> Chunk:
        order = self.mappings([done + count], None, context.key, context.epoch)[0]
        places = order.backward(np.arange(done, done + count, dtype=np.int64)).indices - done + start
        return chunk.taken(places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Op):
    """Keep each sample with a probability, deciding each by itself and the same in every epoch.

    Args:
        share: the probability, 0 to 1.
        seed: decides which.
    """

    kind: ClassVar[str] = "sample"
    mapping_kind: ClassVar[MappingKind] = "selection"
    is_order_free: ClassVar[bool] = True
    unit: ClassVar[int] = 1
    is_random: ClassVar[bool] = True

    share: float
    seed: int

    def __post_init__(self) -> None:
        check_seed(self.seed, "sample")
        is_number = isinstance(self.share, int | float) and not isinstance(self.share, bool)
        if not is_number or not 0 <= self.share <= 1:
            raise PlanError(
                f"sample(share={self.share!r:.40}): wanted a share from 0 to 1",
                remedy="Write sample(0.1, seed=7).",
            )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"share": float(self.share), "seed": self.seed}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The samples that were kept."""
        return selection_of(recorded, sizes)

    def reason(self) -> str:
        """Why a sample isn't kept."""
        return f"not among the {self.share:g} sampled"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Decide chunk by chunk."""
        decision = draw.coin(float(self.share))
        for chunk in inputs[0].scan():
            kept = np.array(decision.sample(context.key, 0, chunk.ids), np.bool_)
            passed = keep(chunk, kept, context)
            if len(passed):
                yield passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Op):
    """Give all samples `times` times over, each time as samples with random draws of their own."""

    kind: ClassVar[str] = "repeat"

    times: int

    def __post_init__(self) -> None:
        check_count(self.times, "repeat(n)", least=0)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"times": self.times}

    def out_size(self, sizes: Sequence[int]) -> int:
        """All of them, so many times."""
        return sizes[0] * self.times

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Positions modulo the input's size."""
        return [Tile(in_size=sizes[0], times=self.times)]

    def reason(self) -> str:
        """Why a sample goes nowhere from here."""
        return "repeat(0)"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Read an indexable input again and again; put another one aside the first time."""
        if self.times == 0:
            return
        if inputs[0].is_indexable:
            for time in range(self.times):
                yield from self._again(inputs[0].scan(), time)
            return
        with Kept(label=self.label, name_origin=context.name_origin) as kept:
            for chunk in inputs[0].scan():
                if self.times > 1:
                    kept.add(chunk)
                yield chunk
            kept.finish()
            for time in range(1, self.times):
                yield from self._again(kept.scan(), time)

    def _again(self, chunks: Iterator[Chunk], time: int) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk.with_ids(repeated_ids(chunk.ids, np.full(len(chunk), time)))

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Read the input at the positions modulo its size."""
        size = max(1, mappings[0].in_size)
        chunk = fetch(0, positions % size)
        return chunk.with_ids(repeated_ids(chunk.ids, positions // size))


def repeated_ids(ids: UInt64Array, times: Int64Array) -> UInt64Array:
    """Give samples draw ids of their own each time; the first time they keep theirs."""
    mixed = mix64(ids + times.astype(np.uint64) * _REPETITION)
    return np.where(times > 0, mixed, ids)
