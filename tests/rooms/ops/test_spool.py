"""What is put aside to be arranged comes back in the order asked for, whatever fits into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.chance import permutation
from whence.lineage import Permuted
from whence.ops.chunk import Chunk
from whence.ops.spool import Spool
from whence.vocab import Columns


def chunk_of(start: int, stop: int, *, as_columns: bool) -> Chunk:
    origins = np.arange(start, stop, dtype=np.int64)
    rows = [{"n": n, "x": n / 2} for n in range(start, stop)]
    columns = Columns.of_rows(rows)
    if as_columns and columns is not None:
        return Chunk.of_columns(columns, origins.view(np.uint64), origins)
    return Chunk(list(rows), origins.view(np.uint64), origins)


def arranged(size: int, seed: int, rows: int, **form: Any) -> list[Chunk]:
    with Spool(label="shuffle(1)", name_origin=str) as spool:
        for start in range(0, size, rows):
            spool.add(chunk_of(start, min(start + rows, size), **form))
        assert len(spool) == size
        return list(spool.arranged(Permuted(permutation(size, seed))))


@given(st.integers(0, 300), st.integers(0, 9), st.integers(1, 50), st.integers(1, 30_000), st.booleans())
def test_the_order_is_the_one_asked_for_whatever_the_memory(
    size: int, seed: int, rows: int, memory: int, as_columns: bool
) -> None:
    wanted = permutation(size, seed).backward(np.arange(size, dtype=np.int64)).tolist()
    with wh.config(memory=memory):
        chunks = arranged(size, seed, rows, as_columns=as_columns)
    assert [row["n"] for chunk in chunks for row in chunk.values] == wanted
    assert [origin for chunk in chunks for origin in chunk.origins.tolist()] == wanted
    assert [id_ for chunk in chunks for id_ in chunk.ids.tolist()] == wanted


@pytest.mark.parametrize("memory", [1, 100_000, 10**9])
def test_columns_stay_columns_and_many_parts_are_put_together(memory: int) -> None:
    with wh.config(memory=memory):
        chunks = arranged(5_000, 3, 700, as_columns=True)
    assert all(chunk.columns is not None for chunk in chunks)
    assert sorted(row["n"] for chunk in chunks for row in chunk.values) == list(range(5_000))
