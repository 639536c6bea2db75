"""Streams into tables: Arrow, pandas, Parquet; the one place where pyarrow is needed for writing."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from whence.errors import MissingExtraError, OpError, StoreError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "pyarrow":
        raise
    raise MissingExtraError("pyarrow", extra="parquet", need="writing tables") from error

if TYPE_CHECKING:
    import pandas as pd

_ROW_GROUP = 16_384


def read_arrow(samples: Iterable[Any]) -> pa.Table:
    """Read dict samples into one table."""
    tables = list(_tables(samples))
    if not tables:
        return pa.table({})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise OpError(
            f"the samples don't share one schema: {error}", remedy="Give each field one type with map."
        ) from error


def read_pandas(samples: Iterable[Any]) -> pd.DataFrame:
    """Read dict samples into one data frame."""
    try:
        import pandas  # noqa: F401, PLC0415 - asked for by name, so that its absence is told apart
    except ModuleNotFoundError as error:
        raise MissingExtraError("pandas", extra="pandas", need="to_pandas()") from error
    frame: pd.DataFrame = read_arrow(samples).to_pandas()
    return frame


def write_parquet(samples: Iterable[Any], path: str | os.PathLike[str]) -> int:
    """Write dict samples to one file, a row group at a time; the file appears when it is complete."""
    target = pathlib.Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for table in _tables(samples):
            if writer is None:
                writer = pq.ParquetWriter(temporary, table.schema)
            writer.write_table(_as(table, writer.schema, rows))
            rows += len(table)
        if writer is None:
            writer = pq.ParquetWriter(temporary, pa.schema([]))
        writer.close()
        temporary.replace(target)
    except OSError as error:
        if isinstance(error, OpError | StoreError):
            raise
        raise StoreError(
            f"{target}: can't be written ({error})", remedy="Check the folder and its space."
        ) from error
    finally:
        if writer is not None and writer.is_open:
            writer.close()
        temporary.unlink(missing_ok=True)
    return rows


def _as(table: pa.Table, schema: pa.Schema, row: int) -> pa.Table:
    try:
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        raise OpError(
            f"the samples from row {row} on don't fit the schema of the first ones: {error}",
            remedy="Give each field one type in all samples, with map.",
            position=row,
        ) from error


def _tables(samples: Iterable[Any]) -> Iterator[pa.Table]:
    rows = iter(samples)
    first = 0
    while group := list(islice(rows, _ROW_GROUP)):
        for number, sample in enumerate(group):
            if not isinstance(sample, dict):
                raise OpError(
                    f"sample {first + number} is a {type(sample).__name__}, and only dicts have columns",
                    remedy="Turn samples into dicts with map first.",
                    position=first + number,
                )
        names = list(dict.fromkeys(name for sample in group for name in sample))
        try:
            yield pa.table({str(name): _column([sample.get(name) for sample in group]) for name in names})
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise OpError(
                f"samples {first} to {first + len(group) - 1} don't fit into columns: {error}",
                remedy="Give each field one type, with map.",
                position=first,
            ) from error
        first += len(group)


def _column(values: list[Any]) -> pa.Array:
    return pa.array(
        [value.tolist() if isinstance(value, np.ndarray | np.generic) else value for value in values]
    )
