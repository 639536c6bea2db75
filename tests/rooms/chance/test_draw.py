"""A named draw gives each sample what its own generator would draw first, and describes itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.chance import Bits, Draw, Rng, draw, draw_from_spec, draw_key
from whence.errors import PlanError
from whence.vocab import key64

FLOATS = st.floats(-1e300, 1e300, allow_nan=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)
DRAWS = st.one_of(
    st.tuples(FLOATS, FLOATS).map(lambda bounds: draw.uniform(*sorted(bounds))),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**64)).map(
        lambda range_: draw.integers(range_[0], min(range_[0] + range_[1], 2**63))
    ),
    st.tuples(FLOATS, st.floats(0.0, 1e300)).map(lambda spread: draw.normal(*spread)),
    st.lists(PLAIN, min_size=1, max_size=4).map(draw.choice),
    st.floats(0.0, 1.0).map(draw.coin),
)
KEYS = st.integers(0, 2**64 - 1)


@given(DRAWS)
def test_a_description_is_json_and_is_read_back(drawn: Draw) -> None:
    spec = drawn.spec()
    again = draw_from_spec(json.loads(json.dumps(spec, allow_nan=False)))
    assert again == drawn
    assert json.dumps(again.spec()) == json.dumps(spec)
    assert hash(again) == hash(drawn)


@given(DRAWS, KEYS, st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**64 - 1), max_size=5))
def test_a_sample_gets_the_same_value_alone_as_among_others(
    drawn: Draw, key: int, epoch: int, ids: list[int]
) -> None:
    together = drawn.sample(key, epoch, np.array(ids, dtype=np.uint64))
    apart = [drawn.sample(key, epoch, np.array([number], dtype=np.uint64))[0] for number in ids]
    assert together == apart


@pytest.mark.parametrize(
    ("drawn", "call"),
    [
        (draw.uniform(-2, 5), lambda rng: rng.uniform(-2, 5)),
        (draw.integers(-2, 5), lambda rng: rng.integers(-2, 5)),
        (draw.integers(-(2**63), 2**62 + 1), lambda rng: rng.integers(-(2**63), 2**62 + 1)),
        (draw.normal(1.0, 0.5), lambda rng: rng.normal(1.0, 0.5)),
        (draw.choice("abc"), lambda rng: rng.choice("abc")),
        (draw.coin(0.4), lambda rng: rng.random() < 0.4),
    ],
)
def test_a_draw_is_what_a_generator_of_its_key_draws_first(drawn: Draw, call: Any) -> None:
    ids = np.arange(300, dtype=np.uint64)

    def first(rng: Rng) -> Any:
        return call(rng)

    assert drawn.sample(3, 4, ids) == [first(rng) for rng in Bits(3, 4, ids).rngs()]


@pytest.mark.parametrize(
    ("drawn", "kind"),
    [
        (draw.uniform(0, 1), float),
        (draw.integers(4), int),
        (draw.normal(), float),
        (draw.choice([1, 2]), int),
        (draw.choice(np.array([1, 2])), int),  # type: ignore[arg-type]
        (draw.coin(), bool),
    ],
)
def test_drawn_values_are_plain_python(drawn: Draw, kind: type) -> None:
    values = drawn.sample(1, 0, np.arange(10, dtype=np.uint64))
    assert [type(value) for value in values] == [kind] * 10


def test_draws_of_two_names_have_nothing_in_common() -> None:
    ids = np.arange(2_000, dtype=np.uint64)
    left, right = (draw.normal().sample(draw_key(5, name), 0, ids) for name in ("dx", "dy"))
    # Independent: 0, give or take 0.022; the bound is 3.3 of these.
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.074
    assert draw_key(5, "dx") == key64(5, "draw", "dx")


def test_draws_of_neighbouring_samples_and_epochs_have_nothing_in_common() -> None:
    ids = np.arange(2_001, dtype=np.uint64)
    now, then = (draw.normal().sample(5, epoch, ids) for epoch in (0, 1))
    assert abs(np.corrcoef(now, then)[0, 1]) < 0.074
    assert abs(np.corrcoef(now[:-1], now[1:])[0, 1]) < 0.074


def test_options_in_lists_are_kept_as_tuples() -> None:
    assert draw.choice([[0, 1], [1, 0]]) == draw.choice([(0, 1), (1, 0)])


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"draw": "poisson"},
        {"draw": ["uniform"]},
        {"draw": "uniform", "lower": 1},
        {"draw": "uniform", "low": 2, "high": 1},
        {"draw": "choice"},
        {"draw": "coin", "p": "often"},
    ],
)
def test_a_description_of_no_known_distribution_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        draw_from_spec(spec)
