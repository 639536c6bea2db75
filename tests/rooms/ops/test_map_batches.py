"""Map batches: a function of groups; the n-th result belongs to the n-th sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.vocab.exactly import exact
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


def test_what_a_function_of_columns_writes_into_is_its_own() -> None:
    def added(columns: dict[str, Any]) -> dict[str, Any]:
        columns["n"] += 1
        columns["v"][:] = 0
        return columns

    numbers, vectors = np.arange(6), np.ones((6, 2))
    made = wh.from_arrays(n=numbers, v=vectors).map_batches(added, size=4, form="columns").collect()
    assert [sample["n"] for sample in made] == [1, 2, 3, 4, 5, 6]
    assert numbers.tolist() == [0, 1, 2, 3, 4, 5]
    assert vectors.all()


def test_a_function_may_use_its_array_again() -> None:
    buffer = np.empty(4, np.int64)

    def tens(columns: dict[str, Any]) -> dict[str, Any]:
        buffer[: len(columns["n"])] = columns["n"] * 10
        return {"n": buffer[: len(columns["n"])]}

    made = wh.from_arrays(n=np.arange(10)).map_batches(tens, size=4, form="columns").collect()
    assert [sample["n"] for sample in made] == list(range(0, 100, 10))


@pytest.mark.parametrize(
    "result",
    [
        {"a": [1, 2], "b": np.array(["x", "y"])},
        {"a": np.zeros((2, 3)).T[:2], "b": (1, 2)},
        {"a": np.array([1, None], object), 3: [1, 2]},
        {"a": np.ma.array([1, 2])},
        {"a": "xy"},
        np.array([[1, 2], [3, 4]]),
        [{"a": 1}, "b"],
        (1, 2),
    ],
)
def test_any_result_with_a_length_is_taken_apart(result: Any) -> None:
    expected = list(result)
    if isinstance(result, dict):
        expected = [dict(zip(result, row, strict=True)) for row in zip(*result.values(), strict=True)]
    for form in ("list", "columns"):
        made = wh.from_arrays(n=np.arange(2)).map_batches(lambda group: result, size=2, form=form)
        assert exact(made.collect()) == exact(expected)


@pytest.mark.parametrize("result", [{"a": [1, 2], "b": [1]}, {"a": np.array(1)}, {"a": 3}, 5, None])
def test_a_result_that_can_not_be_taken_apart_is_a_failure_with_its_place(result: Any) -> None:
    stream = wh.from_arrays(name="rows", n=np.arange(4)).map_batches(lambda group: result, size=2, name="odd")
    with pytest.raises(OpError, match=r"op 'odd' failed on sample 0 \(rows, row 0\)"):
        stream.collect()
