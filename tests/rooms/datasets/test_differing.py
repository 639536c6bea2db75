"""What differs between two tables, compared with a slow search, and named to the row and the column."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.datasets.columns import TYPES, column, others
from whence.datasets.aligning import align, in_both, longest_rise
from whence.datasets.comparing import Rows
from whence.datasets.differing import Comparison, RowChange
from whence.datasets.identity import content_digest
from whence.datasets.sameness import Sameness
from whence.errors import InputError


def rows(name: str, table: Any, cuts: Sequence[int] = (), read: list[int] | None = None) -> Rows:
    """A version of a table, in chunks."""
    bounds = [0, *cuts, table.num_rows]
    parts = [table.slice(start, stop - start) for start, stop in itertools.pairwise(bounds)]

    def read_part(number: int) -> Any:
        if read is not None:
            read.append(number)
        return parts[number]

    return Rows(name, [(len(part), content_digest(part)) for part in parts], table.schema, read_part)


def diff(before: Any, after: Any, *, key: Sequence[str] = (), cuts: Sequence[int] = ()) -> Comparison:
    return Comparison(rows("a@1", before, cuts), rows("a@2", after, cuts), key=key)


def counts(found: Comparison) -> tuple[int, ...]:
    return tuple(found.count(kind) for kind in ("added", "removed", "changed", "moved"))


def places(found: Comparison) -> list[tuple[str, int | None, int | None, list[str]]]:
    return [(each.kind, each.row_a, each.row_b, each.columns) for each in found.rows()]


NUMBERS = pa.table(
    {"id": range(100), "name": [f"n{n}" for n in range(100)], "label": [n % 3 for n in range(100)]}
)


def changed(table: Any, row: int, name: str, value: Any) -> Any:
    values = table[name].to_pylist()
    values[row] = value
    place = table.schema.names.index(name)
    return table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("key", [(), ("id",)])
def test_a_changed_cell_of_any_type_is_named(name: str, key: tuple[str, ...]) -> None:
    size = 14
    table = pa.table({"id": range(size), "x": column(name, size), "y": column(name, size)})
    for row in (0, 3, 5, 13):
        for value in others(name, row):
            after = changed(table, row, "y", value)
            assert places(diff(table, after, key=key, cuts=(5, 6))) == [("changed", row, row, ["y"])], value


@pytest.mark.parametrize("name", TYPES)
def test_how_values_are_held_is_no_difference(name: str) -> None:
    table = pa.table({"x": column(name, 60)})
    shifted = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    padded = pa.concat_tables([table, table]).combine_chunks().slice(60)
    for other in (shifted, padded):
        same = Sameness()
        assert (same.rows(table) == same.rows(other)).all()


def test_what_is_held_otherwise_but_the_same_is_no_change_of_the_schema() -> None:
    texts = NUMBERS.set_column(1, "name", NUMBERS["name"].cast(pa.large_string()))
    coded = NUMBERS.set_column(1, "name", NUMBERS["name"].dictionary_encode())
    for other in (texts, coded):
        found = diff(NUMBERS, other)
        assert (counts(found), found.schema) == ((0, 0, 0, 0), [])


@pytest.mark.parametrize("key", [(), ("id",), ("id", "name")])
def test_added_and_removed_rows_are_told_from_changed_ones(key: tuple[str, ...]) -> None:
    lines = NUMBERS.to_pylist()
    after = [line for line in lines if line["id"] not in (10, 11, 50)]
    after.insert(70, {"id": 1000, "name": "new", "label": 1})
    after[30] = {**after[30], "label": 9}
    found = diff(NUMBERS, pa.Table.from_pylist(after, NUMBERS.schema), key=key)
    assert places(found) == [
        ("removed", 10, None, []), ("removed", 11, None, []), ("changed", 32, 30, ["label"]),
        ("removed", 50, None, []), ("added", None, 70, []),
    ]  # fmt: skip
    assert counts(found) == (1, 3, 1, 0)
    assert found.changed_by_column() == {"label": 1}
    one = next(each for each in found.rows() if each.kind == "changed")
    keys = {name: lines[32][name] for name in key}
    assert (one.before, one.after) == ({**keys, "label": 2}, {**keys, "label": 9})
    assert next(iter(found.rows())) == RowChange(kind="removed", row_a=10, row_b=None, before=lines[10])


def test_only_chunks_that_differ_are_read() -> None:
    read: list[int] = []
    after = changed(NUMBERS, 55, "label", 7)
    cuts = range(10, 100, 10)
    found = Comparison(rows("a@1", NUMBERS, cuts, read), rows("a@2", after, cuts, read))
    assert (counts(found), read) == ((0, 0, 1, 0), [5, 5])
    assert [each.columns for each in found.rows()] == [["label"]]


def test_versions_that_are_the_same_are_not_read_at_all() -> None:
    read: list[int] = []
    found = Comparison(rows("a@1", NUMBERS, (50,), read), rows("a@2", NUMBERS, (50,), read))
    assert (counts(found), list(found.rows()), read) == ((0, 0, 0, 0), [], [])


@pytest.mark.parametrize("key", [(), ("id",)])
def test_empty_versions(key: tuple[str, ...]) -> None:
    none = NUMBERS.slice(0, 0)
    assert counts(diff(none, none, key=key)) == (0, 0, 0, 0)
    assert counts(diff(none, NUMBERS, key=key)) == (100, 0, 0, 0)
    assert counts(diff(NUMBERS, none, key=key)) == (0, 100, 0, 0)
    chunkless = Rows("a@1", [], NUMBERS.schema, lambda number: None)
    assert counts(Comparison(chunkless, rows("a@2", NUMBERS), key=key)) == (100, 0, 0, 0)


def test_all_rows_that_change_in_one_column_are_changed_in_it() -> None:
    after = NUMBERS.set_column(2, "label", pa.array([n % 3 + 10 for n in range(100)]))
    for key in ((), ("id",)):
        found = diff(NUMBERS, after, key=key)
        assert (counts(found), found.changed_by_column()) == ((0, 0, 100, 0), {"label": 100})


def test_rows_in_another_order_have_moved() -> None:
    order = list(range(100))
    random.Random(3).shuffle(order)
    for key in ((), ("id",)):
        found = diff(NUMBERS, NUMBERS.take(order), key=key)
        assert counts(found)[:3] == (0, 0, 0)
        assert counts(found)[3] == 100 - len(longest_rise(np.argsort(order)))
        for each in found.rows():
            assert (each.kind, order[each.row_b or 0]) == ("moved", each.row_a)


def test_repeated_rows_are_counted_exactly_whatever_their_order() -> None:
    table = pa.table({"label": random.Random(1).choices(range(7), k=5000)})
    after = table.filter(pa.array([n % 611 != 5 for n in range(5000)]))
    found = diff(table, after)
    assert counts(found) == (0, 9, 0, 0)
    gone = Counter(table["label"][each.row_a].as_py() for each in found.rows() if each.row_a is not None)
    assert gone == Counter(table["label"].to_pylist()) - Counter(after["label"].to_pylist())


@pytest.mark.parametrize("key", [(), ("id",)])
def test_columns_that_come_go_move_and_change_their_type(key: tuple[str, ...]) -> None:
    after = NUMBERS.drop(["name"]).append_column("score", pa.array([1.5] * 100))
    after = after.set_column(1, "label", after["label"].cast(pa.int32())).select(["label", "id", "score"])
    found = diff(NUMBERS, after, key=key)
    assert counts(found) == (0, 0, 0, 0)
    assert {each.column: (each.kind, each.before, each.after, each.compared) for each in found.schema} == {
        "name": ("removed", "string", None, False),
        "label": ("retyped", "int64", "int32", True),
        "score": ("added", None, "double", False),
        "id": ("moved", 0, 1, True),
    } or {each.column: each.kind for each in found.schema}["label"] == "moved"
    again = diff(NUMBERS, changed(after, 4, "label", 77), key=key)
    assert places(again) == [("changed", 4, 4, ["label"])]


def test_words_that_mean_something_else_in_another_type_are_told_apart() -> None:
    before = pa.table({"id": [1, 2, 3], "x": pa.array([1, -1, 5])})
    after = before.set_column(1, "x", pa.array([1, (1 << 64) - 1, 5], pa.uint64()))
    found = diff(before, after)
    assert [(each.kind, each.compared) for each in found.schema] == [("retyped", False)]
    texts = before.set_column(1, "x", pa.array(["1", "-1", "5"]))
    assert [(each.kind, each.compared) for each in diff(before, texts).schema] == [("retyped", False)]
    floats = before.set_column(1, "x", pa.array([1.0, -1.5, 5.0]))
    assert places(diff(before, floats)) == [("changed", 1, 1, ["x"])]


def test_keys_that_arent_are_refused_with_what_is_wrong() -> None:
    twice = changed(changed(NUMBERS, 7, "id", 3), 9, "id", 3)
    with pytest.raises(InputError, match=r"the key id names 2 rows of a@2 .* 3 \(rows 3 and 7\)"):
        diff(NUMBERS, twice, key=["id"], cuts=(5,))
    with pytest.raises(InputError, match="has no column 'nr'"):
        diff(NUMBERS, NUMBERS, key=["nr"])
    texts = NUMBERS.set_column(0, "id", NUMBERS["id"].cast(pa.string()))
    with pytest.raises(InputError, match="types in the two versions that can't be compared"):
        diff(NUMBERS, texts, key=["id"])


def test_tables_without_a_column_in_common_differ_by_their_columns() -> None:
    found = diff(NUMBERS, pa.table({"z": range(100)}))
    assert {each.kind for each in found.schema} == {"added", "removed"}
    assert counts(found) == (0, 0, 0, 0)


LABELS = st.lists(st.integers(0, 4), max_size=12)


@given(before=LABELS, after=LABELS, cut=st.integers(0, 12))
def test_whatever_differs_is_told_and_nothing_else(before: list[int], after: list[int], cut: int) -> None:
    here, there = pa.table({"x": pa.array(before, pa.int64())}), pa.table({"x": pa.array(after, pa.int64())})
    found = Comparison(rows("a", here, (min(cut, len(before)),)), rows("b", there, (min(cut, len(after)),)))
    made: dict[int, int] = {}
    touched: set[int | None] = set()
    for each in found.rows():
        touched.add(each.row_a)
        if each.row_b is not None:
            assert each.row_b not in made
            made[each.row_b] = after[each.row_b]
        if each.kind == "moved":
            assert each.row_a is not None
            assert before[each.row_a] == after[each.row_b or 0]
        if each.kind == "changed":
            assert each.row_a is not None
            assert before[each.row_a] != after[each.row_b or 0]
    kept = iter([value for row, value in enumerate(before) if row not in touched])
    assert [made[row] if row in made else next(kept) for row in range(len(after))] == after
    assert not list(kept)
    added, removed, _, _ = counts(found)
    assert len(before) + added - removed == len(after)


@given(before=LABELS, after=LABELS)
def test_what_is_aligned_is_equal_and_in_order(before: list[int], after: list[int]) -> None:
    here, there = np.array(before, np.uint64), np.array(after, np.uint64)
    first, second = align(here, there)
    assert (here[first] == there[second]).all()
    assert (np.diff(first) > 0).all()
    assert (np.diff(second) > 0).all()
    first, second = in_both(here, there)
    assert Counter(here[first].tolist()) == Counter(before) & Counter(after)
    assert len(set(second.tolist())) == len(second)
    assert (here[first] == there[second]).all()


@given(st.permutations(range(9)))
def test_the_longest_rise_is_the_longest(order: list[int]) -> None:
    found = longest_rise(np.array(order))
    assert (np.diff(np.array(order)[found]) > 0).all()
    best = [1] * len(order)
    for place, value in enumerate(order):
        best[place] += max((best[left] for left in range(place) if order[left] < value), default=0)
    assert len(found) == max(best)
