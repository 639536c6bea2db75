"""What workers make columns of for a table is what the table would have made of the samples itself."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from whence.ops import Chunk
from whence.streams.tables import as_columns, read_arrow

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


def told(chunks: list[Chunk]) -> Any:
    try:
        return read_arrow(chunk for chunk in chunks)
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
    else:
        assert found == expected
