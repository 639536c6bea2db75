"""Interleaving: several inputs of known sizes as one output, taken in turns until they are used up.

While all inputs last, turns go by their shares. When a turn comes to an input that has nothing left, the
output ends, or goes on among the others by turns of their own, shares in the old proportions: each such
stretch follows from which inputs are left, and so the whole order from sizes, shares and key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whence.chance.turns import Turns
from whence.chance.variates import Int64Array
from whence.vocab import key64


def turns_among(inputs: Sequence[int], shares: Sequence[float], key: int, epoch: int) -> Turns:
    """Deal turns out among some inputs, those that are left.

    Args:
        inputs: their numbers, ascending.
        shares: of all inputs.
        key: of the interleaving, 64 bits.
        epoch: the pass.
    """
    return Turns([shares[number] for number in inputs], key64(key.to_bytes(8, "little"), *inputs), epoch)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Outputs in which the same inputs are left.

    Args:
        start: its first output.
        inputs: those that are left, by number.
        begun: how many samples of each input came before, of all inputs.
        turns: among those that are left.
    """

    start: int
    inputs: list[int]
    begun: Int64Array
    turns: Turns


class Interleaving:
    """The order in which the samples of several inputs come; followed both ways.

    Args:
        sizes: how many samples each input has.
        shares: of each input, above 0; only their proportions count.
        key: 64 bits.
        epoch: the pass.
        goes_on: whether the output goes on when an input is used up, rather than ends.

    Cost: a few blocks of turns for each input to make, and one for each place asked.
    """

    def __init__(
        self, sizes: Sequence[int], shares: Sequence[float], key: int, epoch: int, *, goes_on: bool
    ) -> None:
        self.sizes = list(sizes)
        self._stretches: list[_Stretch] = []
        left = list(range(len(sizes)))
        begun = np.zeros(len(sizes), np.int64)
        start = 0
        while left:
            turns = turns_among(left, shares, key, epoch)
            self._stretches.append(_Stretch(start, list(left), begun.copy(), turns))
            ends = [
                int(turns.forward(place, np.array([self.sizes[number] - begun[number]]))[0])
                for place, number in enumerate(left)
            ]
            length = min(ends)
            begun[left] += turns.before(length)
            start += length
            if not goes_on:
                break
            left.remove(left[ends.index(length)])
        self._ends = [*(stretch.start for stretch in self._stretches[1:]), start]
        self._used = begun

    @property
    def out_size(self) -> int:
        """How many outputs there are."""
        return self._ends[-1] if self._stretches else 0

    def backward(self, positions: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Say of which input each output is, and of which of its samples.

        Args:
            positions: outputs, shape (n,), each in [0, out_size).

        Returns:
            The inputs and the positions in them, both of shape (n,).
        """
        inputs = np.empty(len(positions), np.int64)
        places = np.empty(len(positions), np.int64)
        for stretch, end in zip(self._stretches, self._ends, strict=False):
            rows = np.flatnonzero((positions >= stretch.start) & (positions < end))
            if len(rows):
                which, turns = stretch.turns.backward(positions[rows] - stretch.start)
                inputs[rows] = numbers = np.array(stretch.inputs, np.int64)[which]
                places[rows] = stretch.begun[numbers] + turns
        return inputs, places

    def forward(self, number: int, positions: Int64Array) -> Int64Array:
        """Say at which outputs samples of an input come.

        Args:
            number: the input.
            positions: in it, shape (n,), each in [0, its size).

        Returns:
            The outputs, shape (n,); -1 for a sample that doesn't come.
        """
        outputs = np.full(len(positions), -1, np.int64)
        afters = [*(stretch.begun[number] for stretch in self._stretches[1:]), self._used[number]]
        for stretch, after in zip(self._stretches, afters, strict=False):
            rows = np.flatnonzero((positions >= stretch.begun[number]) & (positions < after))
            if len(rows):
                places = positions[rows] - stretch.begun[number]
                outputs[rows] = stretch.start + stretch.turns.forward(stretch.inputs.index(number), places)
        return outputs
