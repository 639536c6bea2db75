"""A run's folder as of one moment, while its writer goes on.

Its files are only ever appended to, or put in place whole, or retired once something else has taken their
place. So a moment is this: all files are open, the journal's length is known after that, and none was
retired in between. What the journal says up to there is in the files: a body is written before its event.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from whence.errors import NotFoundError, StoreBusyError
from whence.store.files import explained, explained_reading, sync_folder, write_all
from whence.store.frames import Damage, Scan, scan_frames

FRAMED = b"whence\x00"
TAIL = "points-"

_BLOCK_BYTES = 1 << 20
_ATTEMPTS = 100
_SYNCS_AT_ONCE = 16


def is_framed(path: pathlib.Path, name: str = "") -> bool:
    """Whether a file is made of frames; tails of metrics have a head alike and aren't.

    Args:
        path: the file.
        name: what it is called, where it is opened under another name.
    """
    if (name or path.name).startswith(TAIL):
        return False
    with explained_reading(path), path.open("rb") as file:
        return file.read(len(FRAMED)) == FRAMED


def list_files(folder: pathlib.Path) -> list[str]:
    """List the files below a folder by their paths in it; hidden ones are on their way to be one."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = pathlib.Path(root).relative_to(folder)
        found += [(inside / name).as_posix() for name in names if not name.startswith(".")]
    return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of a run's folder as of one moment.

    Args:
        path: the folder.
        descriptors: of its files, by their paths in it; open until `close`.
        sizes: how long each was.
    """

    path: pathlib.Path
    descriptors: dict[str, int]
    sizes: dict[str, int]

    @classmethod
    def take(cls, path: pathlib.Path) -> Snapshot:
        """Open all files of a run.

        Raises:
            NotFoundError: there is no such folder.
            StoreError: a file can't be read.
        """
        if not path.is_dir():
            raise NotFoundError(f"{path}: not there", remedy="Check the path.")
        for _ in range(_ATTEMPTS):
            names = list_files(path)
            opened: dict[str, int] = {}
            try:
                for name in names:
                    opened[name] = _opened(path / name)
                sizes = {"journal": os.fstat(opened["journal"]).st_size} if "journal" in opened else {}
                if list_files(path) == names:
                    sizes = {name: os.fstat(opened[name]).st_size for name in names} | sizes
                    return cls(path=path, descriptors=opened, sizes=sizes)
            except NotFoundError:
                pass  # retired meanwhile
            except BaseException:
                _close(opened)
                raise
            _close(opened)
        raise StoreBusyError(f"{path}: changes all the time", remedy="Try again.")

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        _close(self.descriptors)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Give the content of a file as of that moment, some at a time."""
        at, size = 0, self.sizes[name]
        while at < size:
            with explained_reading(self.path / name):
                block = os.pread(self.descriptors[name], min(_BLOCK_BYTES, size - at), at)
            if not block:
                return  # cut off meanwhile, by a process that takes the run over
            yield block
            at += len(block)

    def copy_to(self, folder: pathlib.Path) -> int:
        """Write the files to another folder, forced to the disk; returns how many bytes."""
        written = 0
        folders = {folder, folder / "segments"}
        for name in self.sizes:
            target = folder / name
            with explained(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                times = os.fstat(self.descriptors[name])
            folders.add(target.parent)
            written += write_blocks(target, self.blocks(name))
            with contextlib.suppress(OSError):
                os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
        with explained(folder):
            (folder / "segments").mkdir(exist_ok=True)
        sync_all([folder / name for name in self.sizes])
        sync_all(folders)
        return written


def write_blocks(
    target: pathlib.Path, blocks: Iterator[bytes], seen: Callable[[bytes], None] = lambda block: None
) -> int:
    """Write a new file, which isn't forced to the disk; returns how many bytes it has."""
    written = 0
    with explained(target):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        for block in blocks:
            seen(block)
            with explained(target):
                write_all(descriptor, block)
            written += len(block)
    finally:
        os.close(descriptor)
    return written


def sync_all(paths: Iterable[pathlib.Path]) -> None:
    """Force files and folders to the disk, several at once, which file systems do in one."""
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        for _ in pool.map(_sync, paths):
            pass


def _sync(path: pathlib.Path) -> None:
    with explained(path):
        sync_folder(path)


@dataclass(slots=True, kw_only=True)
class Checked:
    """What the framed files of a copy hold.

    Args:
        scans: by their paths in the folder.
        damages: what of them doesn't check.
    """

    scans: dict[str, Scan] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)


def check_frames(folder: pathlib.Path) -> Checked:
    """Check every frame of a run's files."""
    checked = Checked()
    for name in list_files(folder):
        if is_framed(folder / name):
            scan = checked.scans[name] = scan_frames(folder / name, keep=False)
            checked.damages += scan.damages
    return checked


def cut_torn(folder: pathlib.Path, checked: Checked) -> None:
    """Cut the files of a run that goes on behind their last whole frames."""
    for name, scan in checked.scans.items():
        if scan.torn_bytes:
            with explained(folder / name):
                os.truncate(folder / name, scan.sound_bytes)


def _opened(path: pathlib.Path) -> int:
    with explained_reading(path):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _close(descriptors: dict[str, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)
    descriptors.clear()
