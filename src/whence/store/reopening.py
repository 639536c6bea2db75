"""Taking a run over whose writer is gone, or had ended it: only what is whole, and only by one process.

The files are only ever appended to, so all that a dead writer can have left behind is a tail that was cut
off, which is cut off here as well. Whoever takes a run over holds a lock on its journal while he looks, and
leaves his lease before he lets go; damage, and a writer that may still live, are refused before anything is
touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from whence.errors import DamagedError, NotFoundError, StoreBusyError, StoreError
from whence.store.confirming import SYNCED
from whence.store.files import explained, sync_data, sync_folder
from whence.store.folder import Folder
from whence.store.frames import HEAD_BYTES, Damage, Frame, Scan, iterate_frames, scan_frames
from whence.store.journal import Journal, check_segments, read_journal
from whence.store.liveness import find_writer, own_lease, read_lease, write_lease
from whence.store.metrics import FoundPoints, cut_tails, put_tails_back, read_points
from whence.store.segments import BLOCK, DECISIONS, DIRECTORY, pass_of_decisions
from whence.store.settled import roll_back, settled_sizes

_LEASE_LOOKS = 10
_LEASE_LOOK_S = 0.5
_REMEDY = "Restore the file from a copy, or start a new run; whence verify tells what else is damaged."

Check = Callable[[Journal], Iterable[Damage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a run had when it was taken over.

    Args:
        path: the run's folder.
        scans: what is in each of its framed files, by their paths in the folder; each ends with it.
        lease: the lease that was there; None where there was none.
        points: those of its metrics.
        synced: what was said of how far it was on the disk; None where nothing was.
    """

    path: pathlib.Path
    scans: dict[str, Scan]
    lease: bytes | None
    points: FoundPoints
    synced: bytes | None

    def put_back(self) -> None:
        """Leave the run as it was found; nothing of that needs room on the disk."""
        segments = (f"segments/{each.name}" for each in (self.path / "segments").iterdir())
        for name in ("journal", "payloads", *segments):
            scan = self.scans.get(name)
            with contextlib.suppress(OSError):
                if scan is None:
                    (self.path / name).unlink()
                else:
                    os.truncate(self.path / name, scan.sound_bytes)
        put_tails_back(self.path, self.points)
        with contextlib.suppress(OSError):
            if self.synced is None:
                (self.path / SYNCED).unlink()
            else:
                (self.path / SYNCED).write_bytes(self.synced)
        _put_back(self.path / "lease", self.lease)


def take_over(
    folder: Folder, run_id: str, *, check: Check, sleep: Callable[[float], None] = time.sleep
) -> tuple[Found, Journal]:
    """Take a run over that nobody writes.

    Args:
        folder: the workspace.
        run_id: the run.
        check: finds what else is damaged in it.
        sleep: waits, where only time can tell whether a writer on another machine lives.

    Returns:
        What is there now, and what the journal says.

    Raises:
        NotFoundError: there is no such run, or nothing was recorded in it.
        StoreBusyError: its writer lives, or another process takes it over at this moment.
        DamagedError: it isn't whole.
        StoreReadOnlyError, StoreFullError, StoreError: it can't be written.
    """
    path = folder.run_path(run_id)
    if not (path / "journal").exists():
        _check_whole(_read_begun(folder, run_id), check)
    with _locked(path / "journal"):
        _check_writer_gone(path / "lease", sleep)
        journal = _read_whole(folder, run_id, check)
        lease, synced = (_content_of(path / name) for name in ("lease", SYNCED))
        write_lease(path / "lease", own_lease(path))
        try:
            with explained(path):
                (path / "segments").mkdir(exist_ok=True)  # copies may leave out a folder that is empty
                scans = dict(_cut_off(journal))
                found = Found(path=path, scans=scans, lease=lease, points=cut_tails(path), synced=synced)
                return found, journal
        except BaseException:
            _put_back(path / "lease", lease)
            raise


@contextlib.contextmanager
def _locked(journal: pathlib.Path) -> Iterator[None]:
    """Keep other processes from taking the run over at the same moment."""
    with explained(journal):
        descriptor = os.open(journal, os.O_RDWR | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreBusyError(
                    f"{journal.parent}: another process is resuming this run",
                    remedy="Let one process go on with it, or start a new run.",
                ) from error
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
                raise StoreError(
                    f"{journal}: the file system doesn't lock files, so two processes could resume one run",
                    remedy="Copy the run's folder to a workspace on another file system.",
                ) from error
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process forked meanwhile would hold it on
            os.close(descriptor)


def _check_writer_gone(path: pathlib.Path, sleep: Callable[[float], None]) -> None:
    writer = find_writer(path.parent)
    if writer.state in ("writing", "stopped"):
        lease = read_lease(path)
        pid = -1 if lease is None else lease["pid"]
        who = "this process" if pid == os.getpid() else f"process {pid} on this machine"
        if writer.state == "stopped":
            who += ", which is stopped by a signal"
        raise StoreBusyError(
            f"{path.parent}: the run is being written by {who}",
            remedy="End it there first, or start a new run.",
        )
    if writer.is_alive is None:  # a writer touches its lease every second
        before = _touched_ns(path)
        for _ in range(_LEASE_LOOKS):
            sleep(_LEASE_LOOK_S)
            if _touched_ns(path) != before:
                raise StoreBusyError(
                    f"{path.parent}: the run is being written by a process on another machine",
                    remedy="End it there first, or start a new run.",
                )


def _touched_ns(path: pathlib.Path) -> int:
    """When the lease was touched; -1 where it is gone. Opened, so that a network's cache is asked anew."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return -1


def _content_of(path: pathlib.Path) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _read_begun(folder: Folder, run_id: str) -> Journal:
    try:
        return read_journal(folder, run_id)
    except NotFoundError as error:
        raise _nothing_there(folder.run_path(run_id)) from error


def _nothing_there(path: pathlib.Path) -> NotFoundError:
    return NotFoundError(
        f"{path}: there is no run, or its process died before it wrote anything", remedy="Start a new run."
    )


def _read_whole(folder: Folder, run_id: str, check: Check) -> Journal:
    """Read a run of which all is whole; where a power cut left something else, up to the last sync."""
    journal = read_journal(folder, run_id)
    if settled_sizes(journal) is not None and (_find_damages(journal, check) or _has_lost_bodies(journal)):
        with explained(journal.path):
            if roll_back(journal):
                journal = read_journal(folder, run_id)
    _check_whole(journal, check)
    return journal


def _has_lost_bodies(journal: Journal) -> bool:
    """Whether the last events have lost their bodies, which were written before them."""
    return any(event.redacted for event in journal.events)


def _find_damages(journal: Journal, check: Check) -> list[Damage]:
    damages = [*journal.damages, *_gaps(journal), *check_segments(journal)]
    damages += [each for name in journal.segment_names() for each in journal.survey(name).damages]
    damages += [each for each in read_points(journal.path).damages if each not in damages]
    return damages or list(check(journal))


def _check_whole(journal: Journal, check: Check) -> None:
    """Refuse what isn't whole: what is appended to it would be believed no more than what is damaged."""
    if not journal.damages and not journal.find("run_start"):
        raise _nothing_there(journal.path)
    damages = _find_damages(journal, check)
    if damages:
        place = f"{damages[0].path}:{damages[0].offset}"
        raise DamagedError(
            f"{place}: the run can't be gone on with, because it is damaged: {damages[0].problem}",
            remedy=_REMEDY,
            place=place,
        )
    lineage = journal.path / "segments" / "lineage"
    first = next(iterate_frames(lineage), None) if lineage.exists() else None
    if isinstance(first, Frame) and first.kind == DECISIONS:
        raise StoreError(
            f"{journal.path}: the run was recorded by whence 0.1, and can be read but not gone on with",
            remedy="Start a new run.",
        )


def _gaps(journal: Journal) -> Iterator[Damage]:
    path = str(journal.path / "journal")
    for number, event in enumerate(journal.events):
        if event.number != number:
            yield Damage(path=path, offset=0, length=0, problem=f"event {number} is missing")
            return
    if journal.end is None and not journal.has_lease():
        yield Damage(path=path, offset=journal.size, length=0, problem="its end is missing")


def _cut_off(journal: Journal) -> Iterator[tuple[str, Scan]]:
    """Cut each file to what is whole in it and belongs to the run, and force it to the disk."""
    begun = len(journal.find("pass_start"))
    for name in journal.segment_names():
        number = pass_of_decisions(name)
        path = journal.path / "segments" / name
        scan = journal.survey(name)
        if scan.sound_bytes < HEAD_BYTES or (number is not None and number >= begun):
            path.unlink()
            continue
        if name in ("digests", "lineage") and _cut_unknown(path, begun):
            scan = scan_frames(path, keep=False)
        _cut(path, scan)
        yield f"segments/{name}", scan
    payloads = journal.path / "payloads"
    if payloads.exists():
        scan = scan_frames(payloads, keep=False)
        if scan.sound_bytes < HEAD_BYTES:
            payloads.unlink()
        else:
            _cut(payloads, scan)
            yield "payloads", scan
    scan = Scan(count=len(journal.events), sound_bytes=journal.size, chain=journal.chain)
    _cut(journal.path / "journal", scan)
    yield "journal", scan
    sync_folder(journal.path / "segments")


def _cut_unknown(path: pathlib.Path, begun: int) -> bool:
    """Cut off what passes left that the journal doesn't know: another one of the number would seem to say it.

    A power cut may take the journal's last second and not the segment's.
    """
    frames = (item for item in iterate_frames(path) if isinstance(item, Frame))
    unknown = next((frame for frame in frames if _pass_of(frame) >= begun), None)
    if unknown is not None:
        os.truncate(path, unknown.offset)
    return unknown is not None


class _OfPass(msgspec.Struct):
    p: int


_decode = msgspec.msgpack.Decoder(_OfPass).decode


def _pass_of(frame: Frame) -> int:
    if frame.kind in (BLOCK, DIRECTORY):
        return int.from_bytes(frame.payload[:4], "little")
    return _decode(frame.payload).p


def _cut(path: pathlib.Path, scan: Scan) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size > scan.sound_bytes:
            os.ftruncate(descriptor, scan.sound_bytes)
        sync_data(descriptor)  # whoever died had not; and a seal commits to it
    finally:
        os.close(descriptor)


def _put_back(path: pathlib.Path, lease: bytes | None) -> None:
    with contextlib.suppress(OSError):
        if lease is None:
            path.unlink()
            return
        with path.open("r+b") as file:  # in its place, where there is room for it
            file.write(lease)
            file.truncate()
