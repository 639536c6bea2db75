"""Cursors: how far each pass has come, in memory that the kernel keeps when the process dies.

A cursor is two 64-bit counters in a memory-mapped file: `offered` is raised before an item is handed
to the consumer, `taken` when the consumer asks for the next. Raising one is a store to memory (no
system call), so it can be done for every item; after `kill -9` the pages are still in the kernel's
hands. Everything below `taken` was certainly consumed; the one item between `taken` and `offered`
was handed out at the moment of death.

    file   = cursor*                     numbered by pass, from 0; padded with zeros to whole pages
    cursor = offered:u64 taken:u64       little-endian

The last byte of the first page, the highest one of a counter that never comes so far, isn't part of it: it
is 1 while something that was written waits in memory for the disk.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pathlib
import struct
import sys

from whence.errors import StoreError
from whence.store.files import explained, sync_mapped, write_all

_PAGE = mmap.ALLOCATIONGRANULARITY
_CURSOR = struct.Struct("<QQ")
_PER_PAGE = _PAGE // _CURSOR.size


class Cursors:
    """The cursors of one run, for its writer.

    Args:
        path: the file; made when the first cursor is asked for, gone on with where it is there.

    Attributes:
        is_used: whether a cursor was asked for.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._descriptor = -1
        self._pages: dict[int, memoryview] = {}
        self._maps: dict[int, mmap.mmap] = {}
        self._synced: dict[int, bytes] = {}
        self.is_used = False

    def slots(self, number: int) -> tuple[memoryview, int]:
        """Find the cursor of a pass: a view of 64-bit counters and the index of `offered` in it.

        `view[index] = n` raises `offered`, `view[index + 1] = n` raises `taken`.

        Raises:
            StoreFullError: there is no room for another page.
        """
        page, place = divmod(number, _PER_PAGE)
        if page not in self._pages:
            self._map_page(page)
        if place >= _PER_PAGE // 2 and page + 1 not in self._pages:
            with contextlib.suppress(StoreError):  # there is room for long, and it is asked for again
                self._map_page(page + 1)
        self.is_used = True
        return self._pages[page], place * 2

    def make_room(self) -> None:
        """Make the first page, so that the first passes find room on a full disk."""
        if 0 not in self._pages:
            self._map_page(0)

    def mark_waiting(self, waits: bool) -> None:
        """Say whether something waits in memory, which would be gone with the process."""
        if 0 in self._maps:
            self._maps[0][_PAGE - 1] = waits

    def apart(self) -> tuple[memoryview, int]:
        """A cursor in memory only, for a pass that no page could be had for."""
        return memoryview(bytearray(_CURSOR.size)).cast("Q"), 0

    def _map_page(self, number: int) -> None:
        with explained(self._path):
            if self._descriptor < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o644)
            # written, not truncated to length: a hole could fail later, at a store, with SIGBUS
            missing = (number + 1) * _PAGE - os.fstat(self._descriptor).st_size
            write_all(self._descriptor, bytes(max(0, missing)))
            page = mmap.mmap(self._descriptor, _PAGE, offset=number * _PAGE)
        self._maps[number] = page
        self._pages[number] = memoryview(page).cast("Q")

    def sync(self) -> None:
        """Force the counters to the disk.

        Raises:
            OSError: they may not be there.
        """
        for number, page in self._maps.items():
            now = page[:]
            if now != self._synced.get(number):
                self._synced.pop(number, None)
                # where the disk has refused it, the kernel must not take it for written
                page[_PAGE - 1] = page[_PAGE - 1]
                sync_mapped(page)
                self._synced[number] = now

    def close(self) -> None:
        """Close the file; the counters stay in it."""
        for view in self._pages.values():
            view.release()
        for page in self._maps.values():
            page.close()
        self._pages, self._maps = {}, {}
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def was_waiting(path: pathlib.Path) -> bool:
    """Tell whether something waited in memory for the disk."""
    try:
        with path.open("rb") as file:
            file.seek(_PAGE - 1)
            return file.read(1) == b"\1"
    except OSError:
        return False


def read_cursors(path: pathlib.Path) -> list[tuple[int, int]]:
    """Read all cursors of a run as (offered, taken); an empty list where there is no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    data = data[: _PAGE - 1] + b"\0" + data[_PAGE:] if len(data) >= _PAGE else data
    whole = len(data) - len(data) % _CURSOR.size
    return [_CURSOR.unpack_from(data, at) for at in range(0, whole, _CURSOR.size)]


if sys.byteorder != "little":  # pragma: no cover - memoryview.cast writes in the machine's order
    raise ImportError("whence keeps its cursors in little-endian order; this machine is big-endian")
