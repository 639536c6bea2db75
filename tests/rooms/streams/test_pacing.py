"""How large chunks are: by the time and the memory they take, and never by what the consumer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.ops import Chunk, in_groups
from whence.streams import Stream, pacing

ROWS = 300_000


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter_ns(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pacing, "time", made)
    return made


def sizes_of(
    build: Callable[[Stream], Stream], clock: Clock, *, took_ns: int = 0, columns: bool = True, width: int = 1
) -> list[int]:
    """Read a stream whose chunks take so long each, and say how large they were when they were read."""
    sizes: list[int] = []

    def seen(samples: Any) -> Any:
        sizes.append(len(samples["n"]))
        clock.now += took_ns
        return samples["n"] >= 0

    numbers = np.arange(ROWS)
    if columns:
        source = wh.from_arrays(n=numbers, v=np.zeros((ROWS, width), np.uint8))
    else:
        source = wh.from_items([{"n": number, "v": bytes(width)} for number in range(ROWS)])
    for _ in build(source.filter(seen, form="columns")):
        pass
    return sizes


def as_it_is(stream: Stream) -> Stream:
    return stream


def test_quick_chunks_of_columns_grow_further_than_those_of_rows(clock: Clock) -> None:
    assert sizes_of(as_it_is, clock)[:5] == [64, 512, 4_096, 32_768, 65_536]
    assert max(sizes_of(as_it_is, clock, columns=False)) == 8_192


@pytest.mark.parametrize(("took_ns", "largest"), [(3_000_000, 1_024), (50_000_000, 64), (300_000_000, 32)])
def test_chunks_that_take_long_stay_small_or_shrink(clock: Clock, took_ns: int, largest: int) -> None:
    sizes = sizes_of(lambda stream: stream.take(5_000).filter(bool), clock, took_ns=took_ns)
    assert max(sizes[1:]) == largest


def test_wide_samples_come_in_chunks_of_few(clock: Clock) -> None:
    sizes = sizes_of(lambda stream: stream, clock, width=10_000)
    assert 200 < max(sizes) <= 4 * 1024 * 1024 // 10_000


def test_samples_that_become_wide_come_in_chunks_of_few(clock: Clock) -> None:
    def widened(columns: dict[str, Any]) -> dict[str, Any]:
        return {"v": np.zeros((len(columns["n"]), 10_000), np.uint8)}

    sizes = sizes_of(lambda stream: stream.take(9_000).map_batches(widened, size=7, form="columns"), clock)
    assert 200 < max(sizes) < 450  # about 4 MB, since groups go across the borders of chunks


@pytest.mark.parametrize(
    "build",
    [
        lambda stream: stream.batch(ROWS),
        lambda stream: stream.map_batches(lambda columns: columns, size=ROWS, form="columns"),
        lambda stream: stream.sort("n"),
        lambda stream: stream.group_by("n").aggregate(count=("n", "count")).take(1),
        lambda stream: stream.map(lambda sample: sample["n"]).filter(lambda number: number < 0),
    ],
)
def test_chunks_grow_while_nothing_comes_out_yet(clock: Clock, build: Callable[[Stream], Stream]) -> None:
    assert len(sizes_of(build, clock)) < 20 + ROWS // 4_096


def test_what_the_consumer_does_is_not_counted(clock: Clock) -> None:
    sizes: list[int] = []

    def seen(columns: dict[str, Any]) -> Any:
        sizes.append(len(columns["n"]))
        return columns["n"] >= 0

    for batch in wh.from_arrays(n=np.arange(ROWS)).filter(seen, form="columns").batch(1_000):
        clock.now += 1_000_000_000
        assert len(batch["n"]) == 1_000
    assert max(sizes) == 65_536


@pytest.mark.parametrize("size", [1, 3, 10, 11, 100])
@pytest.mark.parametrize("pieces", [[10], [1] * 10, [4, 4, 2], [9, 1], [3, 7]])
def test_groups_are_whole_but_for_the_last(size: int, pieces: list[int]) -> None:
    def chunks() -> Iterator[Chunk]:
        start = 0
        for count in pieces:
            rows = np.arange(start, start + count)
            yield Chunk(rows.tolist(), rows.view(np.uint64), rows)
            start += count

    arranged = list(in_groups(chunks(), size))
    assert [value for chunk in arranged for value in chunk.values] == list(range(10))
    assert all(chunk.ids.tolist() == chunk.values == chunk.origins.tolist() for chunk in arranged)
    assert all(len(chunk) % size == 0 for chunk in arranged[:-1])
    assert all(len(chunk) for chunk in arranged)
    assert len(arranged[-1]) % size == 10 % size
