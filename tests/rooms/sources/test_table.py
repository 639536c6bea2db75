"""Tables in memory as samples."""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.sources.listening import DATA, Listener, at, read_all, samples_of
from tests.rooms.vocab.exactly import exact, outcome
from whence import sources
from whence.errors import MissingExtraError, PositionError, SourceError
from whence.ops.stacking import stack
from whence.sources import TableSource
from whence.sources.arrowcolumns import ArrowColumn, columns_of
from whence.sources.table import TOLD_ROWS
from whence.vocab import Column, Columns, sample_digests

ROWS = [
    {"i": i, "f": i / 2, "s": f"é{i}", "n": None if i % 3 else i, "l": [i, i], "w": ["é", str(i)]}
    for i in range(3000)
]


@pytest.mark.parametrize("make", [pa.Table.from_pylist, pl.DataFrame])
def test_rows_are_dicts_of_python_values(make: type) -> None:
    source = TableSource.of(make(ROWS))
    reader = source.open(Listener())
    assert read_all(reader, 700) == ROWS
    assert at(reader, 2999, 0, 0) == [ROWS[2999], ROWS[0], ROWS[0]]
    assert (source.size(), source.rows(), source.name) == (3000, 3000, "table")


def told(table: object, size: int = 700) -> dict[tuple[int, int], bytes]:
    witness = Listener()
    read_all(TableSource.of(table).open(witness), size)
    return witness.blocks


def test_one_content_is_told_alike_by_pandas_polars_and_arrow() -> None:
    frame = pl.read_csv(DATA / "penguins.csv", null_values="NA")
    arrow = frame.to_arrow()
    alike = [
        frame,
        arrow,
        arrow.combine_chunks().to_batches()[0],
        pa.concat_tables([arrow[:100], arrow[100:]]),
        pa.concat_tables([arrow[:9], arrow])[9:],
        pl.concat([frame[:200], frame[200:]]),
        pa.Table.from_pylist(arrow.to_pylist()),
        frame.with_columns(pl.col("species").cast(pl.Categorical), pl.col("year").cast(pl.UInt16)),
        arrow.set_column(7, "year", arrow["year"].cast("uint64")),
    ]
    spelled = list(map(told, alike))
    assert all(each == spelled[0] for each in spelled)
    assert set(spelled[0]) == {(0, 0)}
    complete = frame.drop_nulls()
    assert told(complete) == told(complete.to_pandas()) == told(pl.from_pandas(complete.to_pandas()))


def test_times_are_told_alike_in_every_unit() -> None:
    times = [dt.datetime(2026, 11, 21, 10, 0, 0, 7), None, dt.datetime(1815, 12, 10, 0, 0, 0, 999_999)]
    alike = [pa.table({"at": pa.array(times, pa.timestamp(unit))}) for unit in ("us", "ns")]
    alike += [pl.DataFrame({"at": times})]
    assert told(alike[0]) == told(alike[1]) == told(alike[2])
    days = [dt.date(2026, 11, 21), None]
    assert told(pa.table({"d": pa.array(days, pa.date32())})) == told(
        pa.table({"d": pa.array(days, pa.date64())})
    )
    berlin = pa.table({"at": pa.array(times, pa.timestamp("us", "Europe/Berlin"))})
    assert told(berlin) != told(alike[0])


CONTENTS: list[dict[str, Any]] = [
    {"a": [1, 2]},
    {"a": [1, None]},
    {"a": [1, 0]},
    {"a": [None, None]},
    {"a": [None]},
    {"b": [1, 2]},
    {"a": [1.0, 2.0]},
    {"a": [1, 2**63]},
    {"a": [True, False]},
    {"a": [True, None]},
    {"a": ["1", "2"]},
    {"a": ["12", ""]},
    {"a": ["12", None]},
    {"a": [b"1", b"2"]},
    {"a": [[1], [2]]},
    {"a": [[1], None]},
    {"a": [dt.date(2026, 1, 1), dt.date(2026, 1, 2)]},
    {"a": [dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 2)]},
    {"a": [decimal.Decimal("1.0"), decimal.Decimal("2.0")]},
    {"a": [1, 2], "b": [1, 2]},
    {"b": [1, 2], "a": [1, 2]},
    {},
]


def test_contents_that_differ_are_told_apart() -> None:
    spelled = [
        tuple(
            told(
                pa.table({"a": pa.array(each["a"], "uint64")})
                if 2**63 in each.get("a", [])
                else pa.table(each)
            ).values()
        )
        for each in CONTENTS
    ]
    assert len(set(spelled)) == len(CONTENTS)


def test_a_pandas_index_is_left_out() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", "z"])
    assert samples_of(TableSource.of(frame[1:])) == [{"a": 2}, {"a": 3}]


def test_each_block_is_told_once_and_whole() -> None:
    table = pa.table({"a": np.arange(2 * TOLD_ROWS + 9)})
    witness = Listener()
    reader = TableSource.of(table).open(witness)
    at(reader, 2 * TOLD_ROWS + 2)
    assert set(witness.blocks) == {(0, 2 * TOLD_ROWS)}
    read_all(reader, 10_000)
    assert set(witness.blocks) == {(0, 0), (0, TOLD_ROWS), (0, 2 * TOLD_ROWS)}
    read_all(reader)
    assert witness.blocks[0, 2 * TOLD_ROWS] == told(table[2 * TOLD_ROWS :])[0, 0]


def test_texts_that_were_looked_at_stay_in_arrow() -> None:
    table = pa.table({"s": ["a", None, "b", "c"]})
    column = columns_of(table).by_name["s"]
    assert column.values() == ["a", None, "b", "c"]
    parts = [column.taken(slice(2)), column.taken(np.array([3, 2])), columns_of(table).by_name["s"]]
    joined = Column.joined(parts)
    assert all(isinstance(each, ArrowColumn) for each in [*parts, joined])
    assert joined.values() == ["a", None, "c", "b", "a", None, "b", "c"]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "i": st.none() | st.integers(-128, 127),
                "u": st.none() | st.integers(0, 2**64 - 1),
                "h": st.none() | st.floats(width=16),
                "f": st.none() | st.floats(width=32),
                "d": st.none() | st.floats(),
                "b": st.none() | st.booleans(),
                "s": st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
                "x": st.none() | st.binary(max_size=4),
                "t": st.none() | st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
                "z": st.none() | st.decimals(-99, 99, places=2),
                "n": st.none(),
                "l": st.none() | st.lists(st.none() | st.integers(0, 9), max_size=2),
            }
        ),
        min_size=1,
        max_size=9,
    ),
    st.data(),
)
def test_columns_have_the_rows_that_arrow_has(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    kinds = {"i": "int8", "u": "uint64", "h": "float16", "f": "float32", "d": "float64", "b": "bool"}
    kinds |= {"s": data.draw(st.sampled_from(["string", "large_string", "string_view"])), "x": "binary"}
    arrays = {name: pa.array([row[name] for row in rows], kinds.get(name)) for name in rows[0]}
    if data.draw(st.booleans()):
        arrays["s"] = arrays["s"].cast("string").dictionary_encode()
    table = pa.table(arrays)
    start = data.draw(st.integers(0, len(rows) - 1))
    table = pa.concat_tables([table[start:], table])
    reader = TableSource.of(table).open(Listener())
    expected = exact(table.to_pylist())
    assert exact(read_all(reader, data.draw(st.integers(1, 9)))) == expected
    places = data.draw(st.lists(st.integers(0, len(table) - 1), max_size=5))
    assert exact(at(reader, *places)) == (list, [expected[1][place] for place in places])
    columns = columns_of(table)
    assert outcome(columns.stacked) == outcome(lambda: stack(columns.rows()))
    fresh = columns_of(table)
    assert sample_digests(fresh).tolist() == sample_digests(fresh.rows()).tolist()
    joined = Columns.joined([columns_of(table), columns_of(table[1:]), columns_of(table[:0])])
    assert joined is not None
    assert exact(joined.rows()) == (list, expected[1] + expected[1][1:])
    for which in (np.array(places, np.int64), slice(1, None, 2), slice(2), np.arange(len(table)) % 2 == 0):
        assert exact(columns_of(table).taken(which).rows()) == exact(columns.taken(which).rows())
    assert exact(pickle.loads(pickle.dumps(columns_of(table))).rows()) == expected


def test_a_table_without_columns_has_empty_samples() -> None:
    assert samples_of(TableSource.of(pa.table({"a": [1, 2]}).select([]))) == [{}, {}]


def test_a_position_outside_is_refused() -> None:
    with pytest.raises(PositionError):
        at(TableSource.of(pa.table({"a": [1]})).open(Listener()), 1)


def test_what_is_no_table_is_refused() -> None:
    for wrong in ([1, 2], "penguins.csv", pd.Series([1])):
        with pytest.raises(SourceError):
            TableSource.of(wrong)


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(SourceError, match="two columns named 'a'"):
        TableSource.of(table)


@pytest.mark.parametrize("name", ["TableSource", "ParquetSource"])
def test_without_pyarrow_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in ("arrow", "table", "parquet"):
        monkeypatch.delitem(sys.modules, f"whence.sources.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pyarrow") as caught:
        getattr(sources, name)
    assert "pip install 'whence[parquet]'" in caught.value.remedy


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="ExcelSource"):
        getattr(sources, "ExcelSource")  # noqa: B009 - mypy knows that it isn't there
