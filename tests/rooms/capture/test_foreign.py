"""Foreign generators are seen where they keep their state, set there, and given back as they were."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.capture import foreign
from whence.capture.foreign import NumpyRandom, NumpyTwister, PythonRandom, numpy_memory, python_memory
from whence.chance import STATE_WORDS, mersenne_states
from whence.errors import PlanError

SEEDS = np.array([1, 2, 1 << 63], np.uint64)


def python_draws(generator: random.Random) -> list[Any]:
    return [generator.random(), generator.getrandbits(77), generator.gauss(0, 1), generator.gauss(0, 1)]


@given(st.integers(), st.integers(0, 2_000))
def test_the_memory_holds_what_the_generator_tells(seed: int, draws: int) -> None:
    generator = random.Random(seed)
    memory = python_memory(generator)
    bits = np.random.MT19937(abs(seed))
    for _ in range(draws):
        generator.getrandbits(32)
        bits.random_raw()
    assert memory is not None
    index, *state = memory.cast("I").tolist()
    assert generator.getstate()[1] == (*state, index)
    *state, index = numpy_memory(bits).cast("I").tolist()
    told = bits.state["state"]
    assert told["key"].tolist() == state
    assert told["pos"] == index


@pytest.mark.parametrize("is_found", [True, False])
def test_a_generator_that_is_set_draws_as_one_with_that_state(
    is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_found:
        monkeypatch.setattr(foreign, "python_memory", lambda generator: None)
    generator = random.Random(3)
    generator.gauss(0, 1)  # half of a pair is kept
    settable = PythonRandom(generator)
    seed = settable.setter(SEEDS)
    for place in (2, 0, 0, 1):
        seed(place)
        fresh = random.Random()
        fresh.setstate((3, (*mersenne_states(SEEDS)[place].tolist(), STATE_WORDS), None))
        assert python_draws(generator) == python_draws(fresh)


def test_numpy_forgets_the_other_half_of_a_normal_number() -> None:
    state = np.random.RandomState(1)
    state.normal()
    seed = NumpyRandom(state).setter(SEEDS)
    found = []
    for _ in range(2):
        seed(1)
        found.append((state.normal(), state.randint(1 << 30)))
    assert found[0] == found[1]
    # 624 words exactly leave the index where it was
    seed(0)
    first = state.normal()
    while numpy_memory(state._bit_generator).cast("I")[STATE_WORDS] != STATE_WORDS:
        state.bytes(4)
    seed(0)
    assert state.normal() == first


def test_a_generator_of_numpys_of_our_own_is_set() -> None:
    bits = np.random.MT19937(5)
    drawing = np.random.Generator(bits)
    seed = NumpyTwister(bits).setter(SEEDS)
    seed(0)
    first = drawing.random(700)
    seed(0)
    assert (drawing.random(700) == first).all()


@pytest.mark.parametrize("draw", [random.random, lambda: random.gauss(0, 1), lambda: random.seed(1)])
@pytest.mark.parametrize("is_found", [True, False])
def test_whoever_draws_is_seen(draw: Any, is_found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_found:
        monkeypatch.setattr(foreign, "python_memory", lambda generator: None)
    watched = PythonRandom(random.random.__self__)  # type: ignore[attr-defined]  # the global one
    before, saved = watched.look(), watched.save()
    assert watched.look() == before
    draw()
    assert watched.look() != before
    watched.restore(saved)
    assert watched.look() == before


def test_another_kind_of_generator_below_numpys_is_seen_and_not_set() -> None:
    state = np.random.RandomState(np.random.PCG64(1))
    watched = NumpyRandom(state)
    before = watched.look()
    state.random_sample()
    assert watched.look() != before
    with pytest.raises(PlanError, match="draws on PCG64, wanted MT19937"):
        watched.save()
