"""Plots keep every extreme, and their axes say what they show."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whence.documents.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    extremes,
    nice_ticks,
    plot_metric,
    tick_texts,
)

finite = st.floats(-1e300, 1e300)


def places(path: str) -> list[tuple[float, float]]:
    found = re.findall(r"[ML](\S+?) ([^ML]+)", path)
    return [(float(x), float(y)) for x, y in found]


@given(st.lists(finite, min_size=1, max_size=60))
def test_every_value_is_drawn_inside_its_frame(values: list[float]) -> None:
    plot = plot_metric("m", np.arange(len(values), dtype=np.float64), np.array(values))
    for x, y in places(plot.path):
        assert LEFT - 0.01 <= x <= WIDTH - RIGHT + 0.01
        assert TOP - 0.01 <= y <= HEIGHT - BOTTOM + 0.01
    assert len(places(plot.path)) == len(values)


@given(size=st.integers(601, 3_000), seed=st.integers(0, 99))
def test_the_lowest_and_the_highest_survive_thinning(size: int, seed: int) -> None:
    value = np.random.default_rng(seed).standard_cauchy(size)
    kept = extremes(value, 300)
    assert value[kept].min() == value.min()
    assert value[kept].max() == value.max()
    assert kept[0] == 0
    assert kept[-1] == len(value) - 1
    assert len(kept) <= 2 * 300 + 2


@given(low=st.floats(-1e12, 1e12), span=st.floats(1e-6, 1e12))
def test_ticks_are_round_ascending_and_enclose_the_values(low: float, span: float) -> None:
    high = low + span
    ticks = nice_ticks(low, high, 4)
    assert len(ticks) >= 2
    assert all(before < after for before, after in itertools.pairwise(ticks))
    slack = 1e-9 * max(abs(low), abs(high))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert len(ticks) <= 7


def test_a_missing_value_interrupts_the_line_and_is_counted() -> None:
    plot = plot_metric("m", np.arange(4.0), np.array([1.0, math.nan, 2.0, math.inf]))
    assert plot.path.count("M") == 2
    assert plot.notes == ["2 of them NaN or infinite, shown as gaps"]
    assert plot.last == "∞"


def test_nothing_is_drawn_of_values_that_are_no_numbers() -> None:
    plot = plot_metric("m", np.arange(2.0), np.array([math.nan, math.nan]))
    assert (plot.path, plot.x_ticks, plot.count) == ("", [], 2)


def test_a_constant_stands_in_the_middle_of_its_axis() -> None:
    plot = plot_metric("m", np.arange(3.0), np.array([5.0, 5.0, 5.0]))
    (height,) = {y for _, y in places(plot.path)}
    assert TOP < height < HEIGHT - BOTTOM
    assert "5" in [tick.text for tick in plot.y_ticks]


def test_values_out_of_order_are_drawn_by_step_and_the_last_is_the_one_logged_last() -> None:
    plot = plot_metric("m", np.array([2.0, 0.0, 1.0]), np.array([3.0, 1.0, 2.0]))
    xs = [x for x, _ in places(plot.path)]
    assert xs == sorted(xs)
    assert plot.last == "2"


def test_values_of_one_step_are_counted_instead() -> None:
    plot = plot_metric("m", np.zeros(3), np.array([3.0, 1.0, 2.0]))
    assert plot.along == "value"
    assert len({x for x, _ in places(plot.path)}) == 3


def test_thinning_is_said() -> None:
    plot = plot_metric("m", np.arange(5_000.0), np.sin(np.arange(5_000)))
    assert plot.notes == ["the lowest and the highest of each of 300 stretches are drawn"]
    assert plot.count == 5_000


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(1, 9, [2, 4, 6, 8]), (0, 3, [0, 1, 2, 3]), (7, 7, [7, 8])]
)
def test_steps_are_marked_at_whole_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high, 4, whole=True) == ticks


@given(low=st.floats(-1e6, 1e6), share=st.floats(1e-9, 10))
@example(low=5e-324, share=2.0)
@example(low=1e-280, share=1.0)
def test_the_numbers_of_an_axis_are_told_apart(low: float, share: float) -> None:
    ticks = nice_ticks(low, low + (abs(low) or 1.0) * share, 4)
    assert len(set(tick_texts(ticks))) == len(ticks)


def test_the_numbers_of_an_axis_are_short() -> None:
    assert tick_texts([0.0, 0.00005, 0.0001]) == ["0", "5e-5", "0.0001"]
    assert tick_texts([0.0, 250_000.0]) == ["0", "250,000"]
    assert tick_texts([0.88432, 0.88433]) == ["0.88432", "0.88433"]
