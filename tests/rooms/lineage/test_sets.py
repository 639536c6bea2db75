"""Sets of positions: membership as a plain set has it, in whichever form is shortest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import DamagedError, PositionError
from whence.lineage import PositionSet
from whence.lineage.sets import ALL, BITS, FEW, MOST, NONE


@given(st.lists(st.booleans(), max_size=300), st.lists(st.integers(-5, 400), max_size=40))
def test_membership_is_that_of_a_plain_set(flags: list[bool], asked: list[int]) -> None:
    found = PositionSet.of(np.array(flags, np.bool_))
    plain = {place for place, flag in enumerate(flags) if flag}
    assert found.has(asked).tolist() == [place in plain for place in asked]


@given(st.integers(0, 5000), st.sampled_from([0.0, 0.001, 0.01, 0.5, 0.99, 0.999, 1.0]), st.integers(0, 99))
def test_every_form_gives_the_same_answers(size: int, share: float, seed: int) -> None:
    flags = np.random.default_rng(seed).random(size) < share
    found = PositionSet.of(flags)
    assert np.array_equal(found.has(np.arange(size)), flags)
    again = PositionSet(size=found.size, form=found.form, data=memoryview(bytes(found.data)))
    assert np.array_equal(again.has(np.arange(size)), flags)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 511, 512, 513, 1_000, 4_097])
@pytest.mark.parametrize("form", [FEW, MOST])
@pytest.mark.parametrize("size", [400_000, (1 << 32) + 400_000])
def test_long_lists_are_searched_to_both_ends(count: int, form: int, size: int) -> None:
    places = np.sort(np.random.default_rng(count).choice(400_000, count, replace=False))
    for listed in (places, np.arange(count), np.arange(size - count, size)):
        data = listed.astype("<u4" if size <= 1 << 32 else "<u8").tobytes()
        found = PositionSet(size=size, form=form, data=data)
        asked = np.unique(np.concatenate([listed, listed - 1, listed + 1, [0, size - 1, size, -1]]))
        expected = np.isin(asked, listed) if form == FEW else ~np.isin(asked, listed)
        assert np.array_equal(found.has(asked), expected & (asked >= 0) & (asked < size))


def test_the_shortest_form_is_chosen() -> None:
    size = 100_000
    numbers = np.arange(size)
    assert PositionSet.of(np.zeros(size, np.bool_)).form == NONE
    assert PositionSet.of(np.ones(size, np.bool_)).form == ALL
    assert PositionSet.of(numbers % 2 == 0).form == BITS
    assert PositionSet.of(numbers % 1000 == 0).form == FEW
    assert PositionSet.of(numbers % 1000 != 0).form == MOST
    assert len(PositionSet.of(numbers % 1000 == 0).data) == 400


@pytest.mark.parametrize(
    ("form", "data"), [(NONE, b"x"), (ALL, b"x"), (BITS, b"x"), (FEW, b"xyz"), (MOST, b"x"), (7, b"")]
)
def test_data_that_do_not_fit_the_form_are_refused(form: int, data: bytes) -> None:
    with pytest.raises(DamagedError):
        PositionSet(size=100, form=form, data=data)


def test_positions_are_integers() -> None:
    with pytest.raises(PositionError):
        PositionSet.of(np.ones(3, np.bool_)).has(np.array([0.5]))
