"""Casting makes values of another type, exactly, or says which one can't be."""

from __future__ import annotations

import datetime as dt
import decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, given_as, outcomes, ways
from tests.rooms.vocab.exactly import exact
from whence.errors import OpError, PlanError

TYPES = ["int", "float", "str", "bool", "int8", "uint64", "float16", "float32", "bool_", "datetime64[D]"]
whole = st.integers(-(2**65), 2**65)
values: Any = st.one_of(
    st.none(),
    st.integers(-300, 300),
    whole,
    st.floats(),
    st.floats(-5, 5).map(round).map(float),
    st.booleans(),
    st.sampled_from(["1", "1.5", " 7 ", "yes", "FALSE", "x", "", "nan", "1958-03-30"]),
    st.floats(width=32).map(np.float32),
    st.integers(-9, 9).map(np.int16),
    st.dates().map(lambda date: np.datetime64(date, "D")),
)
kinds: Any = st.sampled_from(
    [st.integers(-9, 9), whole, st.floats(), st.floats(width=32).map(np.float32), values]
)
tables: Any = kinds.flatmap(
    lambda kind: st.lists(st.fixed_dictionaries({"a": kind}), min_size=1, max_size=12)
)


@given(tables, st.lists(st.integers(1, 11), max_size=3), st.sampled_from(TYPES))
def test_rows_and_columns_give_the_same_or_the_same_error(rows: Any, cut: list[int], wanted: str) -> None:
    cut = [each for each in cut if each < len(rows)]
    assert_all_alike(outcomes([stream.cast(a=wanted) for stream in ways(rows, cut)]))


@pytest.mark.parametrize(
    ("wanted", "value", "made"),
    [
        ("int", "12", 12),
        ("int", 3.0, 3),
        ("int", True, 1),
        ("int", np.uint8(3), 3),
        ("int", 1e300, int(1e300)),
        ("float", "1.5", 1.5),
        ("float", 2, 2.0),
        ("float", decimal.Decimal("0.5"), 0.5),
        ("float", Fraction(1, 4), 0.25),
        ("float", "inf", float("inf")),
        ("str", 1.0, "1.0"),
        ("str", b"caf\xc3\xa9", "café"),
        ("bool", " Yes", True),
        ("bool", "0", False),
        ("bool", 2, True),
        ("int8", "-128", np.int8(-128)),
        ("float32", 0.1, np.float32(0.1)),
        ("float32", float("inf"), np.float32("inf")),
        ("bool_", "no", np.bool_(False)),
        ("datetime64[D]", "1958-03-30", np.datetime64("1958-03-30", "D")),
        ("datetime64[s]", dt.date(1958, 3, 30), np.datetime64("1958-03-30T00:00:00", "s")),
        ("timedelta64[h]", dt.timedelta(days=2), np.timedelta64(48, "h")),
        ("int", None, None),
        ("float32", None, None),
    ],
)
def test_a_value_becomes_what_it_says(wanted: str, value: Any, made: Any) -> None:
    assert exact(wh.from_items([{"a": value}]).cast({"a": wanted}).collect()) == exact([{"a": made}])


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("wanted", "good", "bad", "what"),
    [
        ("int", 1.0, 1.5, "the float there can't be one"),
        ("int", 1.0, float("nan"), "it is NaN"),
        ("int", "1", "1.5", "the str there can't be one"),
        ("int", 1, [1], "the list there can't be one"),
        ("float", "1", "NA", "the str there can't be one"),
        ("float", 1, 10**400, "the int there can't be one"),
        ("str", 1.0, float("nan"), "it is NaN"),
        ("bool", "true", "maybe", "the str there can't be one"),
        ("int8", 127, 128, "the int there can't be one"),
        ("int8", 127.0, 128.0, "the float there can't be one"),
        ("uint8", 0, -1, "the int there can't be one"),
        ("float16", 1.0, 1e5, "the float there can't be one"),
        ("float32", 1.0, 1e300, "the float there can't be one"),
        ("datetime64[D]", "1958-03-30", "1958-03-30T05", "the str there can't be one"),
        ("datetime64[D]", "1958-03-30", "soon", "the str there can't be one"),
        ("datetime64[D]", "1958-03-30", 5, "the int there can't be one"),
        ("datetime64[D]", None, dt.datetime(2000, 1, 1, tzinfo=dt.UTC), "the datetime there can't be one"),
    ],
)
def test_a_value_that_the_type_does_not_hold_is_named(
    columns: bool, wanted: str, good: Any, bad: Any, what: str
) -> None:
    rows = [{"a": good}, {"a": good}, {"a": bad}]
    with pytest.raises(OpError) as error:
        given_as(rows, [1], columns=columns).cast(a=wanted).collect()
    assert "sample 2 (pieces, row 2)" in str(error.value)
    assert f"can't have its field 'a' cast to {wanted}: {what}" in str(error.value)
    assert error.value.position == 2


def test_integers_beyond_floats_are_rounded_once_whatever_stands_beside_them() -> None:
    large = 2**53 + 2**29 + 1  # by way of a float of 64 bits it is another float of 32
    alone, beside = (
        wh.from_items(rows).cast(a="float32").collect()[0]
        for rows in ([{"a": large}], [{"a": large}, {"a": None}])
    )
    assert exact(alone) == exact(beside)


@pytest.mark.parametrize("wanted", ["integer", "complex", "datetime64", "O", "S5", "longdouble", 3, int])
def test_what_is_no_type_is_refused(wanted: Any) -> None:
    with pytest.raises(PlanError, match="wanted the name of a type"):
        wh.from_items([{"a": 1}]).cast({"a": wanted})
