"""Segments: framed files of what passes decided and delivered; sealed blocks are read where they lie.

Frames of kind 1 are read from the first to the last. Blocks (kind 2) are read one by one through a memory
map, each checked by the chain values that the directory of its pass has for it; and a directory (kind 3) is
checked by the digest that the journal has for it. So an answer rests on the journal, whatever else is in the
file.
"""

from __future__ import annotations

import mmap
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from whence.errors import DamagedError
from whence.lineage import Place
from whence.store.files import explained_reading
from whence.store.frames import FRAME_HEAD_BYTES, HEAD_BYTES, Frame, iterate_frames
from whence.vocab import Hasher, digest_bytes

DECISIONS = 1
BLOCK = 2
DIRECTORY = 3

_DECISIONS_NAME = "decisions-"
_RESIDENT_BYTES = 8 * 1024 * 1024

_REMEDY = "Restore the file from a copy; whence verify tells what else is damaged."


def decisions_name(pass_number: int) -> str:
    """Name the segment in which the decisions of a pass stand as they came, until they are sealed."""
    return f"{_DECISIONS_NAME}{pass_number}"


def pass_of_decisions(name: str) -> int | None:
    """Tell of which pass a segment has the decisions as they came; None where it is another segment."""
    number = name.removeprefix(_DECISIONS_NAME)
    return int(number) if number != name and number.isdecimal() else None


class SealedSegment:
    """One segment with sealed blocks, open for reading; pickled, it is opened again where it is read.

    Args:
        path: the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        self._content = memoryview(b"")
        self._checked: set[int] = set()
        self._read_bytes = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return SealedSegment, (self.path,)

    def block(self, place: Place) -> memoryview:
        """Read the payload of a block, checked the first time.

        Raises:
            DamagedError: it isn't the block that was sealed.
            NotFoundError, StoreError: the file can't be read.
        """
        view = self._payload(place.offset, place.length)
        if place.offset not in self._checked:
            hasher = Hasher()
            hasher.update(place.before)
            hasher.update(self._content[place.offset + 4 : place.offset + 12])
            hasher.update(view)
            if hasher.digest() != place.chain:
                raise self._damaged(place.offset, "the block there isn't the one that was sealed")
            self._checked.add(place.offset)
        self._read_bytes += len(view)
        if self._read_bytes > _RESIDENT_BYTES and self._map is not None:
            self._read_bytes = 0
            self._map.madvise(mmap.MADV_DONTNEED)  # it counts as memory of ours; the system keeps the file's
        return view

    def directory(self, offset: int, digest: bytes) -> memoryview:
        """Read the payload of a directory.

        Raises:
            DamagedError: it isn't the one that the journal committed to.
            NotFoundError, StoreError: the file can't be read.
        """
        view = self._payload(offset, None)
        if digest_bytes(view) != digest:
            raise self._damaged(offset, "the directory there isn't the one that was sealed")
        return view

    def blocks(self) -> Iterator[tuple[Place, bytes]]:
        """Give every sound block and its payload, in order; what is damaged is passed over."""
        before = digest_bytes(bytes(self._view(HEAD_BYTES)[:HEAD_BYTES]))
        for item in iterate_frames(self.path):
            if not isinstance(item, Frame):
                before = b""  # nobody knows it of the next one
                continue
            if item.kind == BLOCK and before:
                yield Place(item.offset, len(item.payload), before, item.chain), item.payload
            before = item.chain

    def close(self) -> None:
        """Let the file go; it is opened again when something is asked."""
        self._map = None
        self._content = memoryview(b"")
        self._checked.clear()

    def _payload(self, offset: int, length: int | None) -> memoryview:
        begin = offset + FRAME_HEAD_BYTES
        head = self._view(begin)[offset:begin]
        found = int.from_bytes(head[4:8], "little")
        if len(head) == FRAME_HEAD_BYTES and length in (None, found):
            payload = self._view(begin + found)[begin : begin + found]
            if len(payload) == found:
                return payload
        raise self._damaged(offset, "no frame of that length is there")

    def _view(self, end: int) -> memoryview:
        """Map the file up to a place, if it has so much, again where it has grown since."""
        with explained_reading(self.path):
            # what was cut off since must not be touched: the system would end the process
            size = 0 if self._map is None else self._map.size()
            if self._map is None or min(end, size) > len(self._content):
                with self.path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size:  # nothing can't be mapped
                        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                        self._content = memoryview(self._map)
        return self._content[:size]

    def _damaged(self, offset: int, problem: str) -> DamagedError:
        place = f"{self.path}:{offset}"
        return DamagedError(f"{place}: {problem}", remedy=_REMEDY, place=place)
