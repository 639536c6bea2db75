"""The random generator that a user's function gets: one for each sample, opened when it first draws.

A sample's generator reads the sample's own stream of words from the first one on, each value taking the
next words: one for a number, for a choice and for each number of an array, one fewer than there are
places for a shuffle, four for `numpy`, one for `torch`. (A word that a bounded integer refuses is one
more.) So what is drawn depends on the key, the epoch, the sample's id and the calls made before it, and on
nothing else.

The words come for the whole chunk at once. How they are fetched never changes which they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from whence.chance import variates
from whence.chance.philox import (
    UInt64Array,
    check_epoch,
    check_ids,
    check_integer,
    check_key,
    compute_words,
)
from whence.chance.variates import FloatArray, Int64Array
from whence.errors import MissingExtraError, PlanError, PositionError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Size = int | tuple[int, ...]
Made = TypeVar("Made", UInt64Array, FloatArray)

# Words that are fetched for all samples of a chunk: 4, then up to 8, 16, 32 and 64; then a sample is alone.
_SHARED_WORDS = 64
_FIRST_WORDS = 4
_ALONE_WORDS = 4_096
# Arrays of one place and length that samples ask for one after the other are made together, in groups
# that double up to 128 KiB; only the last few groups are kept.
_GROUP_WORDS = 16_384
_GROUPS_KEPT = 8
# From here a column of normal numbers made at once is cheaper than one number at a time.
_COLUMN_ROWS = 128
_NOTHING: Iterator[int] = iter(())


class Bits:
    """The random words of the samples of one chunk, fetched when the first of them draws.

    Args:
        key: 64 bits, from `vocab.key64`.
        epoch: the pass over the data, in [0, 2**32).
        ids: the samples' draw ids, shape (n,) of uint64.

    Raises:
        PlanError: an argument is out of range.
    """

    __slots__ = ("_epoch", "_groups", "_ids", "_key", "_normals", "_segments")

    def __init__(self, key: int, epoch: int, ids: UInt64Array) -> None:
        self._key = check_key(key)
        self._epoch = check_epoch(epoch)
        self._ids = check_ids(ids)
        self._segments: list[tuple[UInt64Array, list[list[int]]]] = []
        self._normals: dict[int, list[float]] = {}
        self._groups: dict[tuple[int, int, object], tuple[int, NDArray[Any]]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def rng(self, index: int) -> Rng:
        """Open the generator of the chunk's sample number `index`, at its first word.

        Raises:
            PositionError: the chunk has no such sample.
        """
        if not 0 <= index < len(self._ids):
            raise PositionError(f"sample {index} of a chunk of {len(self._ids)}")
        return Rng(self, index)

    def rngs(self) -> Iterator[Rng]:
        """Open the generators of all samples, in order; one that is not used costs next to nothing."""
        return map(Rng, repeat(self), range(len(self._ids)))

    def words_from(self, index: int, place: int) -> list[int]:
        """Fetch at least one of a sample's words, from the one at `place` on."""
        if not place and self._segments:
            return self._segments[0][1][index]
        if place >= _SHARED_WORDS:
            count = min(place, _ALONE_WORDS)
            row: list[int] = self._compute(index, 1, place, count)[0].tolist()
            return row
        number = max(0, place.bit_length() - 2)
        while len(self._segments) <= number:
            start = _first_place(len(self._segments))
            matrix = self._compute(0, len(self._ids), start, _first_place(len(self._segments) + 1) - start)
            self._segments.append((matrix, matrix.tolist()))
        row = self._segments[number][1][index]
        skipped = place - _first_place(number)
        return row[skipped:] if skipped else row

    def normal_at(self, index: int, place: int, word: int) -> float:
        """Make the normal number of a sample's word, together with those of the whole chunk if it pays."""
        column = self._normals.get(place)
        if column is None:
            if place >= _SHARED_WORDS or len(self._ids) < _COLUMN_ROWS:
                return variates.normal_one(word)
            number = max(0, place.bit_length() - 2)
            matrix = self._segments[number][0]
            column = variates.normals(matrix[:, place - _first_place(number)]).tolist()
            self._normals[place] = column
        return column[index]

    def array(self, index: int, place: int, count: int, make: Callable[[UInt64Array], Made]) -> Made:
        """Make `count` values of a sample's words from `place` on; the array is shared, never changed."""
        wanted = (place, count, make)
        first, made = self._groups.pop(wanted, (0, None))
        if made is None or not first <= index < first + len(made):
            rows = 1 if made is None else min(2 * len(made), max(1, _GROUP_WORDS // max(1, count)))
            first, made = index, make(self._compute(index, rows, place, count))
        self._groups[wanted] = first, made
        if len(self._groups) > _GROUPS_KEPT:
            del self._groups[next(iter(self._groups))]
        row: Made = made[index - first]
        return row

    def _compute(self, index: int, rows: int, place: int, count: int) -> UInt64Array:
        return compute_words(self._key, self._epoch, self._ids[index : index + rows], place, count)


class Rng:
    """A sample's own random generator; the same draws in every run, whatever the workers or the order."""

    __slots__ = ("_bits", "_end", "_index", "_words")

    def __init__(self, bits: Bits, index: int) -> None:
        self._bits = bits
        self._index = index
        self._words = _NOTHING
        self._end = 0

    @overload
    def random(self) -> float: ...
    @overload
    def random(self, size: Size) -> FloatArray: ...
    def random(self, size: Size | None = None) -> float | FloatArray:
        """Draw a number in [0, 1), or an array of them."""
        if size is None:
            return (self._word() >> 11) * variates.UNIT
        return self._array(size, variates.uniform53).copy()

    @overload
    def uniform(self, a: float = 0.0, b: float = 1.0) -> float: ...
    @overload
    def uniform(self, a: float = 0.0, b: float = 1.0, *, size: Size) -> FloatArray: ...
    @overload
    def uniform(self, a: float, b: float, size: Size) -> FloatArray: ...
    def uniform(self, a: float = 0.0, b: float = 1.0, size: Size | None = None) -> float | FloatArray:
        """Draw a number in [a, b), or an array of them; rounding may give `b` itself.

        Raises:
            PlanError: not finite numbers with a <= b.
        """
        a, b = variates.check_interval(a, b)
        if size is None:
            return a + (b - a) * ((self._word() >> 11) * variates.UNIT)
        return variates.scale(self._array(size, variates.uniform53), a, b)

    @overload
    def integers(self, low: int, high: int | None = None) -> int: ...
    @overload
    def integers(self, low: int, high: int | None = None, *, size: Size) -> Int64Array: ...
    @overload
    def integers(self, low: int, high: int | None, size: Size) -> Int64Array: ...
    def integers(self, low: int, high: int | None = None, size: Size | None = None) -> int | Int64Array:
        """Draw an integer in [low, high), or below `low` if that is all there is; or an array of them.

        Raises:
            PlanError: not integers, none to draw from, or outside [-2**63, 2**63].
        """
        low, span = variates.check_range(low, high)
        if size is None:
            return low + variates.bounded_one(self._word, span)
        values = self._bounded(_count_of(size), span).view(np.int64)
        return (values + np.int64(low)).reshape(size)

    @overload
    def normal(self, mean: float = 0.0, sd: float = 1.0) -> float: ...
    @overload
    def normal(self, mean: float = 0.0, sd: float = 1.0, *, size: Size) -> FloatArray: ...
    @overload
    def normal(self, mean: float, sd: float, size: Size) -> FloatArray: ...
    def normal(self, mean: float = 0.0, sd: float = 1.0, size: Size | None = None) -> float | FloatArray:
        """Draw a number of the normal distribution, or an array of them.

        Raises:
            PlanError: not finite numbers, or a negative standard deviation.
        """
        mean, sd = variates.check_spread(mean, sd)
        if size is None:
            word = self._word()
            return mean + sd * self._bits.normal_at(self._index, self._place() - 1, word)
        return mean + sd * self._array(size, variates.normals)

    @overload
    def choice(self, seq: Sequence[T]) -> T: ...
    @overload
    def choice(self, seq: Sequence[Any], size: Size) -> NDArray[Any]: ...
    def choice(self, seq: Sequence[Any], size: Size | None = None) -> Any:
        """Draw one of a sequence's items, or an array of them, each with equal chance, with replacement.

        Raises:
            PlanError: there is nothing to choose from, or no order to choose by.
        """
        variates.check_sequence("choice", seq)
        if len(seq) == 0:
            raise PlanError("choice: wanted at least one item to choose from, got none")
        if size is None:
            item = seq[variates.bounded_one(self._word, len(seq))]
            return item.item() if isinstance(item, np.generic) else item
        places = self._bounded(_count_of(size), len(seq)).view(np.int64).reshape(size)
        return np.asarray(seq)[places]

    def shuffle(self, items: list[Any] | NDArray[Any]) -> None:
        """Shuffle a list in place, or an array along its first axis; in the order of `permutation`.

        Raises:
            PlanError: it can't be changed, or has no order.
        """
        variates.check_sequence("shuffle", items)
        if not hasattr(items, "__setitem__"):
            raise PlanError(f"shuffle: wanted a list or an array to change, got {type(items).__name__}")
        order = variates.fisher_yates(self._word, len(items))
        items[:] = items[order] if isinstance(items, np.ndarray) else [items[place] for place in order]

    def permutation(self, n: int) -> Int64Array:
        """Draw an order of the integers below `n`.

        Raises:
            PlanError: `n` isn't an integer, or is negative.
        """
        n = check_integer("permutation", n)
        if n < 0:
            raise PlanError(f"permutation: wanted how many integers to put in order, got {n}")
        return np.array(variates.fisher_yates(self._word, n), dtype=np.int64)

    def numpy(self) -> np.random.Generator:
        """Start a NumPy generator from the sample's next four words.

        NumPy promises its values for one of its versions only; the versions in use are recorded.

        Cost: some 15 us, a hundred times a draw.
        """
        seed = self._take(4, variates.unchanged)
        key, counter = seed[:2].copy(), np.concatenate([np.zeros(2, np.uint64), seed[2:]])
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def torch(self) -> torch.Generator:
        """Start a PyTorch generator on the CPU, seeded with 63 bits of the sample's next word.

        PyTorch promises its values for one of its versions and platforms only; those in use are recorded.

        Cost: some 5 us, and as much again for its first value.

        Raises:
            MissingExtraError: PyTorch isn't installed.
        """
        try:
            import torch  # noqa: PLC0415 - only who asks for it waits for it
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != "torch":
                raise
            raise MissingExtraError("torch", extra="torch", need="rng.torch()") from error
        return torch.Generator().manual_seed(self._word() >> 1)

    def _word(self) -> int:
        for word in self._words:
            return word
        found = self._bits.words_from(self._index, self._end)
        self._end += len(found)
        self._words = iter(found)
        return next(self._words)

    def _place(self) -> int:
        return self._end - length_hint(self._words)

    def _take(self, count: int, make: Callable[[UInt64Array], Made]) -> Made:
        place = self._place()
        self._words, self._end = _NOTHING, place + count
        return self._bits.array(self._index, place, count, make)

    def _array(self, size: Size, make: Callable[[UInt64Array], FloatArray]) -> FloatArray:
        return self._take(_count_of(size), make).reshape(size)

    def _bounded(self, count: int, span: int) -> UInt64Array:
        parts: list[UInt64Array] = []
        while True:
            values, wanted = variates.bounded(self._take(count, variates.unchanged), span)
            parts.append(values[wanted])
            count -= len(parts[-1])
            if not count:
                return np.concatenate(parts)


def _first_place(number: int) -> int:
    return _FIRST_WORDS << (number - 1) if number else 0


def _count_of(size: Size) -> int:
    lengths = size if isinstance(size, tuple) else (size,)
    if any(check_integer("size", length) < 0 for length in lengths):
        raise PlanError(f"size: wanted lengths from 0, got {size}")
    return math.prod(lengths)
