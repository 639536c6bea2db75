"""Objects that are put and objects that are taken away: never one while the other looks.

Who puts content that is there already only touches it, and relies on it from then on; who takes away what
nobody refers to looks at that time once more. Both hold the folder of objects meanwhile, the first one
together with others, the second one alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from whence.store.files import explained


@contextlib.contextmanager
def held(folder: pathlib.Path, *, alone: bool) -> Iterator[bool]:
    """Hold a folder, which is made where it isn't there.

    Returns:
        Whether it is held: some file systems don't lock files.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
