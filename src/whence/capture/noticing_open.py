"""Files that are open, as Linux tells: what a library reads by itself is seen if it holds the file open.

A look in between misses what is opened and closed between two looks; so this is a net below the hooks.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Literal

_FOLDER = "/proc/self/fd"
_NO_FILES = ("/memfd:", "/SYSV", "/anon_hugepage", "/i915", "/dmabuf")
_STANDARD = frozenset({"1", "2"})  # where the program speaks: a log, if it is a file


def held_open(*, with_maps: bool) -> Iterator[tuple[str, Literal["read", "written", "unknown"]]]:
    """List the files that this process has open, and how; with maps also those that it has mapped.

    Cost: one system call for each descriptor; some ms for the maps where large libraries are loaded.
    """
    try:
        names = os.listdir(_FOLDER)
    except OSError:  # not Linux
        return
    said = {_target(name) for name in _STANDARD}
    for name in names:
        path = _target(name)
        if _counts(path) and path not in said:
            how = _how(name)
            if how is not None:
                yield path, how
    if not with_maps:
        return
    with contextlib.suppress(OSError), open("/proc/self/maps", "rb") as lines:
        seen = set()
        for line in lines:
            at = line.find(b"/")
            if at > 0 and line[at:] not in seen:
                seen.add(line[at:])
                path = os.fsdecode(line[at:].rstrip(b"\n"))
                if _counts(path):
                    yield path, "unknown"


def _counts(path: str) -> bool:
    return path.startswith("/") and not path.startswith(_NO_FILES) and not path.endswith(" (deleted)")


def _target(name: str) -> str:
    try:
        return os.readlink(f"{_FOLDER}/{name}")
    except OSError:
        return ""


def _how(name: str) -> Literal["read", "written", "unknown"] | None:
    """How a descriptor was opened; None if it is gone, or refers to no file."""
    flags = None
    with (
        contextlib.suppress(OSError, ValueError, StopIteration),
        open(f"/proc/self/fdinfo/{name}", encoding="ascii") as lines,
    ):
        flags = int(next(line for line in lines if line.startswith("flags:")).split()[1], 8)
    if flags is None or flags & (getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)):
        return None
    access = flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
    return "read" if access == os.O_RDONLY else "written" if access == os.O_WRONLY else "unknown"
