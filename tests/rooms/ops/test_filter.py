"""Filter: what doesn't pass is dropped with a reason."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError, PlanError
from whence.ops import Filter, restore_op


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


# of columns


def is_above(columns: dict[str, Any], least: int) -> Any:
    return columns["n"] >= least


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(0, 10))
def test_a_mask_of_columns_keeps_what_the_predicate_of_samples_keeps(numbers: list[int], least: int) -> None:
    for stream in (wh.from_arrays(n=np.array(numbers)), wh.from_items([{"n": n} for n in numbers])):
        kept = stream.filter(is_above, form="columns", least=least).collect()
        assert kept == stream.filter(lambda sample: sample["n"] >= least).collect()


def test_samples_that_are_numbers_come_as_an_array() -> None:
    assert wh.from_items(range(9)).filter(lambda numbers: numbers % 2 == 1, form="columns").collect() == [
        1, 3, 5, 7
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (lambda columns: columns["n"], r"int64 of shape \(40,\)"),
        (lambda columns: columns["n"][1:] > 0, r"bool of shape \(39,\)"),
        (lambda columns: True, r"bool of shape \(\)"),
        (lambda columns: None, r"object of shape \(\)"),
        (lambda columns: columns["n"][:, None] > 0, r"bool of shape \(40, 1\)"),
    ],
)
def test_what_is_no_mask_is_refused_with_the_place(answer: Any, found: str) -> None:
    rows = [{"n": n} for n in range(40)]
    for stream in (wh.from_arrays(name="rows", n=np.arange(40)), wh.from_items(rows, name="rows")):
        with pytest.raises(OpError, match=f"op 'mask' returned {found} for 40 samples") as caught:
            stream.filter(answer, form="columns", name="mask").collect()
        assert (caught.value.op, caught.value.position, caught.value.origin) == ("mask", 0, "rows, row 0")


@pytest.mark.parametrize("bad", [0, 1, 31, 38, 39])
def test_a_failure_of_columns_names_the_first_sample_it_fails_on(bad: int) -> None:
    def has_length(columns: dict[str, Any]) -> Any:
        return np.array([len(text) > 0 for text in columns["s"]])

    words = np.array(["a" if n not in (bad, 39) else None for n in range(40)], object)
    for stream in (
        wh.from_arrays(name="rows", s=words),
        wh.from_items([{"s": w} for w in words], name="rows"),
    ):
        place = rf"op 'has_length' failed on sample {bad} \(rows, row {bad}\): TypeError"
        with pytest.raises(OpError, match=place):
            stream.filter(has_length, form="columns").collect()


def test_samples_that_do_not_go_together_are_a_failure() -> None:
    stream = wh.from_items([{"n": 1}, {"n": 2}, {"m": 3}], name="rows")
    with pytest.raises(OpError, match=r"op 'is_above' failed on sample 2 \(rows, row 2\)"):
        stream.filter(is_above, form="columns", least=0).collect()


def test_a_predicate_of_columns_may_write_into_what_it_gets() -> None:
    def doubled(columns: dict[str, Any]) -> Any:
        columns["n"] *= 2
        return columns["n"] > 4

    held = np.arange(5)
    assert wh.from_arrays(n=held).filter(doubled, form="columns").collect() == [{"n": 3}, {"n": 4}]
    assert held.tolist() == [0, 1, 2, 3, 4]


def test_forms_that_are_none_and_generators_for_columns_are_refused() -> None:
    with pytest.raises(PlanError, match="'samples' or 'columns'"):
        wh.from_items([1]).filter(above, form="rows")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(PlanError, match="no sample's own rng"):
        wh.from_items([1]).filter(lambda columns, rng: columns > rng.random(), form="columns")


def test_the_form_is_recorded_and_the_op_made_again() -> None:
    for form in ("samples", "columns"):
        op = Filter(label="f", fn=is_above, params={"least": 1}, form=form)
        assert restore_op("filter", "f", op.parameters(), {"fn": is_above}) == replace(op, why="f")
    assert "form" not in Filter(label="f", fn=is_above).parameters()


def test_drops_of_columns_have_their_reason(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        wh.from_arrays(name="rows", n=np.arange(9)).filter(is_above, form="columns", least=3).collect()
    impact = wh.open(tmp_path).impact("rows", rows=[2])
    assert [(drop.op, drop.reason) for drop in impact.drops] == [("is_above", "is_above")]
    assert [origin.row for origin in run.trace(epoch=0, item=2).origins] == [5]
