"""Arranging: samples of one key together, the keys in the order in which each first came.

What fits in the memory allowed is arranged there at once. Beyond that, samples are spread over parts by
their keys, each part is arranged by itself, and the parts are merged again by the place at which each key
first came: the result is the same, whatever the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.footprint import footprint
from whence.ops.keyed import LEVELS, Keyed, content_together, has_following, weight_of
from whence.ops.keys import Keys
from whence.ops.numbering import numbering_of, ordered_by
from whence.ops.spill import Block
from whence.vocab import Column, Columns

_BATCH_ROWS = 1 << 17
_BATCH_BYTES = 1 << 24
_AHEAD_ROWS = 1 << 12
_AHEAD_BYTES = 1 << 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Some whole groups of samples.

    Args:
        content: samples, as rows or as columns.
        members: where in the content the samples of each group are, group by group; None: as they stand.
        positions: of these in the op's input.
        bounds: where in `members` each group begins and the last one ends, shape (n + 1,).
        ids: the draw id of each group's first sample.
        origins: and its origin.
        beside: what was given beside it.
    """

    content: list[Any] | Columns
    members: Int64Array | None
    positions: Int64Array
    bounds: Int64Array
    ids: UInt64Array
    origins: Int64Array
    beside: tuple[NDArray[Any], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self) -> list[Any]:
        """The samples, group by group."""
        if self.members is None:
            return self.content.rows() if isinstance(self.content, Columns) else self.content
        if isinstance(self.content, Columns):
            return self.content.taken(self.members).rows()
        return list(map(self.content.__getitem__, self.members.tolist()))

    def lists(self) -> list[list[Any]]:
        """The samples of each group."""
        rows = self.rows()
        return [rows[start:end] for start, end in pairwise(self.bounds.tolist())]

    def column(self, name: str) -> Column:
        """A field of all samples, group by group; they must be columns."""
        column = self._columns.by_name[name]
        return column if self.members is None else column.taken(self.members)

    def firsts(self, name: str) -> Column:
        """A field of the first sample of each group; they must be columns."""
        places = self.bounds[:-1] if self.members is None else self.members[self.bounds[:-1]]
        return self._columns.by_name[name].taken(places)

    @property
    def _columns(self) -> Columns:
        if not isinstance(self.content, Columns):
            raise AssertionError("the samples are rows")
        return self.content


def arranged(keyed: Keyed, blocks: Iterable[Block]) -> Iterator[Gathered]:
    """Bring samples of one key together.

    Args:
        keyed: gave the blocks, and spreads them over parts where they don't fit.
        blocks: as `Keyed.block` gave them, in order.

    Returns:
        Whole groups.

    Raises:
        OpError, StoreFullError, StoreError: as `Spill.add`.
    """
    waiting = iter(blocks)
    held, weight_bytes, fits = _held(keyed, waiting, 0)
    if fits:
        yield from _in_memory(keyed, held, weight_bytes)
        return
    for block in _by_parts(keyed, held, waiting, 0):
        ranks, *beside = block.beside
        starts = np.flatnonzero(np.diff(ranks, prepend=-1))
        yield Gathered(
            content=block.chunk.content,
            members=None,
            positions=block.positions,
            bounds=np.append(starts, len(ranks)),
            ids=block.chunk.ids[starts],
            origins=block.chunk.origins[starts],
            beside=tuple(each[starts] for each in beside),
        )


def _held(keyed: Keyed, waiting: Iterator[Block], level: int) -> tuple[list[Block], int, bool]:
    """Hold blocks until they take more than is allowed; says whether all could be held."""
    held: list[Block] = []
    weight_bytes = 0
    for block in waiting:
        held.append(block)
        weight_bytes += weight_of(block)
        if weight_bytes > keyed.allowed_bytes(level) and level < LEVELS:
            return held, weight_bytes, False
    return held, weight_bytes, True


def _in_memory(keyed: Keyed, held: list[Block], weight_bytes: int) -> Iterator[Gathered]:
    if not held:
        return
    numbering = numbering_of(Keys.joined([keyed.keys_of(block) for block in held]))
    order, bounds = ordered_by(numbering.numbers, numbering.count)
    del numbering
    firsts = order[bounds[:-1]]
    ids = _at([block.chunk.ids for block in held], firsts)
    origins = _at([block.chunk.origins for block in held], firsts)
    arrays = zip(*(block.beside[keyed.key_parts :] for block in held), strict=True)
    beside = [_at(parts, firsts) for parts in arrays]
    positions = None if has_following(held[0]) else np.concatenate([block.positions for block in held])
    content = content_together(held)
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * len(order) // max(1, weight_bytes)))
    for start, end in whole_groups(bounds, rows):
        members = order[bounds[start] : bounds[end]]
        yield Gathered(
            content=content,
            members=members,
            positions=members + keyed.first if positions is None else positions[members],
            bounds=bounds[start : end + 1] - bounds[start],
            ids=ids[start:end],
            origins=origins[start:end],
            beside=tuple(each[start:end] for each in beside),
        )


def _at(parts: Sequence[NDArray[Any]], places: Int64Array) -> NDArray[Any]:
    """What stands at some places, ascending, of arrays that follow one another."""
    starts = np.cumsum([0, *map(len, parts)])
    cuts = np.searchsorted(places, starts).tolist()
    found = [
        part[places[low:high] - start]
        for part, start, (low, high) in zip(parts, starts.tolist(), pairwise(cuts), strict=False)
        if low < high
    ]
    return np.concatenate(found)


def _blocks_of(keyed: Keyed, waiting: Iterator[Block], level: int) -> Iterator[Block]:
    """Arrange a part; beside each sample stands the position of the first of its group, its rank."""
    held, weight_bytes, fits = _held(keyed, waiting, level)
    if not fits:
        yield from _by_parts(keyed, held, waiting, level)
        return
    for gathered in _in_memory(keyed, held, weight_bytes):
        counts = np.diff(gathered.bounds)
        ranks = gathered.positions[gathered.bounds[:-1]]
        ids, origins, ranks, *beside = (
            np.repeat(each, counts) for each in (gathered.ids, gathered.origins, ranks, *gathered.beside)
        )
        content = gathered.content
        if isinstance(content, Columns) and gathered.members is not None:
            chunk = Chunk.of_columns(content.taken(gathered.members), ids, origins)
        else:
            chunk = Chunk(gathered.rows(), ids, origins)
        yield Block(chunk, gathered.positions, (ranks, *beside))


def _by_parts(keyed: Keyed, held: list[Block], waiting: Iterator[Block], level: int) -> Iterator[Block]:
    with keyed.parts() as parts, keyed.spill() as spill:
        keyed.spread(held, waiting, parts, level)
        total = int(parts.rows.sum())
        runs: list[list[int]] = []
        for part in np.flatnonzero(parts.rows).tolist():
            # one key, or keys that nothing tells apart, are arranged whatever memory it takes
            deeper = level + 1 if parts.rows[part] < total else LEVELS
            blocks = _blocks_of(keyed, parts.scan(part), deeper)
            runs.append([spill.add(piece) for block in blocks for piece in block.cut()])
            parts.release(part)
        parts.close()
        yield from merged([map(spill.read, run) for run in runs])


def merged(runs: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """Merge runs by rank, the first thing that stands beside each sample.

    Args:
        runs: each with its ranks ascending; a rank is in one of them only.

    Returns:
        Blocks of whole ranks, ascending.
    """
    heads = [_Head(run) for run in runs]
    while True:
        for head in heads:
            head.fill()
        heads = [head for head in heads if head.count]
        if not heads:
            return
        # the last rank of a run that goes on may go on too
        horizon = min((head.last for head in heads if not head.has_ended), default=None)
        found = [part for head in heads if (part := head.taken_below(horizon)) is not None]
        if found:
            whole = Block.joined(found)
            yield whole if len(found) == 1 else whole.taken(np.argsort(whole.beside[0], kind="stable"))
            continue
        for head in heads:
            if head.last == horizon:
                head.read_on()


class _Head:
    """What was read of a run and not yet taken."""

    def __init__(self, run: Iterator[Block]) -> None:
        self._run = run
        self._blocks: list[Block] = []
        self._weight_bytes = 0
        self.count = 0
        self.has_ended = False

    @property
    def last(self) -> int:
        """The last rank that was read."""
        return int(self._blocks[-1].beside[0][-1])

    def fill(self) -> None:
        """Hold some blocks where they are small: runs end at odds, and rounds of one would be tiny."""
        while not self.has_ended and self.count < _AHEAD_ROWS and self._weight_bytes < _AHEAD_BYTES:
            self.read_on()

    def read_on(self) -> None:
        """Read the next block."""
        block = next(self._run, None)
        if block is None:
            self.has_ended = True
        else:
            self._blocks.append(block)
            self._weight_bytes += footprint(block.chunk)
            self.count += len(block.chunk)

    def taken_below(self, horizon: int | None) -> Block | None:
        """Take what ranks below the horizon; None: everything."""
        if not self.count or (horizon is not None and int(self._blocks[0].beside[0][0]) >= horizon):
            return None
        whole = Block.joined(self._blocks)
        end = self.count if horizon is None else int(np.searchsorted(whole.beside[0], horizon))
        self._blocks = [whole.taken(slice(end, None))] if end < self.count else []
        self._weight_bytes = self._weight_bytes * (self.count - end) // self.count
        self.count -= end
        return whole.taken(slice(0, end)) if self._blocks else whole


def whole_groups(bounds: Int64Array, rows: int) -> Iterator[tuple[int, int]]:
    """Cut groups into runs of about so many rows, at least one group each; gives first and end."""
    start, count = 0, len(bounds) - 1
    while start < count:
        end = int(np.searchsorted(bounds, bounds[start] + rows, side="right")) - 1
        end = min(max(end, start + 1), count)
        yield start, end
        start = end
