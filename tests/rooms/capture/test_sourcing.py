"""What a run remembers of rows in memory: the digest of each block that was read, however they are cut."""

from __future__ import annotations

import hashlib
import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.capture.sourcing import ReadingWitness, SourceRecord, object_blocks
from whence.store import Folder, RunWriter, read_journal

BLOCKS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40), st.binary(min_size=1, max_size=2)), max_size=60
)


def record_in(folder: Folder) -> tuple[SourceRecord, RunWriter]:
    writer = RunWriter(folder, "RUN")
    return SourceRecord(0, b"", {"name": "rows"}, 0, writer), writer


@given(BLOCKS)
def test_a_snapshot_is_of_the_latest_digest_of_each_block_in_order(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int, bytes]]
) -> None:
    folder = Folder(tmp_path_factory.mktemp("ws"))
    record, writer = record_in(folder)
    latest: dict[tuple[int, int], bytes] = {}
    news = []
    for part, row, byte in told:
        digest = byte.ljust(16, b"\0")
        record.tell_block(part, row, 8, digest)
        if latest.get((part, row)) != digest:
            news.append((part, row, digest))
        latest[part, row] = digest
    record.flush(0)
    record.snapshot()
    journal = read_journal(folder, "RUN")
    writer.seal("finished")
    bodies = {event.kind: event.body or {} for event in journal.events}
    if not told:
        assert bodies == {}
        return
    written = bodies["source_parts"]
    digests = [written["digests"][at : at + 16] for at in range(0, len(written["digests"]), 16)]
    assert list(zip(written["parts"], written["first_rows"], digests, strict=True)) == news
    places = b"".join(np.array(place, "<u8").tobytes() for place in sorted(latest))
    content = places + b"".join(latest[place] for place in sorted(latest))
    assert bodies["snapshot"]["digest"] == hashlib.sha256(content).digest()
    (snapshot,) = (event for event in journal.events if event.kind == "snapshot")
    assert snapshot.public["digests"] == len(latest)


@given(st.lists(st.integers() | st.text(max_size=3), max_size=30), st.integers(1, 9), st.integers(0, 99))
def test_blocks_told_together_are_those_told_one_by_one(values: list[Any], rows: int, first: int) -> None:
    together = list(object_blocks(first, values, rows))
    starts = range(0, max(1, len(values)), rows)
    assert together == [
        block for start in starts for block in object_blocks(first + start, values[start : start + rows], 0)
    ]


def test_no_object_stays_for_each_block(tmp_path: pathlib.Path) -> None:
    """One small object among many samples keeps the memory around it, when these are let go of."""
    record, writer = record_in(Folder(tmp_path))
    witness = ReadingWitness(record)
    rows = list(range(1_000, 1_064))
    witness.objects(0, 0, rows)
    before = sys.getallocatedblocks()
    for first in range(64, 64 * 2_000, 64):
        witness.objects(0, first, rows)
    kept = sys.getallocatedblocks() - before
    writer.seal("finished")
    assert kept < 200
