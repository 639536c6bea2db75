"""Keys that are texts are the same keys, whether they are told by number or one by one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError
from whence.sources import columns_of

TEXTS = st.sampled_from(["", "a", "b", "ä", "a\0"])
FEW = st.lists(TEXTS, min_size=20, max_size=90)
SOME = FEW | st.lists(st.text("abc", max_size=3), min_size=1, max_size=30)


def rows_of(texts: list[str], name: str) -> list[dict[str, Any]]:
    return [{"key": text, name: number, "x": number % 3} for number, text in enumerate(texts)]


def table_of(rows: list[dict[str, Any]]) -> wh.Stream:
    return wh.from_table(pa.Table.from_pylist(rows))


def test_texts_that_come_again_are_told_by_number_and_others_are_not() -> None:
    often = columns_of(pa.table({"x": pa.array(["a", "b"] * 9)})).by_name["x"].coded()
    assert often is not None
    assert often[1][often[0]].tolist() == ["a", "b"] * 9
    for texts in (
        ["a", "b", "c"],
        ["a", None, "a", "a", "a", "a"],
        ["a"] * 2_000 + [f"{n}" for n in range(900)],
    ):
        assert columns_of(pa.table({"x": pa.array(texts)})).by_name["x"].coded() is None


@settings(max_examples=60)
@given(
    texts=SOME, more=SOME, key=st.sampled_from(["key", ["key", "x"]]), memory=st.sampled_from(["1B", "1GB"])
)
def test_both_roads_find_the_same_groups_and_pairs(
    texts: list[str], more: list[str], key: Any, memory: str
) -> None:
    left, right = rows_of(texts, "left"), rows_of(more, "right")
    with wh.config(memory=memory):
        for how in ("inner", "outer", "anti"):
            one = table_of(left).join(table_of(right), key, how=how).collect()
            assert one == wh.from_items(left).join(wh.from_items(right), key, how=how).collect()
            assert one == wh.from_items(left).join(table_of(right), key, how=how).collect()
        found = table_of(left).group_by(key).aggregate(n="size", first=("left", "min")).collect()
        assert found == wh.from_items(left).group_by(key).aggregate(n="size", first=("left", "min")).collect()


def test_chunks_with_and_without_numbers_go_together() -> None:
    texts = [["a", "b"] * 20, ["b", "c", "d"], ["a", "d"] * 20]
    stream = table_of([{"key": text} for some in texts for text in some])
    rows = [{"key": text} for some in texts for text in some]
    first, *others = (table_of([{"key": text} for text in some]) for some in texts)
    mixed = first.concat(*others)
    counted = wh.from_items(rows).group_by("key").aggregate(n="size").collect()
    assert mixed.group_by("key").aggregate(n="size").collect() == counted
    assert stream.group_by("key").aggregate(n="size").collect() == counted


def test_a_text_that_is_missing_is_refused_by_name() -> None:
    rows = [{"key": "a"}] * 70 + [{"key": None}]
    with pytest.raises(OpError, match=r"sample 70.*is None"):
        table_of(rows).group_by("key").aggregate(n="size").collect()
