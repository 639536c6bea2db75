"""Batch: consecutive samples together, as a model takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7), st.booleans())
def test_batches_are_consecutive(numbers: list[int], size: int, drop_last: bool) -> None:
    batches = wh.from_items(numbers).batch(size, drop_last=drop_last, collate=list).collect()
    groups = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    assert batches == [group for group in groups if len(group) == size or not drop_last]


def test_dicts_become_columns_of_arrays() -> None:
    rows = [{"x": np.full((2, 3), n, np.float32), "n": n, "s": str(n), "t": (n, n)} for n in range(2)]
    (batch,) = wh.from_items(rows).batch(2).collect()
    assert (batch["x"].shape, batch["x"].dtype) == ((2, 2, 3), np.float32)
    assert (batch["n"].dtype, batch["n"].tolist()) == (np.int64, [0, 1])
    assert (batch["s"].dtype, batch["s"].tolist()) == (np.dtype(object), ["0", "1"])
    assert (batch["t"].shape, batch["t"].tolist()) == ((2,), [(0, 0), (1, 1)])


@pytest.mark.parametrize(
    ("samples", "shape", "dtype"),
    [
        ([1, 2], (2,), np.int64),
        ([1, 2.5], (2,), np.float64),
        ([True, False], (2,), np.bool_),
        ([np.uint8(3), np.uint8(4)], (2,), np.uint8),
        ([np.zeros((2,)), np.ones((2,))], (2, 2), np.float64),
        (["a", "b"], (2,), object),
        ([None, 1], (2,), object),
        ([[1, 2], [3, 4]], (2,), object),
    ],
)
def test_what_is_no_dict_becomes_one_array(samples: list[Any], shape: tuple[int, ...], dtype: Any) -> None:
    (batch,) = wh.from_items(samples).batch(2).collect()
    assert (batch.shape, batch.dtype) == (shape, np.dtype(dtype))


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        ([{"a": 1}, {"b": 1}], r"sample 1 of the batch has \['b'\], the first has \['a'\]"),
        ([{"a": 1}, 3], "sample 1 of the batch has int"),
        ([np.zeros(2), np.zeros(3)], r"has shape \(3,\), the first \(2,\)"),
        ([{"x": np.zeros(2)}, {"x": np.zeros(3)}], r"has shape \(3,\) in 'x'"),
    ],
)
def test_samples_of_different_forms_are_refused_with_the_place(samples: list[Any], problem: str) -> None:
    with pytest.raises(
        OpError, match=f"op 'batch.2.' can't gather samples 0 to 1: ValueError: .*{problem}"
    ) as caught:
        wh.from_items(samples).batch(2).collect()
    assert "collate=list" in caught.value.remedy


def test_a_failing_collate_names_its_samples() -> None:
    with pytest.raises(OpError, match="samples 2 to 3: ZeroDivisionError"):
        wh.from_items([1, 1, 0, 1]).batch(2, collate=lambda group: [1 // n for n in group]).collect()


@given(st.integers(0, 40), st.integers(1, 7), st.booleans())
def test_the_length_is_known_where_the_sources_is(size: int, batch: int, drop_last: bool) -> None:
    stream = wh.from_items(range(size)).batch(batch, drop_last=drop_last)
    assert len(stream) == len(stream.collect()) == stream.count()


NUMBERS = st.lists(
    st.sampled_from(
        [0, 7, -1, 1 << 40, (1 << 63) - 1, 1 << 63, 1 << 70, True, False, 0.5, -0.0, float("nan"), None]
    )
    | st.integers(-100, 100),
    min_size=1,
    max_size=30,
)


@given(NUMBERS, st.integers(1, 7))
def test_numbers_are_stacked_as_each_batch_would_be_by_itself(numbers: list[Any], size: int) -> None:
    batches = wh.from_items(numbers).batch(size).collect()
    groups = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    alone = [wh.from_items(group).batch(size).collect()[0] for group in groups]
    for batch, other in zip(batches, alone, strict=True):
        assert (batch.dtype, batch.shape) == (other.dtype, other.shape)
        assert list(map(repr, batch.tolist())) == list(map(repr, other.tolist()))


def test_who_keeps_a_batch_of_numbers_keeps_no_other() -> None:
    for batch in wh.from_items(list(range(100))).batch(10):
        assert batch.base is None
        assert batch.flags.writeable
