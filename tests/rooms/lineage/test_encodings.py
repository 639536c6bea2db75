"""What is written about a chunk is what happened, in few bytes, and damage to it is seen."""

from __future__ import annotations

import math
import pathlib
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whence.errors import DamagedError, PlanError
from whence.lineage import (
    BoolArray,
    as_array,
    decode_counts,
    decode_mask,
    encode_counts,
    encode_mask,
    spell_counts,
)

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "reference" / "lineage-encodings.md"
CHUNK = 1_024
WIDE = 2**40


class PlainReader:
    """Reads the bytes bit by bit as the reference page says, slowly and without numpy."""

    def __init__(self, data: bytes) -> None:
        self.bits = "".join(f"{byte:08b}" for byte in data)

    def take(self, count: int) -> int:
        taken, self.bits = self.bits[:count], self.bits[count:]
        return int(taken or "0", 2)

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(8)
            number += (byte % 128) << shift
            shift += 7
            if byte < 128:
                return number

    def fixed(self, count: int, width: int) -> list[int]:
        return [self.take(width) for _ in range(count)]

    def rice(self, count: int, width: int) -> list[int]:
        high = []
        for _ in range(count):
            zeros = self.bits.index("1")
            self.take(zeros + 1)
            high.append(zeros)
        return [h * 2**width + low for h, low in zip(high, self.fixed(count, width), strict=True)]

    def mask(self, size: int) -> list[bool]:
        form, width = self.take(3), self.take(5)
        if form in {0, 1}:
            return [form == 1] * size
        if form == 2:
            return [bool(self.take(1)) for _ in range(size)]
        marks, place = set(), -1
        for gap in self.rice(self.varint(), width):
            place += gap + 1
            marks.add(place)
        if form == 3:
            return [i in marks for i in range(size)]
        if form == 4:
            return [i not in marks for i in range(size)]
        return [sum(mark <= i for mark in marks) % 2 == 1 for i in range(size)]

    def counts(self, size: int) -> list[int]:
        form, width = self.take(2), self.take(6)
        if (form, width) == (0, 1):
            first = self.varint()
            return list(range(first, first + size))
        if form == 0:
            counts: list[int] = []
            while self.bits:
                value = self.varint()
                counts += [value] * (self.varint() if self.bits else size - len(counts))
            return counts
        if form == 3:
            usual, length = self.varint(), self.varint()
            mask = PlainReader(bytes(self.fixed(length, 8))).mask(size)
            others = iter(self.counts(sum(mask)))
            return [next(others) if unusual else usual for unusual in mask]
        base = self.varint()
        above = self.fixed(size, width) if form == 1 else self.rice(size, width)
        return [base + number for number in above]


def spell_out(text: str) -> list[int]:
    numbers: list[int] = []
    for word in text.split():
        value, _, times = word.partition("^")
        numbers += [int(value)] * int(times or 1)
    return numbers


def examples_of(heading: str) -> list[tuple[list[int], bytes]]:
    section = PAGE.read_text(encoding="utf-8").split(heading)[1].split("\n#")[0]
    rows = re.findall(r"^\| `([0-9^ ]+)` \| `([0-9a-f ]+)` \|$", section, flags=re.MULTILINE)
    assert rows, f"{heading} has no examples"
    return [(spell_out(text), bytes.fromhex(spelled)) for text, spelled in rows]


def random_mask(share: float, seed: int) -> BoolArray:
    return np.random.default_rng(seed).random(CHUNK) < share


masks = st.one_of(
    st.lists(st.booleans(), max_size=300),
    st.lists(st.tuples(st.booleans(), st.integers(1, 400)), max_size=6).map(
        lambda runs: [value for value, length in runs for _ in range(length)]
    ),
    st.builds(
        lambda share, seed: random_mask(share, seed).tolist(), st.floats(0, 1), st.integers(0, 2**32 - 1)
    ),
)
count_lists = st.one_of(
    st.lists(st.integers(0, 5), max_size=300),
    st.lists(st.integers(0, WIDE), max_size=40),
    st.lists(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 300]), max_size=300),
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 90)), max_size=6).map(
        lambda runs: [value for value, length in runs for _ in range(length)]
    ),
)


@given(masks)
@example([])
@example([True])
@example([False])
@example([False] * 4_000 + [True])
def test_a_mask_comes_back_as_it_was_and_reads_as_the_page_says(mask: list[bool]) -> None:
    data = encode_mask(np.array(mask, dtype=np.bool_))
    assert decode_mask(data, len(mask)).tolist() == mask
    assert decode_mask(memoryview(data), len(mask)).tolist() == mask
    assert PlainReader(data).mask(len(mask)) == mask


@given(count_lists)
@example([])
@example([0])
@example([2**61])
@example([0, 2**61, 0, 0])
def test_counts_come_back_as_they_were_and_read_as_the_page_says(counts: list[int]) -> None:
    data = encode_counts(np.array(counts, dtype=np.int64))
    assert decode_counts(data, len(counts)).tolist() == counts
    assert decode_counts(memoryview(data), len(counts)).tolist() == counts
    assert PlainReader(data).counts(len(counts)) == counts


@given(
    st.one_of(
        count_lists,
        st.builds(
            lambda first, size: [*range(first, first + size)], st.integers(0, WIDE), st.integers(0, 300)
        ),
        st.builds(
            lambda base, above: [base + each for each in above],
            st.integers(0, WIDE),
            st.lists(st.integers(0, 2**17), max_size=40),
        ),
    )
)
@example([])
@example([2**61])
@example([1, 2, 3, 5, 4, 6])
@example([0, 255, 256])
@example([2**32 - 1, 2**32 - 2])
def test_counts_spelled_quickly_read_as_the_page_says(counts: list[int]) -> None:
    data, small = spell_counts(np.array(counts, dtype=np.int64))
    assert as_array(small).tolist() == counts
    assert decode_counts(data, len(counts)).tolist() == counts
    assert PlainReader(data).counts(len(counts)) == counts


def test_every_mask_on_the_reference_page_has_the_bytes_it_says() -> None:
    for mask, data in examples_of("### More masks"):
        assert encode_mask(np.array(mask, dtype=np.bool_)) == data
        assert decode_mask(data, len(mask)).tolist() == mask


def test_every_list_of_counts_on_the_reference_page_has_the_bytes_it_says() -> None:
    for counts, data in examples_of("### More counts"):
        spell = encode_counts if data[0] != 1 else lambda each: spell_counts(each)[0]
        assert spell(np.array(counts)) == data
        assert decode_counts(data, len(counts)).tolist() == counts


def test_the_reference_page_shows_every_form_once() -> None:
    assert {data[0] >> 5 for _, data in examples_of("### More masks")} == set(range(6))
    assert {data[0] >> 6 for _, data in examples_of("### More counts")} == set(range(4))


def test_the_masks_and_counts_read_step_by_step_are_what_the_page_says() -> None:
    assert np.flatnonzero(decode_mask(bytes.fromhex("630134"), 32)).tolist() == [21]
    assert decode_counts(bytes.fromhex("42001e27"), 8).tolist() == [0, 1, 3, 2, 0, 2, 1, 3]


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 0.8, 0.9, 0.99, 0.999])
def test_a_random_mask_takes_hardly_more_than_its_entropy(share: float) -> None:
    entropy_bits = CHUNK * -(share * math.log2(share) + (1 - share) * math.log2(1 - share))
    sizes = [len(encode_mask(random_mask(share, seed))) for seed in range(200)]
    assert sum(sizes) / len(sizes) <= 1.2 * entropy_bits / 8 + 4
    assert max(sizes) <= 1 + CHUNK // 8


def test_a_chunk_kept_or_dropped_as_a_whole_takes_one_byte() -> None:
    assert len(encode_mask(np.ones(CHUNK, dtype=np.bool_))) == 1
    assert len(encode_mask(np.zeros(CHUNK, dtype=np.bool_))) == 1


def test_equal_counts_take_two_bytes_and_a_short_last_batch_two_more() -> None:
    assert len(encode_counts(np.full(CHUNK, 64))) == 2
    assert len(encode_counts(np.array([64] * (CHUNK - 1) + [40]))) <= 5


def test_a_mask_that_does_not_lie_in_one_piece_is_spelled_the_same() -> None:
    mask = random_mask(0.4, 3)
    assert encode_mask(np.repeat(mask, 2)[::2]) == encode_mask(mask)


@pytest.mark.parametrize("counts", [[1, -1], [2**62, 2**62], [2**63 - 1]])
def test_impossible_counts_are_refused(counts: list[int]) -> None:
    with pytest.raises(PlanError):
        encode_counts(np.array(counts))


@pytest.mark.parametrize(
    ("data", "size"),
    [
        pytest.param("", 4, id="nothing at all"),
        pytest.param("c0", 4, id="a form that does not exist"),
        pytest.param("21", 4, id="a width where the form has none"),
        pytest.param("4500", 4, id="a width before plain bits"),
        pytest.param("2000", 4, id="a byte after the end"),
        pytest.param("40", 4, id="plain bits that are missing"),
        pytest.param("4001", 4, id="filling that is not 0"),
        pytest.param("408000", 4, id="a byte after plain bits"),
        pytest.param("60", 4, id="no number of marks"),
        pytest.param("6000", 4, id="no mark"),
        pytest.param("6005f8", 4, id="more marks than samples"),
        pytest.param("600140", 1, id="a mark after the last sample"),
        pytest.param("6002a0", 2, id="marks that add up past the last sample"),
        pytest.param("600200", 4, id="marks that are missing"),
        pytest.param("680180", 400, id="low bits that are missing"),
        pytest.param("600181", 4, id="filling after marks that is not 0"),
        pytest.param("60018000", 4, id="a byte after marks"),
        pytest.param("60810080", 4, id="a number spelled too long"),
        pytest.param("60" + "ff" * 9 + "01", 4, id="a number of more than 63 bits"),
    ],
)
def test_a_damaged_mask_is_noticed(data: str, size: int) -> None:
    with pytest.raises(DamagedError):
        decode_mask(bytes.fromhex(data), size)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        pytest.param("", 4, id="nothing at all"),
        pytest.param("0201", 4, id="a width where the form has none"),
        pytest.param("01", 4, id="consecutive counts without the first"),
        pytest.param("010100", 4, id="a byte after consecutive counts"),
        pytest.param("01" + "ff" * 8 + "7f", 2, id="consecutive counts past 63 bits"),
        pytest.param("00", 4, id="no run for four samples"),
        pytest.param("0001", 0, id="a run for no sample"),
        pytest.param("000102", 4, id="a length without a next run"),
        pytest.param("00010402", 4, id="a last run of no sample"),
        pytest.param("00010002", 4, id="a first run of no sample"),
        pytest.param("00010502", 4, id="runs longer than the chunk"),
        pytest.param("0081", 4, id="a number cut off"),
        pytest.param("4200", 4, id="fixed-width bits that are missing"),
        pytest.param("410008", 4, id="fixed-width filling that is not 0"),
        pytest.param("41008000", 4, id="a byte after fixed-width bits"),
        pytest.param("4100", 0, id="fixed-width for no sample"),
        pytest.param("800000", 4, id="Rice codes that are missing"),
        pytest.param("bf0040" + "00" * 8, 1, id="a Rice code of more than 63 bits"),
        pytest.param("7f" + "ff" * 8 + "7f" + "ff" * 7 + "fe", 1, id="base and rest past 63 bits"),
        pytest.param("00" + "ff" * 8 + "7f" + "0101", 2, id="counts that add up to too much"),
        pytest.param("c00101", 4, id="a missing mask"),
        pytest.param("c0010140", 4, id="a damaged mask"),
        pytest.param("c0010120", 4, id="missing other counts"),
        pytest.param("c0010120c0010120", 4, id="mostly within mostly"),
    ],
)
def test_damaged_counts_are_noticed(data: str, size: int) -> None:
    with pytest.raises(DamagedError):
        decode_counts(bytes.fromhex(data), size)


@given(st.binary(max_size=40), st.integers(0, 70))
def test_no_bytes_bring_out_anything_but_an_answer_or_the_word_damaged(data: bytes, size: int) -> None:
    for decode in (decode_mask, decode_counts):
        try:
            decoded = decode(data, size)
        except DamagedError:
            continue
        assert len(decoded) == size
        assert int(decoded.min(initial=0)) >= 0
