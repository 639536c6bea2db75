"""The sets that are kept with a run tell the same of its rows as following each of them."""

from __future__ import annotations

import pathlib

import pytest

import whence as wh
from whence.errors import OpError


def counted_and_followed(workspace: wh.Workspace, source: str, count: int) -> list[tuple[int, int]]:
    impacts = [workspace.impact(source, rows=[row]) for row in range(count)]
    return [(impact.count, len(list(impact.exposures))) for impact in impacts]


def test_of_unequal_inputs_only_the_pairs_count(tmp_path: pathlib.Path) -> None:
    longer = wh.from_items([{"n": number} for number in range(9)], name="longer").map(dict)
    shorter = wh.from_items([{"n": number} for number in range(6)], name="shorter")
    pairs = longer.filter(lambda row: row["n"] != 1).zip(shorter.filter(lambda row: row["n"] != 2))
    with wh.start_run(workspace=tmp_path), pytest.raises(OpError, match="goes on"):
        pairs.collect()
    workspace = wh.open(tmp_path)
    delivered = [each == (1, 1) for each in counted_and_followed(workspace, "longer", 9)]
    assert delivered == [True, False, True, True, True, True, False, False, False]
    assert counted_and_followed(workspace, "shorter", 6) == [(1, 1)] * 2 + [(0, 0)] + [(1, 1)] * 3


def test_of_an_input_that_nothing_was_taken_of_no_row_counts(tmp_path: pathlib.Path) -> None:
    rows = wh.from_items(list(range(8)), name="rows")
    left = rows.map(lambda number: number, on_error="quarantine").filter(lambda number: number > 2).take(0)
    with wh.start_run(workspace=tmp_path):
        assert left.zip(wh.from_items([], name="nothing")).collect() == []
    assert counted_and_followed(wh.open(tmp_path), "rows", 8) == [(0, 0)] * 8


def test_what_came_in_a_batch_with_it_was_not_learned_of(tmp_path: pathlib.Path) -> None:
    rows = wh.from_items([{"y": 1.0}, {"y": None}, {"y": 3.0}], name="rows")
    with wh.start_run(workspace=tmp_path):
        rows.batch(3, collate=list).unbatch().normalize("y").take(1).collect()
    workspace = wh.open(tmp_path)
    assert [len(workspace.impact("rows", rows=[row]).fits) for row in range(3)] == [1, 0, 1]
    assert [workspace.impact("rows", rows=[row]).absent for row in range(3)] == [False, True, False]
