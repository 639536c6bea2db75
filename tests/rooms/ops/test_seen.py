"""Where a key came first is known exactly, however many there are and wherever they lie."""

from __future__ import annotations

import os
import pathlib
import random
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import DamagedError, StoreFullError
from whence.ops import seen as seeing
from whence.ops.seen import Seen


@pytest.fixture(params=["as it is", "small parts"])
def _parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "small parts":
        for name, value in {
            "_BLOCK_KEYS": 4,
            "_SLICE_KEYS": 16,
            "_FEWEST_SLOTS": 2,
            "_MOST_FILES": 3,
        }.items():
            monkeypatch.setattr(seeing, name, value)


def key_of(number: int) -> bytes:
    """A key that is spread evenly, as those of contents are."""
    return random.Random(number).randbytes(16)


def firsts_of(keys: list[bytes], chunk_rows: int, memory: int) -> list[int]:
    with wh.config(memory=memory), Seen(label="dedup()") as seen:
        chunks = (keys[start : start + chunk_rows] for start in range(0, len(keys), chunk_rows))
        return [first for chunk in chunks for first in seen.firsts(chunk).tolist()]


def wanted_of(keys: list[bytes]) -> list[int]:
    firsts: dict[bytes, int] = {}
    return [firsts.setdefault(key, place) for place, key in enumerate(keys)]


def check(keys: list[bytes], chunk_rows: int, memory: int) -> None:
    assert firsts_of(keys, chunk_rows, memory) == wanted_of(keys)


@pytest.mark.usefixtures("_parts")
@pytest.mark.parametrize("memory", [1, 2_000, 50_000, 10**9])
@pytest.mark.parametrize("different", [3, 300, 100_000])
def test_firsts_are_those_of_a_dict(memory: int, different: int) -> None:
    choice = random.Random(different)
    check([key_of(choice.randrange(different)) for _ in range(3_000)], 97, memory)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=80),
    st.integers(1, 30),
    st.sampled_from([1, 1_000, 10**9]),
)
def test_keys_that_share_a_word_are_told_apart(
    pairs: list[tuple[int, int]], chunk_rows: int, memory: int
) -> None:
    words = [key_of(number)[:8] for number in range(4)]
    check([words[one] + words[other] for one, other in pairs], chunk_rows, memory)


@pytest.mark.usefixtures("_parts")
@pytest.mark.parametrize("memory", [1, 20_000, 10**9])
@pytest.mark.parametrize("half", [0, 8])
def test_many_keys_that_share_a_word_are_told_apart(memory: int, half: int) -> None:
    """Nobody's contents give such keys, but what is exact is exact."""
    numbers = [number % 700 for number in range(1_500)]
    shared = bytes(8)
    keys = [shared + key_of(number)[:8] if half else key_of(number)[:8] + shared for number in numbers]
    check(keys, 64, memory)


@pytest.mark.parametrize("edge", [bytes(16), b"\xff" * 16, bytes(8) + b"\xff" * 8])
def test_keys_at_the_edges_are_found(edge: bytes) -> None:
    keys = [edge, key_of(1), edge, *(key_of(number) for number in range(500)), edge]
    for memory in (1, 10**9):
        check(keys, 50, memory)


def test_beyond_the_memory_allowed_keys_are_in_files_and_few_of_them() -> None:
    with wh.config(memory=64_000), Seen(label="dedup()") as seen:
        for start in range(0, 40_000, 500):
            seen.firsts([key_of(number) for number in range(start, start + 500)])
        assert 1 <= len(seen._files) <= seeing._MOST_FILES
        assert sum(file.size for file in seen._files) + seen._table.size == 40_000
        assert seen.firsts([key_of(7), key_of(39_999), key_of(50_000)]).tolist() == [7, 39_999, 40_002]


def test_a_key_that_was_found_in_a_file_is_written_to_no_other() -> None:
    with wh.config(memory=1), Seen(label="dedup()") as seen:
        for _ in range(50):
            seen.firsts([key_of(number) for number in range(100)])
        assert sum(file.size for file in seen._files) == 100


@pytest.mark.long
def test_millions_of_keys_are_found_in_memory_and_on_disk() -> None:
    words = np.random.default_rng(3).integers(0, 1 << 62, (3_000_000, 2)).astype(np.uint64)
    keys: list[bytes] = words.view("V16").ravel().tolist()
    keys += random.Random(4).sample(keys, 200_000)
    wanted = wanted_of(keys)
    for memory in ("20MB", "1GB"):
        with wh.config(memory=memory):
            assert firsts_of(keys, 4_096, wh.config().memory_bytes) == wanted


# faults


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    def full(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "pwrite", full)
    stream = wh.from_items(range(1_000)).dedup()
    with wh.config(memory=1), pytest.raises(StoreFullError, match=rf"dedup\(\).*{tmp_path}"):
        stream.collect()


def test_damage_on_disk_is_named() -> None:
    with wh.config(memory=1), Seen(label="dedup()") as seen:
        seen.firsts([key_of(number) for number in range(10)])
        seen._files[0]._spill._digests[0] ^= 1
        with pytest.raises(DamagedError, match=r"dedup\(\)"):
            seen.firsts([key_of(3)])


def temporary_files() -> int:
    return sum("whence-" in link or "(deleted)" in link for link in links())


def links() -> Iterator[str]:
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        try:
            yield str(entry.readlink())
        except OSError:
            continue


def test_leaving_half_way_closes_the_temporary_files() -> None:
    before = temporary_files()
    with wh.config(memory=1):
        reading = iter(wh.from_items(range(10_000)).dedup().epoch(0))
        for _ in range(200):
            next(reading)
        assert temporary_files() > before
        reading.close()
    assert temporary_files() == before
