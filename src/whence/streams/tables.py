"""Streams into tables: Arrow, pandas, Parquet; the one place where pyarrow is needed for writing.

Columns become columns without a Python value in between, of the types that their rows would get.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whence.errors import MissingExtraError, OpError, StoreError
from whence.ops import Chunk, in_groups
from whence.vocab import Column, Columns, holds_large

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    if error.name is None or error.name.split(".")[0] != "pyarrow":
        raise
    raise MissingExtraError("pyarrow", extra="parquet", need="writing tables") from error

from whence.sources import ArrowColumn, columns_of

if TYPE_CHECKING:
    import pandas as pd

_ROW_GROUP = 16_384
_LARGEST_LIST = (1 << 31) - 1
_PLAIN: dict[str, Any] = {"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float64}
_AS_INFERRED = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary(), pa.date32(): pa.date32()}
"""What Arrow makes of Python values: the types that need not be made values first."""
_FLAT = {*_AS_INFERRED, pa.string(), pa.binary()}
_LISTS = {list, tuple}
_INFERRED = {pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.date32(), pa.null()}

Chunks = Generator[Chunk, None, None]


def read_arrow(chunks: Chunks) -> pa.Table:
    """Read dict samples into one table."""
    with closing(chunks):
        alike, others = _alike(map(_in_columns, chunks))
        if others is None:
            return pa.table({name: _whole_of(alike.pop(name), _AS_INFERRED) for name in list(alike)})
        tables = list(_tables(others))
    if not tables:
        return pa.table({})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise OpError(
            f"the samples don't share one schema: {error}", remedy="Give each field one type with map."
        ) from error


def read_pandas(chunks: Chunks) -> pd.DataFrame:
    """Read dict samples into one data frame."""
    try:
        import pandas  # noqa: PLC0415 - asked for by name, so that its absence is told apart
    except ModuleNotFoundError as error:
        raise MissingExtraError("pandas", extra="pandas", need="to_pandas()") from error
    with closing(chunks):
        alike, others = _alike(map(_in_columns, chunks))
        if others is not None:
            frame: pd.DataFrame = read_arrow(_given(others)).to_pandas()
            return frame
    names = list(alike)
    numbers: dict[str, NDArray[Any]] = {}
    rest: dict[str, pa.ChunkedArray] = {}
    for name in names:
        column = alike.pop(name)  # let go of one by one
        found = _numbers(column)
        if found is None:
            rest[name] = _whole_of(column, {})  # texts of any length are one type for pandas
        else:
            numbers[name] = found
    made = pa.table(rest).to_pandas()
    if not numbers:
        return made
    # pyarrow would copy numbers once more, into blocks of one type
    return pandas.DataFrame(
        {name: numbers[name] if name in numbers else made[name] for name in names}, copy=False
    )


def _given(chunks: Iterator[Chunk]) -> Chunks:
    yield from chunks


def _alike(chunks: Iterator[Chunk]) -> tuple[dict[str, list[Column]], Iterator[Chunk] | None]:
    """Gather columns as long as each has one type in all chunks, which the type of a part can't change.

    Returns:
        The columns; or none, and all chunks, from the first one on.
    """
    taken: list[Columns] = []
    kinds: dict[str, Any] | None = None
    for chunk in filter(len, chunks):
        columns = chunk.columns
        found = None if columns is None else _kinds_of(columns)
        if columns is None or not found or found != (kinds or found) or list(found) != list(kinds or found):
            return {}, chain(map(_chunk_of, taken), [chunk], chunks)
        taken.append(columns)  # without the ids and origins, which nobody asks for
        kinds = found
    return {name: [columns.by_name[name] for columns in taken] for name in kinds or ()}, None


def _chunk_of(columns: Columns) -> Chunk:
    return Chunk.of_columns(columns, None, np.zeros(len(columns), np.int64))


def _kinds_of(columns: Columns) -> dict[str, Any] | None:
    """Tell the type of each column; None where one has none that all of its parts share."""
    kinds: dict[str, Any] = {}
    for name, column in columns.by_name.items():
        if isinstance(column, ArrowColumn):
            kind = column.array.type if column.array.type in _FLAT else None
        else:
            is_number = column.data.ndim == 1 and column.data.dtype.kind in _PLAIN
            is_wide = column.data.dtype.char == "g" or holds_large(column.data)
            kind = _PLAIN[column.data.dtype.kind] if is_number and not is_wide else None
        if kind is None:
            return None
        kinds[name] = kind
    return kinds


def _is_bare(parts: list[Column]) -> bool:
    """Whether a column is numbers, none of them missing."""
    return not any(isinstance(part, ArrowColumn) or part.missing is not None for part in parts)


def _numbers(parts: list[Column]) -> NDArray[Any] | None:
    """Numbers as pandas holds them, NaN where one is missing; None where it would hold something else."""
    if _is_bare(parts):
        return _joined(parts)
    if isinstance(parts[0], ArrowColumn) or parts[0].data.dtype.kind != "f":
        return None
    missing = _missing(parts)
    if missing.all():
        return None
    found = _joined(parts)
    found[missing] = np.nan
    return found


def _missing(parts: list[Column]) -> NDArray[np.bool_]:
    return np.concatenate(
        [np.zeros(len(part), np.bool_) if part.missing is None else part.missing for part in parts]
    )


def _joined(parts: list[Column]) -> NDArray[Any]:
    """Copy numbers into one array of the type that they have as Python values."""
    return np.concatenate([part.data for part in parts], dtype=_PLAIN[parts[0].data.dtype.kind])


def _whole_of(parts: list[Column], kinds: Mapping[pa.DataType, pa.DataType]) -> pa.ChunkedArray:
    """A column of a table, of parts that are of one type; of another one where `kinds` says so."""
    if isinstance(parts[0], ArrowColumn):
        arrays = [part.array for part in parts if isinstance(part, ArrowColumn)]
        kind = arrays[0].type
        whole = pa.chunked_array([array.cast(kinds[kind]) if kind in kinds else array for array in arrays])
    elif _is_bare(parts):
        whole = pa.chunked_array([pa.array(_joined(parts))])
    else:
        whole = pa.chunked_array([pa.array(_joined(parts), mask=_missing(parts), from_pandas=False)])
    return pa.chunked_array([pa.nulls(len(whole))]) if whole.null_count == len(whole) else whole


def as_tables(chunks: Chunks) -> Iterator[pa.Table]:
    """Make tables of dict samples, as they come."""
    with closing(chunks):
        yield from _tables(chunks)


def write_parquet(chunks: Chunks, path: str | os.PathLike[str]) -> int:
    """Write dict samples to one file, a row group at a time; the file appears when it is complete."""
    target = pathlib.Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for table in _tables(chunks):
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
        chunks.close()
        if writer is not None and writer.is_open:
            writer.close()
        temporary.unlink(missing_ok=True)
    return rows


def _as(table: pa.Table, schema: pa.Schema, row: int) -> pa.Table:
    if table.schema.equals(schema):  # lists of nothing can't be cast, by pyarrow 26 not even to what they are
        return table
    try:
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        raise OpError(
            f"the samples from row {row} on don't fit the schema of the first ones: {error}",
            remedy="Give each field one type in all samples, with map.",
            position=row,
        ) from error


def _tables(chunks: Iterable[Chunk]) -> Iterator[pa.Table]:
    first = 0
    for group in _groups(map(_in_columns, chunks)):
        try:
            yield _table_of(group, first)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            raise OpError(
                f"samples {first} to {first + len(group) - 1} don't fit into columns: {error}",
                remedy="Give each field one type, with map.",
                position=first,
            ) from error
        first += len(group)


def _in_columns(chunk: Chunk) -> Chunk:
    """Make columns as soon as can be: rows that wait are looked through by every garbage collection."""
    columns = as_columns(chunk) if chunk.columns is None else None
    return chunk if columns is None else Chunk.of_columns(columns, chunk.ids, chunk.origins)


def _groups(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Arrange samples in groups of a fixed size, so that types follow from samples and not from chunks."""
    for chunk in in_groups(iter(chunks), _ROW_GROUP):
        for start in range(0, len(chunk), _ROW_GROUP):
            yield chunk.taken(slice(start, start + _ROW_GROUP))


def _table_of(group: Chunk, first: int) -> pa.Table:
    columns = group.columns
    if columns is not None and columns.by_name:
        return pa.table({name: _array_of(column) for name, column in columns.by_name.items()})
    samples = group.values
    for number, sample in enumerate(samples):
        if not isinstance(sample, dict):
            raise OpError(
                f"sample {first + number} is a {type(sample).__name__}, and only dicts have columns",
                remedy="Turn samples into dicts with map first.",
                position=first + number,
            )
    names = list(samples[0])
    if not all(list(sample) == names for sample in samples):
        names = list(dict.fromkeys(name for sample in samples for name in sample))
    return pa.table({str(name): _array([sample.get(name) for sample in samples]) for name in names})


def _array_of(column: Column) -> pa.Array:
    """An array of a column: what `_array` makes of its values."""
    if isinstance(column, ArrowColumn):
        array = column.array
        if array.null_count == len(array):
            return pa.nulls(len(array))
        if array.type in _AS_INFERRED:
            return array.cast(_AS_INFERRED[array.type])
        return array if _is_inferred(array.type) and _shows_type(array) else _array(column.values())
    data, missing = column.data, column.missing
    kind = data.dtype.kind
    if kind not in _PLAIN or data.dtype.char == "g" or holds_large(data):
        return _array(column.values())
    if missing is not None and missing.all():
        return pa.nulls(len(data))
    if data.ndim > 1 and (missing is not None or not data.size or data.size > _LARGEST_LIST):
        return _array(column.values())
    flat = data.reshape(-1).astype(_PLAIN[kind], copy=False)
    array = pa.array(flat, mask=missing, from_pandas=False)
    for length in data.shape[:0:-1]:
        array = pa.ListArray.from_arrays(np.arange(0, len(array) + 1, length, dtype=np.int32), array)
    return array


def _is_inferred(kind: pa.DataType) -> bool:
    """Whether values of a type, as Python has them, would be given just this type again."""
    if not pa.types.is_list(kind):
        return kind in _INFERRED
    inner = kind.value_field  # Parquet calls it "element", and types that differ in it count as equal
    return inner.name == "item" and inner.nullable and _is_inferred(inner.type)


def _shows_type(array: pa.Array) -> bool:
    """Whether there is a value at every level of a nested type, so that it isn't told from elsewhere."""
    if array.null_count == len(array):
        return False
    return not pa.types.is_list(array.type) or _shows_type(array.flatten())


def as_columns(chunk: Chunk) -> Columns | None:
    """Make columns of dict samples that become a table with others; None where they aren't of one form.

    The table is the same whether it is made of these or of the samples, wherever the borders of chunks are.
    """
    samples = chunk.values
    if set(map(type, samples)) != {dict}:
        return None
    names = list(samples[0])
    if not names or set(map(type, names)) != {str} or set(map(len, samples)) != {len(names)}:
        return None
    try:
        columns = [list(map(itemgetter(name), samples)) for name in names]
    except KeyError:
        return None
    by_name = {name: _as_column(values) for name, values in zip(names, columns, strict=True)}
    return Columns(by_name, count=len(samples))


def _as_column(values: list[Any]) -> Column:
    with contextlib.suppress(
        pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError
    ):  # the one who gathers all of them finds the same, and says where
        array = _array(values)
        if _is_inferred(array.type) and _is_plain(values, array.type):
            return columns_of(pa.table({"": array})).by_name[""]
    return Column.of(values)


def _is_plain(values: Iterable[Any], kind: pa.DataType) -> bool:
    """Whether there are no arrays within lists, whose types would be lost where they are given as lists."""
    kinds = set(map(type, values))
    while kinds & _LISTS:
        if not kinds <= _LISTS | {type(None)}:
            return False
        if not pa.types.is_list(kind.value_type):  # there is no room for arrays: items needn't be looked at
            return True
        kind = kind.value_type
        lists = filter(None, values) if type(None) in kinds else values
        values = chain.from_iterable(lists)
        kinds = set(map(type, values))
        if any(issubclass(each, np.ndarray) for each in kinds):
            return False
        if kinds & _LISTS:  # yet another level
            values = list(chain.from_iterable(lists))
    return dict not in kinds


def _array(values: list[Any]) -> pa.Array:
    plain = values
    if any(issubclass(kind, np.ndarray | np.generic) for kind in set(map(type, values))):
        plain = [value.tolist() if isinstance(value, np.ndarray | np.generic) else value for value in values]
    try:
        return pa.array(plain)
    except OverflowError:  # whole numbers that 64 bits with a sign can't hold are not tried without
        return pa.array(plain, pa.uint64())
