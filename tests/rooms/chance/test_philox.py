"""The words are those of the published generator, and nothing but a sample's place decides them."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.chance.slow import chi_square, slow_block, slow_words
from whence.chance import philox, words
from whence.errors import PlanError

VECTORS = Path(__file__).parents[2] / "vectors" / "philox4x32.json"
CASES: list[dict[str, list[str]]] = json.loads(VECTORS.read_text())["cases"]

WORDS_32 = st.integers(0, 2**32 - 1)
KEYS = st.integers(0, 2**64 - 1)
IDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5)


def uint64s(values: list[int]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.array(values, dtype=np.uint64)


@pytest.mark.parametrize("case", CASES)
def test_the_authors_known_answers_are_computed(case: dict[str, list[str]]) -> None:
    counter, key, block = ([int(word, 16) for word in case[part]] for part in ("counter", "key", "block"))
    counters = np.array([counter] * 3, dtype=np.uint32)
    assert philox(counters, key[0] | key[1] << 32).tolist() == [block] * 3
    assert slow_block(counter, key) == block


@given(st.lists(st.tuples(WORDS_32, WORDS_32, WORDS_32, WORDS_32), min_size=1, max_size=5), KEYS)
def test_blocks_equal_the_slow_ones(counters: list[tuple[int, int, int, int]], key: int) -> None:
    halves = [key & 0xFFFFFFFF, key >> 32]
    blocks = philox(np.array(counters, dtype=np.uint32), key).tolist()
    assert blocks == [slow_block(list(counter), halves) for counter in counters]


@given(KEYS, WORDS_32, IDS, st.integers(0, 9), st.integers(0, 9))
def test_words_equal_the_slow_ones_from_any_place(
    key: int, epoch: int, ids: list[int], first: int, count: int
) -> None:
    found = words(key, epoch, uint64s(ids), first, count)
    assert found.shape == (len(ids), count)
    assert found.tolist() == [list(islice(slow_words(key, epoch, i), first, first + count)) for i in ids]


@pytest.mark.parametrize(("samples", "count"), [(20_000, 3), (3, 40_001), (0, 5), (5, 0)])
def test_words_computed_together_equal_words_computed_apart(samples: int, count: int) -> None:
    ids = np.arange(2**40, 2**40 + samples, dtype=np.uint64)
    together = words(9, 1, ids, 1, count)
    assert together.shape == (samples, count)
    for sample in range(0, samples, max(1, samples // 7)):
        alone = words(9, 1, ids[sample : sample + 1], 1 + count // 2, count - count // 2)
        assert together[sample, count // 2 :].tolist() == alone[0].tolist()


def test_the_words_at_the_end_of_a_samples_room_exist() -> None:
    assert words(1, 2, uint64s([3]), 2**33 - 2, 2).tolist() == [_pair([2**32 - 1, 2, 3, 0], [1, 0])]


def test_seed_one_epoch_zero_is_not_seed_zero_epoch_one() -> None:
    ids = np.arange(100, dtype=np.uint64)
    passes = [words(key, epoch, ids, 0, 2) for key in range(3) for epoch in range(3)]
    assert len(np.unique(np.concatenate(passes))) == 9 * 100 * 2


def test_each_bit_of_each_place_changes_half_of_the_bits() -> None:
    base = words(5, 6, uint64s([7]), 0, 2)[0]
    flipped = [words(5 ^ (1 << bit), 6, uint64s([7]), 0, 2)[0] for bit in range(64)]
    flipped += [words(5, 6 ^ (1 << bit), uint64s([7]), 0, 2)[0] for bit in range(32)]
    flipped += [words(5, 6, uint64s([7 ^ (1 << bit)]), 0, 2)[0] for bit in range(64)]
    changed = [sum(int(word).bit_count() for word in base ^ other) for other in flipped]
    # 128 bits, each changed with chance 1/2: 64, give or take 5.7; the bound is 5.3 of these.
    assert min(changed) > 34
    assert max(changed) < 94


def test_bytes_of_neighbouring_samples_are_equally_likely() -> None:
    found = words(1, 0, np.arange(8_192, dtype=np.uint64), 0, 2)
    counts = np.bincount(np.ascontiguousarray(found).view(np.uint8).ravel(), minlength=256)
    # 255 degrees of freedom: 331 is exceeded by one in a thousand keys; this key is fixed.
    assert chi_square(counts.tolist()) < 331


@pytest.mark.parametrize("key", [-1, 2**64, 1.0, "7", True, None])
def test_a_key_that_is_not_64_bits_is_refused(key: Any) -> None:
    with pytest.raises(PlanError, match="key: wanted an integer"):
        words(key, 0, uint64s([0]), 0, 1)


@pytest.mark.parametrize("epoch", [-1, 2**32, 0.0, False])
def test_an_epoch_that_the_counter_has_no_room_for_is_refused(epoch: Any) -> None:
    with pytest.raises(PlanError, match="epoch: wanted an integer"):
        words(0, epoch, uint64s([0]), 0, 1)


@pytest.mark.parametrize("ids", [[[1]], [1.5], [-1], ["a"]])
def test_draw_ids_that_are_not_flat_integers_from_zero_are_refused(ids: Any) -> None:
    with pytest.raises(PlanError, match="draw ids: wanted"):
        words(0, 0, np.array(ids), 0, 1)


@pytest.mark.parametrize(("first", "count"), [(-1, 2), (0, -1), (2**33, 1), (0.0, 1)])
def test_words_that_no_sample_has_are_refused(first: Any, count: int) -> None:
    with pytest.raises(PlanError):
        words(0, 0, uint64s([0]), first, count)


@pytest.mark.parametrize("shape", [(4,), (1, 3), (2, 4, 1)])
def test_counters_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PlanError, match="counters: wanted"):
        philox(np.zeros(shape, dtype=np.uint32), 0)


def _pair(counter: list[int], key: list[int]) -> list[int]:
    x0, x1, x2, x3 = slow_block(counter, key)
    return [x0 | x1 << 32, x2 | x3 << 32]
