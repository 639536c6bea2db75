"""Mixing 64-bit words: fmix64, and folding words into one.

Source: fmix64 is the finaliser of MurmurHash3 (Appleby, public domain).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt64Array = NDArray[np.uint64]

MASK = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15
_MIX_1 = 0xFF51AFD7ED558CCD
_MIX_2 = 0xC4CEB9FE1A85EC53


def mix(word: int) -> int:
    """Finalise one 64-bit word."""
    word = ((word ^ (word >> 33)) * _MIX_1) & MASK
    word = ((word ^ (word >> 33)) * _MIX_2) & MASK
    return word ^ (word >> 33)


def fold(folded: int, value: int, key: int) -> int:
    """Fold a value and its key into the word of those before."""
    return mix((((folded ^ value) * ODD) + key) & MASK)


def mix64(words: UInt64Array) -> UInt64Array:
    """Finalise 64-bit words: a bijection that spreads every bit (fmix64), vectorised.

    Args:
        words: shape (n,).

    Returns:
        A new array, shape (n,).
    """
    mixed = words ^ (words >> np.uint64(33))
    mixed *= np.uint64(_MIX_1)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(_MIX_2)
    mixed ^= mixed >> np.uint64(33)
    return mixed


def mix_in_place(words: UInt64Array, spare: UInt64Array) -> None:
    """Do as `mix64`, in the same memory.

    Args:
        words: shape (n,); become what is found.
        spare: as many words that are overwritten.
    """
    for factor in (_MIX_1, _MIX_2):
        np.right_shift(words, np.uint64(33), out=spare)
        words ^= spare
        words *= np.uint64(factor)
    np.right_shift(words, np.uint64(33), out=spare)
    words ^= spare
