"""Again: what was delivered can be made once more, and has the digest that was recorded.

Also what this rests on: samples don't depend on how they are moved (chunks), how they are divided
(shards), or what else is in the stream; what is random depends on the sample and the epoch only.
"""

from __future__ import annotations

import functools
import itertools
import pathlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence as wh
from tests.guarantees.test_trace_equals_the_carried_history import (
    Reading,
    batch_below,
    chunks_of,
    count_pipelines,
    items_of,
    read_all,
    run_recorded,
)
from tests.oracle import Builder, alike
from tests.strategies import IN_MEMORY, ON_DISK, Pipeline
from whence.errors import NotFoundError
from whence.query import Address, Replay, Replayer
from whence.runs import RunRecord
from whence.streams import Stream


def _items(replayer: Replayer, record: RunRecord, reading: Reading, output: int) -> Iterator[Replay]:
    for item in range(1_000):
        try:
            yield replayer.replay(_address(record, reading, output, item))
        except NotFoundError:
            return


def _address(record: RunRecord, reading: Reading, output: int, item: int | None = None) -> Address:
    return Address(run=record.name, epoch=reading.epoch, repeat=reading.repeat, batch=output, item=item)


def check_replays(pipeline: Pipeline, *, with_stream: bool) -> int:
    """Make everything again that a pipeline delivered, and compare it."""
    count = 0
    with tempfile.TemporaryDirectory() as name:
        stream, readings, record = run_recorded(pipeline, pathlib.Path(name))
        replayer = Replayer(record, stream=stream if with_stream else None)
        batch = batch_below(pipeline.plan)
        for reading in readings:
            for output, value in enumerate(reading.got):
                again = replayer.replay(_address(record, reading, output))
                assert again.equal is True
                assert not again.differences
                assert alike(again.value, value)
                count += 1
                if batch is None:
                    continue
                items = items_of(value, pipeline.plan, batch)
                found = list(_items(replayer, record, reading, output))
                assert all(each.equal is True for each in found)
                assert items is None or all(
                    map(alike, (each.value for each in found), items) if batch.op == "batch_list" else found
                )
                count += len(found)
    return count


def from_the_record_alone(pipeline: Pipeline) -> int:
    return check_replays(pipeline, with_stream=False)


def with_the_stream_given(pipeline: Pipeline) -> int:
    return check_replays(pipeline, with_stream=True)


def test_thirty_pipelines_over_files_are_made_again_from_the_record_alone() -> None:
    count_pipelines(from_the_record_alone, 30, sources=ON_DISK)


def test_thirty_pipelines_over_data_in_memory_are_made_again_when_the_stream_is_given() -> None:
    count_pipelines(with_the_stream_given, 30, sources=IN_MEMORY)


@pytest.mark.long
def test_a_thousand_pipelines_over_files_are_made_again_from_the_record_alone() -> None:
    _tell(count_pipelines(from_the_record_alone, 1_000, sources=ON_DISK))


@pytest.mark.long
def test_a_thousand_pipelines_over_data_in_memory_are_made_again_when_the_stream_is_given() -> None:
    _tell(count_pipelines(with_the_stream_given, 1_000, sources=IN_MEMORY))


def _tell(seen: Counter[str]) -> None:
    print("\n" + ", ".join(f"{what} {count:,}" for what, count in seen.most_common()))


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


def recorded(pipeline: Pipeline, folder: pathlib.Path, stream: Stream, *sizes: int) -> tuple[Any, ...]:
    """Read a pipeline in chunks of other sizes; give what was delivered and what was written of it."""
    with chunks_of(*sizes), wh.start_run(workspace=folder / "ws") as run:
        readings = read_all(stream, pipeline)
    passes = []
    for view in run.passes:
        if view.is_complete:
            found = run.record.digests(view.number)
            passes.append((found.items.tolist(), found.groups, found.outputs.tolist()))
    return [reading.got for reading in readings], passes


def assert_agree(one: list[Any], other: list[Any]) -> None:
    """What both witnessed is the same; a batch below a take gathers ahead of it, by a chunk."""
    both = [(here, there) for here, there in zip(one, other, strict=False) if here and there]
    assert [here for here, _ in both] == [there for _, there in both]


def check_chunks(pipeline: Pipeline) -> int:
    """Compare what a pipeline gives in chunks of one size and of another."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        stream = Builder(folder).build(pipeline.plan)
        one = recorded(pipeline, folder, stream, 1, 1)
        other = recorded(pipeline, folder, stream, pipeline.first_chunk, pipeline.largest_chunk)
    assert alike(list(one[0]), list(other[0]))
    for (items, groups, outputs), others in zip(one[1], other[1], strict=True):
        assert outputs == others[2]
        assert_agree(items, others[0])
        if batch_below(pipeline.plan) is not None:  # without batches a group is a chunk
            assert_agree(groups, others[1])
    return sum(map(len, one[0]))


def test_thirty_pipelines_give_the_same_whatever_the_chunks() -> None:
    count_pipelines(check_chunks, 30, sources=(*IN_MEMORY, "pour"))


@pytest.mark.long
def test_a_thousand_pipelines_give_the_same_whatever_the_chunks() -> None:
    count_pipelines(check_chunks, 1_000, sources=(*IN_MEMORY, "pour"))


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
