"""The door to pyarrow: the only file of this room that imports it, and what every reader of tables needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from whence.errors import MissingExtraError, SourceError, WhenceError
from whence.sources.disk import unreadable

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "pyarrow":
        raise
    raise MissingExtraError("pyarrow", extra="parquet", need="reading tables and Parquet") from error

__all__ = ["arrow_errors", "distinct_names", "pa", "pc", "pq", "without_views"]


def without_views(table: Any) -> Any:
    """Copy columns of string views, as Polars makes them, to plain ones, which can be read at random."""
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for place, field in enumerate(table.schema):
        if field.type in plain:  # one by one: cast with others, lists of nothing can fail, as of pyarrow 26
            kind = plain[field.type]
            table = table.set_column(place, field.with_type(kind), table.column(place).cast(kind))
    return table


def distinct_names(schema: Any, place: str) -> list[str]:
    """Take the names of the columns.

    Raises:
        SourceError: two columns have one name, so that a dict would lose one of them.
    """
    names: list[str] = schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            f"{place} has two columns named {twice[0]!r}", remedy="Rename one of them.", place=place
        )
    return names


@contextmanager
def arrow_errors(path: str) -> Iterator[None]:
    """Say in our words what pyarrow finds wrong with a file."""
    try:
        yield
    except WhenceError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise unreadable(path, error) from error
        raise _not_parquet(path, error) from error
    except pa.ArrowException as error:
        raise _not_parquet(path, error) from error


def _not_parquet(path: str, error: Exception) -> SourceError:
    return SourceError(
        f"{path} can't be read as Parquet: {error}",
        remedy="Check that the file is whole; copy or write it again.",
        place=path,
    )
