"""A block says what happened, in close to as few bytes as can be, and is read at any place."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.rooms.store.blocks import read_planes, read_positions, read_repeated, read_steps
from whence.errors import DamagedError, PlanError
from whence.lineage import (
    BoolArray,
    encode_counts_block,
    encode_mask_block,
    encode_values_block,
    encode_witnesses_block,
)
from whence.lineage.planes import pick_planes, spell_planes
from whence.lineage.planes import read_planes as our_read_planes
from whence.lineage.steps import read_block
from whence.lineage.values import ValuesBlock, WitnessesBlock

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "reference" / "lineage-encodings.md").read_text("utf-8")

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.001, 0.01, 0.1, 0.2, 0.3, 0.5, 0.8, 0.99])


def random_mask(size: int, share: float, seed: int) -> BoolArray:
    kept: BoolArray = np.random.default_rng(seed).random(size) < share
    return kept


def runs_of(pairs: Sequence[tuple[int, int]]) -> list[int]:
    return [value for value, length in pairs for _ in range(length)]


MASKS = st.one_of(
    st.lists(st.booleans(), max_size=80),
    st.lists(st.tuples(st.booleans(), st.integers(1, 900)), max_size=8).map(runs_of),
    st.builds(
        lambda size, share, seed: random_mask(size, share, seed).tolist(), st.integers(0, 3000), SHARES, SEEDS
    ),
    st.builds(
        lambda size, step, phase, kept: [(place % step == phase) is kept for place in range(size)],
        st.integers(0, 3000),
        st.integers(1, 9),
        st.integers(0, 8),
        st.booleans(),
    ),
)
COUNTS = st.one_of(
    st.lists(st.integers(0, 5), max_size=300),
    st.lists(st.integers(0, 2**40), max_size=40),
    st.lists(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 300]), max_size=900),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 400)), max_size=6).map(runs_of),
    st.builds(
        lambda size, seed: list(np.random.default_rng(seed).geometric(0.2, [size])),
        st.integers(0, 2000),
        SEEDS,
    ),
)
VALUES = st.one_of(
    st.lists(st.integers(0, 2**62), max_size=40),
    st.lists(st.integers(0, 300), max_size=300),
    st.lists(st.integers(0, 300), max_size=700).map(sorted),
    st.builds(
        lambda size, step, first: [first + step * n for n in range(size)],
        st.integers(0, 700),
        st.integers(0, 9),
        st.integers(0, 99),
    ),
    st.builds(
        lambda size, seed: (np.random.default_rng(seed).integers(0, 9, size) + np.arange(size)).tolist(),
        st.integers(0, 2000),
        SEEDS,
    ),
)


def check_steps(data: bytes, counts: np.ndarray, asked: np.random.Generator) -> None:
    """Compare a block with the counts that it was made of, read as the page says and read anywhere."""
    in_size, out_size = len(counts), int(counts.sum())
    assert read_steps(data, in_size, out_size).counts == counts.tolist()
    block = read_block(memoryview(data), in_size, out_size)
    assert block.flags().tolist() == (counts > 0).tolist()
    starts = np.cumsum(counts) - counts
    for positions in (np.arange(in_size), asked.integers(0, in_size, 5)) if in_size else ():
        first, found = block.children(positions)
        assert found.tolist() == counts[positions].tolist()
        assert first.tolist() == starts[positions].tolist()
    if 0 < out_size < 10_000:
        parents = np.repeat(np.arange(in_size), counts)
        for positions in (np.arange(out_size), asked.integers(0, out_size, 5), np.array([out_size - 1])):
            assert block.parents(positions).tolist() == parents[positions].tolist()


@given(MASKS, SEEDS)
@example([], 0)
@example([True], 0)
@example([False] * 4_000 + [True], 0)
@example([False, True] * 300 + [False] * 700, 0)
@example([True, True, False] * 300, 0)
@example([False] * 5 + [True, False, False] * 300 + [True, True], 0)
@example(([True] + [False] * 200) * 9, 0)
def test_a_mask_is_read_as_the_page_says_and_at_any_place(mask: list[bool], seed: int) -> None:
    kept = np.array(mask, np.bool_)
    check_steps(encode_mask_block(kept), kept.astype(np.int64), np.random.default_rng(seed))


@given(COUNTS, SEEDS)
@example([], 0)
@example([0, 2**61, 0, 0], 0)
@example([1] * 600 + [0], 0)
def test_counts_are_read_as_the_page_says_and_at_any_place(counts: list[int], seed: int) -> None:
    numbers = np.array(counts, np.int64)
    check_steps(encode_counts_block(numbers), numbers, np.random.default_rng(seed))


@given(VALUES, SEEDS)
@example([], 0)
@example([2**62, 0], 0)
@example([5] * 300 + [2**30 - 1] + [0] * 300, 0)
@example([5] * 300 + [2**30] + [0] * 300, 0)
@example([0, 2**31 - 1] * 300, 0)
def test_positions_are_read_as_the_page_says_and_at_any_place(values: list[int], seed: int) -> None:
    numbers = np.array(values, np.int64)
    data = encode_values_block(numbers)
    assert read_positions(data, len(values)) == values
    block = ValuesBlock(memoryview(data), len(values))
    assert block.at(np.arange(len(values))).tolist() == values
    if values:
        places = np.random.default_rng(seed).integers(0, len(values), 5)
        assert block.at(places).tolist() == numbers[places].tolist()


@given(st.lists(st.integers(0, 200), max_size=600), st.sampled_from([0, 60_000, 2**30 - 100, 2**32 - 300]))
def test_positions_are_spelled_alike_whatever_type_they_come_in(values: list[int], base: int) -> None:
    numbers = np.array(values, np.int64) + base
    spelled = {encode_values_block(numbers.astype(kind)) for kind in (np.int64, np.uint64, np.uint32)}
    assert len(spelled) == 1
    small = encode_values_block(numbers.astype(np.uint16)) if base <= 60_000 else None
    assert small is None or small in spelled


@given(st.lists(st.integers(0, 2**30), max_size=600), st.integers(1, 2**30))
def test_what_dropped_samples_repeat_is_read_as_the_page_says(ranks: list[int], ahead: int) -> None:
    found, places = np.array(ranks, np.int64), np.array(ranks, np.int64) + ahead
    data = encode_witnesses_block(found, places)
    assert read_repeated(data, places.tolist()) == ranks
    assert WitnessesBlock(data, len(ranks)).at(np.arange(len(ranks)), places).tolist() == ranks


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=40), st.integers(0, 63))
def test_numbers_in_planes_are_read_as_the_page_says_and_one_by_one(numbers: list[int], width: int) -> None:
    values = np.array(numbers, np.int64) & ((1 << width) - 1)
    data = spell_planes(values[None, :], width)
    assert read_planes(data.tobytes(), len(values), width) == (values.tolist(), b"")
    assert our_read_planes(data, len(values), width)[0].tolist() == values.tolist()
    places = np.arange(len(values))[::-1]
    assert pick_planes(data[0], len(values), width, places).tolist() == values[::-1].tolist()


def example_rows(kind: str) -> list[tuple[str, bytes]]:
    rows = re.findall(
        rf"^\| {kind} `([^`]+)`(?: before `([^`]+)`)? \| `([^`]+)` \|",
        PAGE[PAGE.index("### More blocks") :],
        re.M,
    )
    assert rows
    return [(f"{first}|{second}" if second else first, bytes.fromhex(data)) for first, second, data in rows]


def spelled_out(text: str) -> list[int]:
    """`1^3 0` is 1 1 1 0, and `(1 0)^2` is 1 0 1 0."""
    text = re.sub(r"\(([\d ]+)\)\^(\d+)", lambda found: " ".join([found[1]] * int(found[2])), text)
    return [
        int(value)
        for each in text.split()
        for value in [each.partition("^")[0]] * int(each.partition("^")[2] or 1)
    ]


def test_every_block_on_the_page_has_the_bytes_it_says() -> None:
    for text, data in example_rows("mask"):
        assert encode_mask_block(np.array(spelled_out(text), np.bool_)) == data
    for text, data in example_rows("counts"):
        assert encode_counts_block(np.array(spelled_out(text), np.int64)) == data
    for text, data in example_rows("positions"):
        assert encode_values_block(np.array(spelled_out(text), np.int64)) == data
    for text, data in example_rows("repeated"):
        ranks, places = (np.array(spelled_out(part), np.int64) for part in text.split("|"))
        assert encode_witnesses_block(ranks, places) == data
    assert {data[0] for _, data in example_rows("mask")} == {0, 1, 2}


def test_the_block_read_step_by_step_is_what_the_page_says() -> None:
    spelled = re.search(r"<!-- example: block -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert spelled is not None
    mask = np.zeros(40, np.bool_)
    mask[[3, 4, 17, 21, 38]] = True
    assert encode_mask_block(mask) == bytes.fromhex(spelled[1])
    assert read_steps(bytes.fromhex(spelled[1]), 40, 5).kept == [3, 4, 17, 21, 38]


@pytest.mark.parametrize(
    "share", [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99]
)
def test_a_random_mask_takes_little_more_than_its_entropy(share: float) -> None:
    size = 1 << 20
    entropy_bits = -size * (share * math.log2(share) + (1 - share) * math.log2(1 - share))
    assert 8 * len(encode_mask_block(random_mask(size, share, 1))) < 1.14 * entropy_bits


def test_a_mask_in_runs_and_one_at_equal_distances_take_next_to_nothing() -> None:
    size = 1 << 20
    lengths = np.random.default_rng(1).integers(1, 20_000, 400)
    mask = np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)[:size]
    assert len(encode_mask_block(mask)) < 4 * len(lengths)
    for step, phase in ((1, 0), (2, 0), (2, 1), (10, 7), (1000, 0)):
        even = np.arange(size) % step == phase
        for each in (even, ~even):
            assert len(encode_mask_block(each)) < 64


def test_counts_that_are_mostly_one_number_take_about_the_entropy_of_where_they_are_not() -> None:
    size = 1 << 19
    counts = np.where(random_mask(size, 0.01, 1), 0, 1)
    assert 8 * len(encode_counts_block(counts)) < 1.14 * 0.0808 * size
    assert len(encode_counts_block(np.full(size, 3))) < 64


def test_positions_in_order_take_nothing_and_others_the_logarithm_of_their_range() -> None:
    size = 1 << 18
    assert len(encode_values_block(np.arange(size) * 3)) == 24
    shuffled = np.random.default_rng(1).permutation(size)
    assert len(encode_values_block(shuffled)) <= size * 18 / 8 + 24
    grouped = np.sort(np.random.default_rng(1).integers(0, size * 100, size))
    assert len(encode_values_block(grouped)) < size * 9 / 8


def test_a_count_that_is_no_count_is_refused() -> None:
    with pytest.raises(PlanError, match="-1 outputs"):
        encode_counts_block(np.array([1, -1]))
    with pytest.raises(PlanError, match="add up"):
        encode_counts_block(np.array([2**62, 2**62]))


BLOCKS = [
    (
        "a random mask",
        encode_mask_block(random_mask(2_000, 0.1, 1)),
        2_000,
        int(random_mask(2_000, 0.1, 1).sum()),
    ),
    (
        "plain bits",
        encode_mask_block(random_mask(2_000, 0.5, 1)),
        2_000,
        int(random_mask(2_000, 0.5, 1).sum()),
    ),
    ("counts", encode_counts_block(np.arange(1_000) % 7), 1_000, int((np.arange(1_000) % 7).sum())),
]


@pytest.mark.parametrize(("data", "ins", "outs"), [pytest.param(*each[1:], id=each[0]) for each in BLOCKS])
def test_a_block_that_was_cut_or_lengthened_or_counts_otherwise_is_damage(
    data: bytes, ins: int, outs: int
) -> None:
    read_block(data, ins, outs)
    for cut in (0, 1, 10, 23, 24, 30, 45, len(data) // 2, len(data) - 1):
        with pytest.raises(DamagedError):
            read_block(data[:cut], ins, outs)
    with pytest.raises(DamagedError):
        read_block(data + b"\x00", ins, outs)
    for wrong_ins, wrong_outs in ((ins, outs + 1), (ins // 2, outs)):
        with pytest.raises(DamagedError):
            read_block(data, wrong_ins, wrong_outs)


@pytest.mark.parametrize(
    "values", [np.arange(900), np.arange(900) ** 2, np.arange(900)[::-1] ** 2 % 1000, np.arange(900) // 3]
)
def test_positions_that_were_cut_or_lengthened_are_damage(values: np.ndarray) -> None:
    data = encode_values_block(values)
    for wrong in (b"", data[:10], data[:-1], data + b"\x00", bytes([9]) + data[1:]):
        with pytest.raises(DamagedError):
            ValuesBlock(wrong, len(values))
    with pytest.raises(DamagedError):
        WitnessesBlock(b"\x02" + data, len(values))
