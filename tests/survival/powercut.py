"""Power cuts, simulated: every change of the disk is recorded, and states are made that a cut may leave.

The recorder stands where Python calls the system, below all of the store, and sees files, sizes, syncs, and
entries of folders. A state keeps what a sync had confirmed: a file its content, a folder its entries. What
came after the last one is kept or lost by chance: in 512-byte sectors, later ones without earlier ones, files
without their entries and entries without their files' content, renames or not. Few file systems do so much.
"""

from __future__ import annotations

import io
import os
import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pytest

SECTOR = 512


class Write(NamedTuple):
    """Bytes that were written to a file."""

    file: int
    at: int
    data: bytes


class Cut(NamedTuple):
    """A file was cut, or made longer with zeros."""

    file: int
    size: int


class Sync(NamedTuple):
    """A file or a folder was forced to the disk."""

    node: int


class Entries(NamedTuple):
    """Entries of folders changed together: folder, name, and what is there; None where it was taken away."""

    changes: tuple[tuple[int, str, int | None], ...]


class Acknowledged(NamedTuple):
    """Something was promised to be on the disk."""

    what: Any


Step = Write | Cut | Sync | Entries | Acknowledged


@dataclass
class Recorder:
    """Records what this process changes below a folder, which is empty.

    Args:
        root: the folder.
        leaves_out: names of files that needn't survive.
    """

    root: pathlib.Path
    leaves_out: tuple[str, ...] = ("catalog.sqlite",)
    steps: list[Step] = field(default_factory=list)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    _count: int = 0
    _open: dict[int, int] = field(default_factory=dict)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between the process and the system."""
        for name in ("open", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "truncate", "rename"):
            patch.setattr(os, name, self._instead(name))
        for name in ("replace", "unlink", "remove", "rmdir", "mkdir", "close", "link"):
            patch.setattr(os, name, self._instead(name))
        patch.setattr(io, "open", self._instead_of_files(io.open))
        patch.setattr("whence.store.cursors.sync_mapped", self._sync_mapped)

    def acknowledge(self, what: Any) -> None:
        """Something was promised; and what is in memory maps may be on the disk as it is now, or not."""
        self._note_maps()
        self.steps.append(Acknowledged(what))

    def _note_maps(self) -> None:
        for path in self.root.rglob("cursors"):
            node = self._find(path)
            if node is not None:
                self.steps.append(Write(node, 0, path.read_bytes()))

    def _sync_mapped(self, page: Any) -> None:
        self._note_maps()
        page.flush()
        for path in self.root.rglob("cursors"):
            node = self._find(path)
            if node is not None and bytes(page) in path.read_bytes():
                self.steps.append(Sync(node))

    def _place(self, path: Any) -> tuple[int, str] | None:
        """The folder and the name of a path below the root, if that is recorded."""
        whole = pathlib.Path(os.path.abspath(os.fspath(path)))
        if not whole.is_relative_to(self.root) or any(
            whole.name.startswith(name) for name in self.leaves_out
        ):
            return None
        node = 0
        *above, name = whole.relative_to(self.root).parts or ("",)
        for part in above:
            node = self.folders[node][part]
        return node, name

    def _find(self, path: Any) -> int | None:
        place = self._place(path)
        if place is None:
            return None
        return 0 if not place[1] else self.folders[place[0]].get(place[1])

    def _enter(self, *changes: tuple[int, str, int | None]) -> None:
        self.steps.append(Entries(changes))
        for folder, name, node in changes:
            if node is None:
                self.folders[folder].pop(name, None)
            else:
                self.folders[folder][name] = node

    def _new(self) -> int:
        self._count += 1
        return self._count

    def _instead(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)
        after = getattr(self, f"_after_{name}", None)
        before = getattr(self, f"_before_{name}", None)

        def call(*given: Any, **named: Any) -> Any:
            if named.get("dir_fd") is not None:
                raise AssertionError("a folder that is open names a path: the recorder doesn't follow it")
            noted = before(*given) if before is not None else None
            found = real(*given, **named)
            if after is not None:
                after(found, noted, *given)
            return found

        return call

    def _before_open(self, path: Any, flags: int, *rest: Any) -> bool:
        return os.path.exists(path)

    def _after_open(self, descriptor: int, existed: bool, path: Any, flags: int, *rest: Any) -> None:
        place = self._place(path)
        if place is None:
            return
        if not existed:
            self._enter((*place, self._new()))
        node = self._find(path)
        assert node is not None
        self._open[descriptor] = node
        if existed and flags & os.O_TRUNC:
            self.steps.append(Cut(node, 0))

    def _after_close(self, found: None, noted: None, descriptor: int) -> None:
        self._open.pop(descriptor, None)

    def _after_write(self, count: int, noted: None, descriptor: int, data: Any) -> None:
        if descriptor in self._open:
            at = os.lseek(descriptor, 0, os.SEEK_CUR) - count
            self.steps.append(Write(self._open[descriptor], at, bytes(data)[:count]))

    def _after_pwrite(self, count: int, noted: None, descriptor: int, data: Any, at: int) -> None:
        if descriptor in self._open:
            self.steps.append(Write(self._open[descriptor], at, bytes(data)[:count]))

    def _after_ftruncate(self, found: None, noted: None, descriptor: int, size: int) -> None:
        if descriptor in self._open:
            self.steps.append(Cut(self._open[descriptor], size))

    def _after_truncate(self, found: None, noted: None, path: Any, size: int) -> None:
        node = self._open.get(path) if isinstance(path, int) else self._find(path)
        if node is not None:
            self.steps.append(Cut(node, size))

    def _after_fsync(self, found: None, noted: None, descriptor: int) -> None:
        if descriptor in self._open:
            self.steps.append(Sync(self._open[descriptor]))

    _after_fdatasync = _after_fsync

    def _before_rename(self, source: Any, target: Any) -> int | None:
        return self._find(source)

    def _after_rename(self, found: None, node: int | None, source: Any, target: Any) -> None:
        above, below = self._place(source), self._place(target)
        if node is not None and above is not None and below is not None:
            self._enter((*above, None), (*below, node))

    _before_replace, _after_replace = _before_rename, _after_rename

    def _after_unlink(self, found: None, noted: None, path: Any) -> None:
        place = self._place(path)
        if place is not None:
            self._enter((*place, None))

    _after_remove = _after_rmdir = _after_unlink

    def _after_mkdir(self, found: None, noted: None, path: Any, *rest: Any) -> None:
        place = self._place(path)
        if place is not None:
            node = self._new()
            self.folders[node] = {}
            self._enter((*place, node))

    def _after_link(self, found: None, noted: None, source: Any, target: Any) -> None:
        node, below = self._find(source), self._place(target)
        if node is not None and below is not None:
            self._enter((*below, node))

    def _instead_of_files(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Files of Python's are recorded as a whole when they are closed; the store writes small ones so."""

        def call(path: Any, mode: str = "r", *given: Any, **named: Any) -> Any:
            place = None if isinstance(path, int) or set(mode).isdisjoint("wax+") else self._place(path)
            existed = place is not None and os.path.exists(path)
            file = real(path, mode, *given, **named)
            if place is None:
                return file
            if not existed:
                self._enter((*place, self._new()))
            node = self._find(path)
            assert node is not None
            close = file.close

            def closes() -> None:
                if not file.closed:
                    close()
                    content = pathlib.Path(path).read_bytes()
                    self.steps.extend((Cut(node, 0), Write(node, 0, content)))

            return _Closing(file, closes)

        return call

    def state(self, end: int, chance: random.Random | None, folder: pathlib.Path) -> None:
        """Make a state that a cut before a step may leave; without chance that of which nothing was lost."""
        _Disk(self.steps[:end], chance, set(self.folders)).write(folder)


class _Closing:
    def __init__(self, file: Any, close: Callable[[], None]) -> None:
        self._file = file
        self.close = close

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


Loss = Literal["none", "all", "tail", "sectors"]


class _Disk:
    """What is on the disk after a cut."""

    def __init__(self, steps: list[Step], chance: random.Random | None, folders: set[int]) -> None:
        self._chance = chance
        synced = {step.node: number for number, step in enumerate(steps) if isinstance(step, Sync)}
        self.contents: dict[int, bytearray] = {}
        self.folders: dict[int, dict[str, int]] = {node: {} for node in folders}
        how: dict[int, Loss] = {}
        ends: set[int] = set()
        for number, step in enumerate(steps):
            if isinstance(step, Write | Cut):
                is_kept = chance is None or number < synced.get(step.file, -1)
                loss: Loss = "none"
                if not is_kept and chance is not None:
                    if step.file not in how:
                        how[step.file] = chance.choice(("none", "all", "tail", "sectors"))
                    loss = how[step.file]
                self._change(step, loss, ends)
            elif isinstance(step, Entries):
                is_kept = any(number < synced.get(folder, -1) for folder, _, _ in step.changes)
                if is_kept or chance is None or chance.random() < 0.5:
                    for folder, name, node in step.changes:
                        if node is None:
                            self.folders[folder].pop(name, None)
                        else:
                            self.folders[folder][name] = node

    def _change(self, step: Write | Cut, loss: Loss, ends: set[int]) -> None:
        content = self.contents.setdefault(step.file, bytearray())
        if loss == "all" or step.file in ends:
            return
        if isinstance(step, Cut):
            if loss == "none" or self._flips():
                del content[step.size :]
                content.extend(bytes(step.size - len(content)))
            return
        if loss == "tail" and self._flips(0.2):  # everything up to here, and then nothing
            ends.add(step.file)
            self._put(content, step.at, step.data[: self._below(len(step.data))])
        elif loss == "sectors":
            end = step.at + len(step.data)
            for start in range(step.at // SECTOR * SECTOR, end, SECTOR):
                if self._flips():
                    first, last = max(start, step.at), min(start + SECTOR, end)
                    self._put(content, first, step.data[first - step.at : last - step.at])
        else:
            self._put(content, step.at, step.data)

    def _flips(self, share: float = 0.5) -> bool:
        assert self._chance is not None
        return self._chance.random() < share

    def _below(self, count: int) -> int:
        assert self._chance is not None
        return self._chance.randrange(count + 1)

    @staticmethod
    def _put(content: bytearray, at: int, data: bytes) -> None:
        if data:
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(data)] = data

    def write(self, folder: pathlib.Path, node: int = 0) -> None:
        """Write it below a folder."""
        folder.mkdir(exist_ok=True)
        for name, child in self.folders[node].items():
            if child in self.folders:
                self.write(folder / name, child)
            else:
                (folder / name).write_bytes(self.contents.get(child, b""))
