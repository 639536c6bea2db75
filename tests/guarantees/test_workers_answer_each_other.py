"""Two lines of one stream that both ask, such as two dedups below a zip, both get their answers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

import whence as wh
from tests.oracle.readings import chunks_of
from whence.streams import Stream

LONG_S = 60


@pytest.fixture(autouse=True)
def _not_for_ever() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError("nobody answers")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONG_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def half(number: int) -> int:
    return number // 2


def deduplicated() -> Stream:
    return wh.from_items(list(range(40)), name="numbers").map(half).dedup()


@pytest.mark.parametrize("workers", [1, 2])
def test_two_dedups_below_a_zip_are_read_to_their_end(workers: int) -> None:
    stream = deduplicated().zip(deduplicated().map(half))
    with chunks_of(1, 1):
        got = list(stream.epoch(0, workers=workers))
    assert got == [(number, number // 2) for number in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_two_dedups_below_a_mix_are_read_to_their_end(workers: int) -> None:
    stream = deduplicated().mix(deduplicated(), weights=[0.5, 0.5], seed=1)
    with chunks_of(1, 1):
        got = list(stream.epoch(0, workers=workers))
    assert sorted(got) == sorted([*range(20), *range(20)])
