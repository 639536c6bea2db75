"""Orders are bijections, followed both ways, and look like shuffles."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.chance.slow import chi_square
from whence.chance import Permutation, blocks, orders, permutation
from whence.chance.orders import FeistelPermutation
from whence.errors import PlanError, PositionError

KEYS = st.integers(0, 2**64 - 1)
SMALL, LARGE = 1_000, 70_001
# Windows of every way there is to shuffle a block.
WINDOWS = [1, 2, 7, 512, 513, 3_000, 65_536, 65_537, 200_000]


def check_bijection(order: Permutation) -> None:
    positions = np.arange(order.size)
    held = order.backward(positions)
    assert held.dtype == np.int64
    assert np.array_equal(np.sort(held), positions)
    assert np.array_equal(order.forward(held), positions)
    assert np.array_equal(order.backward(order.forward(positions)), positions)


@given(st.integers(0, 3_000), KEYS)
def test_a_small_order_is_a_bijection(size: int, key: int) -> None:
    check_bijection(permutation(size, key))


@given(st.integers(1, 3_000), KEYS)
def test_a_feistel_network_of_any_size_is_a_bijection(size: int, key: int) -> None:
    check_bijection(FeistelPermutation(size, key))


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 66_049, 66_050, 100_003, 2**17, 2**17 + 1])
def test_orders_around_the_border_are_bijections(size: int) -> None:
    check_bijection(permutation(size, 5))


@given(st.integers(65_537, 2**62), KEYS, st.lists(st.integers(0, 2**62), min_size=1, max_size=20))
def test_a_huge_order_leads_there_and_back(size: int, key: int, numbers: list[int]) -> None:
    order = permutation(size, key)
    positions = np.array([number % size for number in numbers])
    for there, back in ((order.backward, order.forward), (order.forward, order.backward)):
        reached = there(positions)
        assert ((reached >= 0) & (reached < size)).all()
        assert np.array_equal(back(reached), positions)


@given(st.integers(0, 3_000), st.integers(1, 800), KEYS)
def test_blocks_are_bijections_of_their_own(size: int, window: int, key: int) -> None:
    order = blocks(size, window, key)
    check_bijection(order)
    positions = np.arange(size)
    assert np.array_equal(order.backward(positions) // window, positions // window)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", [1, 131_073])
def test_blocks_of_every_window_are_bijections_of_their_own(size: int, window: int) -> None:
    order = blocks(size, window, 5)
    check_bijection(order)
    positions = np.arange(size)
    assert np.array_equal(order.backward(positions) // window, positions // window)


@pytest.mark.parametrize(
    "order",
    [permutation(SMALL, 1), permutation(LARGE, 1), *(blocks(LARGE, window, 1) for window in WINDOWS)],
    ids=repr,
)
def test_positions_are_answered_alike_in_any_order_with_repeats(order: Permutation) -> None:
    whole = order.backward(np.arange(order.size))
    asked = (np.arange(3_000) * 7_919) % order.size
    asked[1::2] = asked[::2]
    assert np.array_equal(order.backward(asked), whole[asked])
    assert np.array_equal(whole[order.forward(asked)], asked)
    assert order.backward(np.array([], dtype=np.int64)).tolist() == []
    assert np.array_equal(pickle.loads(pickle.dumps(order)).backward(asked), whole[asked])


@pytest.mark.parametrize(
    "order",
    [permutation(size, 3) for size in (1, 2, SMALL, LARGE, 2**40 + 7, 2**62)]
    + [blocks(LARGE, window, 3) for window in WINDOWS],
    ids=repr,
)
def test_a_few_positions_are_answered_as_many_are(order: Permutation) -> None:
    asked = np.unique((np.arange(40) * (order.size // 37) + order.size - 1) % order.size)
    for follow in (order.backward, order.forward):
        together = follow(asked)
        assert [int(follow(asked[place : place + 1])[0]) for place in range(len(asked))] == together.tolist()
        assert np.array_equal(follow(asked[:3]), together[:3])


@given(st.lists(st.integers(0, 3) | st.integers(0, 2**64 - 1), min_size=1))
def test_one_place_is_ranked_as_all_are_also_among_equals(words: list[int]) -> None:
    order = np.argsort(np.array(words, np.uint64), kind="stable").tolist()
    for rank, place in enumerate(order):
        assert orders._placed(np.array(words, np.uint64), rank) == place
        assert orders._rank(np.array(words, np.uint64), place) == rank


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_keys_and_sizes_give_orders_that_have_nothing_in_common(size: int) -> None:
    positions = np.arange(500)
    orders = [permutation(size, key).backward(positions) for key in range(4)]
    orders.append(permutation(size + 1, 0).backward(positions))
    agreements = [int((a == b).sum()) for i, a in enumerate(orders) for b in orders[:i]]
    # By chance 500 / size agree in each of 10 pairs: 5 of all for the small size.
    assert sum(agreements) < 14


@pytest.mark.parametrize("make", [permutation, FeistelPermutation])
def test_every_order_of_four_is_equally_likely(make: Any) -> None:
    counts: dict[tuple[int, ...], int] = {}
    for key in range(4_800):
        order = tuple(make(4, key).backward(np.arange(4)).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    # 23 degrees of freedom: 49.7 is exceeded by one in a thousand; the keys are fixed.
    assert chi_square(list(counts.values())) < 49.7


@pytest.mark.parametrize("size", [40_000, 65_537, 90_000, 2**17, 1_000_003, 2**33 + 1])
def test_a_position_is_led_to_every_region_equally(size: int) -> None:
    held = permutation(size, 3).backward(np.arange(32_000))
    regions = (held * 64 // size).reshape(-1, 1_000)
    for start in range(0, 32, 8):
        counts = np.bincount(regions[start : start + 8].ravel(), minlength=64)
        # 63 degrees of freedom: 104 is exceeded by one in a thousand.
        assert chi_square(counts.tolist()) < 104
    assert chi_square(np.bincount(held % 64, minlength=64).tolist()) < 104


@pytest.mark.parametrize("size", [5_000, LARGE, 1_000_003])
def test_fixed_points_and_kept_neighbours_are_as_rare_as_by_chance(size: int) -> None:
    fixed = kept = 0
    for key in range(10):
        held = permutation(size, key).backward(np.arange(size))
        fixed += int((held == np.arange(size)).sum())
        kept += int((np.abs(np.diff(held)) == 1).sum())
    # Of each order one fixed point and two kept neighbours are expected, Poisson: 10 and 20 in all.
    assert fixed <= 21
    assert 6 <= kept <= 37


@pytest.mark.parametrize("size", [LARGE, 1_000_003, 2**40])
def test_where_a_position_goes_says_nothing_of_where_its_neighbours_go(size: int) -> None:
    held = permutation(size, 11).backward(np.arange(40_000)) / size
    for distance in (1, 2, 3, 256, 265, 1_001):
        # 40,000 pairs: 0, give or take 0.005; the bound is 4 of these.
        assert abs(np.corrcoef(held[:-distance], held[distance:])[0, 1]) < 0.02
    assert abs(np.corrcoef(held, np.arange(40_000))[0, 1]) < 0.02
    steps = np.diff(np.concatenate([held, held[:1]])) % 1.0
    counts, _ = np.histogram(steps, bins=64, range=(0.0, 1.0))
    assert chi_square(counts.tolist()) < 104


def test_blocks_are_shuffled_each_in_its_own_way() -> None:
    for window in (8, 600):
        held = blocks(50 * window, window, 2).backward(np.arange(50 * window)).reshape(50, window) % window
        assert len({row.tobytes() for row in held}) == 50


def test_numbers_that_are_no_size_are_refused() -> None:
    for size in (-1, 2**62 + 1, 1.0, "4", True):
        with pytest.raises(PlanError, match="size: wanted"):
            permutation(size, 0)  # type: ignore[arg-type]
    for window in (0, -1, 2.0):
        with pytest.raises(PlanError, match="window: wanted"):
            blocks(5, window, 0)  # type: ignore[arg-type]
    for key in (-1, 2**64, "seed"):
        with pytest.raises(PlanError, match="key: wanted"):
            permutation(5, key)  # type: ignore[arg-type]


@pytest.mark.parametrize("positions", [[-1], [0, 10], [10**18], [0.5], [[1]]])
@pytest.mark.parametrize("order", [permutation(10, 1), blocks(10, 3, 1)], ids=["permutation", "blocks"])
def test_positions_outside_are_refused(order: Permutation, positions: list[Any]) -> None:
    for follow in (order.backward, order.forward):
        with pytest.raises(PositionError):
            follow(np.array(positions))
