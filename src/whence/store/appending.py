"""Files that are only appended to: a piece is in the file whole or not at all, and what a sync refused is
written again before it is believed.

A write that fails in the middle is cut back, at once or before the next piece. A failed sync is another
matter: the kernel may have dropped what it couldn't write and call it clean, so that the next sync says
that all is well (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). What lay
unsynced is therefore read back, held against its checksum and written to its place once more, before the
disk is asked again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import zlib

from whence.store.files import Buffer, sync_data, write_all

_BLOCK_BYTES = 1 << 20


class AppendedFile:
    """One file and its one writer; no lock.

    Args:
        path: the file.
        size: how many bytes it has, all on the disk; -1: it isn't there, and is made with its first piece.

    Attributes:
        size: how many bytes are in it.
        synced: how many of them are on the disk for certain.
    """

    __slots__ = ("_descriptor", "_is_doubtful", "_is_torn", "_sum", "path", "size", "synced")

    def __init__(self, path: pathlib.Path, *, size: int = -1) -> None:
        self.path = path
        self.size = self.synced = max(0, size)
        self._descriptor = -1
        self._is_doubtful = self._is_torn = False
        self._sum = 0
        if size >= 0:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    @property
    def is_open(self) -> bool:
        """Whether it is there, and was made or opened."""
        return self._descriptor >= 0

    def append(self, *parts: Buffer) -> None:
        """Write one piece; when this returns it survives the death of the process.

        Raises:
            OSError: it couldn't be written, and isn't in the file.
        """
        if self._descriptor < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o644)
        if self._is_torn:
            self._cut_back()
        try:
            for part in parts:
                write_all(self._descriptor, part)
        except OSError:
            self._is_torn = True  # half a piece must not stand before a later one
            with contextlib.suppress(OSError):
                self._cut_back()
            raise
        for part in parts:
            self.size += len(part)
            self._sum = zlib.crc32(part, self._sum)

    def sync(self) -> None:
        """Force what was appended to the disk.

        Raises:
            OSError: what lies between `synced` and `size` may not be there.
        """
        if self.synced == self.size:
            return
        try:
            if self._is_doubtful:
                self._write_again()
            sync_data(self._descriptor)
        except OSError:
            self._is_doubtful = True
            raise
        self.synced, self._sum, self._is_doubtful = self.size, 0, False

    def _cut_back(self) -> None:
        os.ftruncate(self._descriptor, self.size)
        self._is_torn = False

    def _write_again(self) -> None:
        """Write what lies unsynced to its place, so that the kernel can't take it for written.

        What is read back may not be what was written, where the kernel let go of it; it is put back as it was
        read, which changes nothing, and refused.
        """
        # an appending descriptor writes to the end wherever it is told to
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            at, found = self.synced, 0
            while block := os.pread(descriptor, min(_BLOCK_BYTES, self.size - at), at):
                found = zlib.crc32(block, found)
                while block:
                    count = os.pwrite(descriptor, block, at)
                    at, block = at + count, block[count:]
        finally:
            os.close(descriptor)
        if not self._is_as_written(at, found):
            raise OSError(errno.EIO, "the disk refused what was written, and it can't be read back")

    def _is_as_written(self, end: int, checksum: int) -> bool:
        return (end, checksum) == (self.size, self._sum)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
