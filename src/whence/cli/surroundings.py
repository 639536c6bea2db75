"""What the disk, the clock and the machine are to a workspace: checks of `whence doctor`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Literal

from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, size_of
from whence.errors import StoreError, WhenceError
from whence.workspace import Run, Workspace
from whence.workspace import open as open_workspace

State = Literal["ok", "missing", "doubt", "bad"]
Check = dict[str, Any]

NETWORKED = (
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "lustre", "glusterfs", "beegfs",
    "gpfs", "afs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone",
)  # fmt: skip
"""File systems on which other machines may write what we read."""

_LITTLE_SPACE_BYTES = 1_000_000_000
_CLOCK_S = 2.0
_WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
_NAMED = 5
_RESUME = "Go on with wh.start_run(resume=NAME), or leave it: what was recorded stays."


def make_check(
    group: str, title: str, state: State, found: str, *, remedy: str = "", note: str = ""
) -> Check:
    """Spell a check."""
    return {"group": group, "name": title, "state": state, "found": found, "remedy": remedy, "note": note}


def check_workspace(asked: str | None, screen: Screen) -> tuple[list[Check], str]:
    """Check a workspace and where it lies; gives its path as well."""
    group = "workspace"
    try:
        workspace = open_workspace(asked)
        counts = workspace.count_by_status() if workspace.exists else {}
    except StoreError as error:
        return [make_check(group, "folder", "bad", error.message, remedy=error.remedy)], str(asked or "")
    path = workspace.path
    note = count_of(sum(counts.values()), "run") if workspace.exists else "not there yet"
    checks = [make_check(group, "folder", "ok", str(path), note=note)]
    held = _nearest_folder(path)
    checks += [_check_room(held), *_check_files(path, held)]
    if workspace.exists:
        with watched(screen) as tell:
            checks += [*_check_access(path), *_check_runs(workspace, counts)]
            checks.append(_check_ledger(workspace))
            try:
                checks.append(_check_leftovers(workspace, tell))
            except WhenceError as error:
                checks.append(make_check(group, "leftovers", "bad", error.message, remedy=error.remedy))
    return checks, str(path)


def check_sqlite() -> Check:
    """Check the version of SQLite, of which some lose commits where a write-ahead log is kept."""
    low, high = _WAL_RESET_BUG
    found = low <= sqlite3.sqlite_version_info <= high
    note = (
        "has the WAL-reset bug, which the catalog isn't open to: it keeps no write-ahead log" if found else ""
    )
    return make_check(
        "tools", "sqlite", "ok", sqlite3.sqlite_version, note=note or "only for the catalog, an index"
    )


def filesystem_of(path: pathlib.Path, mounts: str = "/proc/self/mountinfo") -> str:
    """Tell the type of the file system on which a path lies; empty where the system doesn't say."""
    try:
        lines = pathlib.Path(mounts).read_text().splitlines()
        place = os.path.realpath(path)
    except OSError:
        return ""
    found, longest = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape")
        if len(point) >= longest and (place + "/").startswith(point.rstrip("/") + "/"):
            found, longest = after.split(" ")[0], len(point)
    return found


def _check_room(held: pathlib.Path) -> Check:
    free = shutil.disk_usage(held).free
    state: State = "ok" if free >= _LITTLE_SPACE_BYTES else "doubt" if free else "bad"
    return make_check(
        "workspace", "free disk", state, size_of(free), remedy="Free some space; whence gc may."
    )


def _check_files(path: pathlib.Path, held: pathlib.Path) -> Iterator[Check]:
    """Check by a file that is gone at once: that it can be written, locked, and has the time of our clock."""
    group = "workspace"
    note = "" if held == path else f"by way of {held}"
    try:
        with tempfile.TemporaryFile(dir=held) as file:
            file.write(b"x")
            file.flush()
            now, theirs = time.time(), os.fstat(file.fileno()).st_mtime
            yield make_check(group, "writable", "ok", "yes", note=note)
            locks = _locks(file.fileno())
    except OSError as error:
        yield make_check(
            group, "writable", "bad", f"no ({error.strerror})",
            remedy=f"Make {held} writable, or set WHENCE_HOME to a folder that is.",
        )  # fmt: skip
        return
    yield make_check(
        group, "file locks", "ok" if locks else "doubt", "yes" if locks else "no", note="for resuming and gc",
        remedy="Runs are recorded; resuming and deleting objects need a file system that locks files.",
    )  # fmt: skip
    kind = filesystem_of(held)
    remote = kind in NETWORKED
    yield make_check(
        group, "file system", "doubt" if remote else "ok", kind or "unknown",
        remedy="Other machines may write here: whether their runs live can't be told, and what a power cut"
        " takes is up to the server. To be sure, record on a local disk and whence sync." if remote else "",
    )  # fmt: skip
    apart = abs(now - theirs)
    yield make_check(
        group, "clock", "ok" if apart < _CLOCK_S else "doubt",
        "as that of the disk" if apart < _CLOCK_S else f"{apart:.0f} s from that of the disk",
        remedy="Set the clocks by one time server: runs are ordered by them.",
    )  # fmt: skip


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _check_access(path: pathlib.Path) -> Iterator[Check]:
    """Look for what this user can't read or write."""
    denied = []
    for root, folders, names in os.walk(path):
        wanted = [
            (root, os.R_OK | os.W_OK | os.X_OK),
            *((os.path.join(root, each), os.R_OK) for each in names),
        ]
        denied += [each for each, how in wanted if not os.access(each, how) and os.path.exists(each)]
        folders[:] = [each for each in folders if os.access(os.path.join(root, each), os.X_OK)]
    state: State = "doubt" if denied else "ok"
    found = f"{count_of(len(denied), 'file or folder', 'files or folders')} denied" if denied else "all"
    more = f": {', '.join(denied[:_NAMED])}" if denied else ""
    yield make_check(
        "workspace", "access", state, found, remedy=f"Give this user access{more}", note="read and written"
    )


def _check_runs(workspace: Workspace, counts: dict[str, int]) -> Iterator[Check]:
    """Name the runs that died, those of which nobody knows, and those from the future."""
    for status, remedy in (("lost", _RESUME), ("unknown", "")):
        if not counts.get(status):
            continue
        shown = []
        for summary in workspace.summaries(f"status = {status}", limit=_NAMED):
            with contextlib.suppress(WhenceError):
                shown.append(_said(workspace.run(summary["id"])))
        words = "; ".join(shown) + ("; …" if counts[status] > len(shown) else "")
        yield make_check(
            "runs", status, "doubt", f"{counts[status]:,}: {words}" if words else f"{counts[status]:,}",
            remedy=remedy or "Look where its writer is: continue it, end it, or sync from there.",
        )  # fmt: skip
    newest = workspace.summaries(limit=1)
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 60))
    if newest and newest[0]["started_at"] and newest[0]["started_at"][:19] > now:
        yield make_check(
            "runs", "newest", "doubt", f"{newest[0]['name']} begins in the future",
            remedy="A clock is, or was, wrong.",
        )  # fmt: skip
    if not counts.get("lost") and not counts.get("unknown"):
        yield make_check("runs", "all", "ok", "ended, or go on here")


def _check_ledger(workspace: Workspace) -> Check:
    """Count what has ended and isn't in the ledger, and look whether there is a key to sign with."""
    try:
        left = len(workspace.ledger.unlogged())
        workspace.ledger.check_keys()
    except WhenceError as error:
        return make_check("workspace", "ledger", "doubt", error.message, remedy=error.remedy)
    entries = count_of(sum(shard.size for shard in workspace.ledger.shards), "entry", "entries")
    found = f"{count_of(left, 'run or decision', 'runs and decisions')} not logged" if left else entries
    state: State = "doubt" if left else "ok"
    return make_check("workspace", "ledger", state, found, remedy="whence seal")


def _said(run: Run) -> str:
    return f"{run.name} ({run.standing})"


def _check_leftovers(workspace: Workspace, tell: Any) -> Check:
    found = workspace.tidy(tell=tell)
    if not found.leftovers:
        return make_check("workspace", "leftovers", "ok", "none", note="of writers that died")
    what = f"{count_of(len(found.leftovers), 'thing')} nobody needs, {size_of(found.size_bytes)}"
    return make_check("workspace", "leftovers", "missing", what, remedy="whence gc")


def _nearest_folder(path: pathlib.Path) -> pathlib.Path:
    """The folder itself, or the nearest above it that is there."""
    return next((each for each in (path, *path.parents) if each.is_dir()), pathlib.Path(path.anchor))
