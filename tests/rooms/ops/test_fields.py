"""Fields are chosen, left out and renamed, the same out of rows and of columns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import assert_all_alike, given_as, outcomes, ways
from whence.errors import OpError, PlanError, WhenceError
from whence.streams import Stream

values = st.none() | st.integers(-3, 3) | st.floats() | st.text("ab", max_size=2) | st.booleans()
fields = st.sampled_from(["a", "b", "c", "d"])
tables: Any = st.lists(
    st.fixed_dictionaries({"a": values, "b": values, "c": values}), min_size=1, max_size=12
)
ragged: Any = st.lists(st.dictionaries(fields, values, max_size=4), min_size=1, max_size=12)
cuts = st.lists(st.integers(1, 11), max_size=3)

OPS: dict[str, Any] = {
    "select": lambda s: s.select("b", "a"),
    "drop": lambda s: s.drop("b"),
    "rename": lambda s: s.rename(a="z", b="a"),
    "together": lambda s: s.rename({"a": "c", "c": "a"}).drop("b").select("a", "c"),
}


@given(tables | ragged, cuts, st.sampled_from(sorted(OPS)))
def test_rows_and_columns_give_the_same_or_the_same_error(rows: Any, cut: list[int], op: str) -> None:
    streams = [OPS[op](stream) for stream in ways(rows, [each for each in cut if each < len(rows)])]
    found = outcomes(streams)
    if op == "together":  # which of several operations fails first depends on how many samples come at once
        found = ["an error" if issubclass(each[0], WhenceError) else each for each in found]
    assert_all_alike(found)


def test_what_they_do() -> None:
    rows = [{"a": 1, "b": 2, "c": 3}, {"c": 6, "b": 5, "a": 4}]
    stream = wh.from_items(rows)
    assert stream.select("c", "a").collect() == [{"c": 3, "a": 1}, {"c": 6, "a": 4}]
    assert [list(row) for row in stream.select("c", "a").collect()] == [["c", "a"]] * 2
    assert stream.drop("b").collect() == [{"a": 1, "c": 3}, {"c": 6, "a": 4}]
    assert [list(row) for row in stream.rename({"b": "z"}).collect()] == [["a", "z", "c"], ["c", "z", "a"]]
    assert stream.rename(a="b", b="a").collect() == [{"b": 1, "a": 2, "c": 3}, {"c": 6, "a": 5, "b": 4}]
    assert rows == [{"a": 1, "b": 2, "c": 3}, {"c": 6, "b": 5, "a": 4}], (
        "the user's own samples are left alone"
    )


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("op", "what"),
    [
        (
            lambda s: s.select("a", "x", "y"),
            "op 'select(a, x, y)': sample 2 (pieces, row 2) has no field 'x', 'y'",
        ),
        (lambda s: s.drop("x"), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.rename(x="z"), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.rename(a="b"), "sample 0 (pieces, row 0) has a field 'b' already"),
        (lambda s: s.cast(x="int"), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.with_columns(q="x"), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.fill_missing("x", 1), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.fill_missing("x", "mean"), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.fill_missing("x", "forward"), "sample 2 (pieces, row 2) has no field 'x'"),
        (lambda s: s.one_hot("x"), "sample 2 (pieces, row 2) has no field 'x'"),
    ],
)
def test_a_sample_without_the_field_is_named(columns: bool, op: Any, what: str) -> None:
    rows = [{"a": 1, "b": 2, "x": 3, "y": 4}] * 2 + [{"a": 1, "b": 2}] * 2
    with pytest.raises(OpError) as error:
        op(given_as(rows, [2], columns=columns)).collect()
    assert what in str(error.value)


def test_a_sample_that_is_no_dict_is_named() -> None:
    with pytest.raises(OpError, match=r"sample 1 \(items, row 1\) is a tuple, wanted a dict"):
        wh.from_items([{"a": 1}, (1, 2)]).select("a").collect()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda s: s.select(), "select: wanted at least one field"),
        (lambda s: s.select("a", "a"), "'a' twice"),
        (lambda s: s.drop(3), "drop: wanted names of fields, got int"),
        (lambda s: s.rename(a="z", b="z"), "'z' twice"),
        (lambda s: s.rename(a=3), "wanted names of fields, got int"),
        (lambda s: s.rename(["a"]), "rename: wanted a dict, got list"),
    ],
)
def test_what_names_no_fields_is_refused(make: Any, what: str) -> None:
    with pytest.raises(PlanError, match=what):
        make(wh.from_items([{"a": 1}]))


def test_they_are_read_at_any_position_and_shuffled_below() -> None:
    rows = [{"a": n, "b": -n} for n in range(300)]
    stream: Stream = given_as(rows, [100], columns=True).select("b").rename(b="a")
    assert len(stream) == 300
    assert stream.slice(290, 293).collect() == [{"a": -290}, {"a": -291}, {"a": -292}]
    assert sorted(row["a"] for row in stream.shuffle(1).collect()) == list(range(-299, 1))
