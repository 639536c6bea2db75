"""Map batches: a function of groups; the n-th result belongs to the n-th sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError


def with_sum(group: list[int]) -> list[tuple[int, int]]:
    return [(number, sum(group)) for number in group]


@given(st.lists(st.integers(0, 9)), st.integers(1, 7))
def test_groups_are_consecutive_and_the_last_may_be_smaller(numbers: list[int], size: int) -> None:
    groups = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    expected = [row for group in groups for row in with_sum(group)]
    assert wh.from_items(numbers).map_batches(with_sum, size=size).collect() == expected


@given(st.lists(st.integers(0, 9)), st.integers(1, 7), st.integers(0, 20))
def test_a_result_depends_on_its_group_wherever_it_is_picked(numbers: list[int], size: int, at: int) -> None:
    stream = wh.from_items(numbers).map_batches(with_sum, size=size)
    assert stream.slice(at, None, 2).collect() == stream.collect()[at::2]


def test_columns_come_as_arrays_and_go_back_as_samples() -> None:
    def double(columns: dict[str, Any], by: int) -> dict[str, Any]:
        assert isinstance(columns["x"], np.ndarray)
        return {"x": columns["x"] * by, "name": columns["name"]}

    rows = [{"x": 1, "name": "a"}, {"x": 2, "name": "b"}, {"x": 3, "name": "c"}]
    made = wh.from_items(rows).map_batches(double, size=2, form="columns", by=2).collect()
    assert made == [{"x": 2, "name": "a"}, {"x": 4, "name": "b"}, {"x": 6, "name": "c"}]


@pytest.mark.parametrize(("returned", "count"), [([], 0), ([1], 1), ([1, 2, 3], 3)])
def test_a_wrong_count_is_refused_with_the_place(returned: list[int], count: int) -> None:
    stream = wh.from_items([1, 2, 3, 4], name="numbers").map_batches(lambda _: returned, size=2, name="group")
    with pytest.raises(OpError, match=f"op 'group' returned {count} samples for 2") as caught:
        stream.collect()
    assert (caught.value.op, caught.value.position, caught.value.origin) == ("group", 0, "numbers, row 0")


def test_a_failure_names_the_first_sample_of_its_group() -> None:
    stream = wh.from_items([1, 1, 1, 0], name="numbers").map_batches(lambda g: [1 // n for n in g], size=2)
    with pytest.raises(OpError, match=r"sample 2 \(numbers, row 2\): ZeroDivisionError"):
        stream.collect()
