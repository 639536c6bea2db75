"""Staging: what was said to be kept and isn't logged yet, in files that whoever writes holds meanwhile.

    staging/<n>     frames from the start, each at a multiple of 512 bytes, then zeros
    frame = head payload, in sectors: 508 bytes of it, the last ones filled with zeros, and F7 generation[:3]
    head  = F7 57 4C 53  generation:8  count:u32  length:u32  first:32  digest:32  crc32:u32      88 bytes

All integers are little-endian. `first` is the leaf hash of the first of `count` entries, `digest` the SHA-256
of the payload, `crc32` covers the rest of the head. The payload is msgpack [shard, size, project, [[entry,
salt, payload], ...]]: nothing of it was logged when that shard had that size. Frames that are logged are
overwritten with zeros; where others follow, a head with the mark F7 57 4C 56 stays.

Nothing is synced for that overwriting. A cut may therefore bring logged frames back, in any sectors: they are
found in the log by `first`. All frames between two times at which a file was empty share a random generation,
and so do the sectors of a frame: one that doesn't check was damaged if all its sectors are its own, and else
cut off before anybody was told that it is kept. The files keep their size, so that syncing a frame changes
nothing but its sectors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from whence.errors import DamagedError
from whence.store.files import explained, make_folder, sync_data, sync_folder, write_whole
from whence.store.ledger.locks import hold, let_go
from whence.store.ledger.together import Together
from whence.vocab import decode_content, digest_bytes, encode_content

SECTOR = 512
SECTOR_BYTES = 508
SLOT_BYTES = 1 << 16

_MARK = b"\xf7WLS"
_VOID = b"\xf7WLV"
_HEAD = struct.Struct("<4s8sII32s32sI")
_CHECKED_BYTES = _HEAD.size - 4
_DAMAGED = "damaged-"
_SLOT_LIMIT = 64


class Addition(NamedTuple):
    """What a log is to hold: the entry, and the opening of what it commits to."""

    entry: bytes
    salt: bytes
    payload: bytes


class Since(NamedTuple):
    """How far the log had come when something was staged: nothing of it was logged before."""

    shard: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Entries that were staged together.

    Args:
        first: the leaf hash of the first.
        since: what they aren't logged before.
        project: whose they are.
        additions: the entries.
    """

    first: bytes
    since: Since
    project: str
    additions: tuple[Addition, ...]

    def encode(self) -> bytes:
        """Spell the payload of a frame."""
        return encode_content([*self.since, self.project, self.additions])


@dataclass(slots=True, kw_only=True)
class Taken:
    """What was found in one file.

    Args:
        path: the file.
        end: where its frames end.
        frames: by where each begins, those that check.
        damages: where something doesn't: its bytes, and what is wrong.
        broken: the frames whose payload doesn't check, by where each begins: the leaf hash of their first.
    """

    path: pathlib.Path
    end: int = 0
    frames: dict[int, Staged] = field(default_factory=dict)
    damages: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    broken: dict[int, bytes] = field(default_factory=dict)


class Staging:
    """The files of a ledger's staging.

    Args:
        path: their folder; made with the first frame.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._put = Together(self._write)
        self._known: dict[str, tuple[bytes, int]] = {}

    def put(self, staged: Sequence[Staged], *, sync: bool = True) -> None:
        """Write frames; they are on the disk when this returns if it is synced, and else with the system.

        Threads that do so at once share one write and one sync.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: they aren't there.
        """
        frames = [(each.first, len(each.additions), each.encode()) for each in staged]
        self._put(_Piece(frames, sync))

    def take(self) -> list[Taken]:
        """Read all that is staged, by whomever; nothing is taken away."""
        found = [_read(path) for path in self._slots()]
        return [each for each in found if each is not None]

    def wipe(self, taken: Sequence[Taken]) -> None:
        """Overwrite what was taken: it is logged.

        Raises:
            StoreError: some of it is still there, and is found in the log by whoever takes it next.
        """
        for each in taken:
            with explained(each.path), _opened(each.path) as descriptor:
                _wipe(descriptor, each)

    def set_aside(self, taken: Taken) -> None:
        """Keep the bytes that don't check in files of their own, where nobody takes them for staged."""
        for at, (data, _) in taken.damages.items():
            write_whole(self.path / f"{_DAMAGED}{taken.path.name}-{at}-{secrets.token_hex(4)}", data)

    def damaged(self) -> list[pathlib.Path]:
        """List what was set aside."""
        return sorted(path for path in self._listed() if path.name.startswith(_DAMAGED))

    def sync(self) -> None:
        """Force to the disk what is staged, and what was overwritten.

        Raises:
            StoreError: some of it may not be there.
        """
        for path in self._slots():
            with explained(path), _opened(path) as descriptor:
                sync_data(descriptor)

    def overwrite_damaged(self) -> None:
        """Overwrite what was set aside: something of what is to be destroyed may be in it."""
        for path in self.damaged():
            with explained(path), _opened(path) as descriptor:
                _put(descriptor, bytes(os.fstat(descriptor).st_size), 0)
                sync_data(descriptor)

    def _listed(self) -> list[pathlib.Path]:
        try:
            return [self.path / name for name in os.listdir(self.path)]
        except FileNotFoundError:
            return []

    def _slots(self) -> list[pathlib.Path]:
        return sorted(path for path in self._listed() if path.name.isdecimal())

    def _write(self, pieces: Sequence[_Piece]) -> Sequence[None]:
        with explained(self.path):
            if not self.path.is_dir():
                make_folder(self.path)
            with self._free_slot() as (descriptor, path):
                at, generation = self._end_of(descriptor, path.name)
                data = b"".join(_frame(generation, *frame) for piece in pieces for frame in piece.frames)
                try:
                    _put(descriptor, data, at)
                    if any(piece.sync for piece in pieces):
                        sync_data(descriptor)
                except OSError:
                    # whoever staged it is told that it isn't, and stages it again: it must not be taken
                    with contextlib.suppress(OSError):
                        _put(descriptor, bytes(len(data)), at)
                        os.ftruncate(descriptor, max(at, SLOT_BYTES))
                    raise
                self._known[path.name] = (os.pread(descriptor, _HEAD.size, 0), at + len(data))
        return [None] * len(pieces)

    def _end_of(self, descriptor: int, name: str) -> tuple[int, bytes]:
        """Tell where the next frame goes, and of which generation it is; what lies behind is made zeros."""
        first = os.pread(descriptor, _HEAD.size, 0)
        known, at = self._known.get(name, (b"", 0))
        head = _parse_head(first)
        if head is not None and first == known:
            while (each := _parse_head(os.pread(descriptor, _HEAD.size, at))) is not None:
                at += each.size  # of another process
            if not any(os.pread(descriptor, _HEAD.size, at)):
                return at, head.generation
        data = _content(descriptor)
        walk = _walk(data)
        if data[walk.end :] != bytes(len(data) - walk.end):
            _put(descriptor, bytes(len(data) - walk.end), walk.end)
        return walk.end, walk.generation or secrets.token_bytes(8)

    @contextlib.contextmanager
    def _free_slot(self) -> Iterator[tuple[int, pathlib.Path]]:
        """Hold a file that nobody holds; the last of them is waited for."""
        for number in range(_SLOT_LIMIT):
            path = self.path / str(number)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                if hold(descriptor, path, patiently=number == _SLOT_LIMIT - 1):
                    if os.fstat(descriptor).st_size < SLOT_BYTES:
                        sync_folder(self.path)
                        _put(descriptor, bytes(SLOT_BYTES), 0)
                        os.fsync(descriptor)
                    yield descriptor, path
                    return
            finally:
                let_go(descriptor)


class _Piece(NamedTuple):
    """What one call writes: frames as leaf hash, count and payload, and whether they are to be synced."""

    frames: list[tuple[bytes, int, bytes]]
    sync: bool


@dataclass(frozen=True, slots=True)
class _Head:
    is_void: bool
    generation: bytes
    count: int
    length: int
    first: bytes
    digest: bytes

    @property
    def size(self) -> int:
        """How long the frame is, in whole sectors."""
        return _room_of(_HEAD.size + self.length)


@dataclass(slots=True)
class _Walk:
    """Where the frames of a file are: heads by where they begin, what is damaged, and where all that ends."""

    heads: dict[int, _Head] = field(default_factory=dict)
    damages: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    generation: bytes = b""
    end: int = 0


def _frame(generation: bytes, first: bytes, count: int, payload: bytes) -> bytes:
    head = _head(_MARK, generation, count, len(payload), first, digest_bytes(payload))
    return in_sectors(head + payload, generation)


def in_sectors(content: bytes, generation: bytes) -> bytes:
    """Part content into sectors that each say to which generation they belong."""
    tag = _tag(generation)
    parts = [content[at : at + SECTOR_BYTES] for at in range(0, len(content), SECTOR_BYTES)]
    parts[-1] = parts[-1].ljust(SECTOR_BYTES, b"\0")
    return tag.join(parts) + tag


def _room_of(size: int) -> int:
    return -(-size // SECTOR_BYTES) * SECTOR


def _tag(generation: bytes) -> bytes:
    return b"\xf7" + generation[:3]


def _head(mark: bytes, *fields: bytes | int) -> bytes:
    bare = _HEAD.pack(mark, *fields, 0)
    return bare[:_CHECKED_BYTES] + zlib.crc32(bare[:_CHECKED_BYTES]).to_bytes(4, "little")


def _parse_head(data: bytes) -> _Head | None:
    if len(data) < _HEAD.size:
        return None
    mark, *fields, checksum = _HEAD.unpack(data[: _HEAD.size])
    if mark not in (_MARK, _VOID) or zlib.crc32(data[:_CHECKED_BYTES]) != checksum:
        return None
    return _Head(mark == _VOID, *fields)


def _read(path: pathlib.Path) -> Taken | None:
    with explained(path), _opened(path) as descriptor:
        if not any(os.pread(descriptor, SECTOR, 0)):
            return None
        data = _content(descriptor)
    walk = _walk(data)
    taken = Taken(path=path, end=walk.end, damages=walk.damages)
    for at, head in walk.heads.items():
        if not head.is_void:
            _take(taken, data, at, head)
    return taken


def _content(descriptor: int) -> bytes:
    """Read a file to its end."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _walk(data: bytes) -> _Walk:
    """Find where the frames of a file are, and what isn't one."""
    walk = _Walk()
    at = 0
    while any(data[at : at + 2]):  # a changed bit leaves one of them; zeros are an overwriting cut off
        head = _parse_head(data[at : at + _HEAD.size])
        if head is None or (walk.generation and head.generation != walk.generation):
            if head is not None or not _is_whole(data[at : at + SECTOR], walk.generation):
                break  # cut off, or of an earlier generation: an overwriting that a cut undid
            end = _following(data, at + SECTOR, data[at + SECTOR_BYTES : at + SECTOR])
            walk.damages[at] = (data[at:end], "a head that doesn't check")
            at = end
            continue
        walk.generation = head.generation
        walk.heads[at] = head
        at += head.size
    walk.end = at
    return walk


def _take(taken: Taken, data: bytes, at: int, head: _Head) -> None:
    sectors = [data[start : start + SECTOR] for start in range(at, at + head.size, SECTOR)]
    content = b"".join([sector[:SECTOR_BYTES] for sector in sectors])
    payload = content[_HEAD.size : _HEAD.size + head.length]
    if digest_bytes(payload) == head.digest and not any(content[_HEAD.size + head.length :]):
        with contextlib.suppress(DamagedError, ValueError, TypeError):
            shard, size, project, additions = decode_content(payload)
            taken.frames[at] = Staged(
                first=head.first,
                since=Since(shard, size),
                project=project,
                additions=tuple([Addition(*each) for each in additions]),
            )
            return
    if all(sector[SECTOR_BYTES:] == _tag(head.generation) for sector in sectors):
        taken.broken[at] = head.first
        taken.damages[at] = (b"".join(sectors), "a frame that doesn't match its digest")


def _following(data: bytes, at: int, tag: bytes) -> int:
    """Find the next head that checks among sectors of one generation; else where these end."""
    while data[at + SECTOR_BYTES : at + SECTOR] == tag:
        head = _parse_head(data[at : at + _HEAD.size])
        if head is not None and _tag(head.generation) == tag:
            break
        at += SECTOR
    return at


def _is_whole(sector: bytes, generation: bytes) -> bool:
    """Whether a sector that begins with a head was written whole, whatever was changed later.

    Where its generation isn't known, the head itself tells it, of which one byte may be another one.
    """
    mark, *tag = sector[SECTOR_BYTES:] or b"\0"
    if generation:
        return sector[SECTOR_BYTES:] == _tag(generation)
    return mark == 0xF7 and sum(a == b for a, b in zip(tag, sector[4:7], strict=True)) > 1


def _wipe(descriptor: int, taken: Taken) -> None:
    following = os.pread(descriptor, _HEAD.size, taken.end)
    if _parse_head(following) is None:
        size = os.fstat(descriptor).st_size
        rest = os.pread(descriptor, size - taken.end, taken.end) if size > taken.end else b""
        _put(descriptor, bytes(taken.end if rest == bytes(len(rest)) else size), 0)
        if size > SLOT_BYTES:
            os.ftruncate(descriptor, SLOT_BYTES)
        return
    at = 0
    while at < taken.end:
        head = _parse_head(os.pread(descriptor, _HEAD.size, at))
        size = SECTOR if head is None else head.size
        data = bytes(size)
        if head is not None:
            mark = _head(_VOID, head.generation, 0, head.length, bytes(32), bytes(32))
            data = mark + data[len(mark) :]
        _put(descriptor, data, at)
        at += size


def _put(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, at)
        if not count:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        at, view = at + count, view[count:]


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        hold(descriptor, path)
        yield descriptor
    finally:
        let_go(descriptor)
