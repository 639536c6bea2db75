"""From a recorded description back to the source that it describes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from whence.errors import InputError
from whence.sources.source import Source

# By name, because the files for tables and Parquet need pyarrow, which may not be installed.
_CLASS_BY_KIND = {
    "arrays": ("whence.sources.arrays", "ArraysSource"),
    "dataset": ("whence.sources.dataset", "DatasetSource"),
    "csv": ("whence.sources.delimited", "CsvSource"),
    "files": ("whence.sources.files", "FilesSource"),
    "items": ("whence.sources.items", "ItemsSource"),
    "jsonl": ("whence.sources.jsonl", "JsonlSource"),
    "parquet": ("whence.sources.parquet", "ParquetSource"),
    "table": ("whence.sources.table", "TableSource"),
    "text": ("whence.sources.text", "TextSource"),
}


def source_from_description(description: dict[str, Any], *, root: str | None = None) -> Source:
    """Make the source again that a description describes.

    Args:
        description: what `Source.describe` gave; it may have been to JSON and back.
        root: the folder where the files are now, if they have moved.

    Raises:
        InputError: it describes no source that is known, or one whose data were in memory.
        SourceError: what it reads isn't there.
    """
    kind = description.get("kind")
    if not isinstance(kind, str) or kind not in _CLASS_BY_KIND:
        raise InputError(
            f"the description is of a source of kind {kind!r}, which is not known",
            remedy=f"Known are {', '.join(sorted(_CLASS_BY_KIND))}; a newer whence may know more.",
        )
    module, name = _CLASS_BY_KIND[kind]
    made: type[Source] = getattr(import_module(module), name)
    try:
        return made.rebuild(description, root=root)
    except KeyError as error:
        raise InputError(
            f"the description of the {kind} source lacks {error.args[0]!r}",
            remedy="Give the description as it was recorded.",
        ) from error
