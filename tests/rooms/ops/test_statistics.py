"""Statistics are those of exact arithmetic, rounded once, however their numbers come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whence.ops.spill import Spill
from whence.ops.statistics import Extremes, Moments, Quantiles

numbers: Any = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60)
near: Any = st.lists(st.floats(-9, 9) | st.integers(-9, 9).map(float), min_size=1, max_size=60)
cuts: Any = st.lists(st.integers(0, 60), max_size=4)
shares: Any = st.lists(
    st.sampled_from([0.0, 0.05, 0.25, 1 / 3, 0.5, 0.75, 0.95, 1.0]), min_size=1, max_size=4
)


def pieces(values: list[float], cut: list[int]) -> Iterator[np.ndarray[Any, Any]]:
    yield from np.split(np.array(values, np.float64), sorted({min(each, len(values)) for each in cut}))


def root_is_nearest(root: float, square: Fraction) -> bool:
    """No other float is nearer to the root: the halves of the ways to its neighbours enclose it."""
    below, above = math.nextafter(root, -math.inf), math.nextafter(root, math.inf)
    low, high = (Fraction(root) + Fraction(below)) / 2, (Fraction(root) + Fraction(above)) / 2
    return max(low, Fraction(0)) ** 2 <= square <= high**2


@given(numbers | near, cuts, st.randoms())
@example([5e-324, 0.0, 1e308], [1], None)
@example([1e308, 1e308, -1e308], [], None)
@example([0.1] * 7, [3], None)
def test_mean_and_deviation_are_exact_and_rounded_once(
    values: list[float], cut: list[int], random: Any
) -> None:
    moments = Moments(squares=True)
    shuffled = list(values)
    if random is not None:
        random.shuffle(shuffled)
    for piece in pieces(shuffled, cut):
        if len(piece):
            moments.add(piece)
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    assert moments.mean() == float(mean)
    square = sum(((each - mean) ** 2 for each in exact), Fraction(0)) / len(exact)
    assert root_is_nearest(moments.deviation(), square)


def test_many_numbers_of_one_size_do_not_overflow_the_sums() -> None:
    values = np.full(3_000_000, 1 + 2**-52)
    values[::2] *= -1
    moments = Moments(squares=True)
    moments.add(values)
    assert (moments.mean(), moments.deviation()) == (0.0, 1 + 2**-52)


def test_they_are_those_of_numpy() -> None:
    values = np.random.default_rng(7).normal(3.0, 2.0, 10_000)
    moments = Moments(squares=True)
    moments.add(values)
    assert moments.mean() == pytest.approx(values.mean(), rel=1e-14)
    assert moments.deviation() == pytest.approx(values.std(), rel=1e-14)


infinite: Any = st.lists(st.floats(allow_nan=False) | st.integers(-3, 3).map(float), min_size=1, max_size=60)


@given(infinite, cuts, shares, st.integers(8, 200))
@example([-0.0, 0.0, -0.0], [], [0.0, 0.5, 1.0], 8)
def test_quantiles_are_the_same_in_memory_and_on_disk(
    values: list[float], cut: list[int], wanted: list[float], budget: int
) -> None:
    found = []
    with Spill(label="winsorize", name_origin=str) as spill:
        for budget_bytes in (1 << 20, budget):
            quantiles = Quantiles(budget_bytes=budget_bytes, spill=spill)
            for piece in pieces(values, cut):
                quantiles.add(piece)
            assert quantiles.count == len(values)
            found.append([repr(each) for each in quantiles.at(wanted)])
        assert found[0] == found[1]
        assert (len(spill) > 0) is (8 * len(values) > budget)


@given(near, shares)
def test_quantiles_are_those_of_numpy(values: list[float], wanted: list[float]) -> None:
    with Spill(label="winsorize", name_origin=str) as spill:
        quantiles = Quantiles(budget_bytes=1 << 20, spill=spill)
        quantiles.add(np.array(values))
        assert quantiles.at(wanted) == pytest.approx(
            np.quantile(values, wanted).tolist(), rel=1e-12, abs=1e-12
        )


def test_a_share_is_the_decimal_that_was_written() -> None:
    with Spill(label="winsorize", name_origin=str) as spill:
        quantiles = Quantiles(budget_bytes=1 << 20, spill=spill)
        quantiles.add(np.arange(101.0))
        assert quantiles.at([0.05, 0.07, 0.29]) == [5.0, 7.0, 29.0]


@given(infinite, cuts)
def test_extremes_are_the_least_and_the_greatest(values: list[float], cut: list[int]) -> None:
    extremes = Extremes()
    for piece in pieces(values, cut):
        extremes.add(piece)
    assert (extremes.least, extremes.greatest) == (min(values), max(values))
    assert not any(each == 0 and math.copysign(1, each) < 0 for each in (extremes.least, extremes.greatest))
