"""Keyed: samples put aside together with their keys, and spread over parts by them.

What brings samples of one key together, `group_by` and `join`, works on parts of the samples where all of
them don't fit in the memory allowed: samples of one key are in one part, in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Chunk, Int64Array
from whence.ops.coded import Coded
from whence.ops.footprint import footprint
from whence.ops.keys import KeyPart, Keys
from whence.ops.numbering import spread
from whence.ops.spill import Block, Partitions, Spill
from whence.vocab import Column, Columns

_FOLLOWING = np.empty(0, np.int64)

LEVELS = 4
"""How often samples are spread before what is left is worked on whatever memory it takes."""

_PARTS = 64
_BOOKKEEPING_BYTES = 64
_BATCH_ROWS = 1 << 15


class Keyed:
    """Blocks of samples whose keys stand beside them, for one op.

    Args:
        label: of the op; named in errors.
        name_origin: says in words where a sample came from.
        budget_bytes: how much may be kept in memory, as estimated.
        first: the position of the first sample whose position isn't given.
    """

    def __init__(
        self, *, label: str, name_origin: Callable[[int], str], budget_bytes: int, first: int = 0
    ) -> None:
        self.first = first
        self._label = label
        self._name_origin = name_origin
        self._budget_bytes = budget_bytes
        self._kinds: list[str] = []
        self._shape: Any = 0

    @property
    def key_parts(self) -> int:
        """How many of the arrays beside the samples are their keys: the first ones."""
        return len(self._kinds)

    def block(self, chunk: Chunk, positions: Int64Array | None, keys: Keys, *beside: NDArray[Any]) -> Block:
        """Put samples together with their keys, and with what else is kept beside them.

        Positions that follow one another needn't be given: 8 bytes a sample that would be held for nothing.
        """
        self._kinds = [part.kind for part in keys.parts]
        self._shape = keys.shape
        if chunk.columns is not None:  # a list of fields of its own, which is taken apart later
            own = Columns(chunk.columns.by_name, count=len(chunk))
            chunk = Chunk.of_columns(own, chunk.ids, chunk.origins)
        held = _FOLLOWING if positions is None else positions
        return Block(chunk, held, (*(part.data for part in keys.parts), *beside))

    def keys_of(self, block: Block) -> Keys:
        """The keys that stand beside samples."""
        parts = zip(self._kinds, block.beside, strict=False)
        return Keys(tuple(KeyPart(kind, data) for kind, data in parts), self._shape)

    def spill(self) -> Spill:
        """A file for blocks, to be closed."""
        return Spill(label=self._label, name_origin=self._name_origin)

    def allowed_bytes(self, level: int) -> int:
        """How much may be held at once, of samples that were spread so often."""
        return self._budget_bytes if level == 0 else self._budget_bytes // 2

    def parts(self) -> Partitions:
        """Parts to spread samples over, to be closed."""
        return Partitions(
            _PARTS, budget_bytes=self._budget_bytes // 4, label=self._label, name_origin=self._name_origin
        )

    def spread(self, held: list[Block], waiting: Iterable[Block], parts: Partitions, level: int) -> None:
        """Spread blocks over parts by their keys.

        Args:
            held: the first blocks; emptied.
            waiting: all others.
            parts: of `parts()`.
            level: how often these samples were spread before.
        """
        for batch in self._batches(chain(_drained(held), waiting)):
            parts.add(batch, spread(self.keys_of(batch), _PARTS, level=level))

    def _batches(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Put small blocks together: spreading one over all parts has its price."""
        batch: list[Block] = []
        count = weight_bytes = 0
        position = self.first
        for block in blocks:
            batch.append(self._for_disk(block, position))
            position += len(block.chunk)
            count += len(block.chunk)
            weight_bytes += weight_of(block)
            if count >= _BATCH_ROWS or weight_bytes > self._budget_bytes // 8:
                yield Block.joined(batch)
                batch, count, weight_bytes = [], 0, 0
        if batch:
            yield Block.joined(batch)

    def _for_disk(self, block: Block, position: int) -> Block:
        """Give positions that weren't given, and keys a form in which they can be joined and stay exact."""
        count = len(self._kinds)
        keys = (_exactly(data) for data in block.beside[:count])
        positions = block.positions
        if has_following(block):
            positions = np.arange(position, position + len(block.chunk), dtype=np.int64)
        return Block(block.chunk, positions, (*keys, *block.beside[count:]))


def taken_together(held: list[Block]) -> Block:
    """Join blocks, letting go of them meanwhile; what stands beside them isn't kept.

    Args:
        held: emptied.
    """
    positions = np.concatenate([block.positions for block in held])
    ids = np.concatenate([block.chunk.ids for block in held])
    origins = np.concatenate([block.chunk.origins for block in held])
    content = content_together(held)
    if isinstance(content, Columns):
        return Block(Chunk.of_columns(content, ids, origins), positions)
    return Block(Chunk(content, ids, origins), positions)


def content_together(held: list[Block]) -> list[Any] | Columns:
    """Join the samples of blocks, letting go of them, so that they and the whole aren't there at once.

    Args:
        held: emptied; columns are taken apart.
    """
    chunks = [block.chunk for block in held]
    held.clear()
    parts = [chunk.columns for chunk in chunks if chunk.columns is not None]
    if len(parts) == len(chunks) and all(part.names == parts[0].names for part in parts):
        count = sum(map(len, chunks))
        del chunks
        names = parts[0].names
        joined = {name: Column.joined([part.by_name.pop(name) for part in parts]) for name in names}
        return Columns(joined, count=count)
    return [value for chunk in chunks for value in chunk.values]


def has_following(block: Block) -> bool:
    """Whether a block's positions aren't given: they follow those of the block before."""
    return not len(block.positions) and len(block.chunk) > 0


def weight_of(block: Block) -> int:
    """Estimate how much memory samples take with what stands beside them and what tables about them take."""
    beside = sum(each.nbytes for each in block.beside)
    return footprint(block.chunk) + beside + _BOOKKEEPING_BYTES * len(block.chunk)


def _drained(held: list[Block]) -> Iterator[Block]:
    held.reverse()
    while held:
        yield held.pop()


def _exactly(data: NDArray[Any]) -> NDArray[Any]:
    """Give keys a form that NumPy joins with any other such array, numbers without rounding."""
    if isinstance(data, Coded):
        return data.array()
    return data.astype(object) if data.dtype == np.float64 else data
