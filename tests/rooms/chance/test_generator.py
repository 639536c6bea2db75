"""A sample's generator gives the same values alone, in a chunk, one by one and as an array."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.chance.slow import slow_integer, slow_order, slow_words
from whence.chance import Bits, Rng, generator
from whence.chance.philox import compute_words
from whence.errors import PositionError

Call = Callable[[Rng], Any]

# Each draws something else, and takes another number of words.
CALLS: list[Call] = [
    lambda rng: rng.random(),
    lambda rng: rng.uniform(-1, 2),
    lambda rng: rng.integers(7),
    lambda rng: rng.integers(-(2**63), 2**62 + 1),
    lambda rng: rng.normal(1.0, 2.0),
    lambda rng: rng.choice("abc"),
    lambda rng: rng.permutation(5).tolist(),
    lambda rng: rng.random(3).tolist(),
    lambda rng: rng.normal(size=(2, 40)).tolist(),
    lambda rng: rng.integers(-(2**63), 2**62 + 1, size=5).tolist(),
    lambda rng: rng.choice([1, 2, 3], size=2).tolist(),
    lambda rng: rng.random(0).tolist(),
    lambda rng: rng.numpy().random(),
]
SEQUENCES = st.lists(st.integers(0, len(CALLS) - 1), max_size=12)


def bits(samples: int, key: int = 17, epoch: int = 3) -> Bits:
    return Bits(key, epoch, np.arange(1_000, 1_000 + samples, dtype=np.uint64))


def alone(sample: int) -> Rng:
    return Bits(17, 3, np.array([1_000 + sample], dtype=np.uint64)).rng(0)


@given(st.lists(SEQUENCES, min_size=1, max_size=6))
def test_a_sample_draws_the_same_in_a_chunk_as_alone(sequences: list[list[int]]) -> None:
    for sample, (rng, sequence) in enumerate(zip(bits(len(sequences)).rngs(), sequences, strict=True)):
        single = alone(sample)
        for call in sequence:
            assert CALLS[call](rng) == CALLS[call](single)


@given(SEQUENCES)
def test_a_large_chunk_draws_the_same_as_its_samples_alone(sequence: list[int]) -> None:
    for sample, rng in enumerate(islice(bits(200).rngs(), 5)):
        single = alone(sample)
        assert [CALLS[call](rng) for call in sequence] == [CALLS[call](single) for call in sequence]


@given(st.lists(st.integers(0, 300), max_size=8))
def test_arrays_and_single_numbers_take_the_same_words(lengths: list[int]) -> None:
    together, one_by_one = bits(2).rng(1), bits(2).rng(1)
    for length in lengths:
        assert together.random(length).tolist() == [one_by_one.random() for _ in range(length)]
        assert together.normal(2, 3, length).tolist() == [one_by_one.normal(2, 3) for _ in range(length)]
        assert together.integers(-4, 9, length).tolist() == [
            one_by_one.integers(-4, 9) for _ in range(length)
        ]
        assert together.random() == one_by_one.random()


def test_words_are_taken_in_order_from_the_first() -> None:
    stream = slow_words(17, 3, 1_002)
    rng = bits(5).rng(2)
    for _ in range(3):
        assert rng.random() == (next(stream) >> 11) / 2**53
        assert rng.integers(-5, 5) == -5 + slow_integer(stream, 10)
        assert rng.integers(0, 2**63) == slow_integer(stream, 2**63)
        assert rng.permutation(6).tolist() == slow_order(stream, 6)
        assert rng.choice("abcde") == "abcde"[slow_integer(stream, 5)]
        assert rng.integers(3, size=(2, 50)).ravel().tolist() == [slow_integer(stream, 3) for _ in range(100)]


def test_a_word_that_is_refused_delays_only_its_own_sample() -> None:
    span = 2**63 + 1
    for sample, rng in enumerate(bits(50).rngs()):
        stream = slow_words(17, 3, 1_000 + sample)
        wanted = [slow_integer(stream, span) - 2**63 for _ in range(4)]
        drawn = [rng.integers(-(2**63), 1), *rng.integers(-(2**63), 1, size=3).tolist()]
        assert drawn == wanted
        assert rng.random() == (next(stream) >> 11) / 2**53


def test_many_samples_that_ask_for_equal_arrays_get_their_own() -> None:
    drawn = [rng.normal(size=(4, 25)) for rng in bits(300).rngs()]
    assert len({array.tobytes() for array in drawn}) == 300
    for sample in (0, 1, 2, 3, 150, 299):
        assert drawn[sample].tolist() == alone(sample).normal(size=(4, 25)).tolist()


def test_an_array_belongs_to_its_caller() -> None:
    chunk = bits(3)
    makers: list[Call] = [
        lambda rng: rng.random(4),
        lambda rng: rng.uniform(0, 1, 4),
        lambda rng: rng.normal(size=4),
    ]
    for make in makers:
        first = make(chunk.rng(1))
        kept = first.tolist()
        first[:] = -1.0
        assert make(chunk.rng(1)).tolist() == kept
    numbers = chunk.rng(1).integers(9, size=4)
    kept = numbers.tolist()
    numbers[:] = -1
    assert chunk.rng(1).integers(9, size=4).tolist() == kept


def test_single_values_are_plain_python() -> None:
    rng = bits(200).rng(0)
    assert type(rng.random()) is float
    assert type(rng.uniform(np.float32(0.0), np.float64(1.0))) is float  # type: ignore[call-overload]
    assert type(rng.normal(np.float64(0.0), np.float64(1.0))) is float
    assert type(rng.integers(np.int64(0), np.int32(5))) is int  # type: ignore[call-overload]
    assert type(rng.choice(np.array([1, 2, 3]))) is int  # type: ignore[call-overload]


def test_arrays_are_float64_and_int64_of_the_shape_asked() -> None:
    rng = bits(1).rng(0)
    assert rng.random((2, 3)).shape == (2, 3)
    assert rng.uniform(0, 1, (2, 0)).shape == (2, 0)
    assert rng.normal(size=()).shape == ()
    assert rng.random(4).dtype == np.float64
    assert rng.integers(5, size=(3, 1)).dtype == np.int64
    assert rng.integers(5, size=(3, 1)).shape == (3, 1)
    assert rng.permutation(3).dtype == np.int64
    assert rng.permutation(0).tolist() == []


def test_shuffling_a_list_puts_it_in_the_order_of_a_permutation() -> None:
    chunk = bits(1)
    items, rows = list("abcdefgh"), np.arange(16).reshape(8, 2)
    chunk.rng(0).shuffle(items)
    chunk.rng(0).shuffle(rows)
    order = chunk.rng(0).permutation(8).tolist()
    assert items == ["abcdefgh"[place] for place in order]
    assert rows[:, 0].tolist() == [2 * place for place in order]


def test_a_numpy_generator_continues_from_the_samples_words() -> None:
    chunk = bits(2)
    rng = chunk.rng(0)
    first, second = rng.numpy(), rng.numpy()
    assert first.random() != second.random()
    assert chunk.rng(0).numpy().random(3).tolist() == bits(1).rng(0).numpy().random(3).tolist()
    stream = list(islice(slow_words(17, 3, 1_000), 9))
    assert rng.random() == (stream[8] >> 11) / 2**53
    state: Any = chunk.rng(0).numpy().bit_generator.state
    assert state["state"]["key"].tolist() == stream[:2]
    assert state["state"]["counter"].tolist() == [0, 0, *stream[2:4]]


def test_opening_a_generator_twice_starts_it_again() -> None:
    chunk = bits(4)
    assert [chunk.rng(2).random() for _ in range(3)] == [chunk.rng(2).random()] * 3


def test_a_sample_that_the_chunk_does_not_have_is_refused() -> None:
    for index in (-1, 3):
        with pytest.raises(PositionError, match="of a chunk of 3"):
            bits(3).rng(index)


def test_generators_that_nobody_draws_from_compute_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []

    def counted(key: int, epoch: int, ids: Any, first: int, count: int) -> Any:
        asked.append((len(ids), first, count))
        return compute_words(key, epoch, ids, first, count)

    monkeypatch.setattr(generator, "compute_words", counted)
    rngs = list(bits(1_024).rngs())
    assert asked == []
    for rng in rngs:
        rng.random()
        rng.normal()
        rng.integers(3)
    assert asked == [(1_024, 0, 4)]
    for rng in rngs:
        rng.random(784)
    assert len(asked) < 70
