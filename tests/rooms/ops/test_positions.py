"""Ops that choose or arrange positions: take, skip, slice, shard, sample, repeat, shuffle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError
from whence.streams import Stream

sizes = st.integers(0, 50)
few = st.integers(0, 20)


class Pour:
    """Numbers that can only be read from the start."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.read = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.size):
            self.read += 1
            yield number


def both_ways(size: int) -> tuple[Stream, Stream]:
    """The same numbers, once readable at any position and once only from the start."""
    return wh.from_items(range(size)), wh.from_items(Pour(size))


@given(sizes, few, st.none() | few, st.integers(1, 5))
def test_a_slice_is_a_slice(size: int, start: int, stop: int | None, step: int) -> None:
    for stream in both_ways(size):
        assert stream.slice(start, stop, step).collect() == list(range(size))[start:stop:step]


@given(sizes, few)
def test_take_and_skip_divide_a_stream(size: int, at: int) -> None:
    for stream in both_ways(size):
        assert stream.take(at).collect() + stream.skip(at).collect() == list(range(size))


@given(sizes, st.integers(1, 6))
def test_shards_divide_a_stream(size: int, count: int) -> None:
    for stream in both_ways(size):
        shards = [stream.shard(index, count).collect() for index in range(count)]
        assert sorted(itertools.chain(*shards)) == list(range(size))
        assert max(map(len, shards)) - min(map(len, shards)) <= 1


@given(sizes, st.integers(0, 4))
def test_repeat_gives_all_again(size: int, times: int) -> None:
    for stream in both_ways(size):
        assert stream.repeat(times).collect() == list(range(size)) * times
        assert stream.filter(lambda n: n % 2).repeat(times).collect() == list(range(size))[1::2] * times


@given(sizes, st.integers(0, 9), st.none() | st.integers(1, 20))
def test_a_shuffle_loses_nothing_and_repeats_nothing(size: int, seed: int, window: int | None) -> None:
    for stream in both_ways(size):
        shuffled = stream.shuffle(seed, window=window)
        for epoch in (0, 1):
            assert sorted(shuffled.epoch(epoch)) == list(range(size))


@given(st.integers(1, 60), st.integers(1, 20))
def test_a_window_keeps_its_samples(size: int, window: int) -> None:
    by_position, by_scan = (stream.shuffle(1, window=window).collect() for stream in both_ways(size))
    assert by_position == by_scan
    for start in range(0, size, window):
        assert sorted(by_scan[start : start + window]) == list(range(start, min(start + window, size)))


def test_a_seed_and_an_epoch_decide_the_order() -> None:
    stream = wh.from_items(range(100))
    orders = {
        tuple(stream.shuffle(seed, window=window).epoch(epoch))
        for seed in (0, 1)
        for epoch in (0, 1)
        for window in (None, 50)
    }
    assert len(orders) == 8
    assert stream.shuffle(3).collect() == stream.shuffle(3).collect()


def test_two_shuffles_of_one_seed_are_two() -> None:
    once = wh.from_items(range(100)).shuffle(1).collect()
    twice = wh.from_items(range(100)).shuffle(1).shuffle(1)
    assert sorted(twice.collect()) == sorted(once)
    assert twice.collect() != once != list(range(100))


@given(sizes, st.sampled_from([0.0, 0.3, 1.0, 0, 1]), st.integers(0, 9))
def test_a_sample_is_the_same_in_every_epoch(size: int, share: float, seed: int) -> None:
    for stream in both_ways(size):
        kept = stream.sample(share, seed)
        assert list(kept.epoch(0)) == list(kept.epoch(1))
        assert set(kept.collect()) <= set(range(size))
        assert share not in (0, 1) or len(kept.collect()) == size * share


def test_a_sample_has_about_its_share_and_seeds_choose_others() -> None:
    one, other = (set(wh.from_items(range(10_000)).sample(0.3, seed).collect()) for seed in (0, 1))
    assert 2_800 < len(one) < 3_200
    assert 700 < len(one & other) < 1_100


def test_take_reads_no_more_than_it_must() -> None:
    pour = Pour(10_000)
    assert wh.from_items(pour).filter(lambda n: n % 2).take(3).collect() == [1, 3, 5]
    assert pour.read <= 64


@pytest.mark.parametrize("kept", [1, 1_000, 10**9])
def test_what_is_put_aside_on_disk_comes_back(kept: int) -> None:
    rows = [{"n": number, "text": "é" * number} for number in range(60)]
    stream = wh.from_items(rows).dedup("n").shuffle(seed=2)
    wanted = stream.collect()
    assert sorted(wanted, key=lambda row: row["n"]) == rows
    with wh.config(memory=kept):
        assert stream.collect() == wanted
        assert wh.from_items(Pour(60)).repeat(2).collect() == [*range(60), *range(60)]


def test_what_can_not_be_pickled_stays_in_memory_as_long_as_there_is_some() -> None:
    things = [{"n": number, "fn": lambda: 1} for number in range(200)]
    stream = wh.from_items(things).dedup("n").shuffle(seed=2)
    got = stream.collect()
    assert all(any(thing is each for each in things) for thing in got)
    assert len(got) == 200
    assert len(wh.from_items(iter(things)).repeat(2).collect()) == 400
    for each in (stream, wh.from_items(iter(things)).repeat(2)):
        with wh.config(memory=1), pytest.raises(OpError, match=r"sample \d+ \(.*pickle") as caught:
            each.collect()
        assert "wh.config(memory=" in caught.value.remedy


def test_a_repetition_is_not_touched_by_what_was_done_to_the_first() -> None:
    def count_up(row: dict[str, int]) -> dict[str, int]:
        row["n"] += 1
        return row

    for memory in (1, 10**9):
        with wh.config(memory=memory):
            stream = wh.from_items({"n": n} for n in range(5)).repeat(3).map(count_up)
            assert [row["n"] for row in stream] == [1, 2, 3, 4, 5] * 3
