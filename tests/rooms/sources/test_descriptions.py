"""A description brings the same source back, also when the files have moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tests.rooms.sources.listening import DATA, samples_of
from whence.errors import InputError, SourceError
from whence.sources import (
    ArraysSource,
    CsvSource,
    FilesSource,
    ItemsSource,
    JsonlSource,
    ParquetSource,
    Source,
    TableSource,
    TextSource,
    source_from_description,
)


def through_json(source: Source) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(json.dumps(source.describe(), sort_keys=True))
    return description


def sources_on_disk(root: Path) -> list[Source]:
    return [
        FilesSource.of(root, name="mine"),
        FilesSource.of(root / "*.csv"),
        FilesSource.of([root / "penguins.csv"]),
        TextSource.of(root / "penguins.csv"),
        JsonlSource.of(root / "seed_tasks.jsonl"),
        CsvSource.of(root / "penguins*.csv", missing=("", "NA"))
        if not (root / "penguins_raw.csv").exists()
        else CsvSource.of(root / "penguins.csv", missing=("", "NA"), types={"year": float}),
        ParquetSource.of(root / "penguins.parquet", columns=["year", "sex"]),
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(DATA, root)
    pl.read_csv(root / "penguins.csv").write_parquet(root / "penguins.parquet")
    return root


def test_a_source_comes_back_from_its_description(root: Path) -> None:
    for source in sources_on_disk(root):
        again = source_from_description(through_json(source))
        assert type(again) is type(source)
        assert again.name == source.name
        assert again.listing() == source.listing()
        assert through_json(again) == through_json(source)
        assert samples_of(again) == samples_of(source)


def test_a_source_is_read_from_where_its_files_have_moved(root: Path, tmp_path: Path) -> None:
    sources = sources_on_disk(root)
    samples = [samples_of(source) for source in sources]
    moved = tmp_path / "elsewhere"
    shutil.move(root, moved)
    for source, expected in zip(sources, samples, strict=True):
        again = source_from_description(through_json(source), root=str(moved))
        assert again.listing().root == str(moved)
        assert again.listing().paths == source.listing().paths
        if not isinstance(source, FilesSource):
            assert samples_of(again) == expected


def test_recorded_paths_go_before_a_pattern_that_would_find_more(root: Path) -> None:
    source = FilesSource.of(root / "*.csv")
    recorded = source.listing().paths
    (root / "added.csv").write_text("new")
    description = through_json(source)
    assert len(source_from_description(description).listing().paths) == len(recorded) + 1
    again = source_from_description({**description, "paths": recorded})
    assert again.listing() == source.listing()


def test_data_that_were_in_memory_must_be_given_again() -> None:
    for source in (
        ItemsSource.of([1]),
        ArraysSource.of({"x": np.zeros((2, 3), np.float32)}),
        TableSource.of(pa.table({"a": [1]})),
    ):
        with pytest.raises(InputError, match="in memory") as caught:
            source_from_description(through_json(source))
        assert caught.value.remedy


def test_arrays_describe_their_types_and_shapes() -> None:
    described = ArraysSource.of({"x": np.zeros((2, 3), np.float32)}).describe()
    assert described["columns"] == {"x": {"dtype": "<f4", "shape": [2, 3]}}


def test_an_unknown_kind_and_a_lacking_field_are_named() -> None:
    with pytest.raises(InputError, match="'tape'"):
        source_from_description({"kind": "tape"})
    with pytest.raises(InputError, match="'paths'"):
        source_from_description({"kind": "text", "name": "x", "root": ""})


def test_a_pattern_that_finds_nothing_any_more_is_named(tmp_path: Path, root: Path) -> None:
    description = through_json(FilesSource.of(root / "*.csv"))
    with pytest.raises(SourceError, match="no file matches"):
        source_from_description(description, root=str(tmp_path))
