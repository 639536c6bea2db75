"""Chunks end where rows say so: a change moves only the borders beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.rooms.datasets.columns import TYPES, column
from whence.datasets.cutting import Cutter
from whence.datasets.marks import column_marks, fold

CHUNK = 20_000


def marked(table: Any) -> tuple[Any, Any]:
    marks, sizes = np.zeros(len(table), np.uint64), np.zeros(len(table), np.int64)
    for each in table.combine_chunks().columns:
        found = column_marks(each.chunk(0))
        fold(marks, found[0])
        sizes += found[1]
    return marks, sizes


def ends(table: Any, *portions: int) -> list[int]:
    """Where chunks end, the rows coming in portions."""
    marks, sizes = marked(table)
    cutter, found = Cutter(CHUNK), []
    for start, stop in zip((0, *portions), (*portions, len(table)), strict=True):
        found += [start + end for end in cutter.cuts(marks[start:stop], sizes[start:stop])]
    return found


def rows(count: int = 20_000) -> Any:
    return pa.table(
        {"n": pa.array(range(count)), "name": pa.array([f"name {n * 7919}" for n in range(count)])}
    )


def test_portions_make_no_difference() -> None:
    table = rows()
    whole = ends(table)
    assert len(whole) > 10
    assert ends(table, 1, 2, 500, 501, 19_000) == whole
    assert ends(table, *range(97, 20_000, 97)) == whole


def test_chunks_are_neither_small_nor_large() -> None:
    table = rows()
    _, sizes = marked(table)
    parts = np.split(sizes, ends(table))
    assert all(part.sum() >= CHUNK / 4 for part in parts[:-1])
    assert all(part.sum() <= CHUNK * 4 + sizes.max() for part in parts)
    assert CHUNK / 2 < sizes.sum() / len(parts) < CHUNK * 2


@pytest.mark.parametrize("place", [0, 3, 9_999, 19_999])
def test_a_row_that_changes_comes_or_goes_moves_only_the_borders_beside_it(place: int) -> None:
    table = rows()
    before = ends(table)
    other = pa.table({"n": [-1], "name": ["another"]})
    for changed, shift in (
        (pa.concat_tables([table.slice(0, place), other, table.slice(place + 1)]), 0),
        (pa.concat_tables([table.slice(0, place), other, table.slice(place)]), 1),
        (pa.concat_tables([table.slice(0, place), table.slice(place + 1)]), -1),
    ):
        after = ends(changed)
        kept = {end for end in before if end <= place} | {end + shift for end in before if end > place}
        assert len(set(after) ^ kept) <= 4
        assert {end for end in after if end <= place - 2_000} == {
            end for end in before if end <= place - 2_000
        }


def test_rows_that_are_all_alike_are_cut_by_size_alone() -> None:
    table = pa.table({"x": pa.array([1] * 50_000)})
    found = np.diff([0, *ends(table)])
    assert len(set(found.tolist())) == 1


@pytest.mark.parametrize("name", TYPES)
def test_values_that_differ_have_different_marks(name: str) -> None:
    values = column(name, 90)
    marks, sizes = column_marks(values)
    groups: dict[str, set[int]] = {}
    for value, mark in zip(values.to_pylist(), marks.tolist(), strict=True):
        groups.setdefault(repr(value), set()).add(mark)
    assert all(len(each) == 1 for each in groups.values()), "equal values have equal marks"
    if name not in ("list", "nested"):  # of which the mark knows the beginning
        assert len(groups) - len({mark for each in groups.values() for mark in each}) <= 1
    assert (sizes > 0).all()
    again, _ = column_marks(pa.concat_arrays([column(name, 3), values]).slice(3))
    assert (again == marks).all(), "where an array begins makes no difference"
