"""Again: what was delivered can be made once more, and has the digest that was recorded.

Of generated pipelines that is checked with all other laws (`test_trace_equals_the_carried_history`).
Here is what it rests on: samples don't depend on how they are divided (shards) or on what else is in the
stream; what is random depends on the sample and the epoch only. And that what differs is told.
"""

from __future__ import annotations

import functools
import itertools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence as wh
from whence.query import Address
from whence.streams import Stream

# functions that no other process could find


def test_lambdas_are_made_again_when_the_stream_is_given(tmp_path: pathlib.Path) -> None:
    stream = (
        wh.from_items(list(range(100)), name="numbers")
        .map(lambda number, *, rng: (number, rng.random()))
        .filter(lambda pair: pair[1] < 0.8)
        .shuffle(seed=1)
        .batch(8, collate=list)
    )
    with wh.start_run(workspace=tmp_path) as run:
        got = {epoch: list(stream.epoch(epoch)) for epoch in (0, 1)}
    replayer = run.replayer(stream=stream)
    for epoch, batches in got.items():
        for number, batch in enumerate(batches):
            again = replayer.replay(Address(run=run.name, epoch=epoch, batch=number))
            assert again.equal
            assert again.value == batch


# what must not matter


def jittered(number: int, *, rng: Any, dx: float) -> tuple[int, float, float]:
    """A map that draws in both ways."""
    return number, rng.normal(), dx


def random_stream(numbers: list[int]) -> Stream:
    """A stream of random samples, told apart by their first field."""
    return wh.from_items(numbers, name="numbers").map(jittered, draw={"dx": wh.draw.uniform(-1, 1)})


@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 3))
def test_the_shards_together_are_the_whole_with_the_same_draws(size: int, count: int, epoch: int) -> None:
    whole = list(random_stream(list(range(size))).epoch(epoch))
    draws = {"dx": wh.draw.uniform(-1, 1)}
    rows = wh.from_items(list(range(size)), name="numbers")
    after = [list(random_stream(list(range(size))).shard(at, count).epoch(epoch)) for at in range(count)]
    before = [list(rows.shard(at, count).map(jittered, draw=draws).epoch(epoch)) for at in range(count)]
    assert after == before == [whole[at::count] for at in range(count)]
    assert sorted(sample for part in after for sample in part) == whole


@given(st.integers(0, 60), st.integers(1, 5), st.none() | st.integers(1, 9))
def test_shards_of_a_shuffled_stream_share_its_order(size: int, count: int, window: int | None) -> None:
    shuffled = random_stream(list(range(size))).shuffle(seed=3, window=window)
    whole = shuffled.collect()
    assert sorted(whole) == random_stream(list(range(size))).collect()
    parts = [shuffled.shard(index, count).collect() for index in range(count)]
    assert all(part == whole[index::count] for index, part in enumerate(parts))


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 3))
def test_a_filter_below_changes_no_other_samples_draws(numbers: list[int], epoch: int) -> None:
    draws = {"dx": wh.draw.uniform(-1, 1)}
    source = wh.from_items(numbers, name="numbers")
    unfiltered = list(source.map(jittered, draw=draws).epoch(epoch))
    filtered = list(source.filter(lambda number: number % 3 != 0).map(jittered, draw=draws).epoch(epoch))
    assert filtered == [sample for sample in unfiltered if sample[0] % 3]


@given(st.integers(1, 60), st.integers(0, 60))
def test_what_comes_before_is_not_read_to_make_what_comes_after(size: int, skipped: int) -> None:
    whole = random_stream(list(range(size))).collect()
    assert random_stream(list(range(size))).skip(skipped).collect() == whole[skipped:]
    assert random_stream(list(range(size))).take(skipped).collect() == whole[:skipped]


@settings(max_examples=20)
@given(st.integers(2, 60))
def test_epochs_draw_anew_and_an_epoch_draws_the_same(size: int) -> None:
    stream = random_stream(list(range(size))).shuffle(seed=0)
    assert list(stream.epoch(1)) == list(stream.epoch(1))
    first, second = ({each[0]: each[1:] for each in stream.epoch(epoch)} for epoch in (0, 1))
    assert all(first[number] != second[number] for number in range(size))


def test_repetitions_are_samples_of_their_own() -> None:
    got = wh.from_items([1, 2]).repeat(3).map(jittered, draw={"dx": wh.draw.uniform(0, 1)}).collect()
    assert len({sample[1] for sample in got}) == len({sample[2] for sample in got}) == 6


def test_children_of_one_sample_are_samples_of_their_own() -> None:
    three = functools.partial(lambda number, times: [number] * times, times=3)
    got = wh.from_items([1, 1]).flat_map(three).map(jittered, draw={"dx": wh.draw.uniform(0, 1)}).collect()
    assert len({sample[1] for sample in got}) == len({sample[2] for sample in got}) == 6


def test_what_a_sample_carries_is_drawn_again_by_its_trace(tmp_path: pathlib.Path) -> None:
    stream = random_stream(list(range(30))).shuffle(seed=5).batch(7, collate=list)
    with wh.start_run(workspace=tmp_path) as run:
        batches = list(stream.epoch(2))
    for number, batch in enumerate(batches):
        for item, sample in enumerate(batch):
            steps = {step.op: step for step in run.trace(2, number, item).steps}
            assert np.float64(steps["jittered"].random["dx"]) == sample[2]


# what the digests can tell


def by_the_clock(batch: list[int]) -> list[float]:
    """A function that no one can run again."""
    return [number + next(TICKS) for number in batch]


TICKS = itertools.count()

UNSTEADY: dict[str, Callable[[Stream], Stream]] = {
    "a map of batches": lambda stream: stream.batch(2, collate=list).map(by_the_clock),
    "and a shuffle of them": lambda stream: stream.batch(2, collate=list).map(by_the_clock).shuffle(seed=1),
    "a collate function": lambda stream: stream.batch(2, collate=by_the_clock),
    "a map before the batch": lambda stream: stream.map(lambda n: next(TICKS) + n).batch(2),
    "batches that are picked": lambda stream: stream.map(lambda n: next(TICKS) + n).batch(2).shuffle(seed=1),
    "no batches": lambda stream: stream.map(lambda n: next(TICKS) + n),
    "what is zipped": lambda stream: stream.zip(stream, combine=lambda a, b: a + b + next(TICKS)),
}


@pytest.mark.parametrize("what", UNSTEADY)
def test_what_comes_out_different_is_told(tmp_path: pathlib.Path, what: str) -> None:
    stream = UNSTEADY[what](wh.from_items(list(range(6)), name="numbers"))
    with wh.start_run(workspace=tmp_path) as run:
        outputs = stream.collect()
    replayer = run.replayer(stream=stream)
    for number in range(len(outputs)):
        assert replayer.replay(Address(run=run.name, epoch=0, batch=number)).equal is False
