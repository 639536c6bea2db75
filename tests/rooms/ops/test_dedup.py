"""Dedup: the first of equal samples is kept; a dropped one names the one that it repeats."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError, PlanError


@given(st.lists(st.integers(0, 5)))
def test_the_first_of_each_is_kept_in_order(numbers: list[int]) -> None:
    assert wh.from_items(numbers).dedup().collect() == list(dict.fromkeys(numbers))


@given(st.lists(st.fixed_dictionaries({"id": st.integers(0, 3), "n": st.integers()})))
def test_a_field_and_a_function_of_it_choose_the_same(rows: list[dict[str, int]]) -> None:
    firsts = {row["id"]: row for row in reversed(rows)}
    kept = wh.from_items(rows).dedup("id").collect()
    assert kept == wh.from_items(rows).dedup(lambda row: row["id"]).collect()
    assert sorted(firsts) == sorted(row["id"] for row in kept)
    assert all(firsts[row["id"]] == row for row in kept)


def test_values_of_different_types_are_different() -> None:
    values: list[Any] = [1, 1.0, True, "1", b"1", (1,), [1], None, 1, "1", (1,), [1], None]
    assert wh.from_items(values).dedup().collect() == values[:8]


def test_arrays_are_compared_by_type_shape_and_content() -> None:
    arrays = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.float32), np.zeros(8)[::2], np.zeros(4)]
    assert len(wh.from_items(arrays).dedup().collect()) == 3


def test_what_has_no_content_to_compare_is_refused_with_the_remedy() -> None:
    with pytest.raises(OpError, match=r"sample 0 \(things, row 0\)") as caught:
        wh.from_items([object()], name="things").dedup().collect()
    assert "key" in caught.value.remedy


def test_a_missing_field_names_the_sample() -> None:
    with pytest.raises(OpError, match=r"sample 1 \(rows, row 1\): KeyError: 'id'"):
        wh.from_items([{"id": 1}, {}], name="rows").dedup("id").collect()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_a_dropped_one_names_the_row_that_it_repeats(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("ws")
    with wh.start_run(workspace=folder):
        wh.from_items(numbers, name="numbers").dedup().collect()
    workspace = wh.open(folder)
    for row, number in enumerate(numbers):
        first = numbers.index(number)
        drops = workspace.impact("numbers", rows=[row]).drops
        expected = [] if row == first else [("duplicate", f"repeats numbers:{first}")]
        assert [(drop.reason, drop.detail) for drop in drops] == expected


def test_before_a_shuffle_it_decides_in_the_order_of_the_source(tmp_path: pathlib.Path) -> None:
    rows = [{"id": number % 10, "row": number} for number in range(50)]
    stream = wh.from_items(rows).dedup("id").shuffle(seed=1)
    for epoch in (0, 1):
        assert sorted(row["row"] for row in stream.epoch(epoch)) == list(range(10))
    assert list(stream.epoch(0)) != list(stream.epoch(1))


def test_columns_are_compared_as_rows_are() -> None:
    rows = [{"a": n % 3, "b": [0.0, -0.0, float("nan"), None][n % 4], "t": "xy"[n % 2]} for n in range(60)]
    table = wh.from_arrays(a=np.arange(60) % 3, t=np.array(list("xy" * 30)))
    for key in (None, "a", "t"):
        by_rows = wh.from_items([dict(row) for row in table]).dedup(key).collect()
        assert table.dedup(key).collect() == by_rows
    assert len(wh.from_items(rows).dedup().collect()) == 12


@given(
    st.lists(st.integers(0, 40) | st.sampled_from(["a", None, 1.5, (1, 2)]), max_size=300),
    st.sampled_from([1, 3_000, 10**9]),
)
def test_what_is_kept_does_not_depend_on_the_memory_allowed(values: list[Any], memory: int) -> None:
    with wh.config(memory=memory):
        assert wh.from_items(values).dedup().collect() == list(dict.fromkeys(values))


def test_the_first_sample_that_cannot_be_compared_is_named_whatever_fails_after_it() -> None:
    def key_of(value: Any) -> Any:
        if value == 3:
            raise ZeroDivisionError
        return value

    stream = wh.from_items([1, object(), 3], name="things")
    with pytest.raises(OpError, match=r"sample 1 \(things, row 1\) can't be compared: object"):
        stream.dedup(key_of).collect()
    with pytest.raises(OpError, match=r"sample 2 \(things, row 2\): ZeroDivisionError"):
        wh.from_items([1, 2, 3], name="things").dedup(key_of).collect()


def test_a_key_function_that_stops_is_an_error() -> None:
    def stop(value: int) -> int:
        raise StopIteration

    with pytest.raises(OpError, match="StopIteration"):
        wh.from_items([1, 2]).dedup(stop).collect()


def test_an_error_of_ours_in_a_key_function_comes_through() -> None:
    def refuse(value: int) -> int:
        raise PlanError("no", remedy="yes")

    with pytest.raises(PlanError, match="no"):
        wh.from_items([1, 2]).dedup(refuse).collect()
