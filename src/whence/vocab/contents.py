"""The key of a content: 128 bits, equal for equal values of equal type, made for many values together.

Two different values get one key with a probability of 2**-128, and numbers of one kind never; nobody keeps
keys beyond a pass, so that their form may change. Rows and columns of the same samples have the same keys.

    int, float  the 64-bit word, mixed twice by fmix64 with the type's tag; NaN is one value, -0.0 isn't 0.0
    NumPy's     scalars of up to 8 bytes: the same, tagged by their dtype
    str, bytes  XXH3-128, seeded with the type's tag
    dict        keys in code-point order, folded word by word with those of their values
    list, tuple XXH3-128 of the items' keys, seeded with the type's tag
    ndarray     XXH3-128 of its C-order little-endian bytes, seeded with dtype and shape
    Pillow      mode, size and pixels; anything else: its canonical bytes
    PyTorch     the array that a tensor holds
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate, chain, pairwise, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from whence.errors import CanonicalError
from whence.vocab.canonical import canonical
from whence.vocab.columns import Column, Columns, holds_large
from whence.vocab.mixing import mix64
from whence.vocab.samples import checked_array, image_content, is_image, seed_of
from whence.vocab.tensors import is_tensor, tensor_content

UInt64Array = NDArray[np.uint64]

KEY_BYTES = 16

_MASK = (1 << 64) - 1
_FOLDS = np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03], np.uint64)
_WORDS = frozenset("biufcmM")
_WORD_BYTES = 8
_NAN = np.array(float("nan"), "<f8").view("<u8")[()]


def _tag(name: str) -> int:
    return int(xxh3_64_intdigest(f"content {name}".encode()))


_INT, _FLOAT, _STR, _BYTES, _DICT, _LIST, _TUPLE, _CANONICAL = map(
    _tag, ("int", "float", "str", "bytes", "dict", "list", "tuple", "canonical")
)


def content_key(value: Any) -> bytes | None:
    """Key a value by its content.

    Returns:
        16 bytes; None where the value has no bytes that could be digested.
    """
    found = content_keys([value])
    return None if found is None else found[0]


def content_keys(values: Sequence[Any] | Columns | Column) -> list[bytes] | None:
    """Key values by their content: for each what `content_key` says of it.

    Args:
        values: at once, as columns where they come so; of one column, its values.

    Returns:
        16 bytes for each value; None where one of them has no bytes that could be digested.

    Cost: 0.07 µs a short text, 0.03 µs a number, 0.2 µs a row of a few of them.
    """
    try:
        if isinstance(values, Columns):
            found = _of_columns(values)
        elif isinstance(values, Column):
            found = _of_column(values)
        elif set(map(type, values)) == {str}:
            return _of_texts(values)
        else:
            found = _keys(values)
    except (CanonicalError, RecursionError):
        return None
    spelled: list[bytes] = np.ascontiguousarray(found).view(f"V{KEY_BYTES}").ravel().tolist()
    return spelled


def _keys(values: Sequence[Any]) -> UInt64Array:
    """Key values of any types, those of one type together; shape (n, 2)."""
    kinds = set(map(type, values))
    if len(kinds) == 1:
        return _of_kind(kinds.pop(), values)
    return _by_group(values, type, _of_kind)


def _of_kind(kind: type, values: Sequence[Any]) -> UInt64Array:
    made = _KINDS.get(kind)
    if made is not None:
        return made(values)
    if issubclass(kind, np.generic):
        return _by_group(values, lambda value: value.dtype, _of_scalars)
    return _digested(map(_spelled, values), _CANONICAL)


def _by_group(
    values: Sequence[Any],
    group_of: Callable[[Any], Hashable],
    keys_of: Callable[[Any, Sequence[Any]], UInt64Array],
) -> UInt64Array:
    """Key values group by group."""
    places: dict[Hashable, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(group_of(value), []).append(place)
    if len(places) == 1:
        return keys_of(next(iter(places)), values)
    found = np.empty((len(values), 2), np.uint64)
    for group, where in places.items():
        found[where] = keys_of(group, [values[place] for place in where])
    return found


def _joined(keys: Iterable[bytes]) -> UInt64Array:
    return np.frombuffer(b"".join(keys), np.uint64).reshape(-1, 2)


def _digested(spelled: Iterable[Any], seed: int) -> UInt64Array:
    return _joined(map(xxh3_128_digest, spelled, repeat(seed)))


def _of_texts(values: Sequence[str]) -> list[bytes]:
    try:
        return list(map(xxh3_128_digest, map(str.encode, values), repeat(_STR)))
    except UnicodeEncodeError:
        return [xxh3_128_digest(value.encode("utf-8", "surrogatepass"), _STR) for value in values]


def _of_words(words: UInt64Array, tag: int) -> UInt64Array:
    """Key 64-bit words of one kind, each word another key; shape (n, 2)."""
    found = np.empty((len(words), 2), np.uint64)
    found[:, 0] = mix64(words ^ np.uint64(tag))
    found[:, 1] = mix64(found[:, 0] ^ np.uint64(~tag & _MASK))
    return found


def _of_ints(values: Sequence[int]) -> UInt64Array:
    try:
        return _of_words(np.array(values, np.int64).view(np.uint64), _INT)
    except OverflowError:
        return _by_group(values, lambda value: -(1 << 63) <= value < 1 << 63, _of_small_or_large)


def _of_small_or_large(is_small: Any, values: Sequence[int]) -> UInt64Array:
    return _of_ints(values) if is_small else _digested(map(canonical, values), _CANONICAL)


def _of_floats(data: NDArray[Any]) -> UInt64Array:
    words = data.astype("<f8").view("<u8")
    return _of_words(np.where(np.isnan(data), _NAN, words), _FLOAT)


def _of_scalars(dtype: Any, values: Sequence[Any]) -> UInt64Array:
    if dtype.kind in _WORDS and dtype.itemsize <= _WORD_BYTES:
        return _of_word_array(np.array(values, dtype))
    return _digested(map(_spelled, values), _CANONICAL)


def _of_word_array(data: NDArray[Any]) -> UInt64Array:
    little = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
    return _of_words(little.view(f"<u{data.dtype.itemsize}").astype("<u8"), seed_of(little.dtype.str, ()))


def _of_arrays(values: Sequence[NDArray[Any]]) -> UInt64Array:
    return _by_group(values, lambda value: (value.dtype, value.shape), _of_like_arrays)


def _of_like_arrays(group: Any, values: Sequence[NDArray[Any]]) -> UInt64Array:
    dtype, shape = group
    if dtype.hasobject or dtype.names:
        return _digested(map(canonical, values), _CANONICAL)
    checked_array(values[0])
    dtype = dtype.newbyteorder("<")
    little = (value.astype(dtype, order="C", copy=False).tobytes() for value in values)
    return _digested(little, seed_of(dtype.str, shape) ^ _BYTES)


def _of_dicts(values: Sequence[dict[Any, Any]]) -> UInt64Array:
    return _by_group(values, tuple, _of_like_dicts)


def _of_like_dicts(names: Any, values: Sequence[dict[Any, Any]]) -> UInt64Array:
    if not all(type(name) is str for name in names):
        return _digested(map(canonical, values), _CANONICAL)
    return _folded(names, lambda name: _keys([value[name] for value in values]), len(values))


def _folded(names: Iterable[str], keys_of: Callable[[str], UInt64Array], count: int) -> UInt64Array:
    words = np.array([_DICT, ~_DICT & _MASK], np.uint64)
    found = np.broadcast_to(words, (count, 2))
    for name in sorted(names):
        label = _joined(_of_texts([name]))
        found = mix64(((found ^ keys_of(name)) * _FOLDS + label).ravel()).reshape(-1, 2)
    return found


def _of_lists(values: Sequence[Sequence[Any]], seed: int) -> UInt64Array:
    items = list(chain.from_iterable(values))
    if _CONTAINERS.isdisjoint(map(type, items)):
        spelled = memoryview(_keys(items).tobytes()) if items else memoryview(b"")
        bounds = [0, *accumulate(KEY_BYTES * len(value) for value in values)]
        return _digested((spelled[start:end] for start, end in pairwise(bounds)), seed)
    # depth first: a list that holds itself ends at the depth of Python's stack instead of growing for ever
    return _digested((_keys(list(value)).tobytes() if value else b"" for value in values), seed)


def _spelled(value: Any) -> bytes:
    if is_image(value):
        return _keys([image_content(value)]).tobytes()
    if is_tensor(value):
        return _keys([tensor_content(value)]).tobytes()
    return canonical(value)


_CONTAINERS = frozenset((list, tuple, dict))
_KINDS: dict[type, Callable[[Any], UInt64Array]] = {
    str: lambda values: _joined(_of_texts(values)),
    int: _of_ints,
    float: lambda values: _of_floats(np.array(values, np.float64)),
    bytes: lambda values: _digested(values, _BYTES),
    dict: _of_dicts,
    list: lambda values: _of_lists(values, _LIST),
    tuple: lambda values: _of_lists(values, _TUPLE),
    np.ndarray: _of_arrays,
}
_NONE, _FALSE, _TRUE = (_keys([value])[0] for value in (None, False, True))


def _of_columns(columns: Columns) -> UInt64Array:
    return _folded(columns.names, lambda name: _of_column(columns.by_name[name]), len(columns))


def _of_column(column: Column) -> UInt64Array:
    """Key the values of a column, as `_keys` does them."""
    data = column.data
    found = _of_flat(data, column.native) if data.ndim == 1 else None
    if found is None:
        return _keys(column.values()) if len(data) else np.empty((0, 2), np.uint64)
    if column.missing is not None:
        found[column.missing] = _NONE
    return found


def _of_flat(data: NDArray[Any], is_native: bool) -> UInt64Array | None:
    """Key numbers; None where they are something else, or don't fit into words."""
    kind = data.dtype.kind
    if kind in "mM" or (not is_native and kind in _WORDS):
        return _of_word_array(data) if data.dtype.itemsize <= _WORD_BYTES else None
    if kind == "b":
        return np.asarray(np.where(data[:, None], _TRUE, _FALSE), np.uint64)
    if kind == "f" and data.dtype.itemsize <= _WORD_BYTES:
        return _of_floats(data)
    if kind in "iu" and not holds_large(data):
        return _of_words(data.astype("<i8").view("<u8"), _INT)
    return None
