"""The edge to the operating system: every write to the disk, and what its failures mean to a user."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import pathlib
import secrets
from collections.abc import Iterator

from whence.errors import NotFoundError, StoreError, StoreFullError, StoreReadOnlyError

Buffer = bytes | bytearray | memoryview

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextlib.contextmanager
def explained(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the system's errors into ours, naming the place and the remedy.

    Raises:
        StoreFullError: no space, quota or file-size limit.
        StoreReadOnlyError: the folder can't be written.
        NotFoundError: a file or folder isn't there.
        StoreError: anything else the system says.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        if error.errno in _FULL:
            raise StoreFullError(
                f"{place}: no space left to write the record ({error.strerror})",
                remedy="Free some space, or set WHENCE_HOME elsewhere; the record so far is whole.",
            ) from error
        if error.errno in _READ_ONLY:
            raise StoreReadOnlyError(
                f"{place}: can't be written ({error.strerror})",
                remedy="Make the folder writable, or set WHENCE_HOME to one that is.",
            ) from error
        if error.errno == errno.ENOENT:
            raise NotFoundError(f"{place}: not there", remedy="Check the path.") from error
        raise StoreError(
            f"{place}: {error.strerror or error}", remedy="Check the disk and the folder."
        ) from error


@contextlib.contextmanager
def explained_reading(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the system's errors of reading into ours.

    Raises:
        NotFoundError: a file or folder isn't there.
        StoreError: anything else the system says.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"{place}: not there", remedy="Check the path.") from error
    except OSError as error:
        raise StoreError(
            f"{place}: can't be read ({error.strerror or error})",
            remedy="Check the disk and who may read it.",
        ) from error


def write_all(descriptor: int, data: Buffer) -> None:
    """Write all of the data, going on after short writes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_data(descriptor: int) -> None:
    """Force a file's data to the disk."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_mapped(page: mmap.mmap) -> None:
    """Force what was stored through a memory map to the disk."""
    page.flush()


def sync_folder(folder: pathlib.Path) -> None:
    """Force a folder's entries to the disk, so that a new file survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: pathlib.Path) -> None:
    """Make a folder and those above it, as far as they aren't there, so that they survive a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def write_whole(path: pathlib.Path, data: Buffer, *, mode: int = 0o644) -> None:
    """Put a file in place all at once: a reader sees the old content or the new, never half of it.

    Args:
        path: the file.
        data: its content.
        mode: who may read it, also while it is made.
    """
    with explained(path):
        make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            try:
                write_all(descriptor, data)
                sync_data(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
