"""Turns: which of several inputs each output comes from, by shares and a key, with nothing stored.

The outputs are dealt out in blocks. How many of the first n blocks' outputs an input has follows from
its share alone, rounded to whole numbers; in which order a block holds them is the ranking of as many
random words. So every block has the shares as exactly as whole numbers can, in random order, and both
questions, what an output is and where a sample went, are answered from one block.

The rounding goes input by input: of n places the first takes floor(n * f + phase), of the places left the
second takes its part, and so on; the last takes what is left. Each step takes and leaves a number that
never falls as n grows, so no input is ever owed less than it has had. The phases are drawn: an input of
a small share doesn't always come late.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from whence.chance.philox import check_epoch, check_key, compute_words
from whence.chance.variates import Int64Array

BLOCK = 64
NEVER = 1 << 62
"""The position of what isn't reached."""

_ONE = 1 << 32
_MASK = np.uint64(_ONE - 1)
_SHIFT = np.uint64(32)
_LAST_BLOCK = 1 << 50
_PHASES = 1 << 61
_TOGETHER = 4_096


class Turns:
    """Deals outputs out to inputs, without an end.

    Args:
        shares: of each input, each above 0; only their proportions count.
        key: 64 bits.
        epoch: the pass, in [0, 2**32).
    """

    __slots__ = ("_epoch", "_key", "_parts", "_phases", "_shares", "count")

    def __init__(self, shares: Sequence[float], key: int, epoch: int) -> None:
        exact = [Fraction(share) for share in shares]
        left = [sum(exact[number:], Fraction(0)) for number in range(len(exact))]
        self.count = len(exact)
        self._key, self._epoch = check_key(key), check_epoch(epoch)
        # of what the inputs before leave, in 2**-32
        self._parts = [
            np.uint64(round(own / rest * _ONE)) for own, rest in zip(exact[:-1], left, strict=False)
        ]
        ids = np.arange(_PHASES, _PHASES + self.count, dtype=np.uint64)
        self._phases = compute_words(self._key, self._epoch, ids, 0, 1)[:, 0] >> _SHIFT
        self._shares = [float(own / left[0]) for own in exact]

    def inputs(self, start: int, stop: int) -> Int64Array:
        """Say which input each of the outputs from `start` up to `stop` comes from.

        Cost: 60 ns an output, for a thousand at once.
        """
        first, last = start // BLOCK, -(-stop // BLOCK)
        dealt = self._dealt(np.arange(first, last, dtype=np.int64)).reshape(-1)
        wanted: Int64Array = dealt[start - first * BLOCK : stop - first * BLOCK]
        return wanted

    def before(self, position: int) -> Int64Array:
        """Count the outputs of each input among those before a position, shape (inputs,)."""
        block, inside = divmod(position, BLOCK)
        counts: Int64Array = self._counts(np.array([block], np.int64))[0]
        if inside:
            counts += np.bincount(self.inputs(position - inside, position), minlength=self.count)
        return counts

    def backward(self, positions: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Say which input each output comes from, and the how manyeth of that input it is.

        Args:
            positions: outputs, shape (n,), each 0 or more; any order, repeats allowed.

        Returns:
            The inputs and the places in them, both of shape (n,).
        """
        inputs = np.empty(len(positions), np.int64)
        places = np.empty(len(positions), np.int64)
        for rows, blocks, which, inside in _by_block(positions):
            dealt = self._dealt(blocks)
            ranks = self._ranks(dealt)
            inputs[rows] = found = dealt[which, inside]
            places[rows] = self._counts(blocks)[which, found] + ranks[which, inside]
        return inputs, places

    def forward(self, number: int, places: Int64Array) -> Int64Array:
        """Find the outputs at which an input's samples come.

        Args:
            number: the input.
            places: of its samples, shape (n,), each 0 or more; any order, repeats allowed.

        Returns:
            The outputs, shape (n,); `NEVER` for one beyond 2**56 outputs.
        """
        blocks = self._block_of(number, places)
        found = np.full(len(places), NEVER, np.int64)
        reached = np.flatnonzero(blocks < _LAST_BLOCK)
        for rows, several, which, _ in _by_block(blocks[reached] * BLOCK):
            dealt = self._dealt(several)
            # in each block the turns of this input, one after the other
            owners, turns = np.nonzero(dealt == number)
            firsts = np.searchsorted(owners, np.arange(len(several)))
            inside = places[reached[rows]] - self._counts(several)[which, number]
            found[reached[rows]] = several[which] * BLOCK + turns[firsts[which] + inside]
        return found

    def _dealt(self, blocks: Int64Array) -> Int64Array:
        """The inputs of the outputs of some blocks, shape (n, BLOCK)."""
        inputs = np.arange(self.count, dtype=np.int64)
        if self.count == 1:
            return np.zeros((len(blocks), BLOCK), np.int64)
        ids = (blocks[:, None] * BLOCK + np.arange(BLOCK)).reshape(-1).astype(np.uint64)
        words = compute_words(self._key, self._epoch, ids, 0, 1)[:, 0].reshape(-1, BLOCK)
        order = np.argsort(words, axis=1, kind="stable")
        counts = self._counts(blocks + 1) - self._counts(blocks)
        owners = np.repeat(np.tile(inputs, len(blocks)), counts.reshape(-1)).reshape(-1, BLOCK)
        dealt = np.empty_like(owners)
        np.put_along_axis(dealt, order, owners, axis=1)
        return dealt

    def _ranks(self, dealt: Int64Array) -> Int64Array:
        """How many turns of the same input come before each in its block, shape (n, BLOCK)."""
        ranks = np.empty_like(dealt)
        for number in range(self.count):
            turns = dealt == number
            ranks[turns] = (np.cumsum(turns, axis=1) - 1)[turns]
        return ranks

    def _counts(self, blocks: Int64Array) -> Int64Array:
        """How many outputs each input has in the first so many blocks, shape (n, inputs)."""
        counts = np.empty((len(blocks), self.count), np.int64)
        left = (blocks * BLOCK).astype(np.uint64)
        for number, (part, phase) in enumerate(zip(self._parts, self._phases, strict=False)):
            # floor(left * part + phase) in 2**-32; by halves, since the product has up to 96 bits
            taken = (left >> _SHIFT) * part + (((left & _MASK) * part + phase) >> _SHIFT)
            counts[:, number] = taken
            left = left - taken
        counts[:, -1] = left
        return counts

    def _block_of(self, number: int, places: Int64Array) -> Int64Array:
        """Find the block in which each place of an input comes, by halving a bracket around its share."""
        per_block = self._shares[number] * BLOCK
        guess = places / per_block
        # each rounding moves a count by less than one, and a part is off by at most 2**-33
        off = (self.count + 1) / per_block + guess * 2.0**-30 + 2
        last = float(_LAST_BLOCK)
        low = np.clip(guess - off, 0, last).astype(np.int64)
        high = np.clip(guess + off, 0, last).astype(np.int64)
        low[self._counts(low)[:, number] > places] = 0
        high[self._counts(high)[:, number] <= places] = _LAST_BLOCK
        while (high - low > 1).any():
            middle = (low + high) >> 1
            is_later = self._counts(middle)[:, number] <= places
            low, high = np.where(is_later, middle, low), np.where(is_later, high, middle)
        return np.where(self._counts(low + 1)[:, number] > places, low, _LAST_BLOCK)


def _by_block(
    positions: Int64Array,
) -> list[tuple[NDArray[np.intp], Int64Array, NDArray[np.intp], Int64Array]]:
    """Gather positions by their block, some thousand blocks at a time."""
    blocks, which = np.unique(positions // BLOCK, return_inverse=True)
    inside = positions % BLOCK
    found = []
    for start in range(0, len(blocks), _TOGETHER):
        rows = np.flatnonzero((which >= start) & (which < start + _TOGETHER))
        found.append((rows, blocks[start : start + _TOGETHER], which[rows] - start, inside[rows]))
    return found
