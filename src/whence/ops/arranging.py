"""Arranging: samples of one key together, the keys in the order in which each first came.

What fits in the memory allowed is arranged there at once. Beyond that, samples are spread over parts by
their keys, each part is arranged by itself, and the parts are merged again by the place at which each key
first came: the result is the same, whatever the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from whence.ops.chunk import Int64Array
from whence.ops.keyed import LEVELS, Keyed, taken_together, weight_of
from whence.ops.keys import Keys
from whence.ops.numbering import numbering_of, ordered_by
from whence.ops.spill import Block

_BATCH_ROWS = 1 << 15
_BATCH_BYTES = 1 << 24


def arranged(keyed: Keyed, blocks: Iterable[Block], level: int = 0) -> Iterator[Block]:
    """Bring samples of one key together.

    Args:
        keyed: gave the blocks, and spreads them over parts where they don't fit.
        blocks: as `Keyed.block` gave them, in order.
        level: how often they were spread before.

    Returns:
        Blocks of whole groups. What stands beside each sample is the position of the first of its group,
        and then what was given beside it.

    Raises:
        OpError, StoreFullError, StoreError: as `Spill.add`.
    """
    waiting = iter(blocks)
    held: list[Block] = []
    weight_bytes = 0
    for block in waiting:
        held.append(block)
        weight_bytes += weight_of(block)
        if weight_bytes > keyed.allowed_bytes(level) and level < LEVELS:
            yield from _by_parts(keyed, held, waiting, level)
            return
    if held:
        yield from _in_memory(keyed, held, weight_bytes)


def _in_memory(keyed: Keyed, held: list[Block], weight_bytes: int) -> Iterator[Block]:
    numbering = numbering_of(Keys.joined([keyed.keys_of(block) for block in held]))
    order, bounds = ordered_by(numbering.numbers, numbering.count)
    del numbering
    whole = taken_together(held, skip=keyed.key_parts)
    firsts = whole.positions[order[bounds[:-1]]]
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * len(order) // max(1, weight_bytes)))
    for start, end in whole_groups(bounds, rows):
        block = whole.taken(order[bounds[start] : bounds[end]])
        ranks = np.repeat(firsts[start:end], np.diff(bounds[start : end + 1]))
        yield Block(block.chunk, block.positions, (ranks, *block.beside))


def _by_parts(keyed: Keyed, held: list[Block], waiting: Iterator[Block], level: int) -> Iterator[Block]:
    with keyed.parts() as parts, keyed.spill() as spill:
        keyed.spread(held, waiting, parts, level)
        total = int(parts.rows.sum())
        runs: list[list[int]] = []
        for part in np.flatnonzero(parts.rows).tolist():
            # one key, or keys that nothing tells apart, are arranged whatever memory it takes
            deeper = level + 1 if parts.rows[part] < total else LEVELS
            blocks = arranged(keyed, parts.scan(part), deeper)
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
