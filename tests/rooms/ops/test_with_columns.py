"""Fields are made of fields by functions of columns, which can't tell how many samples come at once."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, given_as, outcomes, ways
from tests.rooms.vocab.exactly import exact
from whence.errors import OpError, PlanError

tables: Any = st.lists(
    st.fixed_dictionaries({"a": st.integers(-9, 9), "b": st.floats(-9, 9), "c": st.text("ab", max_size=2)}),
    min_size=1,
    max_size=12,
)
cuts = st.lists(st.integers(1, 11), max_size=3)

MADE: dict[str, Any] = {
    "another field": "c",
    "a constant": 3,
    "a tuple": (1, "x"),
    "a number of all": lambda columns: 7.5,
    "whole": lambda columns: columns["a"] * 2,
    "a fraction": lambda columns: columns["a"] / 2 + columns["b"],
    "flags": lambda columns: columns["a"] > 3,
    "text": lambda columns: np.array([f"{text}!" for text in columns["c"]]),
    "narrow": lambda columns: columns["a"].astype(np.int8),
    "a list": lambda columns: [None if number < 0 else number for number in columns["a"].tolist()],
    "vectors": lambda columns: np.stack([columns["a"], columns["a"]], axis=1),
    "all of it": lambda columns: np.array(
        [sum(map(len, map(str, row))) for row in zip(*columns.values(), strict=True)]
    ),
}


@given(tables, cuts, st.sampled_from(sorted(MADE)))
def test_rows_and_columns_give_the_same(rows: Any, cut: list[int], made: str) -> None:
    streams = ways(rows, [each for each in cut if each < len(rows)])
    found = outcomes([stream.with_columns(z=MADE[made], a="b") for stream in streams])
    assert_all_alike(found)
    assert found[0][0] is list, "no error"


def test_values_are_pythons_own_or_numpys() -> None:
    (row,) = wh.from_items([{"a": 2, "b": 0.5, "c": "x"}]).with_columns(
        {"d": MADE["a fraction"], "e": MADE["flags"], "f": MADE["narrow"], "g": MADE["text"], "h": "a"}
    )
    assert exact(row) == exact(
        {"a": 2, "b": 0.5, "c": "x", "d": 1.5, "e": False, "f": np.int8(2), "g": "x!", "h": 2}
    )


def test_all_fields_are_made_of_the_sample_as_it_came_in() -> None:
    rows = wh.from_items([{"a": 1, "b": 2}]).with_columns(a=lambda c: c["b"], b=lambda c: c["a"]).collect()
    assert rows == [{"a": 2, "b": 1}]


def test_an_array_that_a_function_uses_again_may_change_afterwards() -> None:
    held = np.zeros(2)

    def again(columns: Mapping[str, Any]) -> Any:
        count = len(columns["a"])
        held[:count] = columns["a"]
        return held[:count]

    rows = [{"a": 1.0}, {"a": 2.0}, {"a": 3.0}]
    found = given_as(rows, [2], columns=True).with_columns(b=again).collect()
    assert [row["b"] for row in found] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("columns", [False, True])
def test_a_function_whose_values_depend_on_the_samples_beside_is_refused(columns: bool) -> None:
    rows = [{"a": 1.0}, {"a": 2.0}, {"a": 6.0}]
    stream = given_as(rows, columns=columns).with_columns(z=lambda c: c["a"] - c["a"].mean())
    with pytest.raises(
        OpError, match=r"sample 0 \(pieces, row 0\) gets another 'z' by itself than with others"
    ):
        stream.collect()


@pytest.mark.parametrize("columns", [False, True])
def test_the_sample_that_a_function_fails_on_is_named(columns: bool) -> None:
    rows = [{"a": "1"}, {"a": "2"}, {"a": "x"}, {"a": "3"}]
    stream = given_as(rows, [1], columns=columns).with_columns(b=lambda c: [int(text) for text in c["a"]])
    with pytest.raises(
        OpError, match=r"op 'with_columns\(b\)' failed on sample 2 \(pieces, row 2\): ValueError"
    ):
        stream.collect()


def test_a_field_that_a_function_asks_for_and_is_not_there_is_named() -> None:
    with pytest.raises(OpError, match=r"sample 0 \(items, row 0\) has no field 'x'"):
        wh.from_items([{"a": 1}]).with_columns(b=lambda c: c["x"]).collect()


@pytest.mark.parametrize("made", [lambda c: c["a"][:1], lambda c: [1, 2, 3]])
def test_another_number_of_values_is_refused(made: Any) -> None:
    with pytest.raises(OpError, match=r"which returned [13] values"):
        wh.from_items([{"a": 1}, {"a": 2}]).with_columns(b=made).collect()


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize("constant", [object(), [object()], {"a": object()}])
def test_a_constant_that_can_not_be_recorded_is_refused(constant: Any) -> None:
    with pytest.raises(PlanError, match="can't be recorded as a constant"):
        wh.from_items([{"a": 1}]).with_columns(b=constant)


def test_any_constant_that_can_be_recorded_is_traced(tmp_path: Any) -> None:
    stream = wh.from_items([{"a": 1}]).with_columns(b=Colour.RED, c=float("inf"), d="a")
    with wh.start_run(workspace=tmp_path) as run:
        assert stream.collect() == [{"a": 1, "b": Colour.RED, "c": float("inf"), "d": 1}]
    trace = run.trace(epoch=0, item=0)
    assert trace.complete
    assert trace.steps[0].params["d"] == "a"
