"""Filter: what doesn't pass is dropped with a reason."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError


def above(number: int, least: int) -> bool:
    return number >= least


@given(st.lists(st.integers(0, 9)), st.integers(0, 10))
def test_what_passes_keeps_its_order(numbers: list[int], least: int) -> None:
    kept = wh.from_items(numbers).filter(above, least=least).collect()
    assert kept == [number for number in numbers if number >= least]


@pytest.mark.parametrize(
    "answer", [lambda n: n % 2, lambda n: [0] * (n % 2), lambda n: np.bool_(n % 2), lambda n: n % 2 or None]
)
def test_anything_with_a_truth_value_decides(answer: Any) -> None:
    assert wh.from_items([1, 2, 3, 4]).filter(answer).collect() == [1, 3]


def test_numbers_that_are_no_bytes_are_true_too() -> None:
    assert wh.from_items([0, 256, -1, 2**70]).filter(lambda number: number).collect() == [256, -1, 2**70]


def test_a_truth_value_that_is_none_is_a_failure() -> None:
    stream = wh.from_items([1, 3, 2], name="numbers").filter(lambda n: np.zeros(2) if n == 3 else True)
    with pytest.raises(OpError, match=r"sample 1 \(numbers, row 1\): ValueError: .*truth value"):
        stream.collect()


def test_a_failure_names_the_place_and_a_stop_iteration_is_one() -> None:
    def ends(number: int) -> bool:
        if number == 3:
            raise StopIteration
        return True

    with pytest.raises(OpError, match=r"op 'ends' failed on sample 1 \(numbers, row 1\)"):
        wh.from_items([1, 3], name="numbers").filter(ends).collect()


@pytest.mark.parametrize(("reason", "expected"), [("too small", "too small"), (None, "above")])
def test_every_drop_has_a_reason(tmp_path: pathlib.Path, reason: str | None, expected: str) -> None:
    with wh.start_run(workspace=tmp_path):
        wh.from_items([1, 5], name="numbers").filter(above, reason=reason, least=3).collect()
    impact = wh.open(tmp_path).impact("numbers", rows=[0])
    assert [(drop.op, drop.reason) for drop in impact.drops] == [("above", expected)]
    assert impact.absent
