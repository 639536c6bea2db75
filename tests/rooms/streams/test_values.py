"""A stream is a value: chaining makes a new one, and nothing runs before it is read."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import whence as wh
from tests.oracle.functions import copies, grow, keeps, pair
from tests.oracle.marks import number_of
from whence.errors import UnknownLengthError
from whence.streams import Stream


def fails(_: Any) -> Any:
    raise AssertionError("nothing was to be read")


def chained() -> Stream:
    rows = [{"v": number, "h": (f"@rows:{number}",)} for number in range(30)]
    return (
        wh.from_items(rows, name="rows")
        .map(grow, by=2)
        .filter(keeps, modulus=3)
        .flat_map(copies, most=2)
        .dedup(number_of)
        .shuffle(seed=4)
        .batch(3)
    )


def test_chaining_runs_nothing() -> None:
    stream = wh.from_items([1]).map(fails).filter(fails).flat_map(fails).dedup(fails).batch(2, collate=fails)
    stream = stream.shuffle(1).take(1).repeat(2).concat(stream).zip(stream, combine=fails)
    assert "filter fails" in repr(stream)
    assert "filter fails" in stream._repr_html_()


def test_chaining_leaves_a_stream_as_it_was() -> None:
    stream = wh.from_items([3, 1, 2])
    before = repr(stream)
    stream.map(fails)
    stream.batch(2)
    stream.named("other")
    stream.seeded(9)
    stream.shuffle(1).take(1)
    assert repr(stream) == before
    assert stream.collect() == stream.collect() == [3, 1, 2]


def test_reading_changes_neither_the_stream_nor_the_samples_of_others() -> None:
    items = [{"n": number} for number in range(5)]
    stream = wh.from_items(items)
    doubled = stream.map(lambda row: {"n": row["n"] * 2})
    assert [row["n"] for row in doubled.zip(stream, combine=lambda a, b: {"n": a["n"] - b["n"]})] == list(
        range(5)
    )
    assert items == [{"n": number} for number in range(5)]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_stream_that_was_pickled_gives_the_same(protocol: int) -> None:
    stream = chained().named("train").seeded(3)
    again = pickle.loads(pickle.dumps(stream, protocol))
    assert repr(again) == repr(stream)
    for epoch in (0, 1):
        assert [batch["v"].tolist() for batch in again.epoch(epoch)] == [
            batch["v"].tolist() for batch in stream.epoch(epoch)
        ]


def test_the_length_is_known_until_the_data_decide() -> None:
    stream = wh.from_items(range(10))
    assert len(stream) == 10
    assert len(stream.map(fails).skip(1).batch(4).repeat(2).shuffle(1).shard(1, 4)) == 2
    assert len(stream.concat(stream).zip(stream.repeat(2), combine=pair)) == 20
    for unknown in (
        stream.filter(fails),
        stream.flat_map(fails).take(2),
        stream.dedup().batch(2),
        stream.sample(0.5, seed=1),
        stream.map(fails, on_error="quarantine"),
        stream.unbatch().concat(stream),
        wh.from_items(iter([1, 2])),
    ):
        with pytest.raises(UnknownLengthError) as caught:
            len(unknown)
        assert "count()" in caught.value.remedy
        assert isinstance(caught.value, TypeError), "so that list(stream) can go on without a length"


def test_an_empty_stream_is_true_and_has_no_samples() -> None:
    empty = wh.from_items([])
    assert empty
    assert (len(empty), empty.count(), empty.collect()) == (0, 0, [])


def test_count_reads_what_len_does_not_know() -> None:
    stream = wh.from_items(range(10)).filter(lambda number: number % 3)
    assert stream.count() == len(stream.collect()) == 6


def test_an_epoch_has_its_order_and_can_be_read_again() -> None:
    stream = wh.from_items(range(50)).shuffle(seed=1)
    epochs = [list(stream.epoch(number)) for number in range(4)]
    assert len({tuple(order) for order in epochs}) == 4
    second = stream.epoch(1)
    assert list(second) == list(second) == epochs[1]
    assert list(stream) == epochs[0]


def test_two_readings_at_once_do_not_disturb_each_other() -> None:
    stream = wh.from_items(range(300)).map(lambda number: -number).shuffle(seed=1)
    alone = list(stream.epoch(0)), list(stream.epoch(1))
    together = list(zip(stream.epoch(0), stream.epoch(1), strict=True))
    assert ([a for a, _ in together], [b for _, b in together]) == alone
