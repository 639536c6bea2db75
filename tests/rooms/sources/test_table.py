"""Tables in memory as samples."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.rooms.sources.listening import DATA, Listener, at, read_all, samples_of
from whence import sources
from whence.errors import MissingExtraError, PositionError, SourceError
from whence.sources import TableSource
from whence.sources.told import BLOCK_ROWS

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


def test_one_content_is_told_alike_by_pandas_polars_and_arrow() -> None:
    file = DATA / "penguins.csv"
    frame = pl.read_csv(file, null_values="NA")
    told = []
    for table in (frame, frame.to_arrow(), frame.to_arrow().combine_chunks().to_batches()[0]):
        witness = Listener()
        read_all(TableSource.of(table).open(witness))
        told.append(witness.values)
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 344


def test_a_pandas_index_is_left_out() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", "z"])
    assert samples_of(TableSource.of(frame[1:])) == [{"a": 2}, {"a": 3}]


def test_each_row_is_told_once_in_whole_blocks() -> None:
    witness = Listener()
    reader = TableSource.of(pa.table({"a": np.arange(9000)})).open(witness)
    at(reader, 8200)
    assert sorted(witness.values) == list(range(2 * BLOCK_ROWS, 9000))
    read_all(reader, 100)
    assert witness.values == {row: {"a": row} for row in range(9000)}
    read_all(reader)


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
