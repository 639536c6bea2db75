"""Places: positions at a node of a pass, and where inside the values that stand there.

Batches are taken apart again by `unbatch`, and pairs of a `zip` too. Between the two, operations
that only choose or arrange hand the values on as they are, so the n-th item that comes out is the
n-th that went in; a function may do with a batch what it likes, and all that comes out of it came
from all that went in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.lineage import Mapping, Origins, each_once
from whence.ops import chooses, keeps_apart

Int64Array = NDArray[np.int64]

_WHOLE = -1


@dataclass(frozen=True, slots=True)
class Places:
    """Places at one node.

    Args:
        positions: shape (n,).
        insides: shape (n, depth): which item of the value at the position, and which inside that;
            -1: the whole of it, and then of all that follow too.
    """

    positions: Int64Array
    insides: Int64Array

    @classmethod
    def whole(cls, positions: Int64Array) -> Places:
        """The values at these positions, as a whole."""
        return cls(positions, np.empty((len(positions), 0), np.int64))

    @classmethod
    def together(cls, parts: Sequence[Places]) -> Places:
        """Several, one after the other."""
        if len(parts) == 1:
            return parts[0]
        depth = max(part.insides.shape[1] for part in parts)
        insides = [
            part.insides
            if part.insides.shape[1] == depth
            else np.pad(part.insides, ((0, 0), (0, depth - part.insides.shape[1])), constant_values=_WHOLE)
            for part in parts
        ]
        return cls(np.concatenate([part.positions for part in parts]), np.concatenate(insides))

    def __len__(self) -> int:
        return len(self.positions)

    def taken(self, which: Any) -> Places:
        """Some of them, chosen by a mask or by number."""
        return Places(self.positions[which], self.insides[which])

    def unique(self) -> Places:
        """Each once, by position."""
        if len(self) < 2:
            return self
        if not self.insides.shape[1]:
            return Places.whole(each_once(self.positions))
        found = np.unique(np.column_stack((self.positions, self.insides)), axis=0)
        return Places(found[:, 0], found[:, 1:])

    def entered(self, items: Int64Array) -> Places:
        """One level deeper: the item of the value at each place."""
        return Places(self.positions, np.column_stack((items, self.insides)))

    @property
    def _items(self) -> Int64Array:
        """Which item each is, by the outermost level."""
        return self.insides[:, 0] if self.insides.shape[1] else np.full(len(self), _WHOLE)


def go_down(node: dict[str, Any], mapping: Mapping, number: int, places: Places) -> Places:
    """Find the places at an input of a node that places at the node came from.

    Args:
        node: what the record says of the node.
        mapping: from that input.
        number: which input it is.
        places: at the node.
    """
    if _joins_inputs(node):
        items = places._items
        places = places.taken((items == _WHOLE) | (items == number))
    rows = mapping.backward(places.positions)
    if node["kind"] == "unbatch":
        parents = rows.indices
        return Places(parents, places.insides).entered(places.positions - _first(mapping.forward(parents)))
    if not (_joins_samples(node) or _joins_inputs(node)):
        return _moved(node, rows, places, number)
    which, below = _pairs(rows)
    items = places._items[which]
    if _joins_samples(node):
        nth = np.arange(len(below)) - rows.indptr[which]
        chosen = (items == _WHOLE) | (items == nth)
        which, below = which[chosen], below[chosen]
    return Places(below, places.insides[which, 1:])


def go_up(node: dict[str, Any], mapping: Mapping, number: int, places: Places) -> tuple[Places, Int64Array]:
    """Find the places at a node that were made of places at an input of it.

    Args:
        node: what the record says of the node.
        mapping: from that input.
        number: which input it is.
        places: at that input.

    Returns:
        The places, and for each the number of the place below that it was made of.
    """
    rows = mapping.forward(places.positions)
    which, above = _pairs(rows)
    if node["kind"] == "unbatch":
        items = places._items[which]
        nth = np.arange(len(above)) - rows.indptr[which]
        chosen = (items == _WHOLE) | (items == nth)
        which, above = which[chosen], above[chosen]
        return Places(above, places.insides[which, 1:]), which
    if _joins_samples(node):
        found = Places(above, places.insides[which])
        return found.entered(_nth(mapping, above, places.positions[which])), which
    if _joins_inputs(node):
        return Places(above, places.insides[which]).entered(np.full(len(above), number)), which
    return _moved(node, rows, places, number), which


def _moved(node: dict[str, Any], rows: Origins, places: Places, number: int) -> Places:
    which, positions = _pairs(rows)
    if not chooses(node["kind"], node["params"], number):
        return Places.whole(positions)
    return Places(positions, places.insides[which])


def _joins_samples(node: dict[str, Any]) -> bool:
    """Whether it is a batch, or makes groups, and keeps its items apart."""
    return keeps_apart(node["kind"], node["params"])


def _joins_inputs(node: dict[str, Any]) -> bool:
    """Whether it is a zip that makes tuples."""
    return node["kind"] == "zip" and not node.get("functions")


def _pairs(rows: Origins) -> tuple[Int64Array, Int64Array]:
    """The relation as pairs: the number of the row, and what is in it."""
    return np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr)), rows.indices


def _nth(mapping: Mapping, above: Int64Array, positions: Int64Array) -> Int64Array:
    """Which item of what stands above each position is; items are in the order of their positions."""
    unique, inverse = np.unique(above, return_inverse=True)
    rows = mapping.backward(unique)
    which, below = _pairs(rows)
    size = mapping.in_size
    found: Int64Array = np.searchsorted(which * size + below, inverse * size + positions)
    return found - rows.indptr[inverse]


def _first(rows: Origins) -> Int64Array:
    return rows.indices[rows.indptr[:-1]]
