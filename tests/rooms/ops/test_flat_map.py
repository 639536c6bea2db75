"""Flat map and unbatch: many samples of one, in order."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError


def down_from(number: int) -> Iterator[int]:
    yield from range(number, 0, -1)


@given(st.lists(st.integers(0, 4)))
def test_children_come_in_order_of_their_parents(numbers: list[int]) -> None:
    expected = [child for number in numbers for child in down_from(number)]
    assert wh.from_items(numbers).flat_map(down_from).collect() == expected


@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.sampled_from(["stack", list]))
def test_unbatch_undoes_batch(numbers: list[int], size: int, collate: Any) -> None:
    for rows in (numbers, [{"n": number, "text": str(number)} for number in numbers]):
        assert wh.from_items(rows).batch(size, collate=collate).unbatch().collect() == rows


def test_unbatch_takes_lists_tuples_arrays_and_columns_apart() -> None:
    batches = [[1, 2], (3,), np.array([4, 5]), {"a": [6, 7], "b": np.array([8, 9])}, []]
    assert wh.from_items(batches).unbatch().collect() == [1, 2, 3, 4, 5, {"a": 6, "b": 8}, {"a": 7, "b": 9}]


@pytest.mark.parametrize(
    ("batch", "problem"), [(3, "got int"), ({"a": [1], "b": [1, 2]}, "different lengths")]
)
def test_what_is_no_batch_is_refused_with_the_place(batch: Any, problem: str) -> None:
    with pytest.raises(OpError, match=rf"op 'unbatch' failed on sample 0 \(xs, row 0\).*{problem}"):
        wh.from_items([batch], name="xs").unbatch().collect()


def test_a_function_that_gives_no_iterable_is_a_failure() -> None:
    with pytest.raises(OpError, match=r"sample 0 \(xs, row 0\): TypeError: 'int' object is not iterable"):
        wh.from_items([1], name="xs").flat_map(lambda number: number).collect()


def test_a_failure_half_way_through_a_generator_names_the_parent() -> None:
    def breaks(number: int) -> Iterator[int]:
        yield number
        raise ValueError("half-way")

    with pytest.raises(OpError, match=r"sample 0 \(xs, row 0\): ValueError: half-way"):
        wh.from_items([1], name="xs").flat_map(breaks).collect()


def test_a_sample_without_children_is_a_drop_with_a_reason(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path):
        wh.from_items([0, 2], name="numbers").flat_map(down_from).collect()
    (drop,) = wh.open(tmp_path).impact("numbers", rows=[0]).drops
    assert drop.reason == "down_from gave no samples"
