"""A Mersenne Twister's state follows from one word, and gives what looks random, like any other."""

from __future__ import annotations

import random

import numpy as np

from tests.rooms.chance.slow import chi_square
from whence.chance import STATE_WORDS, mersenne_states
from whence.vocab import mix64

WEYL = 0x9E3779B97F4A7C15


def drawn(seed: int, count: int) -> list[float]:
    (state,) = mersenne_states(np.array([seed], np.uint64)).tolist()
    twister = random.Random()
    twister.setstate((3, (*state, STATE_WORDS), None))
    return [twister.random() for _ in range(count)]


def test_the_words_are_those_that_are_written_down() -> None:
    seed = 0x0123456789ABCDEF
    (state,) = mersenne_states(np.array([seed], np.uint64)).tolist()
    assert len(state) == STATE_WORDS
    for step in (1, 2, 312):
        word = int(mix64(np.array([(seed + step * WEYL) % (1 << 64)], np.uint64))[0])
        assert state[2 * step - 2 : 2 * step] == [word & 0xFFFFFFFF, word >> 32]


def test_a_state_depends_on_its_own_seed_and_not_on_its_neighbours() -> None:
    seeds = np.arange(100, dtype=np.uint64)
    together = mersenne_states(seeds)
    for place in (0, 7, 99):
        assert (mersenne_states(seeds[place : place + 1])[0] == together[place]).all()
    assert len({tuple(each) for each in together.tolist()}) == 100


def test_first_draws_of_neighbouring_seeds_are_uniform() -> None:
    for place in (0, 1, 700):  # of the state itself, and of what it becomes
        counts = [0] * 64
        for seed in range(4_000):
            counts[int(drawn(seed, place + 1)[place] * 64)] += 1
        assert chi_square(counts) < 130  # exceeded once in a million for 63 degrees of freedom
