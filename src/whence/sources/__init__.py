"""Where samples come from: files, items, arrays, tables, JSON lines, CSV, Parquet and text.

A source knows its parts (what is read), reads them from the start in chunks or at any position, and
tells the witness each byte it read, so that what a sample came from is digested without reading it
twice. Nothing here digests, records or knows the chain of operations.

Tables and Parquet need pyarrow, so their files are imported when their names are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from whence.sources.arrays import ArraysSource
from whence.sources.delimited import CsvSource
from whence.sources.descriptions import source_from_description
from whence.sources.files import File, FilesSource
from whence.sources.finding import Given
from whence.sources.fingerprint import WRITTEN_AGAIN, find_change, fingerprint
from whence.sources.items import ItemsSource
from whence.sources.jsonl import JsonlSource
from whence.sources.source import Listing, Reader, Source
from whence.sources.text import TextSource

if TYPE_CHECKING:
    from whence.sources.arrowcolumns import ArrowColumn, columns_of
    from whence.sources.dataset import DatasetSource, TablePart, schema_of
    from whence.sources.parquet import ParquetSource
    from whence.sources.table import TableSource

__all__ = [
    "WRITTEN_AGAIN",
    "ArraysSource",
    "ArrowColumn",
    "CsvSource",
    "DatasetSource",
    "File",
    "FilesSource",
    "Given",
    "ItemsSource",
    "JsonlSource",
    "Listing",
    "ParquetSource",
    "Reader",
    "Source",
    "TablePart",
    "TableSource",
    "TextSource",
    "columns_of",
    "find_change",
    "fingerprint",
    "schema_of",
    "source_from_description",
]

_NEEDS_PYARROW = {
    "ArrowColumn": "whence.sources.arrowcolumns",
    "columns_of": "whence.sources.arrowcolumns",
    "DatasetSource": "whence.sources.dataset",
    "TablePart": "whence.sources.dataset",
    "schema_of": "whence.sources.dataset",
    "ParquetSource": "whence.sources.parquet",
    "TableSource": "whence.sources.table",
}


def __getattr__(name: str) -> Any:
    if name in _NEEDS_PYARROW:
        return getattr(import_module(_NEEDS_PYARROW[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
