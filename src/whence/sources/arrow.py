"""The door to pyarrow: the only file that imports it, and how its tables become dict samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from whence.errors import MissingExtraError, SourceError, WhenceError
from whence.sources.disk import unreadable
from whence.sources.source import Int64Array
from whence.vocab import as_dicts

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "pyarrow":
        raise
    raise MissingExtraError("pyarrow", extra="parquet", need="reading tables and Parquet") from error

__all__ = ["arrow_errors", "dict_samples", "dict_samples_at", "distinct_names", "pa", "pq", "without_views"]


def dict_samples(table: Any) -> list[dict[str, Any]]:
    """Make a dict of Python values of each row of a table or record batch.

    Cost: 0.1 µs a number; strings and nested values take pyarrow about 0.4 µs.
    """
    if not table.num_columns:
        return [{} for _ in range(table.num_rows)]
    return as_dicts(table.schema.names, [_values(column) for column in table.columns])


def dict_samples_at(table: Any, positions: Int64Array) -> list[dict[str, Any]]:
    """Make a dict of the row at each of these positions."""
    try:
        return dict_samples(table.take(positions))
    except pa.ArrowNotImplementedError:  # views of strings within lists, for which pyarrow 26 can't
        return [dict_samples(table.slice(position, 1))[0] for position in positions.tolist()]


def without_views(table: Any) -> Any:
    """Copy columns of string views, as Polars makes them, to plain ones, which can be read at random."""
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    schema = table.schema
    for place, field in enumerate(schema):
        if field.type in plain:
            schema = schema.set(place, field.with_type(plain[field.type]))
    return table if schema.equals(table.schema) else table.cast(schema)


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


def _values(column: Any) -> list[Any]:
    kind = column.type
    if not column.null_count and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return column.to_numpy().tolist()  # type: ignore[no-any-return]  # pyarrow has no types
    return column.to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
