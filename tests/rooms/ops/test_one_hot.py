"""Categories become fields of their own, the same out of rows and of columns."""

from __future__ import annotations

import pathlib
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, given_as, outcomes, ways
from whence.errors import OpError, PlanError

PENGUINS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"

kinds: list[Any] = [
    st.none() | st.sampled_from(["x", "y", "z z"]),
    st.none() | st.integers(0, 3),
    st.booleans(),
    st.floats(0, 2).map(round).map(float) | st.just(float("nan")) | st.just(-0.0),
    st.none() | st.integers(0, 2) | st.sampled_from(["x", "0"]) | st.lists(st.integers(), max_size=1),
]
tables: Any = st.sampled_from(kinds).flatmap(
    lambda kind: st.lists(
        st.fixed_dictionaries({"n": st.integers(), "a": kind, "z": st.integers()}), min_size=1, max_size=12
    )
)
cuts = st.lists(st.integers(1, 11), max_size=3)


@given(tables, cuts, st.sampled_from([None, [0, 1], ["x", "y"]]), st.sampled_from(["zeros", "error"]))
def test_rows_and_columns_give_the_same_or_the_same_error(
    rows: Any, cut: list[int], categories: Any, unknown: Any
) -> None:
    streams = ways(rows, [each for each in cut if each < len(rows)])
    assert_all_alike(outcomes([s.one_hot("a", categories=categories, unknown=unknown) for s in streams]))


def test_new_fields_stand_in_the_place_of_the_old_one() -> None:
    rows = [{"n": 1, "a": "y", "z": 2}, {"n": 3, "a": None, "z": 4}, {"n": 5, "a": "x", "z": 6}]
    found = wh.from_items(rows).one_hot("a").collect()
    assert found == [
        {"n": 1, "a_x": 0, "a_y": 1, "z": 2},
        {"n": 3, "a_x": 0, "a_y": 0, "z": 4},
        {"n": 5, "a_x": 1, "a_y": 0, "z": 6},
    ]
    assert list(found[0]) == ["n", "a_x", "a_y", "z"]


def test_penguins_are_encoded_as_pandas_encodes_them() -> None:
    frame = pd.read_csv(PENGUINS, na_values=["NA"])
    found = wh.from_csv(str(PENGUINS), missing=("", "NA")).one_hot("species", "sex", "year").to_pandas()
    wanted = pd.get_dummies(frame[["species", "sex", "year"]], columns=["species", "sex", "year"], dtype=int)
    pd.testing.assert_frame_equal(found[wanted.columns], wanted, check_dtype=False)
    assert found["sex_female"].dtype == "int64"


def test_given_categories_stand_in_their_order_and_need_no_fit() -> None:
    stream = wh.from_items([{"a": "x", "b": 1}, {"a": "q", "b": 2}]).one_hot(
        "a", "b", categories={"a": ["y", "x"], "b": [2]}
    )
    assert stream.collect() == [{"a_y": 0, "a_x": 1, "b_2": 0}, {"a_y": 0, "a_x": 0, "b_2": 1}]
    assert "fitted" not in stream.explain()


@pytest.mark.parametrize("columns", [False, True])
def test_a_value_that_is_no_category_can_be_an_error(columns: bool) -> None:
    train, test = (given_as([{"a": value} for value in values], columns=columns) for values in ("xy", "xyz"))
    assert test.one_hot("a", fit=train).collect()[2] == {"a_x": 0, "a_y": 0}
    with pytest.raises(
        OpError, match=r"sample 2 \(pieces, row 2\) has a value in field 'a' that is none of its 2"
    ):
        test.one_hot("a", fit=train, unknown="error").collect()


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("values", "what"),
    [
        (
            ["x", None, 3],
            r"sample 2 \(pieces, row 2\) has a value of type int in field 'a', those before str",
        ),
        ([1, 1, True], r"sample 2 \(pieces, row 2\) has a value of type bool in field 'a', those before int"),
        (
            ["x", ["x"]],
            r"sample 1 \(pieces, row 1\) has a value of type list in field 'a', which is no category",
        ),
        ([None, None], "needs what was learned of field 'a', of which no sample"),
    ],
)
def test_what_can_be_no_categories_is_named(columns: bool, values: list[Any], what: str) -> None:
    with pytest.raises(OpError, match=what):
        given_as([{"a": value} for value in values], [1], columns=columns).one_hot("a").collect()


@pytest.mark.parametrize("cut", [[], [10_000], range(1, 10_003)])
def test_too_many_categories_are_an_error_that_names_the_first(cut: Any) -> None:
    rows = [{"a": f"{number:05}"} for number in range(10_002)]
    with pytest.raises(OpError, match=r"sample 10000 \(pieces, row 10000\) has the 10,001th different value"):
        given_as(rows, cut, columns=True).one_hot("a").collect()


@pytest.mark.parametrize("columns", [False, True])
def test_a_field_that_is_there_already_is_named(columns: bool) -> None:
    with pytest.raises(OpError, match="has a field 'a_x' already"):
        given_as([{"a": "x", "a_x": 1}], columns=columns).one_hot("a").collect()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda s: s.one_hot("a", unknown="skip"), "wanted 'zeros' or 'error'"),
        (lambda s: s.one_hot("a", categories={"b": [1]}), "isn't among the fields"),
        (lambda s: s.one_hot("a", "b", categories=["x"]), "a list of categories for several fields"),
        (lambda s: s.one_hot("a", categories=[]), "wanted a list"),
        (lambda s: s.one_hot("a", categories="xyz"), "wanted a list"),
        (lambda s: s.one_hot("a", categories=[1, "1"]), "would have the same field: 1"),
        (lambda s: s.one_hot("a", categories=[1, True]), "would have the same field"),
        (lambda s: s.one_hot("a", categories=[None]), "None can't be a category of 'a'"),
        (lambda s: s.one_hot("a", categories=["x"], fit=s), "wanted no fit, as all categories are given"),
    ],
)
def test_what_are_no_categories_is_refused(make: Any, what: str) -> None:
    with pytest.raises(PlanError, match=what):
        make(wh.from_items([{"a": "x", "b": 1}]))
