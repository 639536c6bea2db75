"""Spool: samples put aside until all have come, in memory first and then on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np

from whence.capture import memory_budget_bytes
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk
from whence.ops.footprint import footprint
from whence.ops.spill import BLOCK_ROWS, Block, Partitions, Spill, gathered

_PARTS_PER_BUDGET = 4


class Spool:
    """Keeps samples that are read once more, in another order.

    Beyond the memory allowed all of them go to disk, block by block, and are arranged there.

    Args:
        label: of the op that puts samples aside.
        name_origin: says in words where a sample came from.
    """

    def __init__(self, *, label: str, name_origin: Callable[[int], str]) -> None:
        self._label = label
        self._name_origin = name_origin
        self._budget_bytes = memory_budget_bytes()
        self._spill = Spill(label=label, name_origin=name_origin)
        self._kept: list[Block] = []
        self._kept_rows = 0
        self._whole_bytes = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, chunk: Chunk) -> None:
        """Keep a chunk.

        Raises:
            OpError, StoreFullError, StoreError: as `Spill.add`.
        """
        positions = np.arange(self._count, self._count + len(chunk), dtype=np.int64)
        weight = footprint(chunk)
        if chunk.columns is not None:
            weight *= 2  # they are copied once, when all are put together
        self._kept.append(Block(chunk, positions))
        self._kept_rows += len(chunk)
        self._whole_bytes += weight
        self._count += len(chunk)
        is_due = len(self._spill) == 0 or self._kept_rows >= BLOCK_ROWS
        if self._whole_bytes > self._budget_bytes and is_due:
            self._write()

    def arranged(self, order: Relation) -> Iterator[Chunk]:
        """Read all samples once, in the order of a permutation; they are let go on the way.

        Args:
            order: says for each output which of the samples added it is, and the other way round.
        """
        if len(self._spill) == 0:
            whole = Block.joined(self._kept).chunk if self._kept else Chunk.empty()
            self._kept = []
            for start in range(0, self._count, BLOCK_ROWS):
                wanted = np.arange(start, min(start + BLOCK_ROWS, self._count), dtype=np.int64)
                yield whole.taken(order.backward(wanted).indices)
            return
        self._write()
        yield from self._arranged_on_disk(order)

    def close(self) -> None:
        """Let everything go."""
        self._spill.close()
        self._kept = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self) -> None:
        for block in gathered(self._kept):
            self._spill.add(block)
        self._kept, self._kept_rows = [], 0

    def _arranged_on_disk(self, order: Relation) -> Iterator[Chunk]:
        """Spread samples over parts by where they go, each part of a size to be arranged in memory."""
        part_bytes = max(1, self._budget_bytes // _PARTS_PER_BUDGET)
        parts = min(-(-self._whole_bytes // part_bytes), self._count)
        rows = -(-self._count // parts)
        parts = -(-self._count // rows)
        with Partitions(
            parts, budget_bytes=self._budget_bytes // 2, label=self._label, name_origin=self._name_origin
        ) as spread:
            for number in range(len(self._spill)):
                block = self._spill.read(number)
                targets = order.forward(block.positions).indices
                spread.add(Block(block.chunk, targets), targets // rows)
            self._spill.close()
            for part in range(parts):
                whole = Block.joined(list(spread.scan(part)))
                spread.release(part)
                places = np.argsort(whole.positions)
                for start in range(0, len(places), BLOCK_ROWS):
                    yield whole.chunk.taken(places[start : start + BLOCK_ROWS])
