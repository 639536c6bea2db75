"""Shared memory that has no name: nothing of it is left behind, however a process ends.

On Linux a segment is a `memfd`, whose descriptor travels through the pipe between the two processes; it is
in no folder, and so not bounded by the size of `/dev/shm`, which is 64 MiB in most containers. Elsewhere it
is a temporary file, whose name is taken away as soon as the other side has opened it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from multiprocessing import reduction
from multiprocessing.connection import Connection

HAS_MEMFD = hasattr(os, "memfd_create")

_SMALLEST_BYTES = 1 << 16


def roomy(least: int) -> int:
    """Round a size up, so that a segment fits messages of about the same size again."""
    return max(_SMALLEST_BYTES, 1 << (least - 1).bit_length())


class Segment:
    """Some memory that two processes see.

    Args:
        number: names it between the two.
        size: in bytes.
        descriptor: of the file that it is; closed here, once it is mapped.
    """

    def __init__(self, number: int, size: int, descriptor: int) -> None:
        self.number = number
        self.size = size
        self._map = mmap.mmap(descriptor, size)
        self.view = memoryview(self._map)

    @classmethod
    def made(cls, number: int, size: int, connection: Connection) -> Segment:
        """Make one, and give it to the process at the other end."""
        if HAS_MEMFD:
            descriptor, path = os.memfd_create("whence", os.MFD_CLOEXEC), ""
        else:
            descriptor, path = tempfile.mkstemp(prefix="whence-")
        try:
            os.ftruncate(descriptor, size)
            segment = cls(number, size, descriptor)
            if path:
                connection.send_bytes(path.encode("utf-8", "surrogateescape"))
            else:
                reduction.send_handle(connection, descriptor, 0)
        except BaseException:
            if path:
                with contextlib.suppress(OSError):
                    os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return segment

    @classmethod
    def taken(cls, number: int, size: int, connection: Connection) -> Segment:
        """Take one that the other process made."""
        if HAS_MEMFD:
            descriptor = reduction.recv_handle(connection)
        else:
            path = connection.recv_bytes().decode("utf-8", "surrogateescape")
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            os.unlink(path)
        try:
            return cls(number, size, descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let it go; a second call does nothing."""
        self.view.release()
        with contextlib.suppress(BufferError):  # somebody still looks at it; it goes with the last of them
            self._map.close()
