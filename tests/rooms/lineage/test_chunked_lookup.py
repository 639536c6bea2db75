"""Selections and counts are looked up by chunk: only what is asked is decoded, and damage has a place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
import pytest

from whence.errors import DamagedError, PositionError
from whence.lineage import CountsIndex, SelectionIndex, encode_counts, encode_mask

MASK = encode_mask(np.array([True, False, True, True]))
COUNTS = encode_counts(np.array([2, 0, 1]))
CHUNKS = 100_000


class Watched(Sequence[bytes]):
    """One encoding for every chunk, and a note of which were read."""

    def __init__(self, data: bytes, length: int) -> None:
        self.data, self.length, self.read = data, length, list[int]()

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        assert isinstance(index, int)
        self.read.append(index)
        return self.data


def test_a_kept_sample_is_selected_and_a_dropped_one_has_no_rank() -> None:
    index = SelectionIndex([4, 0, 4], [3, 0, 3], [MASK, encode_mask(np.zeros(0, dtype=np.bool_)), MASK])
    assert (index.in_size, index.out_size) == (8, 6)
    assert index.select([5, 0, 3]).tolist() == [7, 0, 4]
    positions, is_kept = index.rank([0, 1, 6, 5])
    assert is_kept.tolist() == [True, False, True, False]
    assert positions.tolist() == [0, 1, 4, 4]


def test_an_output_has_its_parent_and_an_input_its_children() -> None:
    index = CountsIndex([3, 3], [3, 3], [COUNTS, COUNTS])
    assert (index.in_size, index.out_size) == (6, 6)
    assert index.parents([5, 0, 1, 2]).tolist() == [5, 0, 0, 2]
    first, counts = index.children([0, 1, 5])
    assert (first.tolist(), counts.tolist()) == ([0, 2, 5], [2, 0, 1])


def test_building_reads_no_chunk_and_a_question_only_its_own() -> None:
    datas = Watched(MASK, CHUNKS)
    masks = SelectionIndex(np.full(CHUNKS, 4), np.full(CHUNKS, 3), datas)
    assert (masks.out_size, datas.read) == (3 * CHUNKS, [])
    masks.select([3 * 77_777, 5, 3 * 77_777 + 1, 4])
    masks.rank([4 * 77_777])
    assert datas.read == [1, 77_777]
    datas = Watched(COUNTS, CHUNKS)
    counts = CountsIndex(np.full(CHUNKS, 3), np.full(CHUNKS, 3), datas)
    counts.parents([3 * 77_777, 5, 4])
    counts.children([3 * 77_777])
    assert datas.read == [1, 77_777]


def test_no_more_than_a_few_decoded_chunks_are_kept() -> None:
    datas = Watched(MASK, 1_000)
    index = SelectionIndex(np.full(1_000, 4), np.full(1_000, 3), datas)
    index.select(range(index.out_size))
    index.select([0])
    assert datas.read == [*range(1_000), 0]


def test_a_stream_without_chunks_has_no_positions() -> None:
    for index in (SelectionIndex([], [], []), CountsIndex([], [], [])):
        assert (index.in_size, index.out_size) == (0, 0)
    assert SelectionIndex([], [], []).select([]).tolist() == []
    with pytest.raises(PositionError):
        CountsIndex([], [], []).parents([0])


@pytest.mark.parametrize(
    ("in_counts", "out_counts", "datas"),
    [
        pytest.param([4], [3], [], id="an encoding is missing"),
        pytest.param([4, 4], [3], [MASK, MASK], id="a count is missing"),
        pytest.param([4, -4], [3, 0], [MASK, MASK], id="a negative count"),
        pytest.param([4, 4], [3, -1], [MASK, MASK], id="a negative count of outputs"),
        pytest.param([2**62, 2**62, 2**62], [1, 1, 1], [MASK] * 3, id="more than 63 bits"),
    ],
)
@pytest.mark.parametrize("make", [SelectionIndex, CountsIndex])
def test_chunks_that_do_not_belong_together_are_damage(
    make: Callable[..., object], in_counts: list[int], out_counts: list[int], datas: list[bytes]
) -> None:
    with pytest.raises(DamagedError):
        make(in_counts, out_counts, datas)


def test_a_chunk_that_kept_more_than_it_had_is_damage() -> None:
    with pytest.raises(DamagedError):
        SelectionIndex([4], [5], [MASK])


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda: SelectionIndex([4, 4], [3, 2], [MASK, MASK]).select([3]), id="another count kept"
        ),
        pytest.param(lambda: SelectionIndex([4, 4], [3, 3], [MASK, b"\xff"]).rank([4]), id="a damaged mask"),
        pytest.param(lambda: CountsIndex([3, 3], [3, 4], [COUNTS, COUNTS]).parents([3]), id="another total"),
        pytest.param(lambda: CountsIndex([3, 3], [3, 3], [COUNTS, b""]).children([5]), id="damaged counts"),
    ],
)
def test_damage_names_its_chunk(ask: Callable[[], object]) -> None:
    with pytest.raises(DamagedError, match="chunk 1") as caught:
        ask()
    assert caught.value.place == "chunk 1"
