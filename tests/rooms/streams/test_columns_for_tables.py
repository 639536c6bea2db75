"""What workers make columns of for a table is what the table would have made of the samples itself."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.ops import Chunk
from whence.streams.tables import as_columns, read_arrow, read_pandas
from whence.vocab import Column, Columns

ATOMS = (
    st.integers(-3, 3)
    | st.floats(allow_nan=False, width=16)
    | st.booleans()
    | st.text("ab", max_size=2)
    | st.binary(max_size=2)
    | st.dates(datetime.date(2020, 1, 1))
    | st.datetimes(datetime.datetime(2020, 1, 1))
    | st.decimals(-9, 9, places=2)
)


def of_one_type(draw: st.DrawFn, depth: int) -> st.SearchStrategy[Any]:
    """Values that mostly go together: of one kind of atom, in lists or dicts, some of them missing."""
    kind = draw(st.sampled_from(["atom", "atom", "list", "dict", "array"] if depth else ["atom"]))
    if kind == "array":
        return st.lists(st.integers(0, 9), max_size=3).map(lambda row: np.array(row, np.int32))
    if kind == "list":
        return st.none() | st.lists(of_one_type(draw, depth - 1), max_size=2)
    if kind == "dict":
        inner = of_one_type(draw, depth - 1)
        return st.fixed_dictionaries({"x": inner}, optional={"y": inner}) | st.none()
    some = type(draw(ATOMS))
    return st.none() | ATOMS.filter(lambda value: type(value) is some)


@st.composite
def samples(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    fields = {name: of_one_type(draw, 2) for name in names}
    return draw(st.lists(st.fixed_dictionaries(fields), min_size=1, max_size=12))


def chunk_of(rows: list[Any]) -> Chunk:
    return Chunk(rows, np.zeros(len(rows), np.uint64), np.zeros(len(rows), np.int64))


def told(chunks: list[Chunk], read: Callable[[Any], Any] = read_arrow) -> Any:
    try:
        return read(chunk for chunk in chunks)
    except Exception as error:
        return type(error), str(error)


@given(rows=samples(), sizes=st.lists(st.integers(1, 5), min_size=12, max_size=12))
def test_tables_do_not_depend_on_where_columns_were_made(rows: list[Any], sizes: list[int]) -> None:
    chunks = []
    start = 0
    for size in sizes:
        if rows[start : start + size]:
            chunk = chunk_of(rows[start : start + size])
            columns = as_columns(chunk)
            chunks.append(chunk if columns is None else Chunk.of_columns(columns, chunk.ids, chunk.origins))
        start += size
    expected, found = told([chunk_of(rows)]), told(chunks)
    if isinstance(expected, pa.Table):
        assert found.schema == expected.schema
        assert found.to_pylist() == expected.to_pylist()
        pd.testing.assert_frame_equal(told(chunks, read_pandas), expected.to_pandas())
    else:
        assert found == expected == told(chunks, read_pandas)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([np.int16, np.int64, np.uint64, np.float32, np.float64, np.bool_, np.longdouble]),
            st.lists(st.integers(0, 1), max_size=4),
            st.none() | st.sampled_from([True, False]) | st.just("some"),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_numbers_become_what_their_python_values_would(
    parts: list[tuple[type, list[int], bool | str | None]], is_large: bool
) -> None:
    chunks, rows = [], []
    for kind, numbers, missing in parts:
        data: Any = np.array(numbers, kind)
        if is_large and kind is np.uint64 and len(data):
            data[0] = 2**64 - 1
        absent = None if missing is None else np.full(len(data), bool(missing))
        if absent is not None and missing == "some":
            absent[1::2] = False
        columns = Columns({"x": Column(data, missing=absent), "y": Column(data)})
        plain = chunk_of(columns.rows())
        rows += plain.values
        chunks.append(Chunk.of_columns(columns, plain.ids, plain.origins))
    expected = told([chunk_of(rows)])
    if isinstance(expected, pa.Table):
        found = told(chunks)
        assert found.schema == expected.schema
        assert found.to_pylist() == expected.to_pylist()
        pd.testing.assert_frame_equal(told(chunks, read_pandas), expected.to_pandas())


def test_tables_hold_nothing_of_what_they_were_made_of() -> None:
    frame = pd.DataFrame({"n": np.arange(5), "x": np.ones(5)})
    for read in (wh.from_table(frame).to_pandas, wh.from_table(frame).to_arrow):
        found = read()
        frame.iloc[:, :] = 7
        assert {"n": list(found["n"]), "x": list(found["x"])} != {"n": [7] * 5, "x": [7.0] * 5}
        frame = pd.DataFrame({"n": np.arange(5), "x": np.ones(5)})
    found = wh.from_table(frame).to_pandas()
    found.iloc[0, 0] = 9
    assert found["n"].tolist() == [9, 1, 2, 3, 4]
