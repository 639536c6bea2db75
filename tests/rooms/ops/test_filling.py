"""What is missing gets a constant, a mean or a median: the same out of rows and of columns."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, floats, given_as, outcomes, ways
from tests.rooms.vocab.exactly import exact
from whence.errors import OpError, PlanError

PENGUINS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"

nan = st.just(float("nan"))
numbers: Any = st.one_of(
    st.lists(st.none() | st.floats(-9, 9) | nan, min_size=1, max_size=12),
    st.lists(st.none() | st.integers(-9, 9), min_size=1, max_size=12),
    st.lists(st.none() | st.integers(-9, 9) | st.floats(-9, 9) | nan, min_size=1, max_size=12),
    st.lists((st.floats(-9, 9, width=32) | nan).map(np.float32), min_size=1, max_size=12),
    st.lists(st.none() | st.floats(-9, 9, width=32).map(np.float32), min_size=1, max_size=12),
    st.lists(st.integers(-9, 9).map(np.int16), min_size=1, max_size=12),
)
cuts = st.lists(st.integers(1, 11), max_size=3)


def rows_of(values: list[Any]) -> list[dict[str, Any]]:
    return [{"n": number, "a": value} for number, value in enumerate(values)]


@given(numbers, cuts, st.sampled_from([0, 0.5, 7, "mean", "median", "nothing", (1, 2)]))
def test_rows_and_columns_give_the_same(values: list[Any], cut: list[int], how: Any) -> None:
    streams = ways(rows_of(values), [each for each in cut if each < len(values)])
    assert_all_alike(outcomes([stream.fill_missing("a", how) for stream in streams]))


@given(numbers.filter(lambda values: not np.isnan(floats(values)).all()), st.sampled_from(["mean", "median"]))
def test_all_numbers_of_the_field_are_floats_afterwards(values: list[Any], how: str) -> None:
    found = [row["a"] for row in wh.from_items(rows_of(values)).fill_missing("a", how).collect()]
    wanted = getattr(np, f"nan{how}")(floats(values))
    for before, after in zip(floats(values), found, strict=True):
        assert isinstance(after, float | np.floating)
        assert float(after) == pytest.approx(wanted if np.isnan(before) else before, rel=1e-6, abs=1e-9)
    narrow = [type(value) for value in found if isinstance(value, np.float32)]
    assert len(narrow) == sum(isinstance(value, np.float32) for value in values), (
        "each of the kind that it was"
    )


def test_constants_are_put_where_something_is_missing_and_nowhere_else() -> None:
    rows: list[dict[str, Any]] = [{"a": None, "b": float("nan"), "c": "x"}, {"a": 1, "b": 2.5, "c": None}]
    filled = wh.from_items(rows).fill_missing({"a": 0, "b": 7, "c": "unknown"}).collect()
    assert exact(filled) == exact([{"a": 0, "b": 7.0, "c": "x"}, {"a": 1, "b": 2.5, "c": "unknown"}])
    assert rows[0]["a"] is None, "the user's own samples are left alone"


def test_a_time_that_is_none_is_missing() -> None:
    day = np.datetime64("1958-03-30", "D")
    rows = [{"a": np.datetime64("NaT", "D")}, {"a": day}]
    assert wh.from_items(rows).fill_missing("a", day).collect() == [{"a": day}] * 2
    assert (
        wh.from_arrays(a=np.array(["NaT", "1958-03-30"], "M8[D]")).fill_missing("a", day).collect()
        == [{"a": day}] * 2
    )


@pytest.mark.parametrize("how", ["mean", "median"])
def test_penguins_are_filled_as_pandas_fills_them(how: str) -> None:
    names = ["bill_length_mm", "body_mass_g"]
    frame = pd.read_csv(PENGUINS, na_values=["NA"])
    stream = wh.from_csv(str(PENGUINS), missing=("", "NA")).fill_missing(dict.fromkeys(names, how))
    found = stream.to_pandas()
    for name in names:
        assert frame[name].isna().sum() == 2
        wanted = frame[name].fillna(getattr(frame[name], how)())
        np.testing.assert_allclose(found[name].to_numpy(), wanted.to_numpy(), rtol=1e-15)


@pytest.mark.parametrize("how", ["mean", "median"])
@pytest.mark.parametrize("columns", [False, True])
def test_a_field_without_any_value_is_an_error_that_names_it(how: str, columns: bool) -> None:
    rows = rows_of([None, float("nan"), None])
    with pytest.raises(OpError, match="needs what was learned of field 'a', of which no sample") as error:
        given_as(rows, [2], columns=columns).fill_missing("a", how).collect()
    assert "sample 0 (pieces, row 0)" in str(error.value)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("x", "has a value of type str in field 'a', wanted a number or nothing"),
        (True, "has a value of type bool in field 'a', wanted a number or nothing"),
        ([1], "has a value of type list in field 'a', wanted a number or nothing"),
        (np.zeros(2), "has a value of type ndarray in field 'a', wanted a number or nothing"),
        (10**400, "has a number in field 'a' that no float holds"),
        (float("inf"), "has an infinite number in field 'a', of which there is no mean"),
    ],
)
@pytest.mark.parametrize("columns", [False, True])
def test_what_is_no_number_is_named(columns: bool, bad: Any, what: str) -> None:
    with pytest.raises(OpError) as error:
        given_as(rows_of([1.0, None, bad]), [1], columns=columns).fill_missing("a", "mean").collect()
    assert f"sample 2 (pieces, row 2) {what}" in str(error.value)
    assert error.value.position == 2


def test_the_median_of_infinite_numbers_is_one_of_them() -> None:
    rows = rows_of([float("inf"), None, float("inf"), 1.0])
    assert [row["a"] for row in wh.from_items(rows).fill_missing("a", "median").collect()] == [
        float("inf"), float("inf"), float("inf"), 1.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("meann", "did you mean 'mean'?"),
        ("Mean", "did you mean 'mean'?"),
        ("interpolated", "did you mean 'interpolate'?"),
        (None, "wanted a value or one of mean, median, forward, interpolate"),
        (float("nan"), "wanted a value or one of"),
        (max, "wanted a value or one of"),
        (object(), "can't be recorded as a constant"),
    ],
)
def test_what_is_no_way_to_fill_is_refused(how: Any, what: str) -> None:
    with pytest.raises(PlanError) as error:
        wh.from_items([{"a": 1}]).fill_missing("a", how)
    assert what in str(error.value)


def test_what_can_not_be_meant_is_refused() -> None:
    stream = wh.from_items([{"a": 1}])
    with pytest.raises(PlanError, match="how is given twice"):
        stream.fill_missing({"a": "mean"}, "median")
    with pytest.raises(PlanError, match="wanted a field"):
        stream.fill_missing({})
    with pytest.raises(PlanError, match="wanted no fit"):
        stream.fill_missing("a", "forward", fit=stream)
    with pytest.raises(PlanError, match="wanted a stream to fit on, got list"):
        stream.fill_missing("a", "mean", fit=[{"a": 1}])  # type: ignore[arg-type]  # the mistake it is about
