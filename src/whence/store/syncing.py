"""Making one history of two workspaces: what the source has and the target lacks is copied to the target.

Copies are written aside, forced to the disk, checked frame by frame and object by object, and only then put
in place. Objects come before the runs that name them, and the ledger comes last, as it was at first: what it
speaks of is there.
"""

from __future__ import annotations

import errno
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from whence.errors import (
    DamagedError,
    EvidenceError,
    ForkError,
    InputError,
    NotFoundError,
    StoreBusyError,
    StoreError,
    WhenceError,
)
from whence.store.confirming import SYNCED
from whence.store.files import explained, explained_reading, sync_folder
from whence.store.folder import Folder
from whence.store.frames import Damage, scan_frames
from whence.store.incoming import INCOMING, staging
from whence.store.liveness import Writer, find_writer, place_of, read_lease, write_lease
from whence.store.merging import bring_up, common_bytes
from whence.store.objects import object_blocks
from whence.store.shards import LEDGER, Pinned, merge_shard, pin_shards
from whence.store.snapshots import (
    Snapshot,
    check_frames,
    cut_torn,
    is_framed,
    list_files,
    sync_all,
    write_blocks,
)

OBJECT_NAME = re.compile(r"([0-9a-f]{2})/([0-9a-f]{62})")

_OWN = re.compile(rf"catalog.*|format|runs|objects|{LEDGER}|{INCOMING}")
_COUNTERS = "versions/"
_DECISIONS = "registry/"
_END_BYTES = 4096
_BLOCK_BYTES = 1 << 20

Told = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Synced:
    """What came of a sync.

    Args:
        copied: the runs that were new to the target.
        extended: those of which the source had more.
        mended: those of which something was damaged in the target.
        ahead: those of which the target has more.
        same: how many were the same on both sides.
        object_count: how many objects were copied.
        other_count: how many other files.
        decisions: those that were copied, by id.
        shards: the shards of the ledger of which something came, by name.
        copied_bytes: of all that.
        conflicts: where both sides have what the other hasn't, with the reason; nothing of either is touched.
        damaged: what of the source doesn't check, with what was done.
    """

    copied: list[str] = field(default_factory=list)
    extended: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)
    same: int = 0
    object_count: int = 0
    other_count: int = 0
    decisions: list[str] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)
    copied_bytes: int = 0
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether the target has all that the source has, and all of it checks."""
        return not self.conflicts and not self.damaged


def sync_folders(
    source: Folder,
    target: Folder,
    *,
    dry_run: bool = False,
    thorough: bool = False,
    tell: Told = lambda _: None,
) -> Synced:
    """Copy to a workspace what another one has and it lacks.

    Args:
        source: the other one; only read.
        target: made where it isn't there.
        dry_run: write nothing to the target, and say what would be done.
        thorough: compare what both have to the last byte, instead of lengths and ends, which hold the
            chain values of all before them; what is damaged in the target is mended.
        tell: hears how far it is.

    Raises:
        NotFoundError: the source isn't a workspace.
        InputError: both are one.
        StoreReadOnlyError, StoreFullError, StoreError: the target can't be written, or the source not read.
    """
    if not source.exists and not source.runs_path.is_dir():
        raise NotFoundError(f"{source.path}: no workspace is there", remedy="Name a folder with runs.")
    if target.path.exists() and os.path.samefile(source.path, target.path):
        raise InputError(f"{source.path}: source and target are one workspace", remedy="Name another one.")
    if not dry_run:
        target.make()
    with staging(target, aside=dry_run) as stage:
        sync = _Sync(source, target, stage, dry_run=dry_run, thorough=thorough, tell=tell)
        pinned, unreadable = pin_shards(source)
        sync.copy_objects()
        sync.copy_others()
        for number, run_id in enumerate(run_ids := source.run_ids()):
            tell(f"run {number + 1:,} of {len(run_ids):,}")
            sync.copy_run(run_id)
        sync.done.damaged += [(str(path), f"{problem}; not copied") for path, problem in unreadable]
        for shard in pinned:
            sync.copy_shard(shard)
        return sync.done


class _Sync:
    def __init__(
        self,
        source: Folder,
        target: Folder,
        stage: pathlib.Path,
        *,
        dry_run: bool,
        thorough: bool,
        tell: Told,
    ) -> None:
        self._source, self._target, self._stage = source, target, stage
        self._dry_run, self._thorough, self._tell = dry_run, thorough, tell
        self._refused: set[str] = set()
        self.done = Synced()

    # objects

    def copy_objects(self) -> None:
        """Copy the objects that the target lacks."""
        for name in object_names(self._source.objects_path):
            here = self._target.objects_path / name
            if here.exists() and (not self._thorough or self._is_object(self._target.objects_path, name)):
                continue
            if name not in self._refused:
                self._copy_object(name, here)

    def _copy_object(self, name: str, here: pathlib.Path) -> None:
        self._tell(f"object {self.done.object_count + 1:,}")
        there = self._source.objects_path / name
        staged = self._stage / "objects" / name
        try:
            size = there.stat().st_size
            if not self._dry_run:
                staged.parent.mkdir(parents=True, exist_ok=True)
                write_blocks(staged, _blocks_of(there))
                for _ in object_blocks(self._stage / "objects", _digest_of(name)):
                    pass
                sync_all([staged])
        except FileNotFoundError:
            return  # its workspace was tidied meanwhile: nothing refers to it
        except DamagedError as error:
            self._refused.add(name)
            self.done.damaged.append((str(there), f"{error.message}; not copied"))
            staged.unlink()
            return
        if not self._dry_run:
            _put(staged, here)
        self.done.object_count += 1
        self.done.copied_bytes += size

    def _is_object(self, objects: pathlib.Path, name: str) -> bool:
        try:
            for _ in object_blocks(objects, _digest_of(name)):
                pass
        except WhenceError:
            return False
        return True

    # decisions, and whatever else a workspace holds

    def copy_others(self) -> None:
        """Copy the other files of the workspace."""
        for entry in sorted(self._source.path.iterdir() if self._source.path.is_dir() else ()):
            if entry.name.startswith(".") or _OWN.fullmatch(entry.name):
                continue
            names = [f"{entry.name}/{name}" for name in list_files(entry)] if entry.is_dir() else [entry.name]
            for name in names:
                self._copy_other(name)

    def _copy_other(self, name: str) -> None:
        there, here = self._source.path / name, self._target.path / name
        with explained_reading(there):
            content = there.read_bytes()
        problem = _damage_of(there)
        ours = here.read_bytes() if here.exists() else None
        if ours == content:
            return
        if ours is not None and name.startswith(_COUNTERS):
            if len(ours) >= len(content):
                return
        elif ours is not None and (problem or not _damage_of(here)):
            what = problem or "not what the target has under this name"
            (self.done.damaged if problem else self.done.conflicts).append((str(there), what))
            return
        elif problem:
            self.done.damaged.append((str(there), f"{problem}; copied as it is"))
        if not self._dry_run:
            staged = self._stage / secrets.token_hex(8)
            write_blocks(staged, iter((content,)))
            sync_all([staged])
            _put(staged, here)
        self.done.other_count += 1
        self.done.copied_bytes += len(content)
        if name.startswith(_DECISIONS):
            self.done.decisions.append(name.removeprefix(_DECISIONS))

    # runs

    def copy_run(self, run_id: str) -> None:
        """Copy a run, or what the target lacks of it."""
        there, here = self._source.run_path(run_id), self._target.run_path(run_id)
        if here.exists() and _are_alike(here, there, whole=self._thorough):
            self.done.same += 1
            return
        staged = self._stage / run_id
        writer = find_writer(there)
        try:
            snapshot = Snapshot.take(there)
        except NotFoundError:
            return  # taken away meanwhile, before anybody had heard of it
        except StoreError as error:
            self.done.damaged.append((str(there), f"{error.message}; not copied"))
            return
        with snapshot:
            size = sum(snapshot.sizes.values())
            if not snapshot.sizes.get("journal"):
                return  # only begun
            if self._dry_run and not here.exists():
                self.done.copied.append(run_id)
                self.done.copied_bytes += size
                return
            snapshot.copy_to(staged)
        _make_copy(staged, there, writer)
        if (staged / "lease").exists() and not self._dry_run:
            self.copy_objects()  # what it names may have come since they were listed
        try:
            self._merge(run_id, staged, size, there)
        except StoreBusyError as error:
            self.done.conflicts.append((str(here), error.message))
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _merge(self, run_id: str, staged: pathlib.Path, size: int, there: pathlib.Path) -> None:
        here = self._target.run_path(run_id)
        checked = check_frames(staged)
        what = f"{checked.damages[0].problem} (byte {checked.damages[0].offset})" if checked.damages else ""
        if not here.exists() and self._put_run(staged, here):
            self.done.copied.append(run_id)
            self.done.copied_bytes += size
            if what:
                self.done.damaged.append((str(there), f"{what}; copied as it is"))
            return
        found, written = bring_up(here, staged, checked, dry_run=self._dry_run)
        if what:
            self.done.damaged.append((str(there), f"{what}; what the target has of it stays"))
        elif found.relation == "apart":
            problem = f"gone on with in both places: {found.apart} differs; nothing of either was touched"
            self.done.conflicts.append((str(here), problem))
        elif found.changes:
            self.done.copied_bytes += written
            (self.done.extended if found.relation == "behind" else self.done.mended).append(run_id)
        elif found.relation == "ahead":
            self.done.ahead.append(run_id)
        else:
            self.done.same += 1

    # the ledger

    def copy_shard(self, shard: Pinned) -> None:
        """Copy a shard of the ledger, or what the target lacks of it."""
        try:
            found = merge_shard(shard, self._target, self._stage, dry_run=self._dry_run)
        except ForkError as error:
            self.done.conflicts.append((str(shard.shard.path), error.message))
        except (EvidenceError, NotFoundError, InputError) as error:
            self.done.damaged.append((str(shard.shard.path), f"{error.message}; not copied"))
        else:
            self.done.copied_bytes += found.written_bytes
            if found.relation in ("new", "behind"):
                self.done.shards.append(shard.shard.name)

    def _put_run(self, staged: pathlib.Path, here: pathlib.Path) -> bool:
        """Put a new run in place; False where somebody else just did."""
        try:
            staged.rename(here)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            with explained(here):
                raise
        sync_folder(here.parent)
        return True


def object_names(objects: pathlib.Path) -> Iterator[str]:
    """List objects by their paths."""
    for name in list_files(objects) if objects.is_dir() else ():
        if OBJECT_NAME.fullmatch(name):
            yield name


def _make_copy(staged: pathlib.Path, there: pathlib.Path, writer: Writer) -> None:
    """Make a run's copy one: cut behind what is whole where it goes on, and with a lease that says so."""
    lease = read_lease(staged / "lease")
    if (staged / "lease").exists():
        cut_torn(staged, check_frames(staged))
    if writer.is_alive is not False:
        (staged / SYNCED).unlink(missing_ok=True)  # it may speak of more than was copied
    if lease is not None and "place" not in lease:  # of an earlier version
        lease["place"] = place_of(there)
        write_lease(staged / "lease", lease)


def _are_alike(here: pathlib.Path, there: pathlib.Path, *, whole: bool) -> bool:
    """Whether two folders have the same files, with the same lengths and ends, or the same content."""
    names = list_files(there)
    if list_files(here) != names:
        return False
    try:
        if not all(_end_of(here / name) == _end_of(there / name) for name in names):
            return False
        sizes = {name: (here / name).stat().st_size for name in names}
        return not whole or all(common_bytes(here / name, there / name) == sizes[name] for name in names)
    except OSError:
        return False


def _end_of(path: pathlib.Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _END_BYTES))
        return size, file.read()


def _damage_of(path: pathlib.Path) -> str:
    if not is_framed(path):
        return ""
    scan = scan_frames(path, keep=False)
    torn = [Damage(path=str(path), offset=scan.sound_bytes, length=scan.torn_bytes, problem="is cut off")]
    damages = [*scan.damages, *(torn if scan.torn_bytes else ())]
    return damages[0].problem if damages else ""


def _blocks_of(path: pathlib.Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _put(staged: pathlib.Path, here: pathlib.Path) -> None:
    with explained(here):
        here.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(here)
        sync_folder(here.parent)


def _digest_of(name: str) -> bytes:
    return bytes.fromhex(name.replace("/", ""))
