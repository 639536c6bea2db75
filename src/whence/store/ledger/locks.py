"""Who holds a file holds it alone: one committer, one signer, one writer of a staging file at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Iterator

from whence.errors import StoreError
from whence.store.files import explained

_UNLOCKABLE = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def locked(path: pathlib.Path, *, mode: int = 0o644) -> Iterator[int]:
    """Hold a file, which is made where it isn't there; waits while another process or thread does.

    Args:
        path: the file.
        mode: of a new one.

    Returns:
        Its descriptor, open for reading and writing.

    Raises:
        StoreError: the file system doesn't lock files, or the file can't be opened.
    """
    with explained(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        hold(descriptor, path)
        yield descriptor
    finally:
        let_go(descriptor)


def wait_for_others(path: pathlib.Path) -> bool:
    """Wait while another one holds a file, together with all who do; False where nobody held it."""
    with explained(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if hold(descriptor, path, patiently=False):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return True
    finally:
        let_go(descriptor)


def hold(descriptor: int, path: pathlib.Path, *, patiently: bool = True) -> bool:
    """Hold an open file; False where another one does and it isn't to be waited for."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if patiently else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNLOCKABLE:
            raise
        raise StoreError(
            f"{path}: the file system doesn't lock files, so two processes could tell two histories",
            remedy="Put the workspace, or the keys (WHENCE_KEYS), on a file system that locks files.",
        ) from error
    return True


def let_go(descriptor: int) -> None:
    """Let go of a file that may be held, and close it."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process forked meanwhile would hold it on
    os.close(descriptor)
