"""Keeping house: what nobody refers to any more, and what writers left that died.

Nothing goes that might be somebody's: no object while a run's references can't be read, none that is
younger than a run which may still be written, and nothing at all that was touched a short while ago. What is
about to be referred to is younger than its writer's run, or was touched when it was put again (`guarding`).
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from whence.errors import NotFoundError, WhenceError
from whence.store.files import explained
from whence.store.folder import Folder
from whence.store.frames import scan_frames
from whence.store.guarding import held
from whence.store.incoming import INCOMING, left_incoming
from whence.store.journal import BODY, Journal, read_journal
from whence.store.liveness import find_writer
from whence.store.segments import pass_of_decisions
from whence.store.snapshots import is_framed, list_files
from whence.store.syncing import object_names
from whence.vocab import decode_content

Kind = Literal["object", "temporary", "incoming", "segment", "empty run"]

GRACE_S = 3600.0

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEPT_HIDDEN = (".gitignore",)
_DIGEST_BYTES = 32

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something that can go.

    Args:
        path: a file, or a folder with all that is in it.
        kind: what it is.
        size_bytes: what it takes.
        why: why nobody needs it.
    """

    path: pathlib.Path
    kind: Kind
    size_bytes: int
    why: str


@dataclass(slots=True, kw_only=True)
class Tidied:
    """What can go, or went.

    Args:
        leftovers: each of it.
        kept: why something stays that would have gone otherwise.
        is_deleted: whether it went.
    """

    leftovers: list[Leftover] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    is_deleted: bool = False

    @property
    def size_bytes(self) -> int:
        """What all of it takes."""
        return sum(each.size_bytes for each in self.leftovers)


def tidy_folder(
    folder: Folder, *, delete: bool = False, grace_s: float = GRACE_S, tell: Told = lambda _: None
) -> Tidied:
    """Find what nobody needs any more in a workspace, and take it away where that is wanted.

    Args:
        folder: the workspace.
        delete: take it away.
        grace_s: what was changed within so many seconds stays.
        tell: hears how far it is.

    Raises:
        StoreReadOnlyError, StoreError: something can't be read, or not be taken away.
    """
    return _Tidying(folder, time.time() - grace_s, grace_s, tell).run(delete=delete)


class _Tidying:
    def __init__(self, folder: Folder, oldest_s: float, grace_s: float, tell: Told) -> None:
        self._folder, self._oldest_s, self._grace_s, self._tell = folder, oldest_s, grace_s, tell
        self._referred: set[bytes] = set()
        self._written: set[str] = set()
        self._youngest_s = oldest_s
        self._unreadable = ""
        self.found = Tidied()

    def run(self, *, delete: bool) -> Tidied:
        """Find all of it; delete it."""
        self._read_runs()
        found = self.found.leftovers
        for each in (self._objects(), self._hidden(), self._staged(), self._segments(), self._begun()):
            found += each
        if delete:
            self.found.leftovers = [each for each in found if self._take_away(each)]
            self.found.is_deleted = True
        return self.found

    def _read_runs(self) -> None:
        """Learn what every run refers to, and from when on writers may have put something."""
        run_ids = self._folder.run_ids()
        for number, run_id in enumerate(run_ids):
            self._tell(f"run {number + 1:,} of {len(run_ids):,}")
            path = self._folder.run_path(run_id)
            is_written = find_writer(path).is_alive is not False
            began_s = 0.0
            try:
                journal = read_journal(self._folder, run_id)
            except NotFoundError:
                began_s = path.stat().st_ctime if path.exists() else time.time()
            except WhenceError as error:
                self._unreadable = self._unreadable or f"{run_id}: {error.message}"
            else:
                began_s = journal.events[0].at_ns / 1e9 if journal.events else 0.0
                self._take_references(journal)
            if is_written:
                self._written.add(run_id)
                self._youngest_s = min(self._youngest_s, began_s - self._grace_s)
        for path in sorted((self._folder.path / "registry").glob("[!.]*")):
            with contextlib.suppress(NotFoundError):
                for frame in scan_frames(path).frames:
                    self._referred |= {frame.payload[at : at + 32] for at in _places(frame.payload)}

    def _take_references(self, journal: Journal) -> None:
        is_unknown = not journal.events and not _has_only_beginnings(journal.path)
        is_unknown = is_unknown or bool(journal.damages) or any(event.redacted for event in journal.events)
        if is_unknown and not self._unreadable:
            self._unreadable = f"{journal.run_id}: its references can't all be read"
        for event in journal.events:
            self._referred |= set(_digests_in([event.public, event.body]))
        bodies = journal.path / "payloads"
        for frame in scan_frames(bodies).frames if bodies.exists() else ():
            if frame.kind == BODY:  # also one whose event is missing
                with contextlib.suppress(WhenceError, KeyError, TypeError):
                    self._referred |= set(_digests_in(decode_content(decode_content(frame.payload)["b"])))

    def _objects(self) -> Iterator[Leftover]:
        """Find the objects that nobody refers to."""
        unreferred = []
        for name in object_names(self._folder.objects_path):
            if bytes.fromhex(name.replace("/", "")) not in self._referred:
                unreferred.append(self._folder.objects_path / name)
        if unreferred and self._unreadable:
            self.found.kept.append(
                f"all objects, because of a run that may refer to them: {self._unreadable}"
            )
            return
        young = 0
        for path in unreferred:
            if _changed_s(path) < self._youngest_s:
                yield _leftover(path, "object", "no run refers to it")
            else:
                young += 1
        if young:
            who = "a run that may still be written" if self._written else "the time that is let pass"
            self.found.kept.append(f"{young} objects that nobody refers to, because of {who}")

    def _hidden(self) -> Iterator[Leftover]:
        """Find what was on its way to be a file, or a run's folder, when its writer died."""
        for root, folders, names in os.walk(self._folder.path):
            here = pathlib.Path(root)
            inside = here.relative_to(self._folder.path).parts
            if inside == (INCOMING,) or (
                inside[:1] == ("runs",) and inside[1:2] and inside[1] in self._written
            ):
                folders.clear()
                continue
            for name in [each for each in folders if each.startswith(".")]:
                folders.remove(name)
                if self._is_old(here / name) and find_writer(here / name).is_alive is False:
                    yield _leftover(here / name, "temporary", "its writer died before it was whole")
            # whoever is putting an object is a writer that may have been stopped since
            limit_s = self._youngest_s if inside[:1] == ("objects",) else self._oldest_s
            for name in names:
                if name.startswith(".") and name not in _KEPT_HIDDEN and _changed_s(here / name) < limit_s:
                    yield _leftover(here / name, "temporary", "its writer died before it was whole")

    def _staged(self) -> Iterator[Leftover]:
        """Find what was on its way from another workspace."""
        for path in left_incoming(self._folder.path / INCOMING):
            yield _leftover(path, "incoming", "its sync died")

    def _segments(self) -> Iterator[Leftover]:
        """Find what ended runs have in another place since."""
        for path in sorted(self._folder.runs_path.glob("[!.]*/segments/decisions-*")):
            run_id = path.parent.parent.name
            if run_id in self._written or not self._is_old(path):
                continue
            with contextlib.suppress(WhenceError):
                if _is_replaced(read_journal(self._folder, run_id), path.name):
                    yield _leftover(path, "segment", "what it decided is sealed elsewhere")

    def _begun(self) -> Iterator[Leftover]:
        """Find runs whose process died before anything was recorded."""
        for run_id in self._folder.run_ids():
            path = self._folder.run_path(run_id)
            if run_id in self._written or not self._is_old(path) or find_writer(path).is_alive is not False:
                continue
            framed = [path / name for name in list_files(path) if is_framed(path / name)]
            scans = [scan_frames(each, keep=False) for each in framed]
            if not any(scan.count or scan.damages for scan in scans) and _has_only_beginnings(path):
                yield _leftover(path, "empty run", "its process died before anything was recorded")

    def _is_old(self, path: pathlib.Path) -> bool:
        """Whether nothing in it changed for a while."""
        return all(_changed_s(each) < self._oldest_s for each in (path, *_files_in(path)))

    def _take_away(self, each: Leftover) -> bool:
        """Take something away, if it still is as it was."""
        with contextlib.ExitStack() as stack:
            if each.kind == "object":
                incoming = self._folder.path / INCOMING
                # nobody copies runs here meanwhile who counts on it
                is_held = stack.enter_context(held(incoming, alone=True)) and not _is_staging(incoming)
                is_held = is_held and stack.enter_context(held(self._folder.objects_path, alone=True))
                if not is_held or _changed_s(each.path) >= self._youngest_s:
                    self.found.kept.append(f"{each.path}: somebody needs it now, or it can't be held")
                    return False
            with explained(each.path):
                if not each.path.is_dir():
                    each.path.unlink(missing_ok=True)
                    return True
                gone = each.path
                if each.kind == "empty run":
                    if find_writer(gone).is_alive is not False:
                        return False
                    gone = each.path.rename(each.path.with_name(f".{each.path.name}.gone"))
                shutil.rmtree(gone)
        return True


def _is_staging(incoming: pathlib.Path) -> bool:
    left = set(left_incoming(incoming))
    return any(each not in left for each in incoming.iterdir())


def _has_only_beginnings(path: pathlib.Path) -> bool:
    """Whether nothing is there but what a run has before its first event."""
    known = {"journal", "payloads", "lease", "cursors", "synced"}
    return all(name in known for name in list_files(path))


def _is_replaced(journal: Journal, name: str) -> bool:
    """Whether the decisions of a pass are sealed, with what the file holds."""
    number = pass_of_decisions(name)
    if journal.end is None or journal.has_lease() or name in journal.promises():
        return False  # a run that was gone on with has committed to what it found
    for event in journal.find("pass_end"):
        sealed = event.public.get("lineage")
        if sealed is not None and event.public["pass"] == number:
            scan = journal.survey(name)
            return not scan.damages and not scan.torn_bytes and scan.chain == sealed["decisions"]
    return False


def _digests_in(value: Any) -> Iterator[bytes]:
    """Give all that could be the digest of an object, wherever it stands."""
    if isinstance(value, bytes):
        if len(value) == _DIGEST_BYTES:
            yield value
    elif isinstance(value, str):
        for found in _DIGEST.findall(value):
            yield bytes.fromhex(found)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _digests_in(key)
            yield from _digests_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _digests_in(each)


def _places(payload: bytes) -> Iterable[int]:
    """Every place at which 32 bytes could be a digest: decisions are small."""
    return range(len(payload) - _DIGEST_BYTES + 1)


def _changed_s(path: pathlib.Path) -> float:
    """When a file was written, or came here: a copy keeps the time of writing, not the other."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return float("inf")
    return max(found.st_mtime, found.st_ctime)


def _files_in(path: pathlib.Path) -> list[pathlib.Path]:
    return [pathlib.Path(root, name) for root, _, names in os.walk(path) for name in names]


def _leftover(path: pathlib.Path, kind: Kind, why: str) -> Leftover:
    sizes = []
    for each in _files_in(path) or [path]:
        with contextlib.suppress(OSError):
            sizes.append(os.lstat(each).st_size)
    return Leftover(path=path, kind=kind, size_bytes=sum(sizes), why=why)
