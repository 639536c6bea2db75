"""Looking: whether anything of the runs may have changed, told from as few files as can be.

A stamp says how a file or folder was: as long as it is the same, so is what was known of it. A stamp that was
taken within two seconds of the change that it tells of isn't believed again, since another change in the same
tick of the file system's clock would leave the same one.
"""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Iterable

from whence.errors import NotFoundError
from whence.store.files import explained_reading

_SETTLED_NS = 2_000_000_000
_UNTOLD = frozenset({"cursors", "lease"})
"""Files that a writer touches without telling anything that the catalog keeps."""


def list_names(runs: pathlib.Path) -> set[str]:
    """List what lies in the folder of the runs, without what no index can hold."""
    try:
        with explained_reading(runs):
            return {name for name in os.listdir(runs) if not name.startswith(".") and _is_spellable(name)}
    except NotFoundError:
        return set()


def changed_folders(runs: pathlib.Path, stamps: Iterable[tuple[int, str, str]]) -> list[int]:
    """Tell which folders of runs aren't as they were.

    Args:
        runs: the folder that they are in.
        stamps: of each its number, its name, and its stamp as it was.

    Cost: 3 µs for each.
    """
    found: list[int] = []
    try:
        descriptor = os.open(runs, os.O_RDONLY)
    except OSError:
        return [number for number, _, _ in stamps]
    try:
        for number, name, stamp in stamps:
            if stamp != folder_stamp(name, descriptor):
                found.append(number)
    finally:
        os.close(descriptor)
    return found


def folder_stamp(path: str | os.PathLike[str], within: int | None = None) -> str:
    """Tell how a folder was: when its entries and its own times were changed; empty where it is gone."""
    try:
        found = os.stat(path, dir_fd=within)
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_ctime_ns}"


def settled(stamp: str) -> str:
    """Give a folder's stamp if it can be believed later; else an empty one, which is like no other."""
    if not stamp:
        return ""
    changed_ns = max(int(each) for each in stamp.split())
    return stamp if abs(time.time_ns() - changed_ns) > _SETTLED_NS else ""


def final_stamp(run_path: str) -> str:
    """Tell how the files are of which the row of an ended run is made, and whether it is written again."""
    files = [_file_stamp(f"{run_path}/{name}") for name in ("journal", "payloads")]
    return " ".join([*files, "written"] if os.path.exists(f"{run_path}/lease") else files)


def open_stamp(run_path: str) -> str:
    """Tell how all files of a run are that its writer writes, but for those that it touches all the time."""
    try:
        names = sorted(os.listdir(run_path))
    except OSError:
        return "-"
    told = [f"{name}={_file_stamp(f'{run_path}/{name}')}" for name in names if name not in _UNTOLD]
    return " ".join(["open", *told])


def _file_stamp(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return "-"
    return f"{found.st_size}@{found.st_mtime_ns}"


def _is_spellable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
