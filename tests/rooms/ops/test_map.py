"""Map: one sample in, one out; what fails stops the pass with its place or is set aside with its reason."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import NotFoundError, OpError, PlanError


def unlike(number: int, *, disliked: int) -> int:
    if number == disliked:
        raise ValueError("not liked")
    return number * 2


def ends(number: int) -> int:
    if number % 3 == 1:
        raise StopIteration
    return number


@given(st.lists(st.integers()))
def test_each_sample_is_mapped_in_order(numbers: list[int]) -> None:
    assert wh.from_items(numbers).map(lambda n, by: n + by, by=3).collect() == [n + 3 for n in numbers]


def test_a_failure_names_the_op_the_position_and_the_file(tmp_path: pathlib.Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(str(number))
    stream = (
        wh.from_files(tmp_path / "*.txt").skip(1).map(lambda file: 1 / (int(file.read()) - 3), name="load")
    )
    with pytest.raises(OpError, match=r"op 'load' failed on .*/3\.txt.*ZeroDivisionError") as caught:
        stream.collect()
    error = caught.value
    assert (error.op, pathlib.Path(str(error.origin)).name) == ("load", "3.txt")
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_a_failure_after_a_filter_names_the_row_and_the_position() -> None:
    stream = wh.from_items([0, 0, 5, 0, 7], name="numbers").filter(bool).map(unlike, disliked=7)
    with pytest.raises(
        OpError, match=r"op 'unlike' failed on sample 1 \(numbers, row 4\): ValueError: not liked"
    ):
        stream.collect()


def test_a_stop_iteration_in_the_function_does_not_end_the_stream() -> None:
    with pytest.raises(OpError, match=r"op 'ends' failed on sample 1 .*StopIteration"):
        wh.from_items([0, 1, 2]).map(ends).collect()


@given(st.lists(st.integers(0, 5)), st.booleans())
def test_what_fails_is_set_aside_and_the_others_go_on(numbers: list[int], stops: bool) -> None:
    stream = wh.from_items(numbers)
    if stops:
        kept = stream.map(ends, on_error="quarantine").collect()
        assert kept == [number for number in numbers if number % 3 != 1]
    else:
        kept = stream.map(unlike, on_error="quarantine", disliked=2).collect()
        assert kept == [number * 2 for number in numbers if number != 2]


def test_what_was_set_aside_is_in_the_record_with_its_reason(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1, 2, 3, 2], name="numbers").map(unlike, on_error="quarantine", disliked=2)
    with wh.start_run(workspace=tmp_path) as run:
        assert stream.collect() == [2, 6]
    assert [(place, said["kind"]) for _, place, said in run.record.set_aside(0)] == [
        (1, "ValueError"),
        (3, "ValueError"),
    ]
    impact = wh.open(tmp_path).impact("numbers", rows=[3])
    assert impact.absent
    assert [(drop.op, drop.detail) for drop in impact.drops] == [("unlike", "ValueError: not liked")]


def test_our_own_error_in_a_function_keeps_its_kind() -> None:
    def asks(number: int) -> int:
        raise NotFoundError("nothing there", remedy="Look elsewhere.")

    with pytest.raises(NotFoundError, match="nothing there"):
        wh.from_items([1]).map(asks).collect()


def test_draws_are_given_by_keyword_whatever_their_order() -> None:
    draws = {"b": wh.draw.integers(10, 20), "a": wh.draw.integers(0, 10)}

    def by_position(_: int, a: int, b: int) -> tuple[int, int]:
        return a, b

    def by_keyword(_: int, *, a: int, b: int) -> tuple[int, int]:
        return a, b

    def with_all(_: int, *, rng: Any, b: int, a: int, times: int) -> tuple[int, int]:
        rng.random()
        return a * times, b * times

    items = wh.from_items(list(range(100)))
    first = items.map(by_position, draw=draws, name="m").collect()
    assert first == items.map(by_keyword, draw=draws, name="m").collect()
    assert first == items.map(with_all, draw=draws, name="m", times=1).collect()
    assert all(0 <= a < 10 <= b < 20 for a, b in first)


def test_two_maps_of_one_function_draw_for_themselves() -> None:
    def push(pair: tuple[float, ...], *, rng: Any) -> tuple[float, ...]:
        return (*pair, rng.random())

    rows = wh.from_items([()] * 50).map(push).map(push).collect()
    assert all(first != second for first, second in rows)
    other = wh.from_items([()] * 50).map(push).map(push).seeded(1).collect()
    assert not {first for first, _ in rows} & {first for first, _ in other}


def test_a_value_both_drawn_and_given_is_refused() -> None:
    with pytest.raises(PlanError, match="dx can't be both drawn and given"):
        wh.from_items([1]).map(max, draw={"dx": wh.draw.coin()}, dx=1)
