"""Turns: several inputs dealt out by shares, followed both ways with nothing stored."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.chance import Interleaving, turns_among
from whence.chance.turns import BLOCK, NEVER, Turns

SHARES = st.lists(st.integers(1, 50), min_size=1, max_size=5).map(
    lambda parts: [p / sum(parts) for p in parts]
)
KEYS = st.integers(0, 2**64 - 1)


@given(SHARES, KEYS, st.integers(0, 9), st.integers(1, 700))
def test_turns_are_followed_both_ways(shares: list[float], key: int, epoch: int, count: int) -> None:
    turns = Turns(shares, key, epoch)
    dealt = turns.inputs(0, count)
    order = np.random.default_rng(key % 1000).permutation(count)
    inputs, places = turns.backward(order)
    assert inputs.tolist() == dealt[order].tolist()
    for number in range(len(shares)):
        mine = np.flatnonzero(dealt == number)
        assert turns.forward(number, np.arange(len(mine))).tolist() == mine.tolist()
        assert places[inputs == number].tolist() == np.searchsorted(mine, order[inputs == number]).tolist()


@given(SHARES, KEYS, st.lists(st.integers(0, 400), min_size=2, max_size=6).map(sorted))
def test_turns_are_the_same_however_many_are_asked_for(
    shares: list[float], key: int, cuts: list[int]
) -> None:
    turns = Turns(shares, key, 0)
    pieces = [turns.inputs(start, stop) for start, stop in itertools.pairwise(cuts)]
    assert np.concatenate(pieces).tolist() == turns.inputs(cuts[0], cuts[-1]).tolist()
    counts = np.bincount(turns.inputs(0, cuts[-1]), minlength=len(shares))
    assert turns.before(cuts[-1]).tolist() == counts.tolist()


@given(SHARES, KEYS, st.integers(1, 40))
def test_every_block_has_its_shares_but_for_rounding(shares: list[float], key: int, blocks: int) -> None:
    dealt = Turns(shares, key, 0).inputs(0, blocks * BLOCK).reshape(blocks, BLOCK)
    counts = np.stack([np.bincount(block, minlength=len(shares)) for block in dealt])
    off = np.abs(np.cumsum(counts, axis=0) - np.outer(np.arange(1, blocks + 1) * BLOCK, shares))
    assert (counts >= 0).all()
    assert off.max() <= len(shares)


def test_turns_stay_exact_where_positions_are_large() -> None:
    turns = Turns([0.7, 0.2, 1e-6, 0.099999], 11, 3)
    for start in (2**33 - 100, 2**45, 2**55):
        positions = np.arange(start, start + 300)
        inputs, places = turns.backward(positions)
        for number in set(inputs.tolist()):
            assert turns.forward(number, places[inputs == number]).tolist() == (
                positions[inputs == number].tolist()
            )


def test_what_isnt_reached_is_said_to_be() -> None:
    assert Turns([1e-6, 1 - 1e-6], 1, 0).forward(0, np.array([2**55])).tolist() == [NEVER]


def test_orders_within_a_block_are_equally_likely() -> None:
    dealt = Turns([0.5, 0.5], 5, 0).inputs(0, BLOCK * 4000).reshape(-1, BLOCK)
    assert (dealt.sum(axis=1) == BLOCK // 2).all()
    # of each slot the share of the second input: binomial, sd 0.0079
    assert np.abs(dealt.mean(axis=0) - 0.5).max() < 0.04
    together = (dealt[:, :-1] == dealt[:, 1:]).mean()
    assert abs(together - 31 / 63) < 0.005


SIZES = st.lists(st.integers(0, 200), min_size=1, max_size=4)


def by_hand(sizes: list[int], shares: list[float], key: int, *, goes_on: bool) -> list[tuple[int, int]]:
    """Deal out one sample at a time."""
    left = list(range(len(sizes)))
    given_out = [0] * len(sizes)
    found = []
    while left:
        turns = turns_among(left, shares, key, 2)
        for turn in itertools.count():
            number = left[int(turns.inputs(turn, turn + 1)[0])]
            if given_out[number] == sizes[number]:
                left.remove(number)
                break
            found.append((number, given_out[number]))
            given_out[number] += 1
        if not goes_on:
            break
    return found


@given(SIZES, KEYS, st.booleans(), st.data())
def test_an_interleaving_is_that_of_dealing_one_by_one(
    sizes: list[int], key: int, goes_on: bool, data: st.DataObject
) -> None:
    parts = data.draw(st.lists(st.integers(1, 9), min_size=len(sizes), max_size=len(sizes)))
    shares = [part / sum(parts) for part in parts]
    order = Interleaving(sizes, shares, key, 2, goes_on=goes_on)
    found = by_hand(sizes, shares, key, goes_on=goes_on)
    assert order.out_size == len(found)
    inputs, places = order.backward(np.arange(len(found)))
    assert list(zip(inputs.tolist(), places.tolist(), strict=True)) == found
    for number, size in enumerate(sizes):
        outputs = order.forward(number, np.arange(size)).tolist()
        comes = {place: output for output, (each, place) in enumerate(found) if each == number}
        assert outputs == [comes.get(place, -1) for place in range(size)]


@pytest.mark.parametrize("epoch", [0, 1])
def test_another_epoch_and_another_key_deal_anew(epoch: int) -> None:
    dealt = Turns([0.5, 0.5], 7, epoch).inputs(0, 256).tolist()
    assert dealt != Turns([0.5, 0.5], 7, epoch + 1).inputs(0, 256).tolist()
    assert dealt != Turns([0.5, 0.5], 8, epoch).inputs(0, 256).tolist()
