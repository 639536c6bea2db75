"""What a mapping is: the relation between the output of one operation and one of its inputs.

Here live the protocols, the folds over several mappings, and the checks that all mappings share. The
mappings themselves live in `closed` (nothing stored but numbers of the plan) and `stored` (what the data
decided). An operation with several inputs has one mapping for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from whence.errors import PlanError, PositionError
from whence.lineage.origins import IntArray, Origins, compose

Positions: TypeAlias = IntArray | Sequence[int]

POSITION_LIMIT = 2**63


@runtime_checkable
class Mapping(Protocol):
    """A relation between output positions and input positions, readable in both directions.

    `backward` and `forward` are exact inverses: `i in backward([o])` holds if and only if
    `o in forward([i])` does. Both take positions in any order, with repeats, and raise `PositionError` for
    one that is outside. Where `known` is False nothing can be followed: the rows are empty because nobody
    knows, not because there is nothing.
    """

    @property
    def in_size(self) -> int:
        """How many positions the input has."""

    @property
    def out_size(self) -> int:
        """How many positions the output has."""

    @property
    def known(self) -> bool:
        """Whether empty rows mean "nothing"; False means "unknown"."""

    def backward(self, positions: Positions) -> Origins:
        """Find the input positions that each output position came from.

        Args:
            positions: output positions, shape (n,), each in [0, out_size); any order, repeats allowed.

        Returns:
            n rows of input positions.

        Raises:
            PositionError: a position is outside [0, out_size).
        """

    def forward(self, positions: Positions) -> Origins:
        """Find the output positions that each input position went to.

        Args:
            positions: input positions, shape (n,), each in [0, in_size); any order, repeats allowed.

        Returns:
            n rows of output positions.

        Raises:
            PositionError: a position is outside [0, in_size).
        """


class PermutationLike(Protocol):
    """A permutation that can be read both ways, such as the keyed ones of `chance`."""

    @property
    def size(self) -> int:
        """How many positions are permuted."""

    def backward(self, positions: IntArray, /) -> IntArray:
        """Find the input position that each output position holds."""

    def forward(self, positions: IntArray, /) -> IntArray:
        """Find the output position that each input position went to."""


def follow(mappings: Sequence[Mapping], positions: Positions) -> Origins:
    """Follow output positions back through a chain of mappings, as a trace does.

    Args:
        mappings: in the order of the stream, the one nearest the source first.
        positions: output positions of the last mapping, or anything's own positions where there is none.

    Returns:
        One row of input positions of the first mapping for each position asked. It is complete only if
        all mappings are known.

    Raises:
        PositionError: a position is outside the output of the last mapping.
    """
    found = Origins.one_each(as_positions(positions))
    for mapping in reversed(mappings):
        found = compose(found, mapping.backward)
    return found


def reach(mappings: Sequence[Mapping], positions: Positions) -> Origins:
    """Follow input positions forward through a chain of mappings, as an impact does.

    Args:
        mappings: in the order of the stream, the one nearest the source first.
        positions: input positions of the first mapping, or anything's own positions where there is none.

    Returns:
        One row of output positions of the last mapping for each position asked. It is complete only if
        all mappings are known.

    Raises:
        PositionError: a position is outside the input of the first mapping.
    """
    found = Origins.one_each(as_positions(positions))
    for mapping in mappings:
        found = compose(found, mapping.forward)
    return found


def as_positions(positions: Positions) -> IntArray:
    """Take positions as a flat int64 array.

    Raises:
        PositionError: they are not integers in one dimension, or one does not fit 64 bits.
    """
    taken = np.asarray(positions)
    if taken.ndim != 1:
        raise PositionError(f"positions must have one dimension; these have {taken.ndim}")
    if not taken.size:
        return np.zeros(0, dtype=np.int64)
    if taken.dtype.kind not in "iu":
        raise PositionError(f"positions must be integers of 64 bits; these are {taken.dtype}")
    if taken.dtype == np.uint64 and int(taken.max()) >= POSITION_LIMIT:
        raise PositionError(f"position {int(taken.max())} does not fit a signed 64-bit integer")
    return taken.astype(np.int64, copy=False)


def check_positions(positions: Positions, size: int) -> IntArray:
    """Take positions as a flat int64 array, each in [0, size).

    Raises:
        PositionError: one is outside, or they are no positions at all.
    """
    taken = as_positions(positions)
    if taken.size and (int(taken.min()) < 0 or int(taken.max()) >= size):
        outside = int(taken[(taken < 0) | (taken >= size)][0])
        raise PositionError(f"position {outside} is outside [0, {size})")
    return taken


def check_size(kind: str, **sizes: int) -> None:
    """Refuse what can't be a number of positions.

    Raises:
        PlanError: a size is not an integer in [0, 2**63).
    """
    for name, size in sizes.items():
        check_integer(kind, **{name: size})
        if not 0 <= size < POSITION_LIMIT:
            raise PlanError(f"{kind}: {name} must be in [0, 2**63), not {size}")


def check_integer(kind: str, **numbers: int) -> None:
    """Refuse what is no Python integer; True and 1.0 are none.

    Raises:
        PlanError: a number is of another type.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise PlanError(f"{kind}: {name} must be an integer, not {type(number).__name__}")
