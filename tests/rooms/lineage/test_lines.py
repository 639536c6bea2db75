"""Numbers in a line are the numbers that they stand for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from whence.lineage import (
    Line,
    Numbers,
    as_array,
    encode_counts_block,
    encode_values_block,
    joined_numbers,
    numbers_between,
)

LINES = st.builds(Line, st.integers(0, 20), st.sampled_from([0, 1, 2]), st.integers(0, 5))
ARRAYS = st.lists(st.integers(0, 9), max_size=4).map(lambda numbers: np.array(numbers, np.uint8))
PARTS = st.lists(LINES | ARRAYS)


@given(PARTS, st.integers(0, 30), st.integers(0, 30))
def test_what_is_joined_and_cut_is_what_the_arrays_are(parts: list[Numbers], start: int, end: int) -> None:
    whole = joined_numbers(parts)
    numbers = [number for part in parts for number in as_array(part).tolist()]
    assert len(whole) == len(numbers)
    assert as_array(whole).tolist() == numbers
    start, end = sorted((min(start, len(numbers)), min(end, len(numbers))))
    assert as_array(numbers_between(whole, start, end)).tolist() == numbers[start:end]


@given(LINES)
def test_a_line_is_spelled_as_its_numbers_are(line: Line) -> None:
    assert encode_values_block(line) == encode_values_block(line.array())
    assert encode_counts_block(line) == encode_counts_block(line.array())
