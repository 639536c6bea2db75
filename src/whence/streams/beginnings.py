"""Where a stream begins: `wh.from_…`, each a source with nothing chained on it yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from whence.sources import (
    ArraysSource,
    CsvSource,
    FilesSource,
    Given,
    ItemsSource,
    JsonlSource,
    Source,
    TextSource,
)
from whence.streams.plan import Node
from whence.streams.stream import Stream


def from_source(source: Source) -> Stream:
    """Begin a stream with any source, ours or yours."""
    return Stream(Node(source=source))


def from_items(items: Sequence[Any] | Iterable[Any], *, name: str | None = None) -> Stream:
    """Begin with a sequence, or any iterable; one that can be read only once can be read only once."""
    return from_source(ItemsSource.of(items, name=name))


def from_files(files: Given, *, name: str | None = None) -> Stream:
    """Begin with files: a glob, a folder or a list; samples are `File`s, sorted by path."""
    return from_source(FilesSource.of(files, name=name))


def from_arrays(*, name: str | None = None, **columns: Any) -> Stream:
    """Begin with arrays of equal first dimension; samples are dicts, one per row."""
    return from_source(ArraysSource.of(columns, name=name))


def from_table(table: Any, *, name: str | None = None) -> Stream:
    """Begin with a table: Arrow, pandas, polars or any Arrow C stream. Needs `whence[arrow]`."""
    from whence.sources import TableSource  # noqa: PLC0415 - loads pyarrow

    return from_source(TableSource.of(table, name=name))


def from_jsonl(paths: Given, *, name: str | None = None) -> Stream:
    """Begin with JSON lines: one value a line."""
    return from_source(JsonlSource.of(paths, name=name))


def from_csv(
    paths: Given,
    *,
    name: str | None = None,
    types: Mapping[str, str | type] | None = None,
    delimiter: str | None = None,
    missing: Sequence[str] = ("",),
) -> Stream:
    """Begin with CSV: dict samples, types inferred from the first rows unless `types` names them.

    Args:
        paths: a path, a glob or a list.
        name: what origins call it.
        types: by column: int, float or str.
        delimiter: between fields; default: a comma, or a tab for .tsv.
        missing: fields that are read as None.
    """
    return from_source(CsvSource.of(paths, name=name, types=types, delimiter=delimiter, missing=missing))


def from_parquet(paths: Given, *, name: str | None = None, columns: Sequence[str] | None = None) -> Stream:
    """Begin with Parquet files: dict samples. Needs `whence[parquet]`."""
    from whence.sources import ParquetSource  # noqa: PLC0415 - loads pyarrow

    return from_source(ParquetSource.of(paths, name=name, columns=columns))


def from_text(paths: Given, *, name: str | None = None) -> Stream:
    """Begin with text: one sample a line, without its line end."""
    return from_source(TextSource.of(paths, name=name))
