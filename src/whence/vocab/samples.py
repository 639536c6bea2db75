"""The witness of a sample: 64 bits that change when the sample changes, at a fraction of a microsecond.

It tells samples apart and is no defence against someone who forges them; what must withstand an
attacker is digested with SHA-256. The rules, for other programs: docs/reference/format.md.

    ndarray     XXH3-64 of its C-order little-endian bytes, seeded with XXH3-64 of "dtype shape"
    NumPy's     scalars of up to 8 bytes: fmix64 of the bytes as a word, offset by the array's seed
    int, float  fmix64 of the 64-bit word, offset by the type's tag (larger ints: canonical bytes)
    str, bytes  XXH3-64 of the (UTF-8) bytes, seeded with the type's tag
    dict        keys in code-point order, folded: h = fmix64((h ^ value) * ODD + key)
    list, tuple the same fold over positions; of texts alone without NUL: XXH3-64 of the UTF-8 of all with a
                NUL between them, seeded with the list's tag ^ the text's
    fields      of a structured array: the tuple ("fields", dict of an array each)
    Pillow      mode, size and pixels; anything else: its canonical bytes
    PyTorch     the array that a tensor holds; of a dtype that NumPy lacks ("tensor", dtype, shape, bytes)

Source: XXH3 (xxHash 0.8 specification); fmix64 is the finaliser of MurmurHash3 (Appleby, public domain).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress, repeat
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from whence.errors import CanonicalError
from whence.vocab.canonical import canonical
from whence.vocab.columns import Column, Columns, holds_large
from whence.vocab.integers import integers_of
from whence.vocab.mixing import MASK, ODD, fold, mix, mix64, mix_in_place
from whence.vocab.tensors import is_tensor, tensor_content

UInt64Array = NDArray[np.uint64]
Buffer = bytes | bytearray | memoryview

UNKNOWN = 0

_NO_BUFFER = "mMV"  # dates and times can't be lent as bytes, and have to be copied
_NO_MEANING = "gG"  # a long double is padded with anything, and differs from machine to machine
_TAG_INT = xxh3_64_intdigest(b"int")
_TAG_FLOAT = xxh3_64_intdigest(b"float")
_TAG_STR = xxh3_64_intdigest(b"str")
_TAG_BYTES = xxh3_64_intdigest(b"bytes")
_TAG_DICT = xxh3_64_intdigest(b"dict")
_TAG_LIST = xxh3_64_intdigest(b"list")
_TAG_TUPLE = xxh3_64_intdigest(b"tuple")
_TAG_CANONICAL = xxh3_64_intdigest(b"canonical")
_NONE, _FALSE, _TRUE = (
    np.uint64(xxh3_64_intdigest(canonical(value), _TAG_CANONICAL)) for value in (None, False, True)
)
_WORDS = frozenset("biufcmM")
_FLAT_LEVELS = 3  # of lists in lists: one that holds itself twice would grow without end
_FEW = 12
_TEXT = {str}
_NUL = "\0"
_TRIED = 1_024
_WORD_CHARS = 32


fast64: Callable[[Buffer], int] = xxh3_64_intdigest
"""Digests bytes with XXH3-64; the function itself, since a call more would double its cost."""


def fast128(data: Buffer) -> bytes:
    """Digest bytes with XXH3-128, 16 bytes raw, big-endian as XXH3 writes it."""
    return bytes(xxh3_128_digest(data))


def sample_digest(value: Any) -> int:
    """Witness one sample.

    Args:
        value: any sample.

    Returns:
        64 bits, never 0; `UNKNOWN` (0) where the value has no bytes that could be digested.
    """
    try:
        return _digest(value) or 1
    except (CanonicalError, RecursionError):
        return UNKNOWN


def sample_digests(values: Sequence[Any] | Columns) -> UInt64Array:
    """Witness many samples: the same as `sample_digest` of each, by columns where they are alike.

    Returns:
        uint64 array, shape (len(values),).
    """
    try:
        column = _digest_columns(values) if isinstance(values, Columns) else _digest_values(values)
    except (CanonicalError, RecursionError):
        rows = values.rows() if isinstance(values, Columns) else values
        return np.fromiter(map(sample_digest, rows), np.uint64, len(values))
    column[column == 0] = 1
    return column


def _digest(value: Any) -> int:
    kind = type(value)
    if kind is dict:
        return _digest_dict(value)
    if kind is int:
        return _digest_int(value)
    if kind is float:
        return mix(struct.unpack("<Q", struct.pack("<d", value))[0] ^ _TAG_FLOAT)
    if kind is str:
        return int(xxh3_64_intdigest(value.encode("utf-8", "surrogatepass"), _TAG_STR))
    if kind is bytes:
        return int(xxh3_64_intdigest(value, _TAG_BYTES))
    if kind is list or kind is tuple:
        tag = _TAG_LIST if kind is list else _TAG_TUPLE
        return _digest_list_of_texts(value, tag) if set(map(type, value)) == _TEXT else _folded(value, tag)
    if isinstance(value, np.ndarray | np.generic):
        return _digest_array(np.asanyarray(value))
    if is_image(value):
        return _digest(image_content(value))
    if is_tensor(value):
        return _digest(tensor_content(value))
    return int(xxh3_64_intdigest(canonical(value), _TAG_CANONICAL))


def _folded(values: Sequence[Any], tag: int) -> int:
    folded = tag
    for index, item in enumerate(values):
        folded = fold(folded, _digest(item), index)
    return folded


def _digest_list_of_texts(texts: Sequence[str], tag: int) -> int:
    joined = _NUL.join(texts)
    if joined.count(_NUL) != len(texts) - 1:
        return _folded(texts, tag)
    return int(xxh3_64_intdigest(joined.encode("utf-8", "surrogatepass"), tag ^ _TAG_STR))


def _digest_int(value: int) -> int:
    if -(1 << 63) <= value < 1 << 63:
        return mix((value & MASK) ^ _TAG_INT)
    return int(xxh3_64_intdigest(canonical(value), _TAG_CANONICAL))


def _digest_dict(value: dict[Any, Any]) -> int:
    try:
        keys = sorted(value)
    except TypeError:  # keys of mixed types have no order of their own
        return int(xxh3_64_intdigest(canonical(value), _TAG_CANONICAL))
    folded = _TAG_DICT
    for key in keys:
        folded = fold(folded, _digest(value[key]), _digest(key))
    return folded


def _digest_array(array: NDArray[Any]) -> int:
    array = checked_array(array)
    if array.dtype.hasobject:
        return _digest(array.tolist())
    if array.dtype.names:  # by field: the spaces between fields hold anything
        return _digest(("fields", {name: array[name] for name in array.dtype.names}))
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    seed = seed_of(little.dtype.str, array.shape)
    if not array.ndim and _is_word(array.dtype):
        return mix(int.from_bytes(little.tobytes(), "little") ^ seed)
    if little.dtype.kind in _NO_BUFFER:
        return int(xxh3_64_intdigest(little.tobytes(), seed))
    return int(xxh3_64_intdigest(np.ascontiguousarray(little).data, seed))


def checked_array(array: NDArray[Any]) -> NDArray[Any]:
    """Refuse arrays whose bytes don't say what they hold."""
    if isinstance(array, np.ma.MaskedArray) or array.dtype.char in _NO_MEANING:
        raise CanonicalError(f"a {type(array).__name__} of {array.dtype} has no bytes that could be digested")
    return array


def is_image(value: Any) -> bool:
    """Whether a value looks like an image of Pillow."""
    return hasattr(value, "tobytes") and hasattr(value, "mode") and hasattr(value, "size")


def image_content(image: Any) -> tuple[Any, ...]:
    """What an image of Pillow shows; raises `CanonicalError`."""
    try:
        return "image", image.mode, tuple(image.size), image.tobytes()
    except Exception as error:  # opened without being read, it is decoded here, and its file may be cut off
        raise CanonicalError(f"an image can't be decoded ({type(error).__name__})") from error


def seed_of(dtype: str, shape: tuple[int, ...]) -> int:
    """The seed that tells arrays of one dtype and shape from others."""
    key = (dtype, shape)
    seed = _SEEDS.get(key)
    if seed is None:
        if len(_SEEDS) > 10_000:  # ragged arrays have a shape each
            _SEEDS.clear()
        seed = _SEEDS[key] = xxh3_64_intdigest(f"{dtype} {list(shape)}".encode())
    return seed


_SEEDS: dict[tuple[str, tuple[int, ...]], int] = {}


def _digest_values(values: Sequence[Any], levels: int = _FLAT_LEVELS) -> UInt64Array:
    """Digest values of one kind together; falls back to one by one."""
    integers = integers_of(values)
    if integers is not None:
        words = integers.view(np.uint64)
        words ^= np.uint64(_TAG_INT)
        mix_in_place(words, np.empty_like(words))
        return words
    kinds = set(map(type, values))
    if len(kinds) == 1:
        (kind,) = kinds
        if kind is dict:
            return _digest_dicts(values)
        if kind is np.ndarray:
            return _digest_arrays(values)
        if kind is str:
            return _digest_texts(values)
        if levels and (kind is list or kind is tuple):
            return _digest_lists(values, _TAG_LIST if kind is list else _TAG_TUPLE, levels - 1)
        if kind in (float, bool) or issubclass(kind, np.generic):
            column = Column.of(values)
            digests = _digest_flat(column.data, column.native)
            if digests is not None:
                return digests
    elif len(kinds) == 2 and type(None) in kinds:
        there = np.fromiter((value is not None for value in values), np.bool_, len(values))
        digests = np.full(len(values), _NONE)
        digests[there] = _digest_values([value for value in values if value is not None])
        return digests
    return np.fromiter(map(_digest, values), np.uint64, len(values))


def _digest_columns(columns: Columns) -> UInt64Array:
    return _digest_fields(columns.names, lambda name: _digest_column(columns.by_name[name]), len(columns))


def _digest_column(column: Column) -> UInt64Array:
    """Digest the values of a column, as `_digest` does each of them."""
    data = column.data
    if data.ndim > 1 and column.missing is None:
        return _digest_arrays(list(data))
    digests = _digest_flat(data, column.native) if data.ndim == 1 else None
    if digests is None:
        return _digest_values(column.values())
    if column.missing is not None:
        digests[column.missing] = _NONE
    return digests


def _digest_flat(data: NDArray[Any], is_native: bool) -> UInt64Array | None:
    """Digest numbers; None where they are something else, or don't fit into words."""
    kind = data.dtype.kind
    if kind in "mM" or (not is_native and kind in _WORDS):
        return _digest_words(data) if _is_word(data.dtype) else None
    if kind == "b":
        return np.where(data, _TRUE, _FALSE)
    if kind == "f" and _is_word(data.dtype):
        return mix64(data.astype("<f8").view("<u8") ^ np.uint64(_TAG_FLOAT))
    if kind in "iu" and not holds_large(data):
        return mix64(data.astype("<i8").view("<u8") ^ np.uint64(_TAG_INT))
    return None


def _digest_words(data: NDArray[Any]) -> UInt64Array:
    """Digest NumPy's scalars."""
    little = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
    words = little.view(f"<u{data.dtype.itemsize}").astype("<u8")
    return mix64(words ^ np.uint64(seed_of(little.dtype.str, ())))


def _is_word(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in _WORDS and dtype.itemsize <= 8


def _digest_lists(values: Sequence[Sequence[Any]], tag: int, levels: int) -> UInt64Array:
    """Digest lists of one kind together."""
    kinds = set(map(type, chain.from_iterable(values)))
    if kinds == _TEXT and all(values):
        return _digest_lists_of_texts(values, tag)
    if str not in kinds:
        return _fold_lists(values, tag, levels)
    of_texts = np.fromiter((set(map(type, value)) == _TEXT for value in values), np.bool_, len(values))
    digests = np.empty(len(values), np.uint64)
    digests[of_texts] = _digest_lists_of_texts(list(compress(values, of_texts)), tag)
    digests[~of_texts] = _fold_lists(list(compress(values, ~of_texts)), tag, levels)
    return digests


def _digest_lists_of_texts(values: Sequence[Sequence[str]], tag: int) -> UInt64Array:
    joined = list(map(_NUL.join, values))
    counts = map(str.count, joined, repeat(_NUL))
    if sum(counts) == sum(map(len, values)) - len(values):  # the only ones are those that join
        with contextlib.suppress(UnicodeEncodeError):
            encoded = list(map(str.encode, joined))
            return np.array(list(map(xxh3_64_intdigest, encoded, repeat(tag ^ _TAG_STR))), np.uint64)
    return np.fromiter(map(_digest_list_of_texts, values, repeat(tag)), np.uint64, len(values))


def _fold_lists(values: Sequence[Sequence[Any]], tag: int, levels: int) -> UInt64Array:
    """Digest lists by digesting all their items together, and folding all lists place by place."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    items = list(chain.from_iterable(values))
    if not items:
        return np.full(len(values), tag, np.uint64)
    digests = _digest_values(items, levels)
    order = np.argsort(-lengths, kind="stable")  # the longest first: those with a place are always in front
    counts = len(values) - np.searchsorted(lengths[order[::-1]], np.arange(lengths.max()), side="right")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    places = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    firsts = np.cumsum(counts) - counts
    arranged = np.empty_like(digests)  # all first items, then all second ones, ...
    arranged[firsts[places] + np.repeat(ranks, lengths)] = digests
    folded = np.full(len(values), tag, np.uint64)
    spare = np.empty_like(folded)
    for place, (first, count) in enumerate(zip(firsts.tolist(), counts.tolist(), strict=True)):
        if count < _FEW:  # the ends of a few long lists are quicker by themselves
            for number in range(count):
                rest = arranged[firsts[place : int(lengths[order[number]])] + number].tolist()
                one = int(folded[number])
                for index, digest in enumerate(rest, place):
                    one = fold(one, digest, index)
                folded[number] = one
            break
        words = folded[:count]
        words ^= arranged[first : first + count]
        words *= np.uint64(ODD)
        words += np.uint64(place)
        mix_in_place(words, spare[:count])
    return folded[ranks]


class _Words(dict[str, int]):
    """The digests of texts that come again and again."""

    def __missing__(self, text: str) -> int:
        digest = _digest(text)
        if len(text) <= _WORD_CHARS:
            self[text] = digest
        return digest


_WORDS_SEEN = _Words()


def _digest_texts(values: Sequence[str]) -> UInt64Array:
    first = values[:_TRIED]
    if len(set(first)) * 2 < len(first):  # words of a text, or names of classes
        if len(_WORDS_SEEN) > 65_536:
            _WORDS_SEEN.clear()
        return np.fromiter(map(_WORDS_SEEN.__getitem__, values), np.uint64, len(values))
    try:
        digests = [xxh3_64_intdigest(value.encode(), _TAG_STR) for value in values]
    except UnicodeEncodeError:
        return np.fromiter(map(_digest, values), np.uint64, len(values))
    return np.array(digests, np.uint64)


def _digest_arrays(values: Sequence[NDArray[Any]]) -> UInt64Array:
    dtype, shape = values[0].dtype, values[0].shape
    plain = dtype.byteorder in "<=|" and not dtype.hasobject and np.little_endian
    plain = plain and dtype.kind not in _NO_BUFFER and dtype.char not in _NO_MEANING
    if not plain or not shape or any(v.shape != shape or v.dtype != dtype for v in values):
        return np.fromiter(map(_digest_array, values), np.uint64, len(values))
    seed = seed_of(dtype.newbyteorder("<").str, shape)
    with contextlib.suppress(BufferError):  # nearly always each is contiguous and is read where it lies
        return np.array([xxh3_64_intdigest(v.data, seed) for v in values], np.uint64)
    contiguous = (v if v.flags.c_contiguous else np.ascontiguousarray(v) for v in values)
    return np.fromiter((xxh3_64_intdigest(v.data, seed) for v in contiguous), np.uint64, len(values))


def _digest_dicts(values: Sequence[dict[Any, Any]]) -> UInt64Array:
    first = values[0].keys()
    if all(type(key) is str for key in first) and set(map(len, values)) == {len(first)}:
        try:
            fields = {key: list(map(itemgetter(key), values)) for key in first}
        except KeyError:  # as many fields, but others
            fields = {}
        if fields:
            return _digest_fields(fields, lambda key: _digest_values(fields[key]), len(values))
    return np.fromiter(map(_digest, values), np.uint64, len(values))


def _digest_fields(names: Iterable[str], digests_of: Callable[[str], UInt64Array], count: int) -> UInt64Array:
    folded = np.full(count, _TAG_DICT, np.uint64)
    for name in sorted(names):
        folded = mix64((folded ^ digests_of(name)) * np.uint64(ODD) + np.uint64(_digest(name)))
    return folded
