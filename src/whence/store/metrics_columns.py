"""Points of metrics as columns: many points of a few keys in little room, each number exact to the bit.

A column is 64-bit numbers of one kind (steps, times, the bits of values). What is left of each after what can
be told from the one before is cut into eight planes, all lowest bytes, all second ones, and so on: the lower
bytes of measured values are noise, which stands as it is, and the upper ones repeat, which zlib makes small.

    column = form:u8 zero:u8 raw:u8 0:u8  base:u64 slope:u64  plane*  zlib of the other planes

`zero` and `raw` have a bit for each plane: it is all zeros and isn't there, or stands as it is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whence.errors import DamagedError
from whence.vocab import decode_content, encode_content

PLAIN, DIFFERENCE, CHANGED_BITS = 0, 1, 2

POINT = np.dtype([("at", "<i8"), ("step", "<i8"), ("value", "<f8"), ("key", "<u4")])
"""One point: when it was logged (nanoseconds since 1970), its step, its value, the number of its key."""

_COLUMN = struct.Struct("<BBBxQQ")
_LEVEL = 1
_NOISE_BITS = 7.75
"""A plane with more bits of entropy in each byte stands as it is: zlib would take time and gain nothing."""
_TRIED = 2048
_BLOCK_POINTS = 4096

Words = NDArray[np.uint64]
Column = NDArray[np.int64] | NDArray[np.float64] | Words
Points = NDArray[np.void]


def pack_column(numbers: Column) -> bytes:
    """Pack numbers of 64 bits in the form that gives the fewest bytes, judged by some of them."""
    words = np.ascontiguousarray(numbers).view(np.uint64)
    if not len(words):
        return b""
    middle = max(0, len(words) // 2 - _TRIED // 2)
    tried = words[middle : middle + _TRIED]
    form = min(_FORMS, key=lambda each: len(_packed(tried, each)))
    return _packed(words, form)


def unpack_column(data: bytes, count: int) -> Words:
    """Give back the numbers of a column.

    Raises:
        DamagedError: it isn't one of so many numbers.
    """
    if not count:
        return np.zeros(0, np.uint64)
    try:
        form, zero, raw, base, slope = _COLUMN.unpack_from(data)
        planes = np.zeros((count, 8), np.uint8)
        at = _COLUMN.size
        for plane in _bits(raw & ~zero):
            planes[:, plane] = np.frombuffer(data, np.uint8, count, at)
            at += count
        packed = list(_bits(~(zero | raw)))
        if packed:
            opened = zlib.decompressobj()
            content = opened.decompress(data[at:], count * len(packed) + 1)
            planes[:, packed] = np.frombuffer(content, np.uint8).reshape(len(packed), count).T
        return _FORMS[form][1](planes.view(np.uint64).reshape(count), base, slope)
    except (struct.error, zlib.error, ValueError, KeyError) as error:
        raise DamagedError(f"not a column of {count} numbers ({error})") from error


def _packed(words: Words, form: int) -> bytes:
    rest, base, slope = _FORMS[form][0](words)
    planes = np.ascontiguousarray(rest.view(np.uint8).reshape(-1, 8).T)
    zero = raw = 0
    for number, plane in enumerate(planes):
        if not plane.any():
            zero |= 1 << number
        elif _entropy(plane) > _NOISE_BITS:
            raw |= 1 << number
    noise = b"".join(planes[number].tobytes() for number in _bits(raw))
    other = b"".join(planes[number].tobytes() for number in _bits(~(zero | raw)))
    return (
        _COLUMN.pack(form, zero, raw, base, slope) + noise + (zlib.compress(other, _LEVEL) if other else b"")
    )


def _bits(mask: int) -> Iterator[int]:
    return (number for number in range(8) if mask >> number & 1)


def _entropy(plane: NDArray[np.uint8]) -> float:
    """Bits in each byte; fewer than 256 bytes can't show eight, and are given to zlib."""
    counts = np.bincount(plane)
    shares = counts[counts > 0] / len(plane)
    return float(-(shares * np.log2(shares)).sum())


def _above_least(words: Words) -> tuple[Words, int, int]:
    base = words.min()
    return words - base, int(base), 0


def _from_least(rest: Words, base: int, slope: int) -> Words:
    return rest + np.uint64(base)


def _differences(words: Words) -> tuple[Words, int, int]:
    rest = np.zeros_like(words)
    slope = 0
    if len(words) > 1:
        steps = (words[1:] - words[:-1]).view(np.int64)
        slope = int(steps.min())
        np.subtract(steps, steps.min(), out=rest[1:].view(np.int64))
    return rest, int(words[0]), slope % (1 << 64)


def _from_differences(rest: Words, base: int, slope: int) -> Words:
    rest[1:] += np.uint64(slope)
    rest[0] = base
    return np.cumsum(rest, dtype=np.uint64)


def _changed_bits(words: Words) -> tuple[Words, int, int]:
    rest = np.zeros_like(words)
    np.bitwise_xor(words[1:], words[:-1], out=rest[1:])
    return rest, int(words[0]), 0


def _from_changed_bits(rest: Words, base: int, slope: int) -> Words:
    rest[0] = base
    return np.bitwise_xor.accumulate(rest)


_Apart = Callable[[Words], tuple[Words, int, int]]
_Together = Callable[[Words, int, int], Words]
_FORMS: dict[int, tuple[_Apart, _Together]] = {
    PLAIN: (_above_least, _from_least),
    DIFFERENCE: (_differences, _from_differences),
    CHANGED_BITS: (_changed_bits, _from_changed_bits),
}


class Total(NamedTuple):
    """What the points of one key come to: how many, when first and last, the last one's step and value.

    `least` and `greatest` pass over NaN; they are NaN where nothing else was logged.
    """

    points: int
    since: int
    until: int
    step: int
    last: float
    least: float
    greatest: float


class Columns(NamedTuple):
    """Points of one key, each array of shape (n,)."""

    step: NDArray[np.int64]
    value: NDArray[np.float64]
    at: NDArray[np.int64]


def join_columns(parts: Sequence[Columns]) -> Columns:
    """Put points of one key behind one another."""
    return Columns(
        step=np.concatenate([_NONE, *(part.step for part in parts)]),
        value=np.concatenate([_NONE.view(np.float64), *(part.value for part in parts)]),
        at=np.concatenate([_NONE, *(part.at for part in parts)]),
    )


_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What points come to, as arrays: element *i* of each is about `keys[i]`, ascending; see `Total`."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]
    step: NDArray[np.int64]
    last: NDArray[np.float64]
    least: NDArray[np.float64]
    greatest: NDArray[np.float64]

    def by_key(self) -> dict[int, Total]:
        """The same for each key, by its number."""
        columns = [getattr(self, name).tolist() for name in _FIELDS]
        return {row[0]: Total(*row[1:]) for row in zip(*columns, strict=True)}


_FIELDS: dict[str, type[np.int64 | np.float64]] = {
    "keys": np.int64, "counts": np.int64, "since": np.int64, "until": np.int64, "step": np.int64,
    "last": np.float64, "least": np.float64, "greatest": np.float64,
}  # fmt: skip


def merge_totals(parts: Sequence[Totals]) -> Totals:
    """Sum totals up, those of earlier points first."""
    whole = {
        name: np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in parts)])
        for name, kind in _FIELDS.items()
    }
    order = np.argsort(whole["keys"], kind="stable")
    whole = {name: column[order] for name, column in whole.items()}
    keys, firsts, counts = np.unique(whole["keys"], return_index=True, return_counts=True)
    lasts = firsts + counts - 1
    return Totals(
        keys=keys,
        counts=np.add.reduceat(whole["counts"], firsts) if len(keys) else counts,
        since=whole["since"][firsts],
        until=whole["until"][lasts],
        step=whole["step"][lasts],
        last=whole["last"][lasts],
        least=np.fmin.reduceat(whole["least"], firsts) if len(keys) else whole["least"],
        greatest=np.fmax.reduceat(whole["greatest"], firsts) if len(keys) else whole["greatest"],
    )


def total_points(points: Points) -> tuple[Totals, Points]:
    """Sum points up by key; gives them back as well, key by key, those of a key in their order."""
    ordered = points if not np.ptp(points["key"]) else points[np.argsort(points["key"], kind="stable")]
    keys, firsts, counts = np.unique(ordered["key"], return_index=True, return_counts=True)
    lasts = firsts + counts - 1
    value = ordered["value"]
    return Totals(
        keys=keys.astype(np.int64),
        counts=counts.astype(np.int64),
        since=ordered["at"][firsts],
        until=ordered["at"][lasts],
        step=ordered["step"][lasts],
        last=value[lasts],
        least=np.fmin.reduceat(value, firsts),
        greatest=np.fmax.reduceat(value, firsts),
    ), ordered


def pack_points(first: int, points: Points) -> tuple[bytes, Totals]:
    """Spell points, one or more, as a frame's payload.

    Args:
        first: the ordinal of the first one in the run.
        points: the points, in the order of their ordinals.

    Returns:
        The payload, and what the points come to.
    """
    totals, ordered = total_points(points)
    blocks, start, keys = [], 0, 0
    end = 0
    for place, count in enumerate(totals.counts.tolist()):
        end += count
        keys += 1
        if end - start >= _BLOCK_POINTS or place == len(totals.counts) - 1:
            columns = [pack_column(ordered[name][start:end]) for name in ("step", "at", "value")]
            blocks.append([keys, *columns])
            start, keys = end, 0
    entry: dict[str, Any] = {"first": first, "count": len(points), "names": len(totals.keys)}
    entry |= {name: pack_column(getattr(totals, name)) for name in _FIELDS}
    return encode_content(entry | {"blocks": blocks}), totals


class PackedPoints:
    """A frame's payload, read: what its points come to, and the points of a key.

    Args:
        payload: the payload.

    Raises:
        DamagedError: it isn't one.
    """

    def __init__(self, payload: bytes) -> None:
        entry = decode_content(payload)
        try:
            self.first: int = entry["first"]
            self.count: int = entry["count"]
            found: dict[str, Any] = {
                name: unpack_column(entry[name], entry["names"]).view(kind) for name, kind in _FIELDS.items()
            }
            self._blocks: list[tuple[int, bytes, bytes, bytes]] = entry["blocks"]
        except (KeyError, TypeError) as error:
            raise DamagedError(f"not points of metrics ({error})") from error
        self.totals = Totals(**found)
        if self.totals.counts.sum() != self.count:
            raise DamagedError(f"{self.totals.counts.sum()} points of metrics, said to be {self.count}")

    @property
    def end(self) -> int:
        """The ordinal after that of its last point."""
        return self.first + self.count

    def of(self, keys: NDArray[np.int64]) -> Iterator[tuple[int, Columns]]:
        """Give the points of those of the keys that it has, key by key.

        Raises:
            DamagedError: it doesn't hold what it says.
        """
        begin = 0
        for held, *packed in self._blocks:
            names = self.totals.keys[begin : begin + held]
            wanted = np.flatnonzero(np.isin(names, keys)).tolist()
            if wanted:
                ends = np.cumsum(self.totals.counts[begin : begin + held]).tolist()
                words = [unpack_column(column, ends[-1]) for column in packed]
                step, at, value = words[0].view(np.int64), words[1].view(np.int64), words[2].view(np.float64)
                for place in wanted:
                    own = slice(ends[place - 1] if place else 0, ends[place])
                    yield int(names[place]), Columns(step[own], value[own], at[own])
            begin += held
