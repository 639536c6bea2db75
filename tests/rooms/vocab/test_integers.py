"""Integers come out of lists as one array, and only where there is nothing else in them."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.vocab import sample_digest, sample_digests
from whence.vocab.integers import integers_of


class Level(enum.IntEnum):
    LOW = 1


class Number(int):
    pass


class Indexed:
    def __index__(self) -> int:
        return 7


@given(st.lists(st.integers(-(1 << 70), 1 << 70)), st.booleans())
def test_ints_are_taken_where_all_of_them_fit_into_64_bits(numbers: list[int], as_tuple: bool) -> None:
    found = integers_of(tuple(numbers) if as_tuple else numbers)
    if not numbers or any(not -(1 << 63) <= number < 1 << 63 for number in numbers):
        assert found is None
    else:
        assert found is not None
        assert found.dtype == np.int64
        assert found.flags.writeable
        assert found.tolist() == numbers


BORDERS = [0, 1, -1, (1 << 31) - 1, 1 << 31, -(1 << 31), -(1 << 31) - 1, (1 << 63) - 1, -(1 << 63)]


@given(st.lists(st.sampled_from(BORDERS), min_size=1))
def test_the_borders_of_32_and_64_bits_are_taken_as_they_are(numbers: list[int]) -> None:
    found = integers_of(numbers)
    assert found is not None
    assert found.tolist() == numbers


OTHERS = [
    True,
    Level.LOW,
    Number(1),
    Indexed(),
    np.int64(1),
    np.int32(1),
    1.0,
    None,
    "1",
    b"i\1\0\0\0",
    [1],
    (),
    1j,
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: type(other).__name__)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_value_that_is_no_int_is_found(other: Any, place: int) -> None:
    values: list[Any] = [1, 2]
    values.insert(place, other)
    assert integers_of(values) is None
    assert integers_of(tuple(values)) is None
    assert integers_of([1 << 40, *values, 1 << 40]) is None


def test_values_that_are_as_long_as_ints_together_are_told_apart() -> None:
    assert integers_of([1, b"", 2]) is None  # as many bytes as three ints of 32 bits
    assert integers_of([1, True, True, True, True, True, 2]) is None


def test_a_list_that_holds_itself_is_none() -> None:
    circle: list[Any] = [1]
    circle += [circle, 1]
    assert integers_of(circle) is None


@given(st.lists(st.integers(-(1 << 66), 1 << 66)))
def test_the_witnesses_of_ints_together_are_those_of_each(numbers: list[int]) -> None:
    assert sample_digests(numbers).tolist() == [sample_digest(number) for number in numbers]
