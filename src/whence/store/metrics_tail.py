"""Tails: the latest points of a run's metrics as they came, one write each, before they are packed.

    runs/<run>/points-<n>   n is the ordinal of the tail's first point: how many the run had before it

    file  = head point*
    head  = "whence" 0x00 version:u8 "points" 0x00 0x00                                   16 bytes
    point = at:i64 step:i64 value:f64 key:u32 crc32:u32                                   32 bytes

All little-endian. The topmost bit of `key` says that more points of the same call follow. `crc32` is that
of the 28 bytes before it, begun with the point's ordinal (as zlib's crc32(data, ordinal)): so a point that
stands in another's place is noticed like one that was changed. A call is one write; half a call at the end
was cut off by a crash, was never acknowledged, and is ignored.
"""

from __future__ import annotations

import os
import pathlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whence.errors import NotFoundError, StoreVersionError
from whence.store.appending import AppendedFile
from whence.store.files import explained_reading, sync_data, write_all
from whence.store.frames import FORMAT_VERSION, Damage
from whence.store.metrics_columns import POINT, Points

MORE = 1 << 31
HEAD_BYTES = 16
POINT_BYTES = 32

_NAME = "points-"
_HEAD = b"whence\x00" + bytes([FORMAT_VERSION]) + b"points\x00\x00"
_spell = struct.Struct("<qqdI").pack
_RECORD = np.dtype([*((name, POINT[name]) for name in ("at", "step", "value", "key")), ("crc", "<u4")])


def spell_point(at_ns: int, step: int, value: float, key: int, ordinal: int) -> bytes:
    """Spell a point: 32 bytes."""
    body = _spell(at_ns, step, value, key)
    return body + zlib.crc32(body, ordinal & 0xFFFFFFFF).to_bytes(4, "little")


class Tail(AppendedFile):
    """Appends points to a tail; one writer. One thread may sync while another one appends.

    Args:
        folder: the run's folder.
        first: the ordinal of its first point.
        count: how many points are in it, all on the disk, where it is gone on with; 0 makes it.

    Raises:
        OSError: it can't be opened.
    """

    __slots__ = ("_is_unsure", "count", "first")

    def __init__(self, folder: pathlib.Path, first: int, count: int = 0) -> None:
        super().__init__(folder / f"{_NAME}{first}", size=HEAD_BYTES + count * POINT_BYTES if count else -1)
        self.first = first
        self.count = count
        self._is_unsure = False

    def ready(self) -> int:
        """Make it ready for points; gives the ordinal of the next one.

        Raises:
            OSError: the disk refused it.
        """
        if self._is_unsure:
            self._look_again()
        self._is_unsure = True
        try:
            if not self.size:
                self.append(_HEAD)
            elif self._is_torn:
                self._cut_back()
        except OSError:
            self._is_unsure = False
            raise
        return self.first + self.count

    def add(self, points: bytes, count: int) -> None:
        """Write points; when this returns they survive the death of the process. It was made ready before.

        Raises:
            OSError: they couldn't be written, and aren't in the file.
        """
        try:
            written = os.write(self._descriptor, points)
            if written != len(points):
                write_all(self._descriptor, memoryview(points)[written:])
        except OSError:
            self._is_torn = True  # half a point must not stand before a later one
            self._is_unsure = False
            raise
        self.size += len(points)
        self.count += count
        self._is_unsure = False

    def _look_again(self) -> None:
        """Count what is in the file, where an exception (Ctrl-C, say) came between a write and its count."""
        if self._descriptor >= 0:
            size = os.fstat(self._descriptor).st_size
            self.count = max(0, size - HEAD_BYTES) // POINT_BYTES
            self.size = HEAD_BYTES + self.count * POINT_BYTES if size >= HEAD_BYTES else 0
            self._is_torn = size != self.size

    def sync(self) -> None:
        """Force what was appended to the disk; see `AppendedFile.sync`."""
        size = self.size  # what comes meanwhile may be on the disk or not
        if size == self.synced:
            return
        try:
            if self._is_doubtful:
                self._write_again()
            sync_data(self._descriptor)
        except OSError:
            self._is_doubtful = True
            raise
        self.synced, self._is_doubtful = size, False

    def _is_as_written(self, end: int, checksum: int) -> bool:
        found = scan_tail(self.path, self.first)
        return found is not None and not found.damages and found.sound_bytes >= end


@dataclass(frozen=True, slots=True, kw_only=True)
class TailScan:
    """What a tail holds.

    Args:
        path: the file.
        first: the ordinal of its first point.
        count: how many ordinals it has, those of damaged points among them.
        ordinals: those of the sound points, ascending.
        points: the sound points.
        damages: what isn't sound.
        torn_bytes: what was cut off at its end.
    """

    path: pathlib.Path
    first: int
    count: int
    ordinals: NDArray[np.int64]
    points: Points
    damages: Sequence[Damage]
    torn_bytes: int

    @property
    def end(self) -> int:
        """The ordinal after that of its last point."""
        return self.first + self.count

    @property
    def sound_bytes(self) -> int:
        """Where what was cut off begins; less than the head where that was."""
        return HEAD_BYTES + self.count * POINT_BYTES


def find_tails(folder: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """Find the tails of a run, by the ordinals of their first points."""
    named = ((path.name.removeprefix(_NAME), path) for path in folder.glob(f"{_NAME}*"))
    return sorted((int(digits), path) for digits, path in named if digits.isdecimal())


def read_tail(path: pathlib.Path) -> bytes | None:
    """Read a tail as it is; None where it is gone, since its points were packed.

    Raises:
        StoreError: it can't be read.
    """
    try:
        with explained_reading(path):
            return path.read_bytes()
    except NotFoundError:
        return None


def ordinals_in(data: bytes, first: int) -> range:
    """Tell which ordinals the points of a tail have, before any is checked."""
    return range(first, first + max(0, len(data) - HEAD_BYTES) // POINT_BYTES)


def scan_tail(path: pathlib.Path, first: int) -> TailScan | None:
    """Read a tail and check every point; None where it is gone.

    Raises:
        StoreVersionError: a newer whence wrote it.
        StoreError: it can't be read.
    """
    data = read_tail(path)
    return None if data is None else check_tail(path, first, data)


def check_tail(path: pathlib.Path, first: int, data: bytes) -> TailScan:
    """Check every point of a tail that was read; raises `StoreVersionError`."""
    damages = _check_head(path, data[:HEAD_BYTES])
    size = max(0, len(data) - HEAD_BYTES)
    records = np.frombuffer(data, _RECORD, size // POINT_BYTES, HEAD_BYTES) if size else np.zeros(0, _RECORD)
    is_sound = checksums(records, first) == records["crc"]
    count = _whole(records, is_sound)
    for start, end in _stretches(~is_sound[:count]):
        damages.append(
            Damage(
                path=str(path),
                offset=HEAD_BYTES + start * POINT_BYTES,
                length=(end - start) * POINT_BYTES,
                problem=f"points {first + start} to {first + end - 1} don't match their checksums",
            )
        )
    kept = np.flatnonzero(is_sound[:count])
    points = np.empty(len(kept), POINT)
    for name in ("at", "step", "value"):
        points[name] = records[name][kept]
    points["key"] = records["key"][kept] & (MORE - 1)
    return TailScan(
        path=path,
        first=first,
        count=count,
        ordinals=first + kept,
        points=points,
        damages=damages,
        torn_bytes=len(data) - HEAD_BYTES - count * POINT_BYTES if len(data) > HEAD_BYTES else 0,
    )


def _check_head(path: pathlib.Path, head: bytes) -> list[Damage]:
    if head == _HEAD[: len(head)]:
        return []
    if head[:7] == _HEAD[:7] and head[7:8] > _HEAD[7:8] and head[8:] == _HEAD[8:]:
        raise StoreVersionError(
            f"{path}: written in format {head[7]}, this whence reads up to {FORMAT_VERSION}",
            remedy="Upgrade whence: pip install --upgrade whence",
        )
    return [Damage(path=str(path), offset=0, length=len(head), problem="not a tail of metrics")]


def _whole(records: NDArray[np.void], is_sound: NDArray[np.bool_]) -> int:
    """Count the points without those cut off at the end: zeros after a power cut, and half a call."""
    count = len(records)
    while count and not is_sound[count - 1] and not records[count - 1 : count].view(np.uint8).any():
        count -= 1
    while count and is_sound[count - 1] and records["key"][count - 1] & MORE:
        count -= 1
    return count


def _stretches(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Find where a mask is set, as beginnings and ends."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def checksums(records: NDArray[np.void], first: int) -> NDArray[np.uint32]:
    """Compute the checksums of all points at once, 0.1 µs each; one by one they take four times that."""
    content = records.view(np.uint8).reshape(len(records), POINT_BYTES)
    ordinals = np.arange(first, first + len(records), dtype=np.uint64).astype(np.uint32)
    register = ~ordinals
    for byte in range(POINT_BYTES - 4):
        register = _TABLE[(register ^ content[:, byte]) & 0xFF] ^ (register >> 8)
    return ~register


def _crc_table() -> NDArray[np.uint32]:
    """CRC-32 of each byte, by the reversed polynomial EDB88320 (as in zlib, and RFC 1952 section 8)."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1).astype(np.uint32)
    return table


_TABLE = _crc_table()
