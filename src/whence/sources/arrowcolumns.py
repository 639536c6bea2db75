"""Tables of Arrow as columns of samples, without making a Python value before somebody asks for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.sources.arrow import pa, pc
from whence.sources.source import Int64Array
from whence.vocab import Column, Columns, chosen, fast128, sample_digests, stack_values

_LARGE = {
    pa.string(): pa.large_string(),
    pa.string_view(): pa.large_string(),
    pa.binary(): pa.large_binary(),
    pa.binary_view(): pa.large_binary(),
}
_ASKED = 1_024
_TIMES = 4
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class ArrowColumn(Column):
    """A field that only Arrow holds compactly: text, times, decimals, nested values.

    Args:
        array: its values; not numbers or truth values, which NumPy holds as well.
    """

    __slots__ = ("_made", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self.missing = None
        self.native = True
        self._made: NDArray[Any] | None = None

    @property
    def data(self) -> NDArray[Any]:  # type: ignore[override]  # made when it is asked for, and never set
        """The values as objects, made once."""
        if self._made is None:
            if self.is_uniform:
                self._made = self.array.to_numpy(zero_copy_only=False)
            else:
                self._made = np.fromiter(self.array.to_pylist(), object, len(self.array))
        return self._made

    @property
    def is_uniform(self) -> bool:
        """Whether it is text or bytes, which are never stacked as numbers."""
        return _is_text(self.array.type)

    def __len__(self) -> int:
        return len(self.array)

    def __reduce__(self) -> tuple[Any, ...]:
        array = self.array
        if array.get_total_buffer_size() > 2 * array.nbytes:  # of a part, pyarrow would send the whole
            array = pa.concat_arrays([array, array.slice(0, 0)])
        return ArrowColumn, (array,)

    @property
    def nbytes(self) -> int:
        """How much memory the values take."""
        return int(self.array.nbytes)

    def stacked(self) -> NDArray[Any]:
        """The values as objects; numbers that were among others as numbers."""
        return self.data.copy() if self.is_uniform else stack_values(self.values())

    def coded(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Texts as numbers, where most of them come several times."""
        array = self.array
        if array.type != pa.large_string() or array.null_count or not _repeats(array[:_ASKED]):
            return None
        found = array.dictionary_encode()
        if not _repeats(found):
            return None
        texts = found.dictionary
        return found.indices.to_numpy(), np.fromiter(texts.to_pylist(), object, len(texts))

    def taken(self, which: Any) -> Column:
        """Some of the rows: by positions, by slice or by mask."""
        which = chosen(which)
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self.array))
            if step == 1:
                return ArrowColumn(self.array.slice(start, max(0, stop - start)))
            which = np.arange(start, stop, step)
        try:
            return ArrowColumn(self.array.take(pa.array(which)))
        except pa.ArrowNotImplementedError:  # views of text within lists, for which pyarrow 26 can't
            return Column(self.data[which])

    def followed_by(self, others: Sequence[Column]) -> Column | None:
        """This column and others of its type after it."""
        parts = [self, *others]
        arrays = [part.array for part in parts if isinstance(part, ArrowColumn)]
        if len(arrays) == len(parts) and all(array.type == self.array.type for array in arrays):
            return ArrowColumn(pa.concat_arrays(arrays))
        return super().followed_by(others)


def columns_of(table: Any) -> Columns:
    """Take the columns of a table or a record batch: their rows are those of `to_pylist`.

    Cost: nothing for numbers, which stay where they are; a byte a row for truth values and missing ones.
    """
    by_name = {
        name: _column_of(_whole(column))
        for name, column in zip(table.schema.names, table.columns, strict=True)
    }
    return Columns(by_name, count=table.num_rows)


def columns_at(table: Any, positions: Int64Array) -> Columns:
    """Take the rows at some positions."""
    try:
        return columns_of(table.take(positions))
    except pa.ArrowNotImplementedError:  # see `ArrowColumn.taken`
        return columns_of(table).taken(positions)


def told_bytes(table: Any) -> bytes:
    """Spell what the rows of a table hold, the same whoever made it: see docs/reference/format.md."""
    spelled = [table.num_rows.to_bytes(8, "little")]
    for name, column in zip(table.schema.names, table.columns, strict=True):
        array = _whole(column)
        tag, contents = _told(array)
        if array.null_count and tag != "none":
            contents.append(np.packbits(_missing(array), bitorder="little"))
        head = f"{len(name.encode())} {name} {tag} {len(contents)} "
        spelled.append(head.encode() + b"".join(fast128(content.data) for content in contents))
    return b"".join(spelled)


def _told(array: Any) -> tuple[str, list[NDArray[Any]]]:
    kind = array.type
    if array.null_count == len(array):
        return "none", []
    if pa.types.is_timestamp(kind):
        a_second = 1_000_000_000 // _NANOSECONDS[kind.unit]
        seconds, rest = np.divmod(_words(array.cast(pa.int64())), a_second)
        return f"time:{kind.tz or ''}", [seconds, rest * _NANOSECONDS[kind.unit]]
    if pa.types.is_date(kind):
        return "date", [_words(array.cast(pa.date32()).cast(pa.int32())).astype("<i8")]
    if _is_text(kind):
        return ("str" if kind == pa.large_string() else "bytes"), _text_of(array)
    column = _column_of(array)
    if isinstance(column, ArrowColumn):
        values = [value for value in column.values() if value is not None]
        return "object", [sample_digests(values).astype("<u8", copy=False)]
    tag, plain = {"b": ("bool", "u1"), "f": ("float", "<f8")}.get(column.data.dtype.kind, ("int", "<i8"))
    words = _words(array) if tag != "bool" else column.data
    if tag == "int" and words.dtype.kind == "u" and (words > np.uint64((1 << 63) - 1)).any():
        tag, plain = "uint", "<u8"
    return tag, [np.ascontiguousarray(words, plain)]


def _text_of(array: Any) -> list[NDArray[Any]]:
    """The lengths of texts in bytes, and all their bytes."""
    if array.null_count:
        array = array.fill_null("" if array.type == pa.large_string() else b"")
    _, offsets, content = array.buffers()
    ends = np.frombuffer(offsets, "<i8")[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(content, "u1") if content is not None else np.empty(0, "u1")
    return [np.diff(ends), held[int(ends[0]) : int(ends[-1])]]


def _column_of(array: Any) -> Column:
    kind = array.type
    missing = _missing(array) if array.null_count else None
    if pa.types.is_boolean(kind):
        filled = array.fill_null(False) if array.null_count else array
        return Column(filled.to_numpy(zero_copy_only=False), missing=missing)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return Column(_bare(array), missing=missing)
    return ArrowColumn(array)


def _words(array: Any) -> NDArray[Any]:
    """The numbers of an array, 0 where one is missing."""
    if not array.null_count:
        return _bare(array)
    words = _bare(array).copy()
    words[_missing(array)] = 0
    return words


def _bare(array: Any) -> NDArray[Any]:
    """The numbers of an array, where they lie; whatever is there where one is missing."""
    held = pa.Array.from_buffers(array.type, len(array), [None, array.buffers()[1]], offset=array.offset)
    return held.to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]  # pyarrow has no types


def _missing(array: Any) -> NDArray[np.bool_]:
    if not (pa.types.is_primitive(array.type) or _is_text(array.type)):
        return pc.is_null(array).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]  # as above
    first, skipped = divmod(array.offset, 8)
    held = np.frombuffer(array.buffers()[0], np.uint8, (skipped + len(array) + 7) // 8, first)
    found: NDArray[np.bool_] = (
        np.unpackbits(held, count=skipped + len(array), bitorder="little")[skipped:] == 0
    )
    return found


def _repeats(texts: Any) -> bool:
    different = texts.dictionary if pa.types.is_dictionary(texts.type) else texts.unique()
    return _TIMES * len(different) <= len(texts)


def _is_text(kind: Any) -> bool:
    return kind in (pa.large_string(), pa.large_binary())


def _whole(column: Any) -> Any:
    """One array of a column, which may be in chunks: of plain values, and texts as many as there may be."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = _LARGE.get(kind.value_type, kind.value_type)
        # the values first, since there is no kernel that takes views of text
        chunks = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in chunks]
    elif kind in _LARGE:
        kind = _LARGE[kind]
        chunks = [chunk.cast(kind) for chunk in chunks]
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], kind)
