"""Choices: outputs that are made of one of several inputs, which one an order says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from whence.lineage.mapping import Positions, check_positions
from whence.lineage.origins import IntArray, Origins


class InterleavingLike(Protocol):
    """An order of the samples of several inputs that can be read both ways, such as that of `chance`."""

    @property
    def sizes(self) -> Sequence[int]:
        """How many samples each input has."""

    @property
    def out_size(self) -> int:
        """How many outputs there are."""

    def backward(self, positions: IntArray, /) -> tuple[IntArray, IntArray]:
        """Find the input of each output, and the position in it."""

    def forward(self, number: int, positions: IntArray, /) -> IntArray:
        """Find the output at which each sample of an input comes; -1 where it doesn't."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Output i is one input's next sample, as an order of all inputs says: mix.

    Args:
        order: of the samples of all inputs.
        number: which input this is the mapping of.
    """

    order: InterleavingLike
    number: int
    known: ClassVar[bool] = True

    @property
    def in_size(self) -> int:
        return self.order.sizes[self.number]

    @property
    def out_size(self) -> int:
        return self.order.out_size

    def backward(self, positions: Positions) -> Origins:
        inputs, places = self.order.backward(check_positions(positions, self.out_size))
        return Origins.at_most_one(places, inputs == self.number)

    def forward(self, positions: Positions) -> Origins:
        outputs = self.order.forward(self.number, check_positions(positions, self.in_size))
        return Origins.at_most_one(outputs, outputs >= 0)
