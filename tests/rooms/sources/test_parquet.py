"""Parquet files as samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rooms.sources.listening import DATA, Listener, at, read_all, rows_of
from whence.capture import NullWitness
from whence.errors import PositionError, SourceError, StoreFullError
from whence.sources import ParquetSource, parquet


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    table = pl.read_csv(DATA / "penguins_raw.csv", null_values="NA").to_arrow()
    pq.write_table(table[:200], tmp_path / "a.parquet", row_group_size=70)
    pq.write_table(table[200:], tmp_path / "b.parquet", row_group_size=70)
    return tmp_path


@pytest.fixture
def rows() -> list[dict[str, object]]:
    return pl.read_csv(DATA / "penguins_raw.csv", null_values="NA").to_dicts()


def test_rows_follow_one_another_across_groups_and_files(
    penguins: Path, rows: list[dict[str, object]]
) -> None:
    source = ParquetSource.of(penguins / "*.parquet")
    assert source.size() == source.rows() == 344
    assert source.listing().rows == [200, 144]
    assert read_all(source.open(NullWitness())) == rows


def test_any_position_is_read(penguins: Path, rows: list[dict[str, object]]) -> None:
    reader = ParquetSource.of(penguins / "*.parquet").open(NullWitness())
    positions = np.random.default_rng(3).integers(0, 344, 500)
    assert rows_of(reader.fetch(positions)) == [rows[position] for position in positions.tolist()]
    assert at(reader) == []
    with pytest.raises(PositionError):
        at(reader, 344)


def test_row_groups_that_do_not_fit_are_read_again(
    penguins: Path, rows: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_KEPT_BYTES", 1)
    reader = ParquetSource.of(penguins / "*.parquet").open(NullWitness())
    assert at(reader, 343, 0, 150, 0) == [rows[343], rows[0], rows[150], rows[0]]


def test_a_sequence_tells_each_byte_once_and_before_the_rows_in_it(penguins: Path) -> None:
    witness = Listener()
    source = ParquetSource.of(penguins / "*.parquet")
    reader = source.open(witness)
    chunks = reader.chunks(lambda: 70)
    next(chunks)
    contents = [(penguins / name).read_bytes() for name in ("a.parquet", "b.parquet")]
    assert contents[0].startswith(witness.pieces[0])
    assert source.files[0].ends[0] == len(witness.pieces[0]) < len(contents[0])
    list(chunks)
    assert witness.pieces == dict(enumerate(contents))
    assert witness.ended == {0: 200, 1: 144}
    at(reader, 0)


def test_positions_tell_the_files_that_they_are_in(penguins: Path) -> None:
    witness = Listener()
    source = ParquetSource.of(penguins / "*.parquet")
    at(source.open(NullWitness()), 250)
    reader = source.open(witness)
    at(reader, 250)
    at(reader, 251)
    assert witness.pieces == {1: (penguins / "b.parquet").read_bytes()}
    assert witness.ended == {1: 144}


def test_columns_can_be_chosen(penguins: Path) -> None:
    source = ParquetSource.of(penguins / "a.parquet", columns=["Sex", "Region"])
    assert at(source.open(NullWitness()), 0) == [{"Sex": "MALE", "Region": "Anvers"}]
    assert source.name == "a"
    with pytest.raises(SourceError, match="no column 'Wings'") as caught:
        ParquetSource.of(penguins / "a.parquet", columns=["Wings"])
    assert "Sex" in caught.value.remedy


def test_what_is_not_parquet_is_named() -> None:
    with pytest.raises(SourceError, match=r"penguins\.csv can't be read as Parquet") as caught:
        ParquetSource.of(DATA / "penguins.csv")
    assert caught.value.place == str(DATA / "penguins.csv")


def test_a_missing_file_and_a_folder_are_named(penguins: Path) -> None:
    with pytest.raises(SourceError, match=r"c\.parquet does not exist"):
        ParquetSource.of(penguins / "c.parquet")
    with pytest.raises(SourceError, match="is a folder"):
        ParquetSource.of(penguins)


def test_a_file_that_was_damaged_or_vanished_is_named(penguins: Path) -> None:
    file = penguins / "a.parquet"
    source = ParquetSource.of(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"a\.parquet"):
        read_all(source.open(NullWitness()))
    file.unlink()
    for witness in (NullWitness(), Listener()):
        with pytest.raises(SourceError, match=r"a\.parquet does not exist"):
            at(source.open(witness), 0)


def test_a_full_store_is_not_blamed_on_the_file(penguins: Path) -> None:
    class Full(Listener):
        def piece(self, part: int, data: object) -> None:
            raise StoreFullError("no space left")

    reader = ParquetSource.of(penguins / "a.parquet").open(Full())
    with pytest.raises(StoreFullError):
        read_all(reader)
    with pytest.raises(StoreFullError):
        at(reader, 0)


def test_a_file_without_rows_has_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "x.parquet")
    source = ParquetSource.of(tmp_path / "x.parquet")
    witness = Listener()
    assert read_all(source.open(witness)) == []
    assert witness.ended == {0: 0}
