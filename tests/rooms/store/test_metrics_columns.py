"""Columns of points: there and back to the bit, small, and nothing else is taken for one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whence.errors import DamagedError
from whence.store.metrics_columns import (
    POINT,
    Columns,
    PackedPoints,
    Points,
    Total,
    merge_totals,
    pack_column,
    pack_points,
    total_points,
    unpack_column,
)
from whence.vocab import decode_content, encode_content

WORDS = st.integers(0, 2**64 - 1)
FLOATS = st.floats(allow_nan=True, allow_subnormal=True)
SIGNED = st.integers(-(2**63), 2**63 - 1)


def points_of(rows: list[tuple[int, int, float, int]]) -> Points:
    return np.array(rows, POINT)


@given(st.lists(WORDS, max_size=300))
@example([])
@example([0])
@example([2**64 - 1, 0, 2**64 - 1])
@example([2**63 - 1, 2**63, 0])
def test_a_column_comes_back_as_it_was(numbers: list[int]) -> None:
    column = np.array(numbers, np.uint64)
    assert unpack_column(pack_column(column), len(numbers)).tolist() == numbers


@given(WORDS, st.integers(-(2**40), 2**40), st.integers(1, 6000), st.integers(0, 2**20))
def test_a_long_column_comes_back_as_it_was(base: int, slope: int, count: int, noise: int) -> None:
    rest = np.random.default_rng(noise).integers(0, noise + 1, count)
    column = np.array([base], np.uint64) + (np.arange(count) * slope + rest).astype(np.uint64)
    assert (unpack_column(pack_column(column), count) == column).all()


@given(st.lists(st.tuples(SIGNED, SIGNED, FLOATS, st.integers(0, 5)), min_size=1, max_size=200), SIGNED)
@example([(0, 0, -0.0, 0), (0, 0, float("inf"), 0), (0, 0, 5e-324, 2**31 - 1)], 0)
def test_points_come_back_as_they_were(rows: list[tuple[int, int, float, int]], first: int) -> None:
    points = points_of(rows)
    packed = PackedPoints(pack_points(first, points)[0])
    assert (packed.first, packed.count) == (first, len(points))
    keys = np.unique(points["key"]).astype(np.int64)
    found = dict(packed.of(keys))
    assert list(found) == keys.tolist()
    for key in keys.tolist():
        own = points[points["key"] == key]
        assert [each.tobytes() for each in found[key]] == [own[name].tobytes() for name in Columns._fields]


@given(st.integers(1, 40), st.integers(1, 9000))
def test_the_points_of_one_key_are_found_among_others(keys: int, count: int) -> None:
    points = np.zeros(count, POINT)
    points["key"] = np.arange(count) % keys
    points["value"] = np.arange(count)
    packed = PackedPoints(pack_points(7, points)[0])
    for wanted in {0, keys // 2, keys - 1, keys}:
        found = dict(packed.of(np.array([wanted])))
        expected = points[points["key"] == wanted]
        assert sum(len(each.value) for each in found.values()) == len(expected)
        if len(expected):
            assert found[wanted].value.tolist() == expected["value"].tolist()


@given(
    st.lists(st.tuples(SIGNED, SIGNED, FLOATS, st.integers(0, 3)), min_size=1, max_size=40),
    st.sets(st.integers(0, 40)),
)
def test_totals_are_what_points_come_to_wherever_they_are_cut(
    rows: list[tuple[int, int, float, int]], cuts: set[int]
) -> None:
    ends = [0, *sorted(cut for cut in cuts if 0 < cut < len(rows)), len(rows)]
    parts = [total_points(points_of(rows[start:end]))[0] for start, end in itertools.pairwise(ends)]
    found = merge_totals(parts).by_key()
    assert list(found) == sorted({row[3] for row in rows})
    for key, total in found.items():
        own = [row for row in rows if row[3] == key]
        numbers = [value for _, _, value, _ in own if not math.isnan(value)]
        least, greatest = (min(numbers), max(numbers)) if numbers else (float("nan"), float("nan"))
        expected = Total(len(own), own[0][0], own[-1][0], own[-1][1], own[-1][2], least, greatest)
        assert np.array_equal(np.array(total), np.array(expected), equal_nan=True)


def test_a_frame_that_says_more_than_it_holds_is_refused() -> None:
    payload, _ = pack_points(0, points_of([(1, 2, 3.0, 0), (4, 5, 6.0, 1)]))
    entry = decode_content(payload)
    altered = [
        {**entry, "count": 3},
        {**entry, "names": 1},
        {**entry, "counts": entry["counts"][:-1]},
        {**entry, "keys": b""},
        {key: value for key, value in entry.items() if key != "blocks"},
    ]
    for each in altered:
        with pytest.raises(DamagedError):
            PackedPoints(encode_content(each))
    with pytest.raises(DamagedError):
        PackedPoints(b"\xc1")


@pytest.mark.parametrize("cut", [0, 5, 19, 21])
def test_a_column_that_was_cut_is_refused(cut: int) -> None:
    column = pack_column(np.array([3, 1, 4, 1, 5, 9, 2, 6] * 4, np.uint64))
    with pytest.raises(DamagedError):
        unpack_column(column[:cut], 32)
    with pytest.raises(DamagedError):
        unpack_column(column, 31)
    with pytest.raises(DamagedError):
        unpack_column(b"\x09" + column[1:], 32)


@pytest.mark.parametrize("what", ["random", "loss", "single precision", "constant"])
def test_points_take_little_room(what: str) -> None:
    """1 M points are to take 12 MB at most."""
    count = 1 << 16
    random = np.random.default_rng(1)
    at = np.arange(count)
    points = np.zeros(count, POINT)
    points["step"] = at
    points["at"] = 1_700_000_000_000_000_000 + np.cumsum(random.gamma(100, 1e6, count)).astype(np.int64)
    loss = 2.3 * np.exp(-at / 2e4) + 0.05 * random.standard_normal(count)
    points["value"] = {
        "random": random.random(count),
        "loss": loss,
        "single precision": loss.astype(np.float32),
        "constant": np.full(count, 0.1),
    }[what]
    size = len(pack_points(0, points)[0]) / count
    assert size < {"random": 10.5, "loss": 10.2, "single precision": 6.8, "constant": 3.6}[what]
