"""What is known of samples without making them: their draw ids, and which ops hand them on as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from whence.lineage import Mapping as Relation
from whence.ops.batch import Batch
from whence.ops.chunk import Int64Array, UInt64Array
from whence.ops.combine import Concat
from whence.ops.dedup import Dedup
from whence.ops.filter import Filter
from whence.ops.flat_map import FlatMap, Unbatch, child_ids_at
from whence.ops.op import Op
from whence.ops.positions import Repeat, Sample, Shuffle, Slice, repeated_ids

IdsBelow = Callable[[int, Int64Array], UInt64Array]

_HANDS_ON = frozenset(op.kind for op in (Filter, Dedup, Slice, Sample, Shuffle, Repeat, Concat))


def hands_on(kind: str) -> bool:
    """Tell whether ops of a kind give samples on as they are, only choosing and arranging them."""
    return kind in _HANDS_ON


def keeps_apart(kind: str, parameters: Mapping[str, Any]) -> bool:
    """Tell whether an op is a batch whose n-th item is the n-th sample it gathered."""
    return kind == Batch.kind and parameters.get("collate") in ("stack", "list")


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
    if isinstance(op, Concat):
        ids = np.empty(len(positions), np.uint64)
        for number, mapping in enumerate(mappings):
            rows = mapping.backward(positions)
            places = np.flatnonzero(np.diff(rows.indptr))
            if len(places):
                ids[places] = below(number, rows.indices)
        return ids
    rows = mappings[0].backward(positions)
    return below(0, rows.indices[rows.indptr[:-1]])  # of a batch, its first item's
