"""Bringing a run's folder up to a copy of it that is further on; nothing is ever replaced by less.

A run that two places have is the same as far as its files are: one that begins like the other's is behind
and is extended, and a run is extended only if none of its files would lose by it. Where both have gone on in
their own ways, both stay as they are. Whoever extends a run takes its lease for so long, as any writer does,
so that a death in the middle leaves a run that is lost at a sound place, and the next attempt completes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from whence.errors import StoreBusyError
from whence.store.confirming import SYNCED
from whence.store.files import explained, explained_reading, sync_data, sync_folder, write_all
from whence.store.frames import FRAME_HEAD_BYTES, Frame, Scan, iterate_frames, scan_frames
from whence.store.liveness import find_writer, own_lease, write_lease
from whence.store.segments import pass_of_decisions
from whence.store.snapshots import TAIL, Checked, is_framed, list_files
from whence.vocab import decode_content

Relation = Literal["same", "behind", "ahead", "apart", "mended"]
Name = str

_BLOCK_BYTES = 1 << 20
_UNFRAMED = ("cursors", "forked", "lease", SYNCED)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """How a run's folder stands to a copy of it.

    Args:
        relation: `behind` where the copy has more, `ahead` where it has less, `apart` where each has what
            the other hasn't; `mended` where only damage is to be put right.
        extended: the files that the copy has more of, with how many bytes of each are there.
        replaced: damaged files of which the copy has sound ones.
        retired: files that the copy has done with.
        apart: a file that isn't what the copy has, where there is one.
    """

    relation: Relation = "same"
    extended: dict[Name, int] = field(default_factory=dict)
    replaced: list[Name] = field(default_factory=list)
    retired: list[Name] = field(default_factory=list)
    apart: Name = ""

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return self.relation in ("behind", "mended")


def compare_run(here: pathlib.Path, copy: pathlib.Path, checked: Checked) -> Comparison:
    """Compare a run's folder with a checked copy of it that stands still."""
    ours, theirs = ({name for name in list_files(each) if name not in _UNFRAMED} for each in (here, copy))
    found = Comparison()
    kinds: set[Relation] = set()
    for name in sorted(ours & theirs):
        kind, size = _compare_file(here / name, copy / name, checked.scans.get(name))
        if kind == "mended":
            found.replaced.append(name)
        elif kind == "behind":
            found.extended[name] = size
        elif kind == "apart":
            found.apart = found.apart or name
        kinds.add(kind)
    only_ours, only_theirs = sorted(ours - theirs), sorted(theirs - ours)
    lasting = [[name for name in each if not _may_retire(name)] for each in (only_ours, only_theirs)]
    kinds |= {"ahead"} if lasting[0] else set()
    kinds |= {"behind"} if lasting[1] else set()
    if not kinds & {"ahead", "behind"}:  # then files that come and go decide
        kinds |= {"ahead"} if only_ours else set()
        kinds |= {"behind"} if only_theirs else set()
    if "apart" in kinds or {"ahead", "behind"} <= kinds:
        found.apart = found.apart or next(iter([*only_ours, *found.extended]), "journal")
        found.relation = "apart"
    elif "behind" in kinds:
        found.relation = "behind"
        found.extended |= dict.fromkeys(only_theirs, 0)
        found.retired = only_ours
    else:
        found.relation = "mended" if found.replaced else "ahead" if "ahead" in kinds else "same"
    return found


def _may_retire(name: Name) -> bool:
    """Whether a file goes when its content has a place elsewhere."""
    last = name.rpartition("/")[2]
    return last.startswith(TAIL) or pass_of_decisions(last) is not None


def _compare_file(here: pathlib.Path, copy: pathlib.Path, scan: Scan | None) -> tuple[Relation, int]:
    """Compare a file with its copy; and tell how much of it stays where it is behind."""
    size, theirs = here.stat().st_size, copy.stat().st_size
    common = common_bytes(here, copy)
    if common == size:
        return ("same", size) if size == theirs else ("behind", size)
    framed = is_framed(here) and scan is not None
    ours = scan_frames(here, keep=False) if framed else None
    if ours is None or scan is None:
        return ("ahead", size) if common == theirs else ("apart", 0)
    if common == theirs and not ours.damages:
        return "ahead", size
    if ours.damages and not scan.damages:
        return "mended", 0
    if not ours.damages and (scan.damages or common >= scan.sound_bytes):
        return "same", size  # what is damaged there is sound here
    if ours.torn_bytes and common >= ours.sound_bytes:
        return "behind", ours.sound_bytes
    return ("same", size) if ours.damages and scan.damages else ("apart", 0)


def common_bytes(left: pathlib.Path, right: pathlib.Path) -> int:
    """Count the bytes with which two files begin alike."""
    with explained_reading(left), left.open("rb") as one, right.open("rb") as other:
        at = 0
        while True:
            blocks = one.read(_BLOCK_BYTES), other.read(_BLOCK_BYTES)
            size = min(map(len, blocks))
            if blocks[0][:size] != blocks[1][:size]:
                pairs = zip(*blocks, strict=False)
                return at + next(place for place, (a, b) in enumerate(pairs) if a != b)
            at += size
            if size < _BLOCK_BYTES:
                return at


def bring_up(
    here: pathlib.Path, copy: pathlib.Path, checked: Checked, *, dry_run: bool
) -> tuple[Comparison, int]:
    """Bring a run up to a checked copy of it, if that has more; a damaged copy changes nothing.

    Args:
        here: the run's folder.
        copy: the copy, which stands still, and is used up.
        checked: what it holds.
        dry_run: only tell what would be done.

    Returns:
        How they stood to one another, and how many bytes were written.

    Raises:
        StoreBusyError: it is to be changed, and is being written here.
        StoreError: it can't be written.
    """
    if dry_run:
        found = compare_run(here, copy, checked)
        return found, _bytes_of(copy, found)
    with _locked_run(here):  # first, or another one might have brought it further since
        found = compare_run(here, copy, checked)
        written = _bytes_of(copy, found)
        if checked.damages:
            return found, 0
        if found.changes:
            _check_not_written(here)
            _extend_run(here, copy, found)
        elif found.relation == "same" and find_writer(here).state in ("gone", "copied"):
            _settle_state(here, copy)  # completes an extension that died when the frames were all there
        return found, written


def _bytes_of(copy: pathlib.Path, found: Comparison) -> int:
    kept = dict.fromkeys(found.replaced, 0) | found.extended
    return sum((copy / name).stat().st_size - size for name, size in kept.items()) if found.changes else 0


def _extend_run(here: pathlib.Path, copy: pathlib.Path, found: Comparison) -> None:
    write_lease(here / "lease", own_lease(here))
    _end_no_more(here, copy, found)
    for name in found.replaced:
        _replace(here / name, copy / name)
    for name in sorted(found.extended, key=lambda name: (name == "journal", name)):
        _extend(here / name, copy / name, found.extended[name])
    for name in found.retired:
        with explained(here / name):
            (here / name).unlink(missing_ok=True)
    _settle_state(here, copy)


def _settle_state(here: pathlib.Path, copy: pathlib.Path) -> None:
    """Put the files beside the frames as the copy has them; the lease last."""
    for name in ("cursors", "forked", SYNCED):
        if (copy / name).exists():
            _replace(here / name, copy / name)
    with explained(here):
        sync_folder(here)
        if (copy / "lease").exists():
            _replace(here / "lease", copy / "lease")
        else:
            (here / "lease").unlink(missing_ok=True)
        sync_folder(here)


def _check_not_written(here: pathlib.Path) -> None:
    """Check that nobody on this machine writes a run; raises `StoreBusyError`."""
    writer = find_writer(here)
    if writer.state in ("writing", "stopped"):
        raise StoreBusyError(f"{here}: {writer.words}", remedy="Try again when it has ended.")


@contextlib.contextmanager
def _locked_run(here: pathlib.Path) -> Iterator[None]:
    """Keep other processes from going on with a run; waits for those that extend it."""
    path = here / "journal" if (here / "journal").exists() else here
    with explained(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise  # without locks, of which merging needs none, the lease has to do
        yield
    finally:
        os.close(descriptor)


def _end_no_more(here: pathlib.Path, copy: pathlib.Path, found: Comparison) -> None:
    """Say first that an ended run was gone on with: until then, more in a segment would be damage."""
    size = found.extended.get("journal")
    if not size:
        return
    frame = next(each for each in iterate_frames(copy / "journal") if each.offset >= size)
    if not isinstance(frame, Frame) or decode_content(frame.payload).get("k") != "run_resume":
        return
    with (copy / "journal").open("rb") as file:
        file.seek(size)
        content = file.read(FRAME_HEAD_BYTES + len(frame.payload))
    _append(here / "journal", size, content)
    found.extended["journal"] = size + len(content)


def _extend(here: pathlib.Path, copy: pathlib.Path, size: int) -> None:
    if not size:
        _replace(here, copy)
        return
    with copy.open("rb") as file:
        file.seek(size)
        while block := file.read(_BLOCK_BYTES):
            _append(here, size, block)
            size += len(block)


def _append(path: pathlib.Path, size: int, content: bytes) -> None:
    with explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_APPEND)
        try:
            if os.fstat(descriptor).st_size > size:
                os.ftruncate(descriptor, size)
            write_all(descriptor, content)
            sync_data(descriptor)
        finally:
            os.close(descriptor)


def _replace(here: pathlib.Path, copy: pathlib.Path) -> None:
    """Move a file of the copy to its place, all at once."""
    with explained(here):
        here.parent.mkdir(exist_ok=True)
        copy.replace(here)
        sync_folder(here.parent)
