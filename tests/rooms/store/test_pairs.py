"""Pairs come back in the order of their inputs, whatever fits in memory."""

from __future__ import annotations

import errno
import os
import pathlib
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import StoreFullError
from whence.lineage import Line, as_array
from whence.store.pairs import PairSorter, order_of

LISTS = st.lists(st.lists(st.integers(0, 40) | st.integers(0, 2**40), max_size=6), max_size=60)
ONCE = st.builds(
    lambda inputs, cut, first: [
        [first + each for each in inputs[:cut]],
        [first + each for each in inputs[cut:]],
    ],
    st.lists(st.integers(0, 60), unique=True, max_size=40) | st.permutations(range(30)),
    st.integers(0, 40),
    st.sampled_from([0, 7, 2**40]),
)
"""Inputs that have one output each, close together."""


def drained(sorter: PairSorter) -> list[tuple[int, int]]:
    return [
        pair
        for inputs, outputs in sorter.drain()
        for pair in zip(as_array(inputs).tolist(), outputs.tolist(), strict=True)
    ]


@given(LISTS | ONCE, st.integers(1, 2_000))
def test_pairs_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], run_pairs: int
) -> None:
    sorter = PairSorter(tmp_path_factory.getbasetemp(), run_pairs=run_pairs)
    wanted = []
    for output, inputs in enumerate(rows):
        sorter.add(np.array(inputs, np.int64), np.array([len(inputs)]))
        wanted += [(each, output) for each in inputs]
    assert drained(sorter) == sorted(wanted)


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 300), st.sampled_from([1, 7, 2**33]))
def test_a_line_of_ones_counts_as_ones_do(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[int], run_pairs: int, step: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    found = []
    for counts in (Line(1, 0, 50), np.ones(50, np.uint8)):
        sorter = PairSorter(folder, run_pairs=run_pairs)
        for start in range(0, len(inputs), 50):
            some = np.array(inputs[start : start + 50], np.int64) * step
            sorter.add(
                some, counts.between(0, len(some)) if isinstance(counts, Line) else counts[: len(some)]
            )
        found.append(drained(sorter))
    pairs = [(each * step, output) for output, each in enumerate(inputs)]
    assert found == [sorted(pairs)] * 2


def test_an_input_with_most_of_the_outputs_is_handed_on_in_parts(tmp_path: pathlib.Path) -> None:
    sorter = PairSorter(tmp_path, run_pairs=5_000)
    inputs = np.where(np.random.default_rng(1).random(100_000) < 0.9, 7, np.arange(100_000) % 50)
    for start in range(0, len(inputs), 1_000):
        sorter.add(inputs[start : start + 1_000], np.ones(1_000, np.uint8))
    parts = list(sorter.drain())
    assert max(len(part) for part, _ in parts) < 12_000
    assert np.concatenate([as_array(part) for part, _ in parts]).tolist() == np.sort(inputs).tolist()
    assert np.concatenate([part for _, part in parts]).tolist() == np.argsort(inputs, kind="stable").tolist()


def test_a_million_pairs_need_a_fraction_of_their_own_memory(tmp_path: pathlib.Path) -> None:
    count = 1_000_000
    sorter = PairSorter(tmp_path, run_pairs=20_000)
    tracemalloc.start()
    try:
        for start in range(0, count, 1_000):
            outputs = np.arange(start, start + 1_000)
            sorter.add(outputs * 7_919 % count, np.ones(1_000, np.uint8))
        assert sum(len(inputs) for inputs, _ in sorter.drain()) == count
        assert tracemalloc.get_traced_memory()[1] < 16 * count / 4
    finally:
        tracemalloc.stop()


@given(st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 9), max_size=300))
def test_the_order_of_numbers_is_that_of_a_stable_sort(numbers: list[int]) -> None:
    found = np.array(numbers, np.int64)
    for some in (found, found.astype(np.uint8), found.astype(np.uint16), found.astype(np.uint64)):
        assert order_of(some).tolist() == np.argsort(some, kind="stable").tolist()


def test_a_folder_without_room_is_named_and_nothing_stays(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **named: object) -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sorter = PairSorter(tmp_path, run_pairs=10)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(StoreFullError, match=str(tmp_path)):
        sorter.add(np.arange(20), np.ones(20, np.uint8))
    assert list(tmp_path.iterdir()) == []
