"""Cuts: places at which a program can be begun in the middle, without making what came before.

Where samples come one by one from a base that can be read at any position, through operations that treat
each by itself, nothing but numbers is left of what came before: how many samples each of these operations
has given. They are noted whenever the base is asked for more, since everything of it is through by then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from whence.capture import NodeRecorder
from whence.errors import StateError
from whence.lineage import Mapping as Relation
from whence.ops import Batch, Chunk, Map, Op
from whence.streams.plan import Program, op_of

Int64Array = NDArray[np.int64]
MappingsOf = Callable[[int], Sequence[Relation]]
"""The mappings of a step, one for each input."""

_NOTED = 4096
_BLOCK = 1 << 20

Cut: TypeAlias = tuple[int, ...]
"""A position of the base, and how many samples each operation of the chain has given of those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The part of a program that can be cut, and what stands on it.

    Args:
        base: the step that is read by position.
        ops: the steps above it that treat each sample by itself, upward.
        batch: the step that gathers what the last of them gives; -1 where none does.
        above: the steps above that, each one to one.
    """

    base: int
    ops: tuple[int, ...]
    batch: int = -1
    above: tuple[int, ...] = ()

    def item_of(self, program: Program, output: int) -> int:
        """The first sample of the last op of the chain that is in an output of the top."""
        return output * size_of_batch(program, self.batch)


def find_chain(program: Program) -> Chain | None:
    """Find the chain of a program, from its base to its top; None where there is none."""
    if any(op is not None and (op.learns or op.keeps) for op in (step.node.op for step in program.steps)):
        return None
    index = program.top
    above: list[int] = []
    found = index
    while _is_one_to_one(program, found):
        above.append(found)
        (found,) = program.steps[found].inputs
    batch = -1
    if isinstance(program.steps[found].node.op, Batch):
        batch = found
        (index,) = program.steps[found].inputs
    else:
        above = []
    ops: list[int] = []
    while (op := program.steps[index].node.op) is not None and op.unit == 1 and not isinstance(op, Batch):
        ops.append(index)
        (index,) = program.steps[index].inputs
    if program.items_at != (batch if batch >= 0 else program.top):
        return None  # what is counted lies below the chain
    if not ops or not program.steps[index].node.is_indexable or program.readings()[index] > 1:
        return None
    return Chain(base=index, ops=tuple(reversed(ops)), batch=batch, above=tuple(reversed(above)))


def _is_one_to_one(program: Program, index: int) -> bool:
    op = program.steps[index].node.op
    return isinstance(op, Map) and op.mapping_kind == "closed"


def size_of_batch(program: Program, batch: int) -> int:
    """How many samples of the chain an output of the top is made of."""
    op = op_of(program.steps[batch]) if batch >= 0 else None
    return op.size if isinstance(op, Batch) else 1


class Cuts:
    """Notes the cuts that a scan passes.

    Args:
        chain: what is cut.
        start: where the scan began.
    """

    def __init__(self, chain: Chain, start: Cut | None = None) -> None:
        self.chain = chain
        self.given = dict(zip(chain.ops, start[1:] if start else [0] * len(chain.ops), strict=True))
        self._noted: deque[Cut] = deque(maxlen=_NOTED)

    def note(self, row: int) -> None:
        """All of the base before a position is through."""
        self._noted.append((row, *(self.given[index] for index in self.chain.ops)))

    def over_base(self, chunks: Iterator[Chunk], row: int) -> Iterator[Chunk]:
        """Hand on what the base gives, from a position on."""
        while True:
            self.note(row)
            chunk = next(chunks, None)
            if chunk is None:
                return
            row += len(chunk)
            yield chunk

    def over_op(self, index: int, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Hand on what an op of the chain gives."""
        for chunk in chunks:
            self.given[index] += len(chunk)
            yield chunk

    def before(self, item: int) -> Cut | None:
        """The latest cut noted at which the chain had given no more than so many samples."""
        place = bisect_right(self._noted, item, key=lambda cut: cut[-1])
        return self._noted[place - 1] if place else None


def check_cut(cut: Cut, chain: Chain, item: int, base_size: int) -> None:
    """Refuse a cut that can't be one of a chain before an item.

    Raises:
        StateError: it isn't.
    """
    if len(cut) != 1 + len(chain.ops) or cut[-1] > item or cut[0] > base_size:
        raise StateError(
            f"the state stands at {list(cut)}, where this stream can't be begun",
            remedy="Use the state as it was given.",
        )


def skipped_before(program: Program, mappings_at: MappingsOf, first: int) -> tuple[int, int, int]:
    """Count the items, batches and outputs of functions before an output; of closed forms only."""
    at, items, batches = program.items_at, first, 0
    if isinstance(program.steps[at].node.op, Batch):
        ways = way_down(program, mappings_at, np.array([first], np.int64), program.steps[at].inputs[0])
        items, batches = int(ways[-1][0]), int(ways[-2][0])
    return items, batches, 0 if program.delivers_items else first


def way_down(program: Program, mappings_at: MappingsOf, positions: Int64Array, to: int) -> list[Int64Array]:
    """For outputs of the top, ascending: where each begins at every step down to one, the top first."""
    found, index = [positions], program.top
    while index != to:
        below = mappings_at(index)[0].backward(found[-1])
        found.append(below.indices[below.indptr[:-1]])
        index = program.steps[index].inputs[0]
    return found


def leave_room(recorder: NodeRecorder, op: Op, inputs: int, outputs: int) -> None:
    """Tell of what an op decided about samples that came before a cut as if all were alike.

    Which of so many inputs gave so many outputs isn't known here; the record says that it isn't told.
    """
    if op.mapping_kind == "selection":
        if outputs:
            recorder.selected(None, outputs)
        for left in range(inputs - outputs, 0, -_BLOCK):
            recorder.selected(np.zeros(min(left, _BLOCK), np.bool_), min(left, _BLOCK))
    elif op.mapping_kind == "expansion":
        first = outputs
        for left in range(inputs, 0, -_BLOCK):
            counts = np.zeros(min(left, _BLOCK), np.int64)
            counts[0], first = first, 0
            recorder.expanded(counts)


def without_first(chunks: Iterator[Chunk], count: int) -> Iterator[Chunk]:
    """Leave out the first so many samples."""
    for chunk in chunks:
        if count >= len(chunk):
            count -= len(chunk)
        else:
            yield chunk.taken(slice(count, None)) if count else chunk
            count = 0
