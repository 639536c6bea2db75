"""Which inputs of a relation were used is told without following each output back, and tells the same."""

from __future__ import annotations

import pathlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.scanned import Scanned
from whence.lineage import Related
from whence.query import PassLineage
from whence.runs import RunRecord


def goes_forward(mapping: Related) -> list[bool]:
    rows = mapping.forward(np.arange(mapping.in_size))
    found: list[bool] = (np.diff(rows.indptr) > 0).tolist()
    return found


@given(st.lists(st.sets(st.integers(0, 20), max_size=4), max_size=20))
def test_what_was_used_goes_forward(rows: list[set[int]]) -> None:
    (mapping,) = Scanned(rows=[[sorted(row) for row in rows]], in_sizes=[21]).mappings()
    assert mapping.index.used().tolist() == goes_forward(mapping)


def test_sealed_relations_tell_it_too(tmp_path: pathlib.Path) -> None:
    left = wh.from_items([{"k": number % 700} for number in range(3_000)], name="lefts")
    right = wh.from_items([{"k": number * 3} for number in range(900)], name="rights")
    with wh.start_run(workspace=tmp_path) as run:
        left.join(right, "k").group_by("k").samples().collect()
    record: RunRecord = run.record
    (view,) = record.passes
    lineage = PassLineage(record, view)
    related = [
        mapping
        for index in range(len(lineage.stream.nodes))
        for mapping in lineage.mappings(index)
        if isinstance(mapping, Related)
    ]
    assert [type(mapping.index).__name__ for mapping in related] == ["SealedRelation"] * 3
    for mapping in related:
        assert mapping.index.used().tolist() == goes_forward(mapping)
    assert [int(mapping.index.used().sum()) for mapping in related] == [1_003, 234, 1_003]


def test_what_a_run_reached_is_what_its_rows_went_to(tmp_path: pathlib.Path) -> None:
    left = wh.from_items([{"k": number} for number in range(30)], name="lefts")
    right = wh.from_items([{"k": number * 4} for number in range(30)], name="rights")
    with wh.start_run(workspace=tmp_path):
        left.join(right, "k").group_by("k").aggregate(n="size").collect()
    workspace = wh.open(tmp_path)
    for number in range(30):
        assert workspace.impact("lefts", rows=[number]).count == (number % 4 == 0)
        assert workspace.impact("rights", rows=[number]).count == (number * 4 < 30)
