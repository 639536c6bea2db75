"""Window: sliding groups, followed exactly, however they are read."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.oracle.readings import chunks_of
from whence.errors import OpError


def windows(values: list[Any], size: int, step: int, drop_last: bool) -> list[list[Any]]:
    found = [values[start : start + size] for start in range(0, len(values), step)]
    return [each for each in found if len(each) == size or not drop_last]


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 12), st.booleans(), st.integers(1, 7))
def test_windows_are_consecutive_and_a_step_apart(
    count: int, size: int, step: int, drop_last: bool, chunk: int
) -> None:
    stream = wh.from_items(list(range(count))).window(size, step, drop_last=drop_last, collate=list)
    expected = windows(list(range(count)), size, step, drop_last)
    with chunks_of(chunk, chunk):
        assert stream.collect() == expected
    assert len(stream) == len(expected)
    assert stream.shuffle(seed=1).collect() == [expected[i] for i in _order(len(expected))]


def _order(count: int) -> list[int]:
    return wh.from_items(list(range(count))).shuffle(seed=1).collect()


def test_a_window_moves_on_by_one_and_is_stacked() -> None:
    found = wh.from_arrays(x=np.arange(4.0), n=np.arange(4)).window(2).collect()
    assert [each["x"].tolist() for each in found] == [[0, 1], [1, 2], [2, 3]]
    assert found[0]["n"].dtype == np.int64


def test_columns_and_rows_make_the_same_windows() -> None:
    columns: dict[str, Any] = {"x": np.arange(9.0), "s": np.array(list("abcdefghi"))}
    rows = wh.from_arrays(**columns).map(lambda row: row).window(3, 2).collect()
    for made, wanted in zip(wh.from_arrays(**columns).window(3, 2).collect(), rows, strict=True):
        assert list(made) == list(wanted)
        for name in made:
            assert made[name].dtype == wanted[name].dtype
            assert made[name].tolist() == wanted[name].tolist()


def test_a_window_changed_in_place_leaves_its_neighbours() -> None:
    def change(window: dict[str, Any]) -> dict[str, Any]:
        window["x"] *= 10
        return window

    found = wh.from_arrays(x=np.arange(4.0)).window(2).map(change).collect()
    assert [each["x"].tolist() for each in found] == [[0, 10], [10, 20], [20, 30]]


def test_samples_of_windows_taken_apart_are_traced_to_their_own_row(tmp_path: pathlib.Path) -> None:
    numbers = wh.from_items(list(range(9)), name="n").filter(lambda n: n != 4)
    with wh.start_run("windows", workspace=tmp_path / "ws") as run:
        got = list(numbers.window(3, 2, collate=list).unbatch())
    for item, value in enumerate(got):
        assert [origin.row for origin in run.trace(item=item).origins] == [value]
    impact = wh.open(tmp_path / "ws").impact("n", rows=[2])
    assert [each.item for each in impact.exposures] == [item for item, value in enumerate(got) if value == 2]


def test_rows_between_windows_are_dropped_and_those_that_might_have_come_are_not(
    tmp_path: pathlib.Path,
) -> None:
    stream = wh.from_items(list(range(10)), name="n").window(2, 4, collate=list)
    with wh.start_run("left", workspace=tmp_path / "left"):
        next(iter(stream))
    workspace = wh.open(tmp_path / "left")
    assert [drop.reason for drop in workspace.impact("n", rows=[2]).drops] == [
        "in no window: between two, or after the last full one"
    ]
    assert not workspace.impact("n", rows=[8]).drops
    assert workspace.impact("n", rows=[8]).unreached
    with wh.start_run("read", workspace=tmp_path / "read"):
        list(stream)
    assert not wh.open(tmp_path / "read").impact("n", rows=[8]).drops
    assert wh.open(tmp_path / "read").impact("n", rows=[7]).drops


def test_a_window_holds_no_more_than_it_needs() -> None:
    seen: list[int] = []

    def count(number: int) -> int:
        seen.append(number)
        return number

    with chunks_of(1, 4):
        first = next(iter(wh.from_items(iter(range(10_000))).map(count).window(5, collate=list)))
    assert first == [0, 1, 2, 3, 4]
    assert len(seen) < 20


def test_samples_that_do_not_stack_are_named() -> None:
    rows = [{"x": np.zeros(2)}, {"x": np.zeros(2)}, {"x": np.zeros(3)}]
    with pytest.raises(OpError, match=r"can't gather samples 1 to 2: .* shape \(3,\)"):
        wh.from_items(rows).window(2).collect()


@pytest.mark.parametrize(("size", "step"), [(1, 3), (2, 5), (3, 1), (3, 3), (4, 3)])
@pytest.mark.parametrize("drop_last", [True, False])
def test_what_it_took_is_counted_alike_whatever_the_chunks(
    tmp_path: pathlib.Path, size: int, step: int, drop_last: bool
) -> None:
    counted = set()
    for chunk in (1, 2, 5, 100):
        with chunks_of(chunk, chunk), wh.start_run(workspace=tmp_path) as run:
            wh.from_items(list(range(17))).window(size, step, drop_last=drop_last, collate=list).collect()
        counted.add(tuple(run.passes[0].nodes[-1][1:]))
    assert len(counted) == 1
