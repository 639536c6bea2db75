"""Arranging: samples of one key together, the keys in the order in which each first came.

What fits in the memory allowed is arranged there at once. Beyond that, samples are spread over parts by
their keys, each part is arranged by itself, and the parts are merged again by the place at which each key
first came: the result is the same, whatever the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Chunk, Int64Array
from whence.ops.footprint import footprint
from whence.ops.keys import KeyPart, Keys
from whence.ops.numbering import numbering_of, ordered_by, spread
from whence.ops.spill import Block, Partitions, Spill
from whence.vocab import Column, Columns

PARTS = 64
BOOKKEEPING_BYTES = 64
"""About what arranging takes for a sample: its key, its number, its place, and tables to find them."""

_LEVELS = 4
_BATCH_ROWS = 1 << 15
_BATCH_BYTES = 1 << 24


class Arranger:
    """Brings samples of one key together.

    Args:
        label: of the op; named in errors.
        name_origin: says in words where a sample came from.
        budget_bytes: how much may be kept in memory, as estimated.
    """

    def __init__(self, *, label: str, name_origin: Callable[[int], str], budget_bytes: int) -> None:
        self._label = label
        self._name_origin = name_origin
        self._budget_bytes = budget_bytes
        self._kinds: list[str] = []
        self._shape: Any = 0

    def block(self, chunk: Chunk, positions: Int64Array, keys: Keys, *beside: NDArray[Any]) -> Block:
        """Put samples together with their keys, and with what else is kept beside them."""
        self._kinds = [part.kind for part in keys.parts]
        self._shape = keys.shape
        if chunk.columns is not None:  # a list of fields of its own, which is taken apart later
            chunk = Chunk.of_columns(
                Columns(chunk.columns.by_name, count=len(chunk)), chunk.ids, chunk.origins
            )
        return Block(chunk, positions, (*(part.data for part in keys.parts), *beside))

    def arranged(self, blocks: Iterable[Block], level: int = 0) -> Iterator[Block]:
        """Arrange blocks that `block` gave.

        Returns:
            Blocks of whole groups. What stands beside each sample is the position of the first of its
            group, and then what was given beside it.

        Raises:
            OpError, StoreFullError, StoreError: as `Spill.add`.
        """
        waiting = iter(blocks)
        held: list[Block] = []
        weight_bytes = 0
        allowed_bytes = self._budget_bytes if level == 0 else self._budget_bytes // 2
        for block in waiting:
            held.append(block)
            weight_bytes += _weight_of(block)
            if weight_bytes > allowed_bytes and level < _LEVELS:
                yield from self._by_parts(held, waiting, level)
                return
        if held:
            yield from self._in_memory(held, weight_bytes)

    def _in_memory(self, held: list[Block], weight_bytes: int) -> Iterator[Block]:
        numbering = numbering_of(Keys.joined([self._keys_of(block) for block in held]))
        order, bounds = ordered_by(numbering.numbers, numbering.count)
        del numbering
        whole = taken_together(held, skip=len(self._kinds))
        firsts = whole.positions[order[bounds[:-1]]]
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * len(order) // max(1, weight_bytes)))
        for start, end in whole_groups(bounds, rows):
            block = whole.taken(order[bounds[start] : bounds[end]])
            ranks = np.repeat(firsts[start:end], np.diff(bounds[start : end + 1]))
            yield Block(block.chunk, block.positions, (ranks, *block.beside))

    def _by_parts(self, held: list[Block], waiting: Iterator[Block], level: int) -> Iterator[Block]:
        made: dict[str, Any] = {"label": self._label, "name_origin": self._name_origin}
        with (
            Partitions(PARTS, budget_bytes=self._budget_bytes // 4, **made) as partitions,
            Spill(**made) as spill,
        ):
            for batch in self._batches(held, waiting):
                partitions.add(batch, spread(self._keys_of(batch), PARTS, level=level))
            total = int(partitions.rows.sum())
            runs: list[list[int]] = []
            for part in np.flatnonzero(partitions.rows).tolist():
                # one key, or keys that nothing tells apart, are arranged whatever memory it takes
                deeper = level + 1 if partitions.rows[part] < total else _LEVELS
                arranged = self.arranged(partitions.scan(part), deeper)
                runs.append([spill.add(piece) for block in arranged for piece in block.cut()])
                partitions.release(part)
            partitions.close()
            yield from merged([map(spill.read, run) for run in runs])

    def _batches(self, held: list[Block], waiting: Iterator[Block]) -> Iterator[Block]:
        """Put small blocks together: spreading one over all parts has its price."""
        batch: list[Block] = []
        count = weight_bytes = 0
        for block in chain(_drained(held), waiting):
            batch.append(self._for_disk(block))
            count += len(block.chunk)
            weight_bytes += _weight_of(block)
            if count >= _BATCH_ROWS or weight_bytes > self._budget_bytes // 8:
                yield Block.joined(batch)
                batch, count, weight_bytes = [], 0, 0
        if batch:
            yield Block.joined(batch)

    def _keys_of(self, block: Block) -> Keys:
        parts = zip(self._kinds, block.beside, strict=False)
        return Keys(tuple(KeyPart(kind, data) for kind, data in parts), self._shape)

    def _for_disk(self, block: Block) -> Block:
        """Give keys a form in which they can be put one after the other, and stay exact."""
        count = len(self._kinds)
        keys = (exactly(data) for data in block.beside[:count])
        return Block(block.chunk, block.positions, (*keys, *block.beside[count:]))


def exactly(data: NDArray[Any]) -> NDArray[Any]:
    """Give numbers a form that NumPy joins with any other such array without rounding."""
    return data.astype(object) if data.dtype == np.float64 else data


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
            if not head.count:
                head.read_on()
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
        self.count = 0
        self.has_ended = False

    @property
    def last(self) -> int:
        """The last rank that was read."""
        return int(self._blocks[-1].beside[0][-1])

    def read_on(self) -> None:
        """Read the next block."""
        block = next(self._run, None)
        if block is None:
            self.has_ended = True
        else:
            self._blocks.append(block)
            self.count += len(block.chunk)

    def taken_below(self, horizon: int | None) -> Block | None:
        """Take what ranks below the horizon; None: everything."""
        if not self.count or (horizon is not None and int(self._blocks[0].beside[0][0]) >= horizon):
            return None
        whole = Block.joined(self._blocks)
        end = self.count if horizon is None else int(np.searchsorted(whole.beside[0], horizon))
        self._blocks = [whole.taken(slice(end, None))] if end < self.count else []
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


def taken_together(held: list[Block], *, skip: int = 0) -> Block:
    """Join blocks, letting go of them meanwhile, so that they and the whole aren't there at once.

    Args:
        held: emptied.
        skip: how many of the arrays beside the samples are left out.
    """
    chunks = [block.chunk for block in held]
    positions = np.concatenate([block.positions for block in held])
    beside = [np.concatenate(parts) for parts in zip(*(block.beside[skip:] for block in held), strict=True)]
    held.clear()
    ids = np.concatenate([chunk.ids for chunk in chunks])
    origins = np.concatenate([chunk.origins for chunk in chunks])
    parts = [chunk.columns for chunk in chunks if chunk.columns is not None]
    if len(parts) == len(chunks) and all(part.names == parts[0].names for part in parts):
        del chunks
        names = parts[0].names
        joined = {name: Column.joined([part.by_name.pop(name) for part in parts]) for name in names}
        return Block(
            Chunk.of_columns(Columns(joined, count=len(ids)), ids, origins), positions, tuple(beside)
        )
    values = [value for chunk in chunks for value in chunk.values]
    return Block(Chunk(values, ids, origins), positions, tuple(beside))


def _drained(held: list[Block]) -> Iterator[Block]:
    held.reverse()
    while held:
        yield held.pop()


def _weight_of(block: Block) -> int:
    beside = sum(each.nbytes for each in block.beside)
    return footprint(block.chunk) + beside + BOOKKEEPING_BYTES * len(block.chunk)
