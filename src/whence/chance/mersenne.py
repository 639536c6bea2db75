"""States of a Mersenne Twister, for generators that aren't ours: a whole one out of one word.

Python, NumPy and PyTorch each keep a global generator of this kind. What seeds it are 64 bits of a sample's
own; the 624 words of its state are the sequence of those bits and 312 steps of a Weyl sequence, mixed.
Such a state is as good as any: all of the generator's outputs but those of the state zero look random.

Source: Matsumoto & Nishimura, "Mersenne Twister", TOMACS 1998; for the expansion Steele, Lea & Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014, with another finaliser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whence.vocab import mix64

UInt32Array = NDArray[np.uint32]
UInt64Array = NDArray[np.uint64]

STATE_WORDS = 624

_WEYL = 0x9E3779B97F4A7C15
_STEPS = np.arange(1, STATE_WORDS // 2 + 1, dtype=np.uint64) * np.uint64(_WEYL)


def mersenne_states(seeds: UInt64Array) -> UInt32Array:
    """Make the states of Mersenne Twisters.

    Args:
        seeds: shape (n,).

    Returns:
        Their words, shape (n, 624): of each mixed word the low half first.

    Cost: 0.8 µs each, a few dozen at a time; beyond 100 KB of them memory costs more than the arithmetic.
    """
    mixed = mix64(seeds[:, None] + _STEPS)
    halves = mixed.astype("<u8", copy=False).view("<u4")
    return halves.astype(np.uint32, copy=False)
