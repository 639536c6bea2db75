"""What is on its way from another workspace, until it is whole.

incoming/<hex>/      in the target; locked while somebody is at it
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator

from whence.store.files import explained
from whence.store.folder import Folder

INCOMING = "incoming"


@contextlib.contextmanager
def staging(target: Folder, *, aside: bool) -> Iterator[pathlib.Path]:
    """Make a folder for what is on its way, and take away what others left that died."""
    if aside:
        with tempfile.TemporaryDirectory(prefix="whence-") as name:
            yield pathlib.Path(name)
        return
    incoming = target.path / INCOMING
    stage = incoming / secrets.token_hex(8)
    with explained(stage):
        incoming.mkdir(exist_ok=True)
        door = os.open(incoming, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _lock(door)  # or another one would take the new folder away before it is locked
        for left in left_incoming(incoming):
            shutil.rmtree(left, ignore_errors=True)
        with explained(stage):
            stage.mkdir()
            descriptor = os.open(stage, os.O_RDONLY | os.O_CLOEXEC)
        _lock(descriptor)
    finally:
        os.close(door)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # where files can't be locked, nothing is taken away either
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def left_incoming(incoming: pathlib.Path) -> Iterator[pathlib.Path]:
    """List what was on its way when its process died; where files can't be locked, nothing is known to be."""
    for each in sorted(incoming.iterdir()) if incoming.is_dir() else ():
        try:
            descriptor = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            yield each
        finally:
            os.close(descriptor)
