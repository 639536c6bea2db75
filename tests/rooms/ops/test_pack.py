"""Pack: as many consecutive samples as a budget allows."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.oracle.readings import chunks_of
from whence.errors import OpError


def packed(lengths: list[int], budget: int) -> list[list[int]]:
    packs: list[list[int]] = []
    for length in lengths:
        if packs and sum(packs[-1]) + length <= budget:
            packs[-1].append(length)
        else:
            packs.append([length])
    return packs


@given(st.lists(st.integers(0, 8), max_size=60), st.integers(8, 30), st.integers(1, 7))
def test_packs_are_greedy_consecutive_and_complete(lengths: list[int], budget: int, chunk: int) -> None:
    with chunks_of(chunk, chunk):
        found = wh.from_items(lengths).pack(budget, lambda length: length).collect()
    assert found == packed(lengths, budget)
    assert [length for pack in found for length in pack] == lengths


ROWS: list[dict[str, Any]] = [
    {"n": n, "tokens": list(range(n)), "ids": np.arange(n)} for n in (3, 2, 4, 0, 5, 1)
]


@pytest.mark.parametrize(
    "length", ["n", "tokens", "ids", lambda row: row["n"], lambda row: np.int32(row["n"])]
)
def test_lengths_are_told_by_a_field_or_a_function(length: str | Callable[[Any], int]) -> None:
    found = wh.from_items(ROWS).pack(6, length).collect()
    assert [[row["n"] for row in pack] for pack in found] == [[3, 2], [4, 0], [5, 1]]


def test_columns_are_packed_without_rows_and_the_same() -> None:
    source = wh.from_arrays(n=np.array([3, 2, 4, 0, 5, 1]))
    found = source.pack(6, "n", collate="stack").collect()
    rows = source.map(lambda row: row).pack(6, "n", collate="stack").collect()
    assert [each["n"].tolist() for each in found] == [[3, 2], [4, 0], [5, 1]]
    assert [(each["n"].dtype, each["n"].tolist()) for each in rows] == [
        (each["n"].dtype, each["n"].tolist()) for each in found
    ]


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        (lambda n: -n, "ValueError: wanted a length of at least 0, got -2"),
        (lambda n: n / 2, "TypeError: wanted a length that is a whole number, got float"),
        (lambda n: n > 1, "TypeError: wanted a length that is a whole number, got a bool"),
        (lambda n: None, "TypeError: wanted a length that is a whole number, got NoneType"),
        (lambda n: 6 // (4 - n), "ZeroDivisionError"),
    ],
)
def test_a_length_that_is_none_names_the_sample(length: Callable[[int], Any], problem: str) -> None:
    with pytest.raises(OpError, match=problem) as caught:
        wh.from_items([2, 3, 4], name="n").pack(9, length).collect()
    assert "n, row" in caught.value.origin


def test_a_text_is_no_length() -> None:
    with pytest.raises(OpError, match="wanted a length that is a whole number, got str"):
        wh.from_items([{"text": "abc"}]).pack(9, "text").collect()


def test_a_field_that_is_not_there_names_the_sample() -> None:
    with pytest.raises(OpError, match=r"failed on sample 1 .*KeyError: 'n'"):
        wh.from_items([{"n": 1}, {"m": 1}]).pack(9, "n").collect()


def test_a_sample_longer_than_a_pack_names_itself_and_what_to_do() -> None:
    with pytest.raises(OpError, match=r"sample 3 \(n, row 4\) has length 12, a pack holds 10") as caught:
        wh.from_items([1, 2, 3, 4, 12], name="n").skip(1).pack(10, lambda n: n).collect()
    assert caught.value.position == 3
    assert "Raise the budget" in caught.value.remedy


def test_packs_are_traced_and_made_again(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lengths.txt"
    path.write_text("".join(f"{'x' * length}\n" for length in (3, 2, 9, 4, 0, 5, 1)))
    stream = wh.from_text(path, name="t").filter(short).pack(6, len)
    with wh.start_run("packs", workspace=tmp_path / "ws") as run:
        got = list(stream.named("packs"))
        list(stream.unbatch().named("apart"))
    assert [[len(text) for text in pack] for pack in got] == [[3, 2], [4, 0], [5, 1]]
    assert [origin.row for origin in run.trace(item=1, stream="packs").origins] == [3, 4]
    assert [origin.row for origin in run.trace(item=3, stream="apart").origins] == [4]
    for item, pack in enumerate(got):
        assert run.replay(item=item, stream="packs") == pack
    assert run.replay(item=4, stream="apart") == "xxxxx"


def short(text: str) -> bool:
    return len(text) < 9


def test_a_pass_that_is_left_drops_nothing(tmp_path: pathlib.Path) -> None:
    with wh.start_run("left", workspace=tmp_path / "ws"), chunks_of(2, 2):
        next(iter(wh.from_items([3, 2, 4, 0, 5, 1], name="n").pack(6, lambda n: n)))
    impact = wh.open(tmp_path / "ws").impact("n", rows=[4])
    assert not impact.drops
    assert impact.unreached
