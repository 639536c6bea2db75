"""Promise: one cell that is changed anywhere in a dataset, of any type, is found and named."""

from __future__ import annotations

import pathlib
import random
from typing import Any

import pyarrow as pa
import pytest

from tests.rooms.datasets.columns import TYPES, column, others
from whence.datasets import Comparison, KeptTable, Rows, TableWriter
from whence.sources import DatasetSource, TablePart
from whence.store import Folder, ObjectBatch
from whence.vocab import digest_text

CHOSEN = [
    name for name in TYPES if name not in ("large_string", "string_view", "half", "uint16", "fixed_list")
]


def made(path: pathlib.Path) -> Folder:
    folder = Folder(path / ".whence")
    folder.make()
    return folder


def kept(folder: Folder, table: Any, known: KeptTable | None = None) -> KeptTable:
    """Write a version as saving does."""
    chunks = {} if known is None else {chunk.content: chunk for chunk in known.chunks}
    with TableWriter(ObjectBatch(folder.objects_path), chunks) as writer:
        for batch in table.to_batches(max_chunksize=1 << 16):
            writer.write(pa.table(batch))
        return writer.finish()


def rows_of(folder: Folder, version: KeptTable) -> Rows:
    name = digest_text(version.digest)[:15]
    parts = [TablePart(chunk.rows, chunk.digest) for chunk in version.chunks]
    source = DatasetSource(folder, name=name, digest=version.digest, schema=version.schema, parts=parts)
    said = [(chunk.rows, chunk.content) for chunk in version.chunks]
    return Rows(name, said, version.schema, source.table)


def count_found(folder: Folder, name: str, size: int, cells: int) -> int:
    """Change cells of a column one by one, and count those that are found and named."""
    kind = TYPES[name][0]
    table = pa.table({"id": range(size), name: column(name, size)}).combine_chunks()
    before = kept(folder, table)
    chance = random.Random(name)
    found = 0
    for _ in range(cells):
        row = chance.randrange(size)
        cell = pa.array([chance.choice(others(name, row))], kind)
        whole = table[name]
        poisoned = pa.chunked_array([*whole.slice(0, row).chunks, cell, *whole.slice(row + 1).chunks], kind)
        after = kept(folder, table.set_column(1, name, poisoned), before)
        said = Comparison(rows_of(folder, before), rows_of(folder, after))
        named = [(each.kind, each.row_a, each.row_b, each.columns) for each in said.rows()]
        new = {chunk.digest for chunk in after.chunks} - {chunk.digest for chunk in before.chunks}
        found += after.digest != before.digest and named == [("changed", row, row, [name])] and len(new) <= 2
    return found


@pytest.mark.parametrize("name", CHOSEN)
def test_a_changed_cell_is_found_and_named(tmp_path: pathlib.Path, name: str) -> None:
    assert count_found(made(tmp_path), name, 3_000, 2) == 2


@pytest.mark.long
@pytest.mark.parametrize("name", CHOSEN)
def test_a_changed_cell_among_a_million_is_found_and_named(tmp_path: pathlib.Path, name: str) -> None:
    assert count_found(made(tmp_path), name, 1_000_000, 10) == 10


def test_they_are_twenty_types() -> None:
    assert len(CHOSEN) == 20
