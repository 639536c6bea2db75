"""Distributions are what their names say, and the same to the last bit in every form."""

from __future__ import annotations

import json
import math
import statistics
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.chance.slow import chi_square, slow_integer, slow_words
from whence.chance import Bits, draw, permutation, words
from whence.chance.variates import normal_one, normals
from whence.errors import PlanError

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "chance.json").read_text())
MANY = np.arange(20_000, dtype=np.uint64)


@pytest.mark.parametrize("case", VECTORS["draws"], ids=lambda case: case["spec"]["draw"])
def test_draws_equal_the_published_vectors(case: dict[str, Any]) -> None:
    ids = np.array([int(number) for number in VECTORS["ids"]], dtype=np.uint64)
    drawn = draw.draw_from_spec(case["spec"]).sample(int(VECTORS["key"]), VECTORS["epoch"], ids)
    assert [value.hex() if isinstance(value, float) else value for value in drawn] == case["values"]


def test_words_equal_the_published_vectors_and_the_slow_ones() -> None:
    for number, published in zip(VECTORS["ids"], VECTORS["words"], strict=True):
        slow = islice(slow_words(int(VECTORS["key"]), VECTORS["epoch"], int(number)), 3)
        assert [str(word) for word in slow] == published
        alone = words(int(VECTORS["key"]), VECTORS["epoch"], np.array([number]).astype(np.uint64), 0, 3)
        assert [str(word) for word in alone[0]] == published


@pytest.mark.parametrize("case", VECTORS["orders"], ids=lambda case: str(case["size"]))
def test_orders_equal_the_published_vectors(case: dict[str, Any]) -> None:
    order = permutation(case["size"], int(VECTORS["key"]))
    assert order.backward(np.array(case["positions"], dtype=np.int64)).tolist() == case["backward"]


def test_uniform_numbers_are_the_upper_53_bits() -> None:
    drawn = draw.uniform().sample(3, 0, MANY[:100])
    assert drawn == [(next(slow_words(3, 0, i)) >> 11) / 2**53 for i in range(100)]


def test_uniform_numbers_fill_their_interval_evenly() -> None:
    drawn = np.array(draw.uniform(-1.0, 3.0).sample(3, 0, MANY))
    counts, _ = np.histogram(drawn, bins=100, range=(-1.0, 3.0))
    assert counts.sum() == len(MANY)
    # 99 degrees of freedom: 149 is exceeded by one in a thousand keys; this key is fixed.
    assert chi_square(counts.tolist()) < 149


@given(st.integers(1, 2**64), st.integers(0, 2**64 - 1))
def test_integers_equal_the_slow_ones(span: int, key: int) -> None:
    low = -(2**63)
    drawn = draw.integers(low, low + span).sample(key, 0, MANY[:20])
    assert drawn == [low + slow_integer(slow_words(key, 0, i), span) for i in range(20)]


@pytest.mark.parametrize("span", [2**63 + 1, 2**64 - 1, 2**63 - 1, 2**33 + 1, 3 * 2**62])
def test_integers_of_spans_that_refuse_many_words_equal_the_slow_ones(span: int) -> None:
    low = -(2**63)
    drawn = draw.integers(low, low + span).sample(11, 2, MANY[:200])
    assert drawn == [low + slow_integer(slow_words(11, 2, i), span) for i in range(200)]


def test_a_span_of_three_quarters_of_all_words_is_not_biased() -> None:
    # By a modulo, or without refusing words, one third of the values would be twice as likely.
    span, low = 3 * 2**62, -(2**63)
    drawn = np.array(draw.integers(low, low + span).sample(4, 0, MANY), dtype=object) - low
    counts = np.bincount([int(value * 3 // span) for value in drawn], minlength=3)
    thirds = np.bincount([int(value % 3) for value in drawn], minlength=3)
    # 2 degrees of freedom: 13.8 is exceeded by one in a thousand keys; this key is fixed.
    assert chi_square(counts.tolist()) < 13.8
    assert chi_square(thirds.tolist()) < 13.8


@pytest.mark.parametrize(("span", "bound"), [(2, 10.8), (7, 22.5), (10, 27.9), (100, 148.3)])
def test_small_integers_are_equally_likely(span: int, bound: float) -> None:
    counts = np.bincount(draw.integers(0, span).sample(8, 1, MANY), minlength=span)
    assert len(counts) == span
    assert chi_square(counts.tolist()) < bound


def test_normal_numbers_are_the_inverse_of_their_distribution() -> None:
    exact = statistics.NormalDist()
    drawn = draw.normal().sample(6, 0, MANY)
    firsts = words(6, 0, MANY, 0, 1)[:, 0].tolist()
    wanted = [exact.inv_cdf(((word >> 12) + 0.5) * 2.0**-52) for word in firsts]
    assert all(math.isclose(a, b, rel_tol=2e-15) for a, b in zip(drawn, wanted, strict=True))
    assert max(abs(number) for number in drawn) > 3.5


def test_normal_numbers_are_as_spread_as_asked() -> None:
    drawn = draw.normal(mean=-2.0, sd=3.0).sample(6, 0, MANY)
    shares = [statistics.NormalDist(-2.0, 3.0).cdf(number) for number in drawn]
    counts, _ = np.histogram(shares, bins=100, range=(0.0, 1.0))
    assert chi_square(counts.tolist()) < 149
    assert statistics.fmean(drawn) == pytest.approx(-2.0, abs=0.06)
    assert statistics.stdev(drawn) == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("word", [0, 1, 2**64 - 1, 2**63, 2**63 - 1, 2**40, 2**20, 2**52, 2**64 - 2**30])
def test_extreme_words_give_finite_normal_numbers_equal_in_both_forms(word: int) -> None:
    number = normal_one(word)
    assert normals(np.array([word], dtype=np.uint64)).tolist() == [number]
    exact = statistics.NormalDist().inv_cdf(((word >> 12) + 0.5) * 2.0**-52)
    assert math.isclose(number, exact, rel_tol=2e-15)
    assert abs(number) < 8.3


def test_a_coin_falls_as_often_as_asked() -> None:
    heads = sum(draw.coin(0.3).sample(2, 0, MANY))
    # 6,000 wanted, give or take 65; the bound is 3.3 of these.
    assert abs(heads - 6_000) < 214
    assert sum(draw.coin(0.0).sample(2, 0, MANY)) == 0
    assert sum(draw.coin(1.0).sample(2, 0, MANY)) == len(MANY)


def test_permutations_are_equally_likely() -> None:
    orders: dict[tuple[int, ...], int] = {}
    for rng in Bits(21, 0, MANY[:12_000]).rngs():
        order = tuple(rng.permutation(4).tolist())
        orders[order] = orders.get(order, 0) + 1
    assert len(orders) == 24
    # 23 degrees of freedom: 49.7 is exceeded by one in a thousand keys; this key is fixed.
    assert chi_square(list(orders.values())) < 49.7


def test_parameters_that_describe_no_distribution_are_refused_by_name() -> None:
    rng = Bits(0, 0, MANY[:1]).rng(0)
    wrong: list[tuple[str, Any]] = [
        ("uniform", lambda: rng.uniform(2.0, 1.0)),
        ("uniform", lambda: rng.uniform(0.0, math.nan)),
        ("uniform: high", lambda: draw.uniform(0.0, "1")),  # type: ignore[arg-type]
        ("uniform", lambda: draw.uniform(-1.7e308, 1.7e308)),
        ("uniform: low", lambda: draw.uniform(10**400, 1)),
        ("integers", lambda: rng.integers(3, 3)),
        ("integers", lambda: rng.integers(0)),
        ("integers", lambda: draw.integers(0, 2**63 + 1)),
        ("integers: low", lambda: rng.integers(1.5, 3)),  # type: ignore[call-overload]
        ("integers: high", lambda: draw.integers(True)),
        ("normal", lambda: rng.normal(0.0, -1.0)),
        ("normal", lambda: draw.normal(math.inf)),
        ("normal: sd", lambda: draw.normal(0.0, None)),  # type: ignore[arg-type]
        ("coin", lambda: draw.coin(1.5)),
        ("coin", lambda: draw.coin(math.nan)),
        ("choice", lambda: draw.choice([])),
        ("choice", lambda: draw.choice({1, 2})),  # type: ignore[arg-type]
        ("choice", lambda: rng.choice({"a": 1})),  # type: ignore[call-overload]
        ("choice", lambda: rng.choice([])),
        ("choice", lambda: draw.choice([object()])),
        ("choice", lambda: draw.choice([math.nan])),
        ("shuffle", lambda: rng.shuffle((1, 2))),  # type: ignore[arg-type]
        ("shuffle", lambda: rng.shuffle({1, 2})),  # type: ignore[arg-type]
        ("permutation", lambda: rng.permutation(-1)),
        ("permutation", lambda: rng.permutation(2.0)),  # type: ignore[arg-type]
        ("size", lambda: rng.random(-1)),
        ("size", lambda: rng.random((2, 1.5))),  # type: ignore[arg-type]
    ]
    for name, attempt in wrong:
        with pytest.raises(PlanError, match=f"^{name}"):
            attempt()
