"""Numbers are scaled and brought within limits, the same out of rows and of columns."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, floats, given_as, outcomes, ways
from whence.errors import OpError, PlanError
from whence.streams import Stream

PENGUINS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"

nan = st.just(float("nan"))
kinds: list[Any] = [
    st.none() | st.floats(-9, 9) | nan,
    st.none() | st.integers(-9, 9),
    st.none() | st.integers(-9, 9) | st.floats(-9, 9) | nan,
    (st.floats(-9, 9, width=32) | nan).map(np.float32),
    st.integers(-9, 9).map(np.int16),
]
tables: Any = st.tuples(*[st.sampled_from(kinds)] * 2).flatmap(
    lambda pair: st.lists(st.fixed_dictionaries({"a": pair[0], "b": pair[1]}), min_size=1, max_size=12)
)
cuts = st.lists(st.integers(1, 11), max_size=3)

SCALED: dict[str, Any] = {
    "standard": lambda s, **more: s.normalize("a", "b", **more),
    "minmax": lambda s, **more: s.normalize("a", "b", how="minmax", **more),
    "robust": lambda s, **more: s.normalize("a", "b", how="robust", **more),
    "winsorize": lambda s, **more: s.winsorize("a", "b", lower=0.1, upper=0.75, **more),
}


def by_numpy(how: str, values: Any, of: Any = None) -> Any:
    """What NumPy makes of it."""
    of = values if of is None else of
    if how == "standard":
        return (values - np.nanmean(of)) / (np.nanstd(of) or 1)
    if how == "minmax":
        return (values - np.nanmin(of)) / ((np.nanmax(of) - np.nanmin(of)) or 1)
    if how == "robust":
        first, median, third = np.nanquantile(of, [0.25, 0.5, 0.75])
        return (values - median) / ((third - first) or 1)
    return np.clip(values, *np.nanquantile(of, [0.1, 0.75]))


@given(tables, cuts, st.sampled_from(sorted(SCALED)))
def test_rows_and_columns_give_the_same(rows: Any, cut: list[int], how: str) -> None:
    streams = ways(rows, [each for each in cut if each < len(rows)])
    assert_all_alike(outcomes([SCALED[how](stream) for stream in streams]))


@given(tables, st.sampled_from(sorted(SCALED)))
def test_it_is_what_numpy_makes_of_it(rows: Any, how: str) -> None:
    columns = {name: floats([row[name] for row in rows]) for name in "ab"}
    if any(np.isnan(column).all() for column in columns.values()):
        return
    if any(0 < np.nanmax(column) - np.nanmin(column) < 1e-6 for column in columns.values()):
        return  # NumPy's own rounding would be all that there is
    found = SCALED[how](wh.from_items(rows)).collect()
    for name, column in columns.items():
        wanted = by_numpy(how, column)
        np.testing.assert_allclose(floats([row[name] for row in found]), wanted, rtol=1e-5, atol=1e-5)
        kinds = {(type(row[name]), type(made[name])) for row, made in zip(rows, found, strict=True)}
        assert kinds <= {
            (int, float), (float, float), (type(None), type(None)),
            (np.float32, np.float32), (np.int16, np.float64),
        }  # fmt: skip


@pytest.mark.parametrize("how", sorted(SCALED))
def test_penguins_are_scaled_as_numpy_scales_them(how: str) -> None:
    stream = wh.from_csv(str(PENGUINS), missing=("", "NA")).rename(body_mass_g="a", bill_length_mm="b")
    train, test = (
        stream.filter(lambda row, even: (row["year"] % 2 == 0) is even, even=even) for even in (True, False)
    )
    found = SCALED[how](test, fit=train).collect()
    for name in "ab":
        values, of = (floats([row[name] for row in part.collect()]) for part in (test, train))
        assert np.isnan(values).any()
        np.testing.assert_allclose(
            floats([row[name] for row in found]), by_numpy(how, values, of), rtol=1e-13, atol=1e-13
        )


def test_where_all_numbers_are_the_same_they_are_only_moved() -> None:
    rows = [{"a": 3.0}, {"a": 3.0}]
    for how in ("standard", "minmax", "robust"):
        assert wh.from_items(rows).normalize("a", how=how).collect() == [{"a": 0.0}] * 2
    assert wh.from_items(rows).winsorize("a").collect() == rows


def test_a_zero_keeps_its_sign_wherever_it_stands() -> None:
    rows = [{"a": value} for value in [-0.0, 0.0, 1.0, -0.0, 2.0, 0.0, -0.0, 3.0]]
    found = [
        repr(row["a"]) for row in given_as(rows, columns=True).winsorize("a", lower=0.0, upper=1.0).collect()
    ]
    assert found == [repr(row["a"]) for row in rows]


@pytest.mark.parametrize("how", ["minmax", "robust"])
def test_infinite_numbers_have_no_measure(how: Any) -> None:
    stream = wh.from_items([{"a": 1.0}, {"a": float("inf")}, {"a": float("-inf")}])
    with pytest.raises(OpError, match="what was learned of field 'a' isn't finite"):
        stream.normalize("a", how=how).collect()


def test_infinite_numbers_are_brought_within_the_others() -> None:
    values = [float("-inf"), *map(float, range(99)), float("inf")]
    found = wh.from_items([{"a": value} for value in values]).winsorize("a").collect()
    assert (found[0]["a"], found[-1]["a"]) == (4.0, 94.0)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda s: s.normalize("a", how="zscore"), "wanted one of standard, minmax, robust"),
        (lambda s: s.normalize(), "wanted at least one field"),
        (lambda s: s.winsorize("a", lower=-0.1), "-0.1 is no quantile, wanted 0 to 1"),
        (lambda s: s.winsorize("a", upper=1.5), "1.5 is no quantile, wanted 0 to 1"),
        (lambda s: s.winsorize("a", lower=float("nan")), "nan is no quantile"),
        (lambda s: s.winsorize("a", lower="0.1"), "'0.1' is no quantile"),
        (lambda s: s.winsorize("a", lower=0.9, upper=0.1), "the lower must be below the upper"),
        (lambda s: s.normalize("a", fit=[{"a": 1}]), "wanted a stream to fit on, got list"),
    ],
)
def test_what_is_no_measure_is_refused(make: Any, what: str) -> None:
    stream: Stream = wh.from_items([{"a": 1.0}])
    with pytest.raises(PlanError, match=what):
        make(stream)
