"""What is known of samples without making them: their draw ids, and which ops hand them on as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from whence.lineage import Mapping as Relation
from whence.ops.batch import Batch
from whence.ops.cache import Cache
from whence.ops.chunk import Int64Array, UInt64Array
from whence.ops.combine import Concat
from whence.ops.dedup import Dedup
from whence.ops.filling_along import FillAlong
from whence.ops.filter import Filter
from whence.ops.fitting import FitOf
from whence.ops.flat_map import FlatMap, Unbatch, child_ids_at
from whence.ops.group import GroupSamples
from whence.ops.join import Join, joined_ids_at
from whence.ops.mix import Mix
from whence.ops.op import Op
from whence.ops.pack import Pack
from whence.ops.positions import Repeat, Sample, Shuffle, Slice, repeated_ids
from whence.ops.sort import Sort
from whence.ops.split import Split
from whence.ops.watched import Watched
from whence.ops.window import Window

IdsBelow = Callable[[int, Int64Array], UInt64Array]

_HANDS_ON = frozenset(
    op.kind
    for op in (Filter, Dedup, Slice, Sample, Shuffle, Repeat, Concat, Mix, Split, Sort, Cache, Watched)
)
_GATHERS = frozenset(op.kind for op in (Batch, Window, Pack))


def hands_on(kind: str) -> bool:
    """Tell whether ops of a kind give samples on as they are, only choosing and arranging them."""
    return kind in _HANDS_ON


def chooses(kind: str, parameters: Mapping[str, Any], number: int) -> bool:
    """Tell whether an op gives samples of one of its inputs on as they are."""
    if kind == Join.kind:
        return number == 0 and parameters["how"] in ("semi", "anti")
    return hands_on(kind)


def keeps_apart(kind: str, parameters: Mapping[str, Any]) -> bool:
    """Tell whether an op makes groups whose n-th item is the n-th sample that was gathered."""
    if kind in _GATHERS and parameters.get("collate") in ("stack", "list"):
        return True
    return kind == GroupSamples.kind


def draw_ids(op: Op, positions: Int64Array, mappings: Sequence[Relation], below: IdsBelow) -> UInt64Array:
    """Find the draw ids of an op's outputs, as a scan gives them.

    Args:
        op: the op.
        positions: its outputs, shape (n,).
        mappings: its mapping, one for each input.
        below: finds the ids of the outputs of an input.

    Returns:
        Shape (n,).
    """
    if isinstance(op, FlatMap | Unbatch):
        return child_ids_at(positions, mappings[0], lambda parents: below(0, parents))
    if isinstance(op, Repeat):
        size = max(1, mappings[0].in_size)
        return repeated_ids(below(0, positions % size), positions // size)
    if isinstance(op, Join):
        return joined_ids_at(op, positions, mappings, below)
    if isinstance(op, Concat | Mix):
        ids = np.empty(len(positions), np.uint64)
        for number, mapping in enumerate(mappings):
            rows = mapping.backward(positions)
            places = np.flatnonzero(np.diff(rows.indptr))
            if len(places):
                ids[places] = below(number, rows.indices)
        return ids
    if isinstance(op, FillAlong):
        return below(0, positions)
    rows = mappings[0].backward(positions)
    return below(0, rows.indices[rows.indptr[:-1]])  # of a group, its first item's


def draw_numbers(
    kinds: Sequence[str], inputs: Sequence[Sequence[int]], source_numbers: Sequence[int]
) -> list[int]:
    """Number the sources of a program for the draw ids of their samples.

    Below a split, sources are counted from the split's own first one: which part a sample is in follows
    from its id, and must be the same whatever else is read in the same program. Below a cache too, which
    keeps samples for any program, and below a fit of another stream, which learns of the samples that this
    stream gives by itself.

    Args:
        kinds: of all nodes, inputs before what reads them.
        inputs: of each node.
        source_numbers: of each node, -1 where it is no source.

    Returns:
        For each source its number; for each split and cache how many sources, of those around it, come
        before its own; 0 for all other nodes.
    """
    firsts: list[int] = []
    for below, number in zip(inputs, source_numbers, strict=True):
        firsts.append(min((firsts[each] for each in below), default=number))
    before = [0] * len(kinds)
    found = [0] * len(kinds)
    for index in range(len(kinds) - 1, -1, -1):
        inside = before[index]
        if source_numbers[index] >= 0:
            found[index] = source_numbers[index] - inside
        elif kinds[index] in (Split.kind, Cache.kind):
            found[index] = firsts[index] - inside
            inside = firsts[index]
        elif kinds[index] == FitOf.kind:
            inside = firsts[index]
        for each in inputs[index]:
            before[each] = inside
    return found


def find_frozen(kinds: Sequence[str], inputs: Sequence[Sequence[int]]) -> list[bool]:
    """Find the nodes below caches, which are the same in every epoch: as they are in epoch 0.

    Args:
        kinds: of all nodes, inputs before what reads them.
        inputs: of each node.
    """
    found = [False] * len(kinds)
    for index in range(len(kinds) - 1, -1, -1):
        for below in inputs[index]:
            found[below] |= found[index] or kinds[index] == Cache.kind
    return found
