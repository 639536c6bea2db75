"""Whether cells and rows say the same, asked of whole columns at once: by keyed hashes, drawn anew each time.

A row is one message of 64-bit words: of each cell whether it is there, its length and its content. Each word
has two keys of its own, from the system's randomness, for each of two lanes, so whoever makes rows can't make
two that are taken for one: two given rows that differ have one lane in common with a chance of 2^-32 at most.
Texts of more than 256 bytes stand for themselves by their SHA-256. Values are the same as digests have it:
every NaN is one value, -0.0 isn't 0.0, and how Arrow holds them makes no difference.

Source: NH, in Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC: Fast and Secure Message Authentication",
CRYPTO 1999.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.datasets.arrow import pa, pc
from whence.datasets.logical import is_list, plain_array
from whence.datasets.marks import Int64Array, UInt64Array
from whence.vocab import digest_bytes, mix64

BoolArray = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

_WORD = 8
_LONG_BYTES = 256
_WORDS = _LONG_BYTES // _WORD
_LANES = 2
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Sameness:
    """Hashes of one comparison; those of two comparisons have nothing in common."""

    def __init__(self) -> None:
        self._keys: dict[str, UInt64Array] = {}

    def cells(self, name: str, column: Any) -> UInt64Array:
        """Hash each value of a column: shape (2, n).

        Args:
            name: of the column; values of two columns have nothing in common.
            column: an array or a chunked array.
        """
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        found = []
        for chunk in chunks:
            lanes = np.zeros((_LANES, len(chunk)), np.uint64)
            self._add(name, plain_array(chunk), lanes)
            found.append(lanes)
        return np.concatenate(found, axis=1) if found else np.zeros((_LANES, 0), np.uint64)

    def rows(self, table: Any) -> UInt64Array:
        """Hash each row: 64 bits of both lanes, shape (n,)."""
        lanes = np.zeros((_LANES, table.num_rows), np.uint64)
        for name, column in zip(table.schema.names, table.columns, strict=True):
            lanes += self.cells(name, column)
        found: UInt64Array = mix64(lanes[0]) + lanes[1] * _ODD
        return found

    def _add(self, path: str, array: Any, lanes: UInt64Array) -> None:
        """Add the values of an array to the messages."""
        kind = array.type
        there = None
        if array.null_count:
            there = array.is_valid().to_numpy(zero_copy_only=False)
            self._take(path, 0, there.astype(np.uint64), lanes)
        else:
            self._take(path, 0, np.ones(len(array), np.uint64), lanes)
        if kind == pa.null() or not len(array):
            return
        if kind in (pa.large_string(), pa.large_binary()):
            _, offsets, content = array.buffers()
            ends = np.frombuffer(offsets, "<i8")[array.offset : array.offset + len(array) + 1]
            held = np.frombuffer(content, np.uint8) if content is not None else np.empty(0, np.uint8)
            self._texts(path, ends[:-1], _there(np.diff(ends), there), held, lanes)
        elif is_list(kind):
            self._lists(path, array, there, lanes)
        elif pa.types.is_struct(kind):
            for place, field in enumerate(array.flatten()):
                self._add(f"{path}\0{place}", plain_array(field), lanes)
        else:
            words = _as_words(_raw(array, there))
            for place in range(words.shape[1]):
                self._take(path, 1 + place, words[:, place], lanes)

    def _lists(self, path: str, array: Any, there: BoolArray | None, lanes: UInt64Array) -> None:
        """Take lists as texts of their items: of the bytes of numbers, of the hashes of anything else."""
        lengths: Int64Array = pc.fill_null(pc.list_value_length(array).cast(pa.int64()), 0).to_numpy()
        starts = np.cumsum(lengths) - lengths
        items = plain_array(array.flatten())
        if pa.types.is_primitive(items.type):
            gaps = items.is_null().to_numpy(zero_copy_only=False)
            raw = _raw(items, ~gaps if items.null_count else None)
            seen = np.concatenate([[0], np.cumsum(gaps)])
            with_gaps = np.where(seen[starts + lengths] > seen[starts], lengths, 0)
            self._texts(f"{path}\0gaps", starts, with_gaps, gaps.view(np.uint8), lanes)
        else:
            hashed = np.zeros((_LANES, len(items)), np.uint64)
            self._add(f"{path}\0items", items, hashed)
            raw = np.ascontiguousarray(hashed.T).view(np.uint8).reshape(len(items), _LANES * _WORD)
        width = raw.shape[1]
        self._texts(f"{path}\0list", starts * width, lengths * width, raw.reshape(-1), lanes)

    def _texts(
        self, path: str, starts: Int64Array, lengths: Int64Array, held: Bytes, lanes: UInt64Array
    ) -> None:
        """Take pieces of some bytes: how long each is, and its words, the last one filled with zeros."""
        self._take(path, _WORDS + 1, lengths.view(np.uint64), lanes)
        counts = (lengths + (_WORD - 1)) // _WORD
        long = np.flatnonzero(lengths > _LONG_BYTES)
        counts[long] = 0
        which = np.flatnonzero(counts)
        if len(which):
            padded = np.zeros(len(held) + _WORD, np.uint8)
            padded[: len(held)] = held
            words = np.lib.stride_tricks.sliding_window_view(padded, _WORD).view("<u8")[:, 0]
        place = 0
        while len(which):
            left = lengths[which] - place * _WORD
            found = words[starts[which] + place * _WORD]
            found &= _FULL >> (8 * (_WORD - left.clip(max=_WORD))).astype(np.uint64)
            self._take(path, 1 + place, found, lanes, which)
            place += 1
            which = which[counts[which] > place]
        if len(long):
            content = np.ascontiguousarray(held).data
            pairs = zip(starts[long].tolist(), lengths[long].tolist(), strict=True)
            digests = b"".join(digest_bytes(content[start : start + length]) for start, length in pairs)
            table = np.frombuffer(digests, "<u8").reshape(len(long), -1)
            for place in range(table.shape[1]):
                self._take(path, 1 + place, table[:, place], lanes, long)
            counts[long] = table.shape[1]
        self._take_zeros(path, counts, lanes)

    def _take(
        self, path: str, place: int, words: UInt64Array, lanes: UInt64Array, which: Int64Array | None = None
    ) -> None:
        """Add a word to each message, or to some: the product of its halves, each with a key added."""
        low, high = words & _LOW, words >> _HALF
        for lane, (first, second) in enumerate(self._keys_of(path)[place]):
            product = ((low + first) & _LOW) * ((high + second) & _LOW)
            if which is None:
                lanes[lane] += product
            else:
                lanes[lane, which] += product

    def _take_zeros(self, path: str, counts: Int64Array, lanes: UInt64Array) -> None:
        """Fill messages up to their full length: texts behind which nothing comes end with zeros."""
        keys = self._keys_of(path)[1 : 1 + _WORDS]
        for lane in range(_LANES):
            each = keys[:, lane, 0] * keys[:, lane, 1]
            rest = np.zeros(_WORDS + 1, np.uint64)
            rest[:-1] = np.cumsum(each[::-1])[::-1]
            lanes[lane] += rest[counts]

    def _keys_of(self, path: str) -> UInt64Array:
        """The keys of a column: for each word and lane two of 32 bits."""
        if path not in self._keys:
            count = (_WORDS + 2) * _LANES * 2
            drawn = np.frombuffer(secrets.token_bytes(4 * count), "<u4").astype(np.uint64)
            self._keys[path] = drawn.reshape(_WORDS + 2, _LANES, 2)
        return self._keys[path]


def _there(lengths: Int64Array, there: BoolArray | None) -> Int64Array:
    return lengths if there is None else np.where(there, lengths, 0)


def _raw(array: Any, there: BoolArray | None) -> Bytes:
    """The bytes of values of one width, shape (n, width); zeros where one is missing."""
    kind = array.type
    if not len(array):
        return np.empty((0, max(1, kind.bit_width // 8)), np.uint8)
    raw: Bytes
    if pa.types.is_boolean(kind):
        raw = pc.fill_null(array.cast(pa.uint8()), 0).to_numpy().reshape(-1, 1)
    elif pa.types.is_floating(kind):
        numbers = np.frombuffer(array.buffers()[1], f"<f{kind.bit_width // 8}")
        numbers = numbers[array.offset : array.offset + len(array)]
        nans = np.isnan(numbers)
        if nans.any():
            numbers = np.where(nans, numbers.dtype.type("nan"), numbers)
        raw = numbers.view(np.uint8).reshape(len(array), -1)
    else:
        width = kind.bit_width // 8
        held = np.frombuffer(array.buffers()[1], np.uint8)
        raw = held[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
    if there is not None:
        raw = np.where(there[:, None], raw, np.uint8(0))
    return raw


def _as_words(raw: Bytes) -> UInt64Array:
    """Bytes as 64-bit words, the last one filled with zeros; shape (n, words)."""
    count, width = raw.shape
    if width in (1, 2, 4):
        words: UInt64Array = (
            np.ascontiguousarray(raw).view(f"<u{width}").astype(np.uint64).reshape(count)[:, None]
        )
        return words
    if width % _WORD:
        raw = np.pad(raw, ((0, 0), (0, -width % _WORD)))
    return np.ascontiguousarray(raw).view("<u8").reshape(count, -1)
