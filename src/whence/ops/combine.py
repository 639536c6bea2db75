"""Concat and zip: several streams into one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Identity, Part
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.op import Context, Fetch, Function, Input, Op, Recorded, failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Op):
    """All samples of the first input, then all of the second, and so on."""

    kind: ClassVar[str] = "concat"

    def out_size(self, sizes: Sequence[int]) -> int:
        """All of them together."""
        return sum(sizes)

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Each input is one stretch of the output."""
        ends = np.cumsum([0, *sizes]).tolist()
        return [
            Part(in_size=size, offset=start, out_size=ends[-1])
            for size, start in zip(sizes, ends, strict=False)
        ]

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Read one after the other."""
        for each in inputs:
            yield from each.scan()

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Pick from each input what lies in its stretch."""
        parts: list[Chunk] = []
        places: list[Int64Array] = []
        for number, mapping in enumerate(mappings):
            rows = mapping.backward(positions)
            found = np.flatnonzero(np.diff(rows.indptr))
            if len(found):
                parts.append(fetch(number, rows.indices))
                places.append(found)
        if not parts:
            return Chunk.empty()
        return Chunk.joined(parts).taken(np.argsort(np.concatenate(places)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Zip(Op):
    """The n-th samples of all inputs together; the inputs must be equally long.

    Args:
        combine: makes the sample out of one of each; default: a tuple.
    """

    kind: ClassVar[str] = "zip"

    combine: Function | None = None

    def functions(self) -> dict[str, Function]:
        """The user's function, if there is one."""
        return {} if self.combine is None else {"combine": self.combine}

    def out_size(self, sizes: Sequence[int]) -> int:
        """As long as the shortest has come so far."""
        return min(sizes)

    def check_sizes(self, sizes: Sequence[int]) -> None:
        """Refuse inputs of different lengths, whichever way they are read."""
        if len(set(sizes)) > 1:
            raise PlanError(
                f"op {self.label!r}: the inputs have different lengths: {', '.join(map(str, sizes))}",
                remedy="Make them equally long, with take(n) for instance.",
            )

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Identity for each input."""
        return [Identity(min(sizes)) for _ in sizes]

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Read all inputs side by side."""
        self.check_sizes([each.size for each in inputs if each.size is not None])
        readers = [Measured(each) for each in inputs]
        position = 0
        while True:
            count = min(reader.ready() for reader in readers)
            if not count:
                break
            parts = [reader.take(count) for reader in readers]
            yield self._combined(parts, position, context)
            position += count
        longer = [number for number, reader in enumerate(readers) if reader.ready()]
        if longer:
            raise OpError(
                f"op {self.label!r}: input {longer[0]} goes on, another one ends after {position} samples",
                remedy="Make the inputs equally long, with take(n) for instance.",
                op=self.label,
                position=position,
            )

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Pick the same positions of every input."""
        return self._combined([fetch(number, positions) for number in range(len(mappings))], -1, context)

    def _combined(self, parts: Sequence[Chunk], position: int, context: Context) -> Chunk:
        began = time.perf_counter_ns()
        first = parts[0]
        sides = [part.values for part in parts]
        values = list(zip(*sides, strict=True)) if self.combine is None else []
        if self.combine is not None:
            failure: Exception = StopIteration("raised by the function")  # which ends a loop without a word
            try:
                values.extend(context.recorder.watch("combine").combining(self.combine, *sides))
            except WhenceError:
                raise
            except Exception as error:  # any function may fail in its own way
                failure = error
            if len(values) < len(first):
                index = len(values)
                place = position + index if position >= 0 else -1
                origin = context.name_origin(int(first.origins[index]))
                raise failed(self, place, origin, failure) from failure
        context.recorder.spent(time.perf_counter_ns() - began, len(first), len(values))
        return Chunk(values, first.ids, first.origins)


class Measured:
    """Reads an input in pieces of any length."""

    def __init__(self, source: Input) -> None:
        self._chunks = source.scan()
        self._chunk = Chunk.empty()
        self._at = 0

    def ready(self) -> int:
        """How many samples can be taken at once; 0 at the end."""
        while self._at >= len(self._chunk):
            following = next(self._chunks, None)
            if following is None:
                return 0
            self._chunk, self._at = following, 0
        return self.held

    @property
    def held(self) -> int:
        """How many can be taken without reading on."""
        return len(self._chunk) - self._at

    def take(self, count: int) -> Chunk:
        """Take the next samples."""
        start = self._at
        self._at += count
        return self._chunk.taken(slice(start, self._at))
