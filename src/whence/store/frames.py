"""Framed files: append-only, checksummed, hash-chained; the form of journals, payloads and segments.

    file   = head frame*
    head   = "whence" 0x00 version:u8 purpose:8 bytes (ASCII, padded with 0x00)          16 bytes
    frame  = F7 57 48 46  length:u32  kind:u16  0:u16  crc32:u32  chain:32 bytes  payload  48 bytes + payload

All integers are little-endian. `crc32` covers length, kind, the zero and the payload; `chain` is
SHA-256(previous chain, the same bytes), the first previous chain being SHA-256(head). A file that
ends inside a frame was cut off by a crash: that tail never was acknowledged and is ignored. A frame
that doesn't check elsewhere is damage; reading goes on at the next frame that checks.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import pathlib
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from whence.errors import DamagedError, StoreError, StoreVersionError
from whence.lineage import Place
from whence.store.appending import AppendedFile
from whence.store.files import explained, explained_reading
from whence.store.outbox import Outbox
from whence.vocab import Hasher, digest_bytes

FORMAT_VERSION = 1

_MAGIC = b"whence\x00"
HEAD_BYTES = 16
_MARK = b"\xf7WHF"
_PREFIX = struct.Struct("<4sIHHI32s")
FRAME_HEAD_BYTES = _PREFIX.size
_COVERED = struct.Struct("<IHH")
_LENGTH_LIMIT = 1 << 30
_COPIED_BYTES = 1 << 16
"""Above this a second call is quicker than a copy."""

Content = bytes | mmap.mmap


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as it was read: where it begins, what kind it is and what it holds."""

    offset: int
    kind: int
    payload: bytes
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A stretch of a framed file that doesn't check."""

    path: str
    offset: int
    length: int
    problem: str


@dataclass(slots=True, kw_only=True)
class Scan:
    """All that a framed file holds: its sound frames, how many there are, its damage, a tail cut off.

    `chain_at` has the chain value at each of the ends that were asked for and at which a frame does end.
    """

    frames: list[Frame] = field(default_factory=list)
    count: int = 0
    damages: list[Damage] = field(default_factory=list)
    torn_bytes: int = 0
    sound_bytes: int = 0
    chain: bytes = b""
    chain_at: dict[int, bytes] = field(default_factory=dict)


class FrameWriter:
    """Appends frames to one file; one writer, no lock.

    Args:
        path: the file.
        purpose: what it holds, at most 8 ASCII letters.
        after: what was found in the file, which ends with it and is on the disk; None makes the file with
            its head.
        outbox: where frames wait that the disk refuses; by default none do.

    Attributes:
        file: what is in the file; less than `size` while frames wait.
    """

    __slots__ = ("_chain", "_outbox", "_size", "count", "file", "path")

    def __init__(
        self,
        path: pathlib.Path,
        *,
        purpose: str,
        after: Scan | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.path = path
        self.count = 0
        self._outbox = Outbox() if outbox is None else outbox
        if after is not None:
            with explained(path):
                self.file = AppendedFile(path, size=after.sound_bytes)
            self.count, self._size, self._chain = after.count, after.sound_bytes, after.chain
            return
        head = _MAGIC + bytes([FORMAT_VERSION]) + purpose.encode().ljust(8, b"\x00")
        self.file = AppendedFile(path)
        try:
            with explained(path):
                if not self._outbox.put(
                    functools.partial(self.file.append, head), len(head), is_essential=True
                ):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            if self.file.is_open:
                self.close()
                path.unlink()  # a file without a head is none, and would stand in the way of the next
            raise
        self._size = len(head)
        self._chain = digest_bytes(head)

    @property
    def chain(self) -> bytes:
        """The chain value of the last frame, 32 bytes: it commits to everything before it."""
        return self._chain

    @property
    def size(self) -> int:
        """The file's length in bytes, when nothing waits."""
        return self._size

    def append(self, kind: int, payload: bytes, *, is_essential: bool = False) -> Place | None:
        """Write one frame; when this returns and nothing waits it survives the death of the process.

        Args:
            kind: what it is.
            payload: what it holds.
            is_essential: whether the rest can't be understood without it.

        Returns:
            Where the frame is, and the chain values before it and its own; None where it has to wait and
            there is no room for that either.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: the write failed, and nothing is to wait; the file
                ends as before.
        """
        if len(payload) > _LENGTH_LIMIT:
            raise StoreError(
                f"{self.path}: an entry of {len(payload)} bytes, wanted at most {_LENGTH_LIMIT}",
                remedy="Log it as an artifact.",
            )
        covered = _COVERED.pack(len(payload), kind, 0)
        if len(payload) > _COPIED_BYTES:
            hasher = Hasher()
            for part in (self._chain, covered, payload):
                hasher.update(part)
            chain = hasher.digest()
        else:
            chain = digest_bytes(self._chain + covered + payload)
        prefix = _PREFIX.pack(_MARK, len(payload), kind, 0, zlib.crc32(payload, zlib.crc32(covered)), chain)
        size = len(prefix) + len(payload)
        parts = (prefix, payload) if len(payload) > _COPIED_BYTES else (prefix + payload,)
        with explained(self.path):
            act = functools.partial(self.file.append, *parts)
            if not self._outbox.put(act, size, is_essential=is_essential):
                return None
        place = Place(self._size, len(payload), self._chain, chain)
        self._size += size
        self._chain = chain
        self.count += 1
        return place

    def sync(self) -> None:
        """Force what is in the file to the disk; see `AppendedFile.sync`.

        Raises:
            StoreError: some of it may not be there.
        """
        with explained(self.path):
            self.file.sync()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def scan_frames(
    path: pathlib.Path, *, keep: bool = True, ends: Collection[int] = (), within: int | None = None
) -> Scan:
    """Read a framed file; damage is listed, never raised.

    Args:
        path: the file.
        keep: False checks and counts the frames, and lets them go.
        ends: where frames should end whose chain values are wanted.
        within: of how many of its first bytes; None for all of it.

    Raises:
        StoreVersionError: a newer whence wrote it.
        NotFoundError, StoreError: it can't be read.
    """
    data = _mapped(path, within)
    scan = Scan()
    if len(data) < HEAD_BYTES:
        scan.torn_bytes = len(data)
        return scan
    scan.damages += _check_head(data, path)
    scan.sound_bytes = HEAD_BYTES
    scan.chain = digest_bytes(data[:HEAD_BYTES])
    if HEAD_BYTES in ends:
        scan.chain_at[HEAD_BYTES] = scan.chain
    for item in _walk(data, str(path), scan.chain):
        if isinstance(item, Frame):
            scan.count += 1
            if keep:
                scan.frames.append(item)
            scan.chain = item.chain
            scan.sound_bytes = item.offset + _PREFIX.size + len(item.payload)
            if scan.sound_bytes in ends:
                scan.chain_at[scan.sound_bytes] = item.chain
        elif item.offset + item.length == len(data) and item.problem == "torn":
            scan.torn_bytes = item.length
        else:
            scan.damages.append(item)
    return scan


def iterate_frames(path: pathlib.Path) -> Iterator[Frame | Damage]:
    """Read a framed file frame by frame, and the damage between them.

    Raises:
        StoreVersionError: a newer whence wrote it.
        NotFoundError, StoreError: it can't be read.
    """
    data = _mapped(path)
    if len(data) >= HEAD_BYTES:
        yield from _check_head(data, path)
        yield from _walk(data, str(path), digest_bytes(data[:HEAD_BYTES]))


def _mapped(path: pathlib.Path, within: int | None = None) -> Content:
    with explained_reading(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        size = size if within is None else min(size, within)
        if not size:
            return b""  # nothing can't be mapped
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


def _check_head(data: Content, path: pathlib.Path) -> list[Damage]:
    if data[:7] != _MAGIC:
        return [Damage(path=str(path), offset=0, length=HEAD_BYTES, problem="not a framed file")]
    if data[7] > FORMAT_VERSION:
        raise StoreVersionError(
            f"{path}: written in format {data[7]}, this whence reads up to {FORMAT_VERSION}",
            remedy="Upgrade whence: pip install --upgrade whence",
        )
    return []


def read_frame(path: pathlib.Path, offset: int) -> Frame:
    """Read the one frame at an offset.

    Raises:
        DamagedError: no sound frame begins there.
    """
    with explained_reading(path), path.open("rb") as file:
        file.seek(offset)
        prefix = file.read(_PREFIX.size)
        length = int.from_bytes(prefix[4:8], "little") if len(prefix) == _PREFIX.size else 0
        data = prefix + file.read(min(length, _LENGTH_LIMIT))
    frame = _frame_at(data, 0)
    if frame is None:
        raise DamagedError(f"{path}: no sound frame at byte {offset}", place=f"{path}:{offset}")
    return Frame(offset=offset, kind=frame.kind, payload=frame.payload, chain=frame.chain)


def _walk(data: Content, path: str, chain: bytes) -> Iterator[Frame | Damage]:
    at = HEAD_BYTES
    linked = True
    while at < len(data):
        frame = _frame_at(data, at)
        if frame is None:
            following = _next_sound(data, at + 1)
            problem = (
                "torn" if following is None and _is_cut_off(data, at) else "bytes don't match their checksum"
            )
            end = len(data) if following is None else following
            yield Damage(path=path, offset=at, length=end - at, problem=problem)
            at, linked = end, False
            continue
        covered = _COVERED.pack(len(frame.payload), frame.kind, 0) + frame.payload
        if linked and digest_bytes(chain + covered) != frame.chain:
            yield Damage(
                path=path, offset=at, length=_PREFIX.size, problem="the hash chain doesn't continue here"
            )
        yield frame
        chain, linked = frame.chain, True
        at += _PREFIX.size + len(frame.payload)


def _frame_at(data: Content, at: int) -> Frame | None:
    if len(data) < at + _PREFIX.size:
        return None
    mark, length, kind, zero, checksum, chain = _PREFIX.unpack_from(data, at)
    end = at + _PREFIX.size + length
    if mark != _MARK or zero != 0 or length > _LENGTH_LIMIT or end > len(data):
        return None
    payload = data[at + _PREFIX.size : end]
    if zlib.crc32(_COVERED.pack(length, kind, 0) + payload) != checksum:
        return None
    return Frame(offset=at, kind=kind, payload=payload, chain=chain)


def _next_sound(data: Content, start: int) -> int | None:
    at = data.find(_MARK, start)
    while at >= 0:
        if _frame_at(data, at) is not None:
            return at
        at = data.find(_MARK, at + 1)
    return None


def _is_cut_off(data: Content, at: int) -> bool:
    """Tell a frame that the file ends inside of from one whose bytes were changed."""
    rest = len(data) - at
    if rest < _PREFIX.size:
        return _MARK.startswith(data[at : at + 4]) or data[at : at + 4] == _MARK
    mark, length, kind, zero, checksum, _ = _PREFIX.unpack_from(data, at)
    if mark != _MARK or zero != 0 or rest >= _PREFIX.size + length:
        return False
    # a whole last frame whose length was changed would pass for one that is cut off
    payload = data[at + _PREFIX.size :]
    return bool(zlib.crc32(_COVERED.pack(len(payload), kind, 0) + payload) != checksum)
