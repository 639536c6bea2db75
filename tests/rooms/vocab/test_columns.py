"""Columns: the same samples as rows, by type and content, whichever way they went."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.rooms.vocab.exactly import exact, outcome
from whence.ops import Chunk
from whence.ops.stacking import stack
from whence.vocab import Column, Columns, chosen, sample_digest, sample_digests, stack_values

TEXT = st.text(st.characters(), max_size=3)
NUMBERS = st.one_of(
    st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1), st.integers(-(2**65), 2**65), st.just(2**63)
)
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf])
DTYPES: Any = st.sampled_from(
    [
        *"?gq",
        "i1",
        "i8",
        "u8",
        ">i4",
        "f2",
        "f4",
        ">f8",
        "c8",
        "U2",
        "S2",
        "M8[s]",
        "M8[ns]",
        ">M8[s]",
        "m8[ms]",
    ]
)
FIELDS = np.dtype([("a", "i2"), ("b", ">f8")])
SCALARS = st.one_of(*(hnp.arrays(dtype, 1).map(lambda array: array[0]) for dtype in "?bhilqefdgFD"))
SCALARS |= hnp.arrays(DTYPES | st.just(FIELDS), 1).map(lambda array: array[0])
SCALARS |= st.sampled_from([np.str_("a\0"), np.bytes_(b"a\0"), np.str_("bcd")])
THINGS = st.none() | st.integers() | st.floats() | TEXT


def arrays(shapes: Any) -> Any:
    """Arrays of any type."""
    return hnp.arrays(DTYPES | st.just(FIELDS), shapes) | hnp.arrays("O", shapes, elements=THINGS)


ARRAYS = arrays(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2))
TABLES = arrays(hnp.array_shapes(max_dims=3, max_side=3))


def locked(array: Any) -> Any:
    array.flags.writeable = False
    return array


VALUES = {
    "bools": st.booleans(),
    "ints": NUMBERS,
    "small": st.integers(-9, 9),
    "floats": FLOATS,
    "texts": TEXT,
    "bytes": st.binary(max_size=3),
    "nothing": st.none(),
    "scalars": SCALARS,
    "doubles": FLOATS.map(np.float64),
    "arrays": ARRAYS,
    "points": hnp.arrays("f8", 2),
    "turned": hnp.arrays("f8", (2, 3)).map(np.asfortranarray),
    "locked": hnp.arrays("i8", 2).map(locked),
    "times": st.datetimes() | st.dates(),
    "decimals": st.decimals(allow_nan=False),
    "lists": st.lists(st.integers(0, 3), max_size=2),
    "pairs": st.tuples(st.integers(0, 3), TEXT),
    "dicts": st.fixed_dictionaries({"x": st.integers(0, 3)}),
}
ANY = st.one_of(*VALUES.values())
LISTS = st.one_of(
    *(st.lists(kind, min_size=1, max_size=6) for kind in VALUES.values()),
    *(st.lists(st.none() | kind, min_size=1, max_size=6) for kind in VALUES.values()),
    st.lists(ANY, min_size=1, max_size=6),
)
ROWS = st.lists(LISTS, max_size=3).map(
    lambda columns: [
        dict(zip("abc", row, strict=False)) for row in (zip(*columns, strict=False) if columns else [()] * 2)
    ]
)


@given(LISTS)
def test_values_come_out_of_a_column_as_they_went_in(values: list[Any]) -> None:
    assert exact(Column.of(values).values()) == exact(values)


@given(ROWS)
def test_rows_come_out_of_columns_as_they_went_in(rows: list[dict[str, Any]]) -> None:
    columns = Columns.of_rows(rows)
    assert (columns is None) is (not rows)
    if columns is not None:
        assert len(columns) == len(rows)
        assert exact(columns.rows()) == exact(rows)


@given(LISTS)
def test_a_column_is_stacked_as_its_values_are(values: list[Any]) -> None:
    def stacked() -> Any:
        found = Column.of(values).stacked()
        assert found.flags.writeable
        return found

    assert outcome(stacked) == outcome(lambda: stack_values(values))
    rows = [{"x": value} for value in values]
    expected = outcome(lambda: stack(rows))
    if expected[0] is dict:
        assert outcome(lambda: Columns.of_rows(rows).stacked()) == expected  # type: ignore[union-attr]


@given(TABLES, st.booleans())
def test_an_array_is_stacked_as_its_rows_are(array: Any, is_native: bool) -> None:
    column = Column(array, native=is_native)
    assert outcome(column.stacked) == outcome(lambda: stack_values(column.values()))
    assert not np.shares_memory(column.stacked(), array), "who writes into a batch must not write here"


@pytest.mark.parametrize("char", "?bBhHiIlLqQefdgFDG")
def test_numbers_of_every_type_are_stacked_as_their_rows_are(char: str) -> None:
    for is_native in (True, False):
        column = Column(np.array([0, 1, 1], char), native=is_native)
        assert exact(column.stacked()) == exact(stack_values(column.values()))
        columns = Columns({"x": column})
        assert sample_digests(columns).tolist() == sample_digests(columns.rows()).tolist()


@given(LISTS, st.data())
def test_what_is_taken_of_a_column_is_taken_of_its_values(values: list[Any], data: st.DataObject) -> None:
    column, count = Column.of(values), len(values)
    mask = data.draw(hnp.arrays("?", count))
    places = data.draw(st.lists(st.integers(0, count - 1)))
    start, stop, step = data.draw(st.tuples(st.integers(0, count), st.integers(0, count), st.integers(1, 3)))
    for which, expected in (
        (mask, [value for value, kept in zip(values, mask, strict=True) if kept]),
        (np.array(places, np.int64), [values[place] for place in places]),
        (slice(start, stop, step), values[start:stop:step]),
    ):
        taken = column.taken(which)
        assert len(taken) == len(expected)
        assert exact(taken.values()) == exact(expected)


@given(st.lists(LISTS, min_size=1, max_size=3))
def test_what_is_joined_of_columns_is_joined_of_their_values(parts: list[list[Any]]) -> None:
    joined = Column.joined([Column.of(part) for part in parts])
    assert exact(joined.values()) == exact([value for part in parts for value in part])


@given(st.lists(ROWS, min_size=1, max_size=3))
def test_columns_are_joined_where_their_fields_are_the_same(parts: list[list[dict[str, Any]]]) -> None:
    found = [columns for columns in map(Columns.of_rows, parts) if columns is not None]
    if not found:
        return
    joined = Columns.joined(found)
    if len({tuple(columns.names) for columns in found}) > 1:
        assert joined is None
    else:
        assert joined is not None
        assert exact(joined.rows()) == exact([row for part in parts for row in part])


@given(TABLES)
def test_items_are_what_iterating_gives(array: Any) -> None:
    for items in (array, array.tolist(), np.asfortranarray(array)):
        assert exact(Column.of_items(items).values()) == exact(list(items))


@given(ROWS)
def test_columns_have_the_witnesses_of_their_rows(rows: list[dict[str, Any]]) -> None:
    columns = Columns.of_rows(rows)
    if columns is not None:
        assert sample_digests(columns).tolist() == [sample_digest(row) for row in rows]


@given(TABLES, st.booleans(), st.booleans())
def test_arrays_have_the_witnesses_of_their_rows(array: Any, is_native: bool, is_missing: bool) -> None:
    missing = np.arange(len(array)) % 2 == 0 if is_missing else None
    columns = Columns({"x": Column(array, missing=missing, native=is_native)})
    assert sample_digests(columns).tolist() == [sample_digest(row) for row in columns.rows()]


def test_columns_need_dicts_of_one_form() -> None:
    for rows in (
        [],
        [1],
        [{"a": 1}, 2],
        [{"a": 1}, {"b": 1}],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [{1: 2}],
    ):
        assert Columns.of_rows(rows) is None


def test_samples_without_fields_are_counted() -> None:
    columns = Columns.of_rows([{}, {}, {}])
    assert columns is not None
    assert len(columns.taken(np.array([True, False, True]))) == 2
    assert len(columns.taken(slice(1, None))) == 2
    assert Columns.joined([columns, columns.taken(np.array([1]))]).rows() == [{}] * 4  # type: ignore[union-attr]
    assert sample_digests(columns).tolist() == [sample_digest({})] * 3


def test_rows_of_an_array_that_can_not_be_written_stay_so() -> None:
    column = Column(locked(np.zeros((4, 2))))
    for each in (
        column.taken(np.array([1, 0])),
        column.taken(np.array([True, False, True, True])),
        column.taken(slice(1, 3)),
        Column.joined([column, column]),
        Column.of(column.values()),
    ):
        for row in each.values():
            with pytest.raises(ValueError, match="read-only"):
                row[0] = 1


def test_rows_of_a_turned_array_lie_in_order_when_they_are_copied() -> None:
    turned = Column(np.zeros((4, 3, 2)).transpose(0, 2, 1))
    assert not turned.data[0].flags.c_contiguous
    assert all(row.flags.c_contiguous for row in turned.taken(np.array([1, 0])).values())
    assert all(row.flags.c_contiguous for row in turned.taken(np.array([True] * 4)).values())


def test_big_whole_numbers_without_a_sign_are_python_s() -> None:
    column = Column(np.array([1, 2**64 - 1], "u8"))
    assert column.values() == [1, 2**64 - 1]
    assert sample_digests(Columns({"n": column})).tolist() == [
        sample_digest({"n": 1}),
        sample_digest({"n": 2**64 - 1}),
    ]


def test_a_chunk_lets_its_columns_go_when_it_is_asked_for_rows() -> None:
    columns = Columns({"x": Column(np.arange(3))})
    chunk = Chunk.of_columns(columns, np.arange(3, dtype=np.uint64), np.arange(3))
    assert chunk.columns is columns
    assert chunk.values == [{"x": 0}, {"x": 1}, {"x": 2}]
    assert chunk.columns is None, "rows may be changed by whom they are given to"


def test_masks_become_positions_and_nothing_else_does() -> None:
    assert chosen(np.array([True, False, True])).tolist() == [0, 2]
    places = np.array([2, 0])
    assert chosen(places) is places
    assert chosen(slice(2)) == slice(2)


def test_moments_of_python_stay_what_they_are() -> None:
    values = [dt.datetime(2026, 11, 21), dt.date(2026, 11, 21), decimal.Decimal("1.50")]
    assert exact(Column.of(values).values()) == exact(values)
