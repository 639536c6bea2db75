"""What of a run is on the disk for certain: forcing it there, in order, and saying what the disk refused.

    file = slot slot                              beside the journal, as `synced`; gone when the run has ended
    slot = crc32:u32 length:u32 number:u64 msgpack of {file: bytes}, filled up with zeros to 4096 bytes

The slot with the greater number counts, of those that check. It is written when all files have been forced
to the disk, and in the place of the older one, so that one is whole at any moment. After a power cut a file
may hold holes, and later bytes without the earlier; what it says here is before all of that.
"""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import pathlib
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from whence.errors import DamagedError
from whence.store.appending import AppendedFile
from whence.store.cursors import Cursors
from whence.store.files import sync_data, sync_folder, write_whole
from whence.store.outbox import name_error
from whence.vocab import decode_content, encode_content

SYNCED = "synced"

_SLOT_BYTES = 4096
_SLOT = struct.Struct("<IIQ")

Tell = Callable[[dict[str, Any]], object]


class Confirming:
    """Forces the files of one run to the disk; no lock.

    Args:
        path: the run's folder.
        sizes: by file how many bytes are there already, on the disk.
        tell: writes into the journal what the disk refused, and what was made good.
    """

    def __init__(self, path: pathlib.Path, sizes: Mapping[str, int], tell: Tell) -> None:
        self._path = path
        self._tell = tell
        self._descriptor = -1
        self._number = 0
        self._sizes: dict[str, int] = {}
        # segments of an earlier process, which nobody needs to write to again
        self._found = {name: size for name, size in sizes.items() if name.startswith("segments/")}
        self._folders: dict[pathlib.Path, None] = {}
        self._doubts: dict[str, tuple[int, int]] = {}
        if not (path / SYNCED).exists():
            write_whole(path / SYNCED, nothing_synced(sizes))
        self._number = max((number for number, _ in _read_slots((path / SYNCED).read_bytes())), default=1)
        self._descriptor = os.open(path / SYNCED, os.O_WRONLY | os.O_CLOEXEC)

    def add_entry(self, folder: pathlib.Path) -> None:
        """A folder has an entry more that isn't on the disk yet."""
        self._folders[folder] = None

    def force(self, files: Iterable[AppendedFile], cursors: Cursors) -> None:
        """Force everything to the disk: first what others refer to.

        Args:
            files: in that order.
            cursors: of the passes.

        Raises:
            OSError: some of it may not be there.
        """
        names = dict(self._found)
        self._attempt("cursors", (0, 0), cursors.sync)
        for file in files:
            name = str(file.path.relative_to(self._path))
            self._attempt(name, (file.synced, file.size), file.sync)
            names[name] = file.synced
        for folder in list(self._folders):
            place = f"{os.path.relpath(folder, self._path)}/"
            self._attempt(place, (0, 0), lambda folder=folder, place=place: self._sync_entries(folder, place))  # type: ignore[misc]
            del self._folders[folder]
        if names != self._sizes:
            self._attempt(SYNCED, (0, 0), lambda: self._write(names))
        if self._doubts:
            doubts, self._doubts = self._doubts, {}
            self._tell({"confirmed": [[name, *span] for name, span in doubts.items()]})

    def _attempt(self, name: str, span: tuple[int, int], act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            if name not in self._doubts:
                self._doubts[name] = span
                self._tell({"why": name_error(error), "unconfirmed": [[name, *span]]})
            raise

    def _sync_entries(self, folder: pathlib.Path, name: str) -> None:
        if name in self._doubts:  # something new in it, so that the kernel can't take it for written
            entry = folder / f".{SYNCED}"
            entry.touch()
            entry.unlink()
        sync_folder(folder)

    def _write(self, sizes: Mapping[str, int]) -> None:
        slot = _slot(self._number + 1, sizes)
        place = (self._number + 1) % 2 * _SLOT_BYTES
        if os.pwrite(self._descriptor, slot, place) != len(slot):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync_data(self._descriptor)
        self._number += 1
        self._sizes = dict(sizes)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def nothing_synced(sizes: Mapping[str, int]) -> bytes:
    """Spell the file as it is at first: whole, so that there is room for it on a full disk."""
    return _slot(0, {}) + _slot(1, sizes)


def _slot(number: int, sizes: Mapping[str, int]) -> bytes:
    content = encode_content(dict(sizes))
    if len(content) > _SLOT_BYTES - _SLOT.size:
        raise OSError(errno.E2BIG, f"{len(sizes)} files of a run are written at once")
    body = struct.pack("<IQ", len(content), number) + content
    return (struct.pack("<I", zlib.crc32(body)) + body).ljust(_SLOT_BYTES, b"\0")


def read_synced(folder: pathlib.Path) -> dict[str, int] | None:
    """Read how many bytes of each file of a run were on the disk for certain; None where nothing says so."""
    try:
        data = (folder / SYNCED).read_bytes()
    except OSError:
        return None
    return max(_read_slots(data), key=operator.itemgetter(0), default=(0, None))[1]


def _read_slots(data: bytes) -> list[tuple[int, dict[str, int]]]:
    found: list[tuple[int, dict[str, int]]] = []
    for at in range(0, len(data), _SLOT_BYTES):
        slot = data[at : at + _SLOT_BYTES]
        if len(slot) < _SLOT.size:
            continue
        checksum, length, number = _SLOT.unpack_from(slot)
        if zlib.crc32(slot[4 : _SLOT.size + length]) == checksum:
            with contextlib.suppress(DamagedError):
                found.append((number, decode_content(slot[_SLOT.size : _SLOT.size + length])))
    return found
