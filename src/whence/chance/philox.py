"""Random words: Philox4x32-10, a counter-based generator, computed for whole chunks at once.

A block is a pure function of (key, counter): no state, no order, so a sample's randomness depends on
nothing but its own place. The counter is (block, epoch, draw id low, draw id high), each 32 bits.
Block b of a sample holds its 64-bit words 2b = x0 | x1 << 32 and 2b + 1 = x2 | x3 << 32.

What is made of the words is said in `variates`; where keys come from, in `vocab.key64`.
Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.errors import PlanError

UInt32Array = NDArray[np.uint32]
UInt64Array = NDArray[np.uint64]

_ROUNDS = 10
_LOW_32 = 0xFFFFFFFF
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85
_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], dtype=np.uint64)
_SHIFT = np.uint64(32)
_MASK = np.uint64(_LOW_32)
# Blocks computed together: three arrays of 2 x 8192 x 8 bytes stay in a core's second-level cache.
_SLAB = 8_192
_WORDS_PER_SAMPLE = 1 << 33


def check_key(key: object) -> int:
    """Check that a key is an integer in [0, 2**64).

    Raises:
        PlanError: it isn't; a bool or a float is refused too.
    """
    return _check_unsigned("key", key, 64)


def check_integer(what: str, value: object) -> int:
    """Check that an argument is an integer of Python or NumPy, and give it as an `int`.

    Raises:
        PlanError: it isn't; `what` is the argument's name in the message.
    """
    try:
        if not isinstance(value, bool):
            return operator.index(value)  # type: ignore[arg-type]  # TypeError is the check
    except TypeError as error:
        raise _not_an_integer(what, value) from error
    raise _not_an_integer(what, value)


def check_epoch(epoch: object) -> int:
    """Check that an epoch is an integer in [0, 2**32), the room that the counter has for it.

    Raises:
        PlanError: it isn't.
    """
    return _check_unsigned("epoch", epoch, 32)


def check_ids(ids: object) -> UInt64Array:
    """Check that draw ids are a flat array of non-negative integers, and give them as uint64.

    Raises:
        PlanError: they aren't.
    """
    array: NDArray[Any] = np.asarray(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise PlanError(
            f"draw ids: wanted a flat array of integers, got shape {array.shape} of {array.dtype}"
        )
    if array.dtype.kind == "i" and array.size and array.min() < 0:
        raise PlanError(f"draw ids: wanted integers from 0, got {array.min()}")
    return array.astype(np.uint64, copy=False)


def philox(counters: UInt32Array, key: int) -> UInt32Array:
    """Compute one Philox4x32-10 block for each counter.

    Args:
        counters: shape (n, 4) of uint32, least significant word first.
        key: 64 bits, the generator's first key word in the low half.

    Returns:
        The blocks, shape (n, 4) of uint32.

    Raises:
        PlanError: the counters have another shape or type, or the key is out of range.

    Source: Salmon et al. 2011, section 3.3; the authors' known answers are the test vectors.
    """
    check_key(key)
    if counters.ndim != 2 or counters.shape[1] != 4 or counters.dtype != np.uint32:
        raise PlanError(f"counters: wanted (n, 4) of uint32, got {counters.shape} of {counters.dtype}")
    wide = counters.T.astype(np.uint64)
    even, odd = _mix(wide[0::2].copy(), wide[1::2].copy(), _round_keys(key))
    blocks = np.empty(counters.shape, dtype=np.uint32)
    blocks[:, 0::2] = even.T
    blocks[:, 1::2] = (odd & _MASK).T
    return blocks


def words(key: int, epoch: int, ids: UInt64Array, first: int, count: int) -> UInt64Array:
    """Compute the words `first` to `first + count` of each sample's own stream of words.

    Args:
        key: 64 bits, from `vocab.key64`.
        epoch: the pass over the data, in [0, 2**32).
        ids: the samples' draw ids, shape (n,) of uint64.
        first: number of the first word wanted.
        count: how many words each sample gets.

    Returns:
        Shape (n, count) of uint64.

    Raises:
        PlanError: an argument is out of range.

    Cost: 20 to 70 ns for two words of a sample, from 8,192 blocks at once down to 1,024.
    """
    check_key(key)
    check_epoch(epoch)
    ids = check_ids(ids)
    first, count = check_integer("first", first), check_integer("count", count)
    if first < 0 or count < 0 or first + count > _WORDS_PER_SAMPLE:
        raise PlanError(f"words {first} to {first + count}: a sample has the words 0 to 2**33")
    return compute_words(key, epoch, ids, first, count)


def compute_words(key: int, epoch: int, ids: UInt64Array, first: int, count: int) -> UInt64Array:
    """Do what `words` says, for arguments that were checked before."""
    start, stop = first // 2, (first + count + 1) // 2
    out = np.empty((len(ids), stop - start, 2), dtype=np.uint64)
    keys = _round_keys(key)
    columns = min(stop - start, _SLAB) or 1
    rows = max(1, _SLAB // columns)
    for row in range(0, len(ids), rows):
        for column in range(0, stop - start, columns):
            block = out[row : row + rows, column : column + columns]
            _fill(block, keys, epoch, ids[row : row + rows], start + column)
    return out.reshape(len(ids), 2 * (stop - start))[:, first % 2 : first % 2 + count]


def _fill(out: UInt64Array, keys: list[UInt64Array], epoch: int, ids: UInt64Array, start: int) -> None:
    rows, columns = out.shape[:2]
    even = np.empty((2, rows, columns), dtype=np.uint64)
    odd = np.empty((2, rows, columns), dtype=np.uint64)
    even[0] = np.arange(start, start + columns, dtype=np.uint64)
    even[1] = (ids & _MASK)[:, None]
    odd[0] = epoch
    odd[1] = (ids >> _SHIFT)[:, None]
    even, odd = _mix(even.reshape(2, -1), odd.reshape(2, -1), keys)
    np.left_shift(odd, _SHIFT, out=odd)
    np.bitwise_or(odd, even, out=odd)
    out[:, :, 0] = odd[0].reshape(rows, columns)
    out[:, :, 1] = odd[1].reshape(rows, columns)


def _mix(even: UInt64Array, odd: UInt64Array, keys: list[UInt64Array]) -> tuple[UInt64Array, UInt64Array]:
    """Apply the ten rounds, in place, to counters split in words 0 and 2 (`even`), 1 and 3 (`odd`).

    The odd words that come back carry unspent high halves: to drop them once, when they are read, is
    cheaper than in every round.
    """
    product = np.empty_like(even)
    for key in keys:
        np.multiply(even, _MULTIPLIERS, out=product)
        crossed = product[::-1]
        np.right_shift(crossed, _SHIFT, out=even)
        np.bitwise_xor(even, odd, out=even)
        np.bitwise_xor(even, key, out=even)
        np.bitwise_and(even, _MASK, out=even)
        product, odd = odd, crossed
    return even, odd


@lru_cache(maxsize=1024)
def _round_keys(key: int) -> list[UInt64Array]:
    low, high = key & _LOW_32, key >> 32
    schedule = [
        [[(low + turn * _WEYL_0) & _LOW_32], [(high + turn * _WEYL_1) & _LOW_32]] for turn in range(_ROUNDS)
    ]
    return list(np.array(schedule, dtype=np.uint64))


def _check_unsigned(what: str, value: object, bits: int) -> int:
    number = check_integer(what, value)
    if not 0 <= number < 1 << bits:
        raise PlanError(f"{what}: wanted an integer in [0, 2**{bits}), got {number}")
    return number


def _not_an_integer(what: str, value: object) -> PlanError:
    return PlanError(f"{what}: wanted an integer, got {type(value).__name__}")
