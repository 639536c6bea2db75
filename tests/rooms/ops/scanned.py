"""An op by itself: scanned over chunks made by hand, as rows or as columns, and what it told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.capture import NO_WATCH, FieldWatch, NodeRecorder, NullPass
from whence.lineage import Related, RelationIndex, encode_relation
from whence.ops import Chunk, Context, Input, Op
from whence.vocab import Columns

Int64Array = NDArray[np.int64]
SOURCE_BITS = 48


class Told:
    """Keeps the relations that an op tells of; nothing else is expected of it."""

    def __init__(self, inputs: int) -> None:
        self.counts: list[list[int]] = [[] for _ in range(inputs)]
        self.positions: list[list[int]] = [[] for _ in range(inputs)]

    def related(self, number: int, counts: Int64Array, positions: Int64Array) -> None:
        assert int(counts.sum()) == len(positions)
        self.counts[number] += counts.tolist()
        self.positions[number] += positions.tolist()

    def watch(self, part: str = "fn") -> FieldWatch:
        return NO_WATCH

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        assert ns >= 0


@dataclass
class Scanned:
    """What an op gave: the samples, their draw ids and origins, and for each input where they came from."""

    values: list[Any] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    rows: list[list[list[int]]] = field(default_factory=list)
    in_sizes: list[int] = field(default_factory=list)
    as_columns: bool = True

    def mappings(self) -> list[Related]:
        """The relations, as a record gives them back."""
        found = []
        for size, rows in zip(self.in_sizes, self.rows, strict=True):
            counts = np.array([len(row) for row in rows], np.int64)
            flat = np.array([position for row in rows for position in row], np.int64)
            found.append(Related(RelationIndex(size, [len(rows)], [encode_relation(counts, flat)[0]])))
        return found


def chunk_of(values: Sequence[Any], start: int, source: int, *, columns: bool) -> Chunk:
    """Samples as a source gives them."""
    origins = np.arange(start, start + len(values), dtype=np.int64) | (source << SOURCE_BITS)
    ids = origins.view(np.uint64)
    found = Columns.of_rows(list(values)) if columns else None
    copies = [dict(value) if isinstance(value, dict) else value for value in values]
    return Chunk(copies, ids, origins) if found is None else Chunk.of_columns(found, ids, origins)


def context_of(recorder: Any, names: Sequence[str] = ("left", "right")) -> Context:
    """The context of one op by itself."""
    mask = (1 << SOURCE_BITS) - 1

    def name_origin(origin: int) -> str:
        return f"{names[origin >> SOURCE_BITS]}, row {origin & mask}"

    return Context(recorder=recorder, key=0, epoch=0, name_origin=name_origin)


def scan(op: Op, *inputs: Sequence[Any], sizes: Sequence[int] = (1000,), columns: bool = False) -> Scanned:
    """Scan an op over samples that come in chunks of these sizes, by turns."""
    told = Told(len(inputs))
    givens = [_input(values, number, sizes, columns) for number, values in enumerate(inputs)]
    found = Scanned(in_sizes=list(map(len, inputs)))
    for chunk in op.scan(givens, context_of(told)):
        assert len(chunk), "no chunk is empty"
        assert all(len(counts) == len(found.values) + len(chunk) for counts in told.counts), "told before"
        found.as_columns &= chunk.columns is not None
        found.ids += chunk.ids.tolist()
        found.origins += chunk.origins.tolist()
        found.values += chunk.values
    for counts, positions in zip(told.counts, told.positions, strict=True):
        bounds = np.cumsum([0, *counts]).tolist()
        rows = [positions[start:end] for start, end in pairwise(bounds)]
        assert all(row == sorted(set(row)) for row in rows), "ascending, without repeats"
        found.rows.append(rows)
    return found


def pick(op: Op, found: Scanned, positions: Sequence[int], *inputs: Sequence[Any], columns: bool) -> Chunk:
    """Pick outputs of an op that was scanned."""
    fetch = _fetch(inputs, columns)
    recorder: NodeRecorder = NullPass().node(0)
    return op.pick(np.array(positions, np.int64), found.mappings(), fetch, context_of(recorder))


def _input(values: Sequence[Any], number: int, sizes: Sequence[int], columns: bool) -> Input:
    def chunks() -> Iterator[Chunk]:
        start = turn = 0
        while start < len(values):
            end = start + sizes[turn % len(sizes)]
            yield chunk_of(values[start:end], start, number, columns=columns)
            start, turn = end, turn + 1

    return Input(scan=chunks, size=len(values), is_indexable=True)


def _fetch(inputs: Sequence[Sequence[Any]], columns: bool) -> Callable[[int, Int64Array], Chunk]:
    def fetch(number: int, positions: Int64Array) -> Chunk:
        whole = chunk_of(inputs[number], 0, number, columns=columns)
        return whole.taken(positions) if len(positions) else Chunk.empty()

    return fetch
