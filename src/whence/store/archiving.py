"""Backups: a workspace as one tar file, with a digest of everything in it, made while writers go on.

    workspace/<path>     the files, runs cut behind what is whole where they go on
    manifest.json        last: {"whence": 1, "made_at", "workspace", "files": {path: [bytes, sha256]}}

A tar file without its manifest is one that was never finished. Restoring unpacks it beside the place, checks
all of it, and only then gives it the place's name.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import lzma
import os
import pathlib
import re
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from whence.errors import (
    DamagedError,
    EvidenceError,
    InputError,
    NotFoundError,
    StoreBusyError,
    StoreVersionError,
    WhenceError,
)
from whence.store.confirming import SYNCED
from whence.store.files import explained, explained_reading, sync_data, sync_folder
from whence.store.folder import Folder
from whence.store.frames import scan_frames
from whence.store.incoming import INCOMING
from whence.store.liveness import find_writer
from whence.store.shards import LEDGER, Pinned, pin_shards
from whence.store.snapshots import Snapshot, is_framed, list_files, sync_all, write_blocks
from whence.vocab import Hasher

ARCHIVE_FORMAT = 1

_MANIFEST = "manifest.json"
_INSIDE = "workspace/"
_BLOCK_BYTES = 1 << 20
_MANIFEST_LIMIT = 1 << 30
_NO_BACKUP = "Name a file that `whence backup` wrote."
_SAFE = re.compile(r"workspace(/(?!\.{1,2}(/|$))[^/\0]+)+")
_COMPRESSIONS: dict[str, Literal["", "gz", "xz"]] = {
    ".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.xz": "xz",
}  # fmt: skip

Told = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Archived:
    """A backup, as it was made or restored.

    Args:
        path: the tar file.
        made_at: when, as ISO 8601.
        run_count: how many runs are in it.
        file_count: how many files.
        content_bytes: how many bytes these have.
        damaged: what didn't check when it was made, and is in it as it was.
        replaced: where the folder is now that was replaced; None where none was.
    """

    path: pathlib.Path
    made_at: str
    run_count: int = 0
    file_count: int = 0
    content_bytes: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    replaced: pathlib.Path | None = None


def check_archive_name(path: pathlib.Path) -> Literal["", "gz", "xz"]:
    """Tell how a backup of this name is compressed; raises `InputError` where that isn't known."""
    for suffix, compression in _COMPRESSIONS.items():
        if path.name.lower().endswith(suffix):
            return compression
    raise InputError(
        f"{path}: a backup is a tar file",
        remedy=f"Name it {', '.join('NAME' + each for each in _COMPRESSIONS)}.",
    )


def back_up(folder: Folder, path: pathlib.Path, *, now: dt.datetime, tell: Told = lambda _: None) -> Archived:
    """Write a workspace to a tar file, which is there when it is whole and on the disk.

    Runs that go on are in it as they are when it begins, all others as they are when it comes to them.

    Args:
        folder: the workspace; only read.
        path: the file; its name says how it is compressed. One that is there is replaced.
        now: the time.
        tell: hears how far it is.

    Raises:
        NotFoundError: there is no workspace.
        InputError: no tar file's name.
        StoreFullError, StoreReadOnlyError, StoreError: it can't be written, or the workspace not be read.
    """
    compression = check_archive_name(path)
    if not folder.exists:
        raise NotFoundError(f"{folder.path}: no workspace is there", remedy="Name one with -w.")
    done = Archived(path=path, made_at=now.isoformat())
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with explained(temporary), contextlib.ExitStack() as stack:
        stack.callback(temporary.unlink, missing_ok=True)
        file = stack.enter_context(temporary.open("xb"))
        writer = _Writer(file, compression, folder, done, tell)
        writer.write(stack)
        file.flush()
        sync_data(file.fileno())
        temporary.replace(path)
        sync_folder(path.absolute().parent)
    return done


class _Writer:
    def __init__(
        self,
        file: IO[bytes],
        compression: Literal["", "gz", "xz"],
        folder: Folder,
        done: Archived,
        tell: Told,
    ) -> None:
        how: dict[str, Any] = {"gz": {"compresslevel": 1}, "xz": {"preset": 1}}.get(compression, {})
        self._tar = tarfile.open(fileobj=file, mode=f"w:{compression}", format=tarfile.PAX_FORMAT, **how)  # type: ignore[call-overload] # noqa: SIM115 - closed by write; one of three modes
        self._folder, self._done, self._tell = folder, done, tell
        self._files: dict[str, tuple[int, str]] = {}

    def write(self, stack: contextlib.ExitStack) -> None:
        """Write everything."""
        root = self._folder.path
        pinned, unreadable = pin_shards(self._folder)  # before the runs: what it speaks of is in the backup
        run_ids = self._folder.run_ids()
        held: dict[str, Snapshot] = {}
        for run_id in run_ids:  # first, and all at once: they are as of one moment
            path = self._folder.run_path(run_id)
            if find_writer(path).is_alive is not False:
                with contextlib.suppress(NotFoundError):
                    held[run_id] = stack.enter_context(Snapshot.take(path))
        with self._tar:
            for name in [".gitignore", *list_files(root)]:
                top = name.partition("/")[0]
                if top not in ("runs", INCOMING, LEDGER) and not top.startswith("catalog"):
                    with contextlib.suppress(NotFoundError):
                        self._add_file(name)
            for number, run_id in enumerate(run_ids):
                self._tell(f"run {number + 1:,} of {len(run_ids):,}")
                with contextlib.suppress(NotFoundError):
                    self._add_run(run_id, held.get(run_id))
            for shard in pinned:
                self._add_shard(shard)
            for path, problem in unreadable:
                self._add_damaged(path, problem)
            with contextlib.suppress(NotFoundError):
                self._add_file(f"{LEDGER}/own")  # what is restored is this workspace, as it was
            manifest = {
                "whence": ARCHIVE_FORMAT,
                "made_at": self._done.made_at,
                "workspace": root.parent.name,
                "runs": self._done.run_count,
                "files": self._files,
            }
            content = json.dumps(manifest).encode()
            self._tar.addfile(_entry(_MANIFEST, len(content)), io.BytesIO(content))

    def _add_shard(self, pinned: Pinned) -> None:
        """Add a shard as it was; of one that isn't whole whatever is there."""
        shard = pinned.shard
        try:
            for name, content in pinned.files():
                self._add(f"{LEDGER}/{shard.name}/{name}", iter((content,)), len(content))
        except (EvidenceError, NotFoundError, InputError) as error:
            self._add_damaged(shard.path, error.message)

    def _add_damaged(self, path: pathlib.Path, problem: str) -> None:
        self._done.damaged.append((str(path.relative_to(self._folder.path)), problem))
        for name in list_files(path):
            inside = f"{LEDGER}/{path.name}/{name}"
            if inside not in self._files:
                self._add_file(inside)

    def _add_run(self, run_id: str, held: Snapshot | None) -> None:
        if held is None:  # nobody writes it, so that it can wait until it is its turn
            with Snapshot.take(self._folder.run_path(run_id)) as snapshot:
                self._add_snapshot(run_id, snapshot)
        else:
            self._add_snapshot(run_id, held)
        self._done.run_count += 1

    def _add_snapshot(self, run_id: str, snapshot: Snapshot) -> None:
        for name, size in snapshot.sizes.items():
            if name == SYNCED:
                continue  # it may speak of more than is here
            opened = pathlib.Path(f"/dev/fd/{snapshot.descriptors[name]}")
            kept = size
            if is_framed(opened, name):
                scan = scan_frames(opened, keep=False, within=size)
                where = f"runs/{run_id}/{name}"
                self._done.damaged += [(f"{where}:{each.offset}", each.problem) for each in scan.damages]
                if "lease" in snapshot.sizes:
                    kept = size - scan.torn_bytes
                elif scan.torn_bytes:
                    self._done.damaged.append((f"{where}:{scan.sound_bytes}", "is cut off"))
            self._add(f"runs/{run_id}/{name}", snapshot.blocks(name), kept)

    def _add_file(self, name: str) -> None:
        path = self._folder.path / name
        with explained_reading(path), path.open("rb") as file:
            self._add(name, _read_blocks(file), os.fstat(file.fileno()).st_size)

    def _add(self, name: str, blocks: Iterator[bytes], size: int) -> None:
        content = _Digested(blocks, size)
        self._tar.addfile(_entry(_INSIDE + name, size), content)
        self._files[name] = (size, content.digest().hex())
        self._done.file_count += 1
        self._done.content_bytes += size


class _Digested:
    """Blocks as a file that is read once, digested on the way."""

    def __init__(self, blocks: Iterator[bytes], size: int) -> None:
        self._blocks, self._left = blocks, size
        self._rest = b""
        self._hasher = Hasher()

    def read(self, count: int) -> bytes:
        """Give as many bytes as there are, at most those asked for."""
        while len(self._rest) < count and self._left > len(self._rest):
            block = next(self._blocks, b"")
            if not block:
                raise StoreBusyError("a file was cut while it was backed up", remedy="Try again.")
            self._rest += block
        data = self._rest[: min(count, self._left)]
        self._rest = self._rest[len(data) :]
        self._left -= len(data)
        self._hasher.update(data)
        return data

    def digest(self) -> bytes:
        """Digest what was read."""
        return self._hasher.digest()


def restore_archive(
    path: pathlib.Path, folder: pathlib.Path, *, replace: bool = False, tell: Told = lambda _: None
) -> Archived:
    """Unpack a backup, check all of it, and put it in the place of a workspace.

    Args:
        path: the tar file.
        folder: the workspace's folder, which must be empty or not be there.
        replace: put what is in the folder aside, under a name beside it, instead of refusing it.
        tell: hears how far it is.

    Raises:
        NotFoundError: there is no such file.
        InputError: the folder isn't empty, or the file isn't a backup.
        DamagedError: the backup isn't whole.
        StoreFullError, StoreReadOnlyError, StoreError: it can't be written.
    """
    is_taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if is_taken and not replace:
        raise InputError(f"{folder}: is there and not empty", remedy="Name another place, or say --replace.")
    stage = folder.with_name(f".{folder.name.lstrip('.')}.{secrets.token_hex(6)}")
    done = Archived(path=path, made_at="")
    try:
        with explained_reading(path), path.open("rb") as file:
            manifest = _unpack(file, path, stage, tell)
        _check(manifest, path, stage, done)
        Folder(stage)  # its format may be newer than ours
        with explained(folder):
            if is_taken:
                done.replaced = folder.with_name(f"{folder.name}.before-{secrets.token_hex(4)}")
                folder.rename(done.replaced)
            stage.rename(folder)
            sync_folder(folder.absolute().parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return done


def _unpack(file: IO[bytes], path: pathlib.Path, stage: pathlib.Path, tell: Told) -> dict[str, Any]:
    """Unpack the files with what their digests are; gives the manifest with these as `found`."""
    found: dict[str, tuple[int, str]] = {}
    manifest: dict[str, Any] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            with explained(stage):
                stage.mkdir(parents=True)
            for entry in tar:
                content = tar.extractfile(entry) if entry.isreg() else None
                if content is None or not (entry.name == _MANIFEST or _SAFE.fullmatch(entry.name)):
                    raise InputError(
                        f"{path}: has {entry.name!r:.80}, which no backup has", remedy=_NO_BACKUP
                    )
                if entry.name == _MANIFEST:
                    said = json.loads(content.read(_MANIFEST_LIMIT))
                    manifest = said if isinstance(said, dict) else {}
                    continue
                name = entry.name.removeprefix(_INSIDE)
                with explained(stage):
                    (stage / name).parent.mkdir(parents=True, exist_ok=True)
                hasher = Hasher()
                size = write_blocks(stage / name, _read_blocks(content), hasher.update)
                found[name] = (size, hasher.digest().hex())
                tell(f"{len(found):,} files")
    except (tarfile.TarError, EOFError, ValueError, OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, WhenceError):
            raise
        raise DamagedError(
            f"{path}: not a whole tar file ({error})", remedy=_NO_BACKUP, place=str(path)
        ) from error
    return manifest | {"found": found}


def _check(manifest: dict[str, Any], path: pathlib.Path, stage: pathlib.Path, done: Archived) -> None:
    """Compare what was unpacked with what the manifest says; force it to the disk."""
    found = manifest.pop("found")
    if isinstance(manifest.get("whence"), int) and manifest["whence"] > ARCHIVE_FORMAT:
        raise StoreVersionError(
            f"{path}: a backup of format {manifest['whence']}, this whence reads up to {ARCHIVE_FORMAT}",
            remedy="Upgrade whence: pip install --upgrade whence",
        )
    try:
        wanted = {name: (size, digest) for name, (size, digest) in manifest["files"].items()}
        done.made_at, done.run_count = str(manifest["made_at"]), int(manifest["runs"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"{path}: ends without a manifest that can be read"
        raise DamagedError(problem, remedy=_NO_BACKUP, place=str(path)) from error
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise DamagedError(
                f"{path}: {name}: isn't what the manifest says", remedy=_NO_BACKUP, place=f"{path}:{name}"
            )
    sync_all([stage / name for name in found])
    sync_all([pathlib.Path(root) for root, _, _ in os.walk(stage)])
    done.file_count = len(found)
    done.content_bytes = sum(size for size, _ in found.values())


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


def _read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
