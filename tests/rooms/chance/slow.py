"""The oracle: the same arithmetic from the papers, one word at a time, in Python's own integers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

LOW_32 = 0xFFFFFFFF
LOW_64 = (1 << 64) - 1


def slow_block(counter: list[int], key: list[int]) -> list[int]:
    """Compute one Philox4x32-10 block (Salmon et al. 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (right >> 32) ^ c1 ^ k0, right & LOW_32, (left >> 32) ^ c3 ^ k1, left & LOW_32
        k0, k1 = (k0 + 0x9E3779B9) & LOW_32, (k1 + 0xBB67AE85) & LOW_32
    return [c0, c1, c2, c3]


def slow_words(key: int, epoch: int, draw_id: int) -> Iterator[int]:
    """Give a sample's words, from the first one on."""
    for number in count():
        counter = [number, epoch, draw_id & LOW_32, draw_id >> 32]
        x0, x1, x2, x3 = slow_block(counter, [key & LOW_32, key >> 32])
        yield x0 | x1 << 32
        yield x2 | x3 << 32


def slow_integer(words: Iterator[int], span: int) -> int:
    """Draw one integer below `span` (Lemire 2019)."""
    for word in words:
        if (word * span & LOW_64) >= (1 << 64) % span:
            return word * span >> 64
    raise AssertionError("words end")


def slow_order(words: Iterator[int], size: int) -> list[int]:
    """Shuffle the integers below `size`, from the last place down (Fisher and Yates)."""
    order = list(range(size))
    for place in reversed(range(1, size)):
        other = slow_integer(words, place + 1)
        order[place], order[other] = order[other], order[place]
    return order


def chi_square(counts: list[int]) -> float:
    """Measure how far counts are from being equal; about as large as there are counts, if they are."""
    wanted = sum(counts) / len(counts)
    return sum((found - wanted) ** 2 for found in counts) / wanted
