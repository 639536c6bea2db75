"""Streams into tables and back."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError, StoreError

rows = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(allow_nan=False),
            "s": st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
            "b": st.booleans(),
            "l": st.lists(st.integers(0, 9)),
        }
    ),
    max_size=20,
)


@given(rows)
def test_what_goes_into_a_table_comes_out_of_it(samples: list[dict[str, object]]) -> None:
    table = wh.from_items(samples).to_arrow()
    assert table.to_pylist() == samples
    if samples:
        assert wh.from_table(table).collect() == samples


@given(rows)
def test_what_goes_into_a_file_comes_out_of_it(
    tmp_path_factory: pytest.TempPathFactory, samples: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "x.parquet"
    assert wh.from_items(samples).to_parquet(path) == len(samples)
    assert [each.name for each in path.parent.iterdir()] == ["x.parquet"]
    assert not samples or wh.from_parquet(path).collect() == samples


def test_a_data_frame_has_a_column_for_each_field() -> None:
    frame = wh.from_items([{"n": 1, "s": "a"}, {"n": 2, "s": "b"}]).to_pandas()
    assert frame.to_dict("list") == {"n": [1, 2], "s": ["a", "b"]}


def test_arrays_become_lists_and_missing_fields_nothing() -> None:
    table = wh.from_items([{"a": np.arange(2)}, {"a": np.arange(3), "b": np.int64(7)}]).to_arrow()
    assert table.to_pylist() == [{"a": [0, 1], "b": None}, {"a": [0, 1, 2], "b": 7}]


def test_lists_out_of_a_file_have_the_type_of_lists(tmp_path: pathlib.Path) -> None:
    samples: list[dict[str, object]] = [{"l": [1, 2], "m": [["a"], None]}, {"l": None, "m": []}]
    wh.from_items(samples).to_parquet(tmp_path / "x.parquet")
    found, expected = wh.from_parquet(tmp_path / "x.parquet").to_arrow(), wh.from_items(samples).to_arrow()
    assert str(found.schema) == str(expected.schema)
    assert found.to_pylist() == samples


def test_many_rows_are_written_group_by_group(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "many.parquet"
    assert wh.from_items(range(40_000)).map(lambda n: {"n": n}).to_parquet(path) == 40_000
    assert wh.from_parquet(path).skip(39_998).collect() == [{"n": 39_998}, {"n": 39_999}]


@pytest.mark.parametrize(
    ("samples", "problem"),
    [([{"a": 1}, 3], "sample 1 is a int"), ([{"a": 1}, {"a": "x"}], "samples 0 to 1 don't fit into columns")],
)
def test_what_has_no_columns_is_refused_with_the_place(
    tmp_path: pathlib.Path, samples: list[object], problem: str
) -> None:
    stream = wh.from_items(samples)
    with pytest.raises(OpError, match=problem):
        stream.to_arrow()
    with pytest.raises(OpError, match=problem):
        stream.to_parquet(tmp_path / "x.parquet")
    assert not list(tmp_path.iterdir()), "a file appears when it is complete, or not at all"


def test_a_type_that_changes_late_is_refused_and_leaves_the_old_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    wh.from_items([{"n": 1}]).to_parquet(path)
    late = wh.from_items(range(20_000)).map(lambda n: {"n": n if n < 19_000 else "late"})
    with pytest.raises(OpError, match="16384"):
        late.to_parquet(path)
    assert wh.from_parquet(path).collect() == [{"n": 1}]
    assert [each.name for each in tmp_path.iterdir()] == ["x.parquet"]


def test_a_folder_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        wh.from_items([{"n": 1}]).to_parquet(tmp_path / "nowhere" / "x.parquet")
