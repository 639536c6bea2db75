"""Rows are kept in chunks, come back as they were, and what is there isn't written again."""

from __future__ import annotations

import errno
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.rooms.datasets.columns import TYPES, column
from whence.capture import NullWitness
from whence.datasets.identity import ContentHasher
from whence.datasets.writing import KeptTable, TableWriter
from whence.errors import DamagedError, InputError, NotFoundError, OpError, StoreError
from whence.sources import columns_of
from whence.sources.dataset import DatasetSource, TablePart
from whence.store import Folder, ObjectBatch, batches

CHUNK = 20_000


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Iterator[Folder]:
    found = Folder(tmp_path / ".whence")
    found.make()
    yield found
    left = [path for path in found.objects_path.rglob("*") if path.is_file() and path.name[0] == "."]
    assert left == [], "nothing half is left"


def keep(folder: Folder, *tables: Any, known: KeptTable | None = None, chunk_bytes: int = CHUNK) -> KeptTable:
    chunks = {} if known is None else {chunk.content: chunk for chunk in known.chunks}
    with TableWriter(ObjectBatch(folder.objects_path), chunks, chunk_bytes=chunk_bytes) as writer:
        for table in tables:
            writer.write(table)
        return writer.finish()


def source(folder: Folder, kept: KeptTable) -> DatasetSource:
    parts = [TablePart(chunk.rows, chunk.digest) for chunk in kept.chunks]
    return DatasetSource(folder, name="x@1", digest=kept.digest, schema=kept.schema, parts=parts)


def read(folder: Folder, kept: KeptTable) -> list[Any]:
    with source(folder, kept).open(NullWitness()) as reader:
        return [row for columns in reader.chunks(lambda: 1_000) for row in columns.rows()]  # type: ignore[union-attr]


def rows(count: int = 20_000) -> Any:
    return pa.table(
        {"n": pa.array(range(count)), "name": pa.array([f"name {n * 7919}" for n in range(count)])}
    )


def test_rows_of_all_types_come_back(folder: Folder) -> None:
    table = pa.table({name: column(name, 3_000) for name in TYPES})
    kept = keep(folder, table.slice(0, 1_000), table.slice(1_000))
    assert len(kept.chunks) > 5
    assert kept.rows == 3_000
    found = ContentHasher()
    with source(folder, kept).open(NullWitness()) as reader:
        for columns in reader.chunks(lambda: 700):
            assert len(columns) <= 700
        picked = reader.fetch(np.array([2_999, 0, 1_500, 0]))
    wanted = list(columns_of(table).rows())
    assert repr(read(folder, kept)) == repr(wanted)
    assert repr(list(picked.rows())) == repr([wanted[2_999], wanted[0], wanted[1_500], wanted[0]])  # type: ignore[union-attr]
    found.update(table)
    assert kept.digest == found.digest(table.schema)


def test_how_rows_come_makes_no_difference(folder: Folder) -> None:
    table = rows()
    whole = keep(folder, table)
    pieces = keep(folder, *(table.slice(at, 777) for at in range(0, 20_000, 777)), known=whole)
    assert (pieces.digest, pieces.chunks, pieces.new_bytes) == (whole.digest, whole.chunks, 0)
    assert pieces.profile == whole.profile


def test_the_same_words_of_another_type_are_another_chunk(folder: Folder) -> None:
    signed = keep(folder, pa.table({"x": pa.array([-1, 2])}))
    unsigned = keep(folder, pa.table({"x": pa.array([(1 << 64) - 1, 2], pa.uint64())}), known=signed)
    assert unsigned.new_bytes > 0
    assert read(folder, unsigned) == [{"x": (1 << 64) - 1}, {"x": 2}]
    assert read(folder, signed) == [{"x": -1}, {"x": 2}]


@pytest.mark.parametrize("place", [0, 10_000, 19_999])
def test_a_changed_row_stores_at_most_two_chunks_more(folder: Folder, place: int) -> None:
    table = rows()
    before = keep(folder, table)
    numbers = table["n"].to_numpy().copy()
    numbers[place] = -5
    after = keep(folder, table.set_column(0, "n", pa.array(numbers)), known=before)
    assert after.digest != before.digest
    assert 1 <= len(set(after.chunks) - set(before.chunks)) <= 2
    assert len(list(folder.objects_path.rglob("*"))) > len(before.chunks)


def test_a_field_may_begin_with_nothing_and_end_so(folder: Folder) -> None:
    text = pa.table({"x": ["a", None, "b"]})
    nothing = pa.table({"x": pa.nulls(2)})
    kept = keep(folder, nothing, text, nothing)
    assert [row["x"] for row in read(folder, kept)] == [None, None, "a", None, "b", None, None]
    assert kept.schema.field("x").type == pa.string()
    typed = pa.table({"x": pa.array([None, None, "a", None, "b", None, None], pa.string())})
    assert keep(folder, typed).digest == kept.digest


def test_no_rows_are_a_version_too(folder: Folder) -> None:
    kept = keep(folder, pa.table({"x": pa.array([], pa.int64())}))
    assert (kept.rows, kept.chunks) == (0, ())
    assert kept.schema.names == ["x"]
    assert read(folder, kept) == []
    assert keep(folder).digest != kept.digest


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (pa.table({"n": ["a"], "name": ["b"]}), "field 'n' is int64 up to row 20000, and string"),
        (pa.table({"n": [1.5], "name": ["b"]}), "field 'n' is int64 up to row 20000, and double"),
        (pa.table({"n": [1]}), "from row 20000 on have other fields .* 'name'"),
        (pa.table({"n": [1], "name": ["b"], "more": [1]}), "other fields .* 'more'"),
    ],
)
def test_a_schema_that_changes_is_an_error_that_says_where(folder: Folder, later: Any, words: str) -> None:
    with pytest.raises(OpError, match=words) as caught:
        keep(folder, rows(), later)
    assert caught.value.remedy


def test_values_without_a_digest_are_refused_before_anything_is_kept(folder: Folder) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    with pytest.raises(InputError, match="union"):
        keep(folder, pa.table({"x": union}))
    assert not list(folder.objects_path.rglob("*"))


def test_a_chunk_that_is_missing_or_damaged_is_named(folder: Folder) -> None:
    kept = keep(folder, rows())
    path = folder.object_path(kept.chunks[2].digest)
    data = path.read_bytes()
    first = sum(chunk.rows for chunk in kept.chunks[:2])
    path.write_bytes(data[:-5] + b"x" + data[-4:])
    with pytest.raises(DamagedError, match=rf"x@1, rows {first} to"):
        read(folder, kept)
    path.unlink()
    with pytest.raises(NotFoundError, match=rf"x@1, rows {first} to"):
        read(folder, kept)
    with source(folder, kept).open(NullWitness()) as reader:
        assert len(reader.fetch(np.arange(first))) == first, "all before it can be read"
    again = keep(folder, rows(), known=kept)
    assert again.chunks == kept.chunks
    assert again.new_bytes == kept.chunks[2].size_bytes, "saving again puts it right"
    assert len(read(folder, kept)) == 20_000


def test_a_full_disk_leaves_nothing_half(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def full(descriptor: int, data: Any) -> None:
        nonlocal written
        written += 1
        if written > 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(batches, "write_all", full)
    with pytest.raises(StoreError, match="no space"):
        keep(folder, rows())
