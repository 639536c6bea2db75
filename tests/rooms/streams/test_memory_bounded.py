"""A stream that is read from its start needs no more memory for more samples."""

from __future__ import annotations

import contextlib
import pathlib
import tracemalloc
from collections.abc import Iterator

import pytest

import whence as wh
from whence.streams import pacing


@pytest.fixture(autouse=True)
def chunks_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """How far chunks grow depends on the clock, and what is held depends on them."""
    for size in ("FIRST_CHUNK", "LARGEST_CHUNK", "LARGEST_QUICK_CHUNK"):
        monkeypatch.setattr(pacing, size, 256)


def numbers(count: int) -> Iterator[int]:
    for number in range(count):
        yield number % 1_000


def peak_bytes(count: int, folder: pathlib.Path | None) -> int:
    """Read so many samples, in a run if there is a folder, and find the most memory held at once."""
    stream = (
        wh.from_items(numbers(count), name="numbers")
        .map(lambda number: number + 1)
        .filter(lambda number: number % 3)
        .flat_map(lambda number: (number, -number))
        .shuffle(seed=1, window=100)
        .batch(50)
    )
    with contextlib.ExitStack() as stack:
        # begun before anything is counted: to say what it runs on, a run looks through all that is installed
        run = stack.enter_context(wh.start_run(workspace=folder)) if folder is not None else None
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        delivered = sum(len(batch) for batch in stream)
        if run is not None:
            run.finish()
        _, peak = tracemalloc.get_traced_memory()
    assert delivered == 2 * sum((number % 1_000 + 1) % 3 > 0 for number in range(count))
    return peak


def test_a_hundred_thousand_samples_need_no_more_memory_than_twenty_thousand() -> None:
    peak_bytes(20_000, None)  # what is loaded on first use
    assert peak_bytes(100_000, None) < peak_bytes(20_000, None) * 1.25 + 100_000


def test_in_a_run_what_is_held_grows_by_no_more_than_what_is_sealed_of_each_sample(
    tmp_path: pathlib.Path,
) -> None:
    peak_bytes(20_000, tmp_path)
    few, many = (peak_bytes(count, tmp_path) for count in (20_000, 100_000))
    assert many - few < 80_000 * 4


@pytest.mark.long
def test_two_million_samples_need_no_more_memory_than_twenty_thousand(tmp_path: pathlib.Path) -> None:
    peak_bytes(20_000, None)
    few = peak_bytes(20_000, None)
    assert peak_bytes(2_000_000, None) < few * 1.25 + 100_000
    assert peak_bytes(2_000_000, tmp_path) < few + 2_000_000 * 4
