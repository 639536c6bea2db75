"""What a table says, apart from how Arrow holds it: types by one name, values by one spelling.

A string, a large string and a view of one are the same text; a dictionary is what its indices stand for; what
lies where a value is missing says nothing. A column is spelled in streams, and SHA-256 is taken of each:

    valid       a byte a value: 1 where there is one, 0 where it is missing
    words       of numbers, truth values, times and decimals: little-endian words of their width, of the
                values that are there; NaN is one value, -0.0 isn't 0.0; truth values are bytes, decimals
                256 bits
    lengths     of texts, bytes and lists that are there, 64 bits each
    bytes       of texts and bytes that are there
    items, key, value, fields   of those that are there, as columns again

A stream goes on where the one of the rows before ended, so that digests don't depend on how rows are chunked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.datasets.arrow import pa, pc
from whence.errors import InputError

Part = tuple[str, memoryview]
"""A piece of a column: the stream that it belongs to, and its bytes."""

_TEXTS = {
    pa.string(): "string",
    pa.large_string(): "string",
    pa.string_view(): "string",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.binary_view(): "binary",
}
_LARGE = {"string": pa.large_string(), "binary": pa.large_binary()}
_DECIMAL_DIGITS = 76


def type_name(kind: Any) -> str:
    """Name a type of Arrow; types that hold the same values in other ways have one name.

    Raises:
        InputError: values of this type can't be spelled: unions.
    """
    if kind in _TEXTS:
        return _TEXTS[kind]
    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return type_name(kind.value_type)
    if is_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    if types.is_map(kind):
        return f"map<{type_name(kind.key_type)}, {type_name(kind.item_type)}>"
    if types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {type_name(field.type)}' for field in kind)}>"
    if types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if isinstance(kind, pa.BaseExtensionType):
        return f"{kind.extension_name}<{type_name(kind.storage_type)}>"
    if types.is_union(kind):
        raise InputError(
            f"values of {kind} can't be saved", remedy="Make columns of one type of them, with map."
        )
    return str(kind)


def without_views(table: Any) -> Any:
    """Hold texts and lists that are views as plain ones: Parquet has no others, and few kernels take them."""
    for place, field in enumerate(table.schema):
        kind = _viewless(field.type)
        if kind != field.type:
            table = table.set_column(place, field.with_type(kind), table.column(place).cast(kind))
    return table


def _viewless(kind: Any) -> Any:
    if kind == pa.string_view():
        return pa.large_string()
    if kind == pa.binary_view():
        return pa.large_binary()
    if is_list(kind):
        inner = _viewless(kind.value_type)
        is_view = pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
        if is_view or inner != kind.value_type:
            return pa.large_list(kind.value_field.with_type(inner))
    if pa.types.is_struct(kind):
        fields = [field.with_type(_viewless(field.type)) for field in kind]
        if any(new.type != old.type for new, old in zip(fields, kind, strict=True)):
            return pa.struct(fields)
    return kind


def spelled(column: Any, stream: str = "") -> Iterator[Part]:
    """Spell the values of an array or a chunked array.

    Args:
        column: the values.
        stream: what stands before the names of the streams.

    Cost: no copy of numbers and texts that are all there; a copy of anything else.
    """
    for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        yield from _spelled(plain_array(array), stream)


def _spelled(array: Any, stream: str) -> Iterator[Part]:
    yield f"{stream}valid", _valid(array)
    kind = array.type
    if array.null_count:
        array = array.drop_null()
    if not len(array):
        return
    if kind in (pa.large_string(), pa.large_binary()):
        yield from _texts(array, stream)
    elif is_list(kind):
        yield f"{stream}lengths", _words(pc.list_value_length(array).cast(pa.int64()))
        yield from spelled(array.flatten(), f"{stream}items.")
    elif pa.types.is_struct(kind):
        for place, field in enumerate(array.flatten()):
            yield from spelled(field, f"{stream}{place}.")
    else:
        yield f"{stream}words", _words(array)


def plain_array(array: Any) -> Any:
    """Hold the same values in the one way that is spelled."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain_array(array.storage)
    if pa.types.is_dictionary(kind):
        return plain_array(array.dictionary).take(
            array.indices
        )  # of values first: views of text can't be taken
    if pa.types.is_run_end_encoded(kind):
        return plain_array(pc.run_end_decode(array))
    if kind in _TEXTS:
        return array.cast(_LARGE[_TEXTS[kind]])
    if pa.types.is_map(kind):
        pair = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        return array.cast(pa.large_list(pair))
    if pa.types.is_decimal(kind):
        return array.cast(pa.decimal256(_DECIMAL_DIGITS, kind.scale))
    return array


def _valid(array: Any) -> memoryview:
    if not array.null_count:
        return np.ones(len(array), np.uint8).data
    return _bytes(array.is_valid().cast(pa.uint8()).to_numpy())


def _words(array: Any) -> memoryview:
    """The words of values that are all there."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return _bytes(array.cast(pa.uint8()).to_numpy())
    if pa.types.is_floating(kind):
        floats = array.to_numpy(zero_copy_only=False)
        missing = np.isnan(floats)
        if missing.any():
            floats = np.where(missing, floats.dtype.type("nan"), floats)
        return _bytes(floats)
    width = kind.bit_width // 8
    return memoryview(array.buffers()[1])[array.offset * width : (array.offset + len(array)) * width]


def _texts(array: Any, stream: str) -> Iterator[Part]:
    _, offsets, content = array.buffers()
    ends = np.frombuffer(offsets, "<i8")[array.offset : array.offset + len(array) + 1]
    yield f"{stream}lengths", _bytes(np.diff(ends))
    if content is not None:
        yield f"{stream}bytes", memoryview(content)[int(ends[0]) : int(ends[-1])]


def _bytes(words: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(words).data.cast("B")


def is_list(kind: Any) -> bool:
    """Whether values are lists, however long and however held."""
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )
