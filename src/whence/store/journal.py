"""Journals: what happened in a run, in order; the truth from which everything else can be rebuilt.

    runs/<run>/journal            frames of kind 1: one event each
    runs/<run>/payloads           frames of kind 1: an event's body with its salt; of kind 2: a small object
    runs/<run>/segments/<name>    frames of positions, decisions and digests (no personal content)
    runs/<run>/cursors            how far each pass has come
    runs/<run>/lease              who writes it; gone when the run has ended
    runs/<run>/forked             there if a process forked from the writer read what isn't recorded

An event in the journal holds numbers and names of things of ours, and for everything a person may
have put in (paths, parameters, notes, code) only a commitment: SHA-256(salt, body). The body and its
salt lie in `payloads`, so that they can be destroyed and the journal still checks, as redacted.
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from whence.errors import DamagedError, NotFoundError
from whence.store.cursors import read_cursors, was_waiting
from whence.store.folder import Folder
from whence.store.frames import Damage, Frame, Scan, scan_frames
from whence.store.liveness import Writer, find_writer, is_before_boot, read_lease
from whence.store.metrics import check_points
from whence.store.metrics_columns import Total
from whence.store.segments import decisions_name
from whence.vocab import decode_content, digest_bytes, digest_text

EVENT = 1
BODY = 1
OBJECT = 2

GAP = "gap"
"""The kind of an event that says what of the record is missing, or isn't certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a journal, joined with its body.

    Args:
        number: its place in the journal.
        kind: what happened.
        at_ns: when, nanoseconds since 1970 UTC.
        public: what the journal itself says.
        body: what lies beside the journal; None where it had none, or where it was destroyed.
        redacted: whether the body was destroyed.
    """

    number: int
    kind: str
    at_ns: int
    public: dict[str, Any]
    body: dict[str, Any] | None
    redacted: bool = False


@dataclass(slots=True, kw_only=True)
class Journal:
    """A run as read from its folder.

    `was_waiting` says that something waited in memory for the disk, `went_down` that the machine was started
    anew since it was written: what its process did last may not be there.
    """

    run_id: str
    path: pathlib.Path
    events: list[Event]
    damages: list[Damage]
    torn_bytes: int
    size: int
    chain: bytes
    objects: dict[bytes, bytes] = field(default_factory=dict)
    segments: dict[str, Scan] = field(default_factory=dict)
    was_waiting: bool = False
    went_down: bool = False
    surveys: dict[str, Scan] = field(default_factory=dict)
    chain_at_end: dict[int, bytes] = field(default_factory=dict)
    committed: dict[str, list[dict[str, Any]]] | None = None

    @property
    def is_uncertain(self) -> bool:
        """Whether some of what its process did last may be missing."""
        return self.end is None and (self.was_waiting or self.went_down)

    def find(self, kind: str) -> list[Event]:
        """List the events of a kind, in order."""
        return [event for event in self.events if event.kind == kind]

    @property
    def end(self) -> Event | None:
        """The event that ended the run; None where it goes on, or was gone on with since."""
        ends = (event for event in reversed(self.events) if event.kind in ("run_end", "run_resume"))
        last = next(ends, None)
        return last if last is not None and last.kind == "run_end" else None

    def segment(self, name: str) -> Scan:
        """Read a segment, once; an empty scan where the run has none of that name."""
        if name not in self.segments:
            self.segments[name] = _scan_if_there(self.path / "segments" / name)
        return self.segments[name]

    def segment_names(self) -> list[str]:
        """List the segments that are there; hidden files are copies that somebody is making."""
        return sorted(entry.name for entry in (self.path / "segments").glob("[!.]*"))

    def survey(self, name: str) -> Scan:
        """Check a segment frame by frame, once, and keep none of them."""
        if name not in self.surveys:
            ends = {promise["bytes"] for promise in self.promises().get(name, [])}
            self.surveys[name] = _scan_if_there(self.path / "segments" / name, keep=False, ends=ends)
        return self.surveys[name]

    def promises(self) -> dict[str, list[dict[str, Any]]]:
        """Group what the journal commits to by segment: at each sealing, all that was in it then."""
        if self.committed is None:
            self.committed = {}
            for event in self.find("segment"):
                self.committed.setdefault(event.public["name"], []).append(event.public)
        return self.committed

    @property
    def metric_names(self) -> dict[str, int]:
        """The numbers of its metrics' keys by name, but for those whose names were destroyed."""
        return {e.body["name"]: e.public["key"] for e in self.find("metric_key") if e.body}

    @property
    def metric_totals(self) -> dict[int, Total] | None:
        """What it says of the points of its metrics, by key, if all were packed; else None."""
        events = (event for event in reversed(self.events) if event.kind in ("metrics", "run_resume"))
        last = next(events, None)
        if last is None or last.kind == "run_resume":
            return None
        return {key: Total(*rest) for key, *rest in last.public["keys"]}

    def cursors(self) -> list[tuple[int, int]]:
        """Read how far each pass came, as (offered, taken)."""
        found = read_cursors(self.path / "cursors")
        for number, *reached in (lost for event in self.find("run_resume") for lost in event.public["lost"]):
            found += [(0, 0)] * (number + 1 - len(found))
            found[number] = (reached[0], reached[1])
        return found

    def has_lease(self) -> bool:
        """Whether a writer's lease is there; the one who ends a run takes it away."""
        return (self.path / "lease").exists()

    def has_grown(self) -> bool:
        """Whether more was written since it was read."""
        try:
            return (self.path / "journal").stat().st_size > self.size + self.torn_bytes
        except OSError:
            return False

    def was_forked(self) -> bool:
        """Whether a process forked from the writer read something that isn't recorded."""
        return (self.path / "forked").exists()

    def writer(self) -> Writer:
        """Tell what is known of its writer from here, as of when it was read."""
        found = find_writer(self.path)
        if found.state == "gone" and self.has_grown() and self._has_ended_since():
            return Writer(state="writing", words="it went on when this was read")
        return found

    def _has_ended_since(self) -> bool:
        return read_journal(Folder(self.path.parents[1]), self.run_id).end is not None


def read_journal(folder: Folder, run_id: str) -> Journal:
    """Read a run: every sound event with its body, and what is damaged.

    Raises:
        NotFoundError: there is no such run, or its process died before it wrote anything.
        StoreVersionError: a newer whence wrote it.
    """
    path = folder.run_path(run_id)
    try:
        scan = scan_frames(path / "journal")
    except NotFoundError:
        if not _scan_if_there(path / "payloads", keep=False).count:
            raise
        lost = Damage(path=str(path / "journal"), offset=0, length=0, problem="the journal is not there")
        scan = Scan(damages=[lost])
    payloads = _scan_if_there(path / "payloads")  # after it: a body is written before its event
    journal = Journal(
        run_id=run_id,
        path=path,
        events=[],
        damages=[*scan.damages, *payloads.damages],
        torn_bytes=scan.torn_bytes,
        size=scan.sound_bytes,
        chain=scan.chain,
        was_waiting=was_waiting(path / "cursors"),
        went_down=_went_down(path),
    )
    bodies = _take_payloads(journal, payloads.frames)
    for frame in scan.frames:
        if frame.kind == EVENT:
            _take_event(journal, bodies, frame)
    # whoever ended the run had written all of it, and whoever goes on with it takes a lease first
    if journal.end is not None and not journal.has_lease():
        for name, tail in (("journal", scan), ("payloads", payloads)):
            if tail.torn_bytes:
                problem = f"ends in {tail.torn_bytes} bytes that are no frame, though the run had ended"
                journal.damages.append(_damage(journal, name, tail.sound_bytes, problem))
    return journal


def _went_down(path: pathlib.Path) -> bool:
    lease = read_lease(path / "lease")
    return lease is not None and is_before_boot(lease)


def _scan_if_there(path: pathlib.Path, *, keep: bool = True, ends: Collection[int] = ()) -> Scan:
    try:
        return scan_frames(path, keep=keep, ends=ends)
    except NotFoundError:
        return Scan()


def _take_payloads(journal: Journal, frames: list[Frame]) -> dict[int, list[tuple[bytes, bytes]]]:
    """Sort payloads into objects and, by event, bodies.

    There may be several bodies for an event: after damage, reading may go on inside of an object that
    holds frames of its own. Only one of them is what the event commits to.
    """
    bodies: dict[int, list[tuple[bytes, bytes]]] = {}
    for frame in frames:
        if frame.kind == OBJECT:
            journal.objects[digest_bytes(frame.payload)] = frame.payload
        elif frame.kind == BODY:
            try:
                entry = decode_content(frame.payload)
                bodies.setdefault(entry["n"], []).append((bytes(entry["s"]), bytes(entry["b"])))
            except (DamagedError, KeyError, TypeError):
                journal.damages.append(_damage(journal, "payloads", frame.offset, "holds no body"))
    return bodies


def _take_event(journal: Journal, bodies: dict[int, list[tuple[bytes, bytes]]], frame: Frame) -> None:
    try:
        entry = decode_content(frame.payload)
        number, kind, at_ns, public = entry["n"], entry["k"], entry["at"], entry["p"]
        kept = bodies.get(number, [])
    except (DamagedError, KeyError, TypeError):
        journal.damages.append(_damage(journal, "journal", frame.offset, "holds no event"))
        return
    commitment = entry.get("c")
    content = next((body for salt, body in kept if digest_bytes(salt + body) == commitment), None)
    if commitment is not None and kept and content is None:
        problem = f"the body of event {number} isn't the one the journal committed to"
        journal.damages.append(_damage(journal, "payloads", 0, problem))
    body = None
    if content is not None:
        try:
            body = decode_content(content)
        except DamagedError as error:
            journal.damages.append(
                _damage(journal, "payloads", 0, f"the body of event {number}: {error.message}")
            )
    if kind in ("run_end", GAP):  # a gap may follow the end, and is sealed with it
        journal.chain_at_end[number + 1] = frame.chain
    journal.events.append(
        Event(
            number=number,
            kind=kind,
            at_ns=at_ns,
            public=public,
            body=body,
            redacted=commitment is not None and body is None,
        )
    )


def _damage(journal: Journal, name: str, offset: int, problem: str) -> Damage:
    return Damage(path=str(journal.path / name), offset=offset, length=0, problem=problem)


def read_object(folder: Folder, journal: Journal, digest: bytes) -> bytes:
    """Read content by its digest, from the run or from the workspace.

    Raises:
        NotFoundError: it isn't here.
        DamagedError: its bytes aren't those of the digest.
    """
    kept = journal.objects.get(digest)
    return kept if kept is not None else folder.read_object(digest)


def check_segments(journal: Journal) -> list[Damage]:
    """Compare a run's segments with what its journal committed to each time that the run was sealed.

    What was sealed once stands at the beginning of what is there after the run was gone on with.
    """
    damages: list[Damage] = []
    committed = journal.promises()
    has_ended = journal.end is not None
    for name, promises in committed.items():
        scan = journal.survey(name)
        damages.extend(scan.damages)
        is_kept = all(
            scan.chain_at.get(each["bytes"]) == each["chain"] for each in promises if each["frames"]
        )
        size = promises[-1]["bytes"]
        if has_ended:
            is_kept = is_kept and (scan.sound_bytes, scan.torn_bytes) == (size, 0)
        if not is_kept and not scan.damages:
            problem = f"holds {scan.sound_bytes} sound bytes of {size}, or others than were sealed"
            path = str(journal.path / "segments" / name)
            damages.append(Damage(path=path, offset=scan.sound_bytes, length=0, problem=problem))
    are_packed = has_ended and journal.metric_totals is not None
    damages.extend(check_points(journal.path, are_packed=are_packed))
    if has_ended:
        for name in journal.segment_names():
            if name not in committed and not _is_left_over(journal, name):
                problem = "the run ended without this segment"
                damages.append(_damage(journal, f"segments/{name}", 0, problem))
    return damages


def _is_left_over(journal: Journal, name: str) -> bool:
    """Whether it holds what a pass decided as it came, whole, and the pass was sealed since.

    Its writer died after it had sealed the pass, and before it took the file away.
    """
    for event in journal.find("pass_end"):
        sealed = event.public.get("lineage")
        if sealed is not None and decisions_name(event.public["pass"]) == name:
            scan = journal.survey(name)
            return not scan.damages and not scan.torn_bytes and scan.chain == sealed["decisions"]
    return False


def check_object(folder: Folder, journal: Journal, digest: bytes) -> Damage | None:
    """Check that an object is there and whole."""
    try:
        for _ in () if digest in journal.objects else folder.object_blocks(digest):
            pass
    except (NotFoundError, DamagedError) as error:
        path = str(folder.object_path(digest))
        return Damage(path=path, offset=0, length=0, problem=f"{digest_text(digest)}: {error.message}")
    return None
