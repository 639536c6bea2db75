"""Journals: what happened in a run, in order; the truth from which everything else can be rebuilt.

    runs/<run>/journal            frames of kind 1: one event each
    runs/<run>/payloads           frames of kind 1: an event's body with its salt; of kind 2: a small object
    runs/<run>/segments/<name>    frames of positions, decisions and digests (no personal content)
    runs/<run>/cursors            how far each pass has come
    runs/<run>/lease              who writes it; gone when the run has ended

An event in the journal holds numbers and names of things of ours, and for everything a person may
have put in (paths, parameters, notes, code) only a commitment: SHA-256(salt, body). The body and its
salt lie in `payloads`, so that they can be destroyed and the journal still checks, as redacted.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from whence.errors import DamagedError, NotFoundError
from whence.store.cursors import Cursors, read_cursors
from whence.store.files import explained, sync_folder
from whence.store.folder import Folder
from whence.store.frames import Damage, FrameWriter, Scan, scan_frames
from whence.store.liveness import is_alive, own_lease, read_lease, write_lease
from whence.vocab import digest_bytes, digest_text

EVENT = 1
BODY = 1
OBJECT = 2

_SMALL_BYTES = 64 * 1024
_SALT_BYTES = 16
_SYNC_PERIOD_S = 1.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


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
    """A run as read from its folder."""

    run_id: str
    path: pathlib.Path
    events: list[Event]
    damages: list[Damage]
    torn_bytes: int
    size: int
    chain: bytes
    objects: dict[bytes, bytes] = field(default_factory=dict)
    segments: dict[str, Scan] = field(default_factory=dict)

    def find(self, kind: str) -> list[Event]:
        """List the events of a kind, in order."""
        return [event for event in self.events if event.kind == kind]

    def segment(self, name: str) -> Scan:
        """Read a segment, once; an empty scan where the run has none of that name."""
        if name not in self.segments:
            try:
                self.segments[name] = scan_frames(self.path / "segments" / name)
            except NotFoundError:
                self.segments[name] = Scan()
        return self.segments[name]

    def cursors(self) -> list[tuple[int, int]]:
        """Read how far each pass came, as (offered, taken)."""
        return read_cursors(self.path / "cursors")

    def is_alive(self) -> bool | None:
        """Tell whether its writer still runs; None where that can't be known from here."""
        lease = read_lease(self.path / "lease")
        return False if lease is None else is_alive(lease)


class RunWriter:
    """The one writer of a run's folder; threads of its process may share it.

    Args:
        folder: the workspace.
        run_id: the run's id; its folder must not exist yet.
        now_ns: the clock.
    """

    def __init__(self, folder: Folder, run_id: str, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        folder.make()
        self.folder = folder
        self.run_id = run_id
        self.path = folder.run_path(run_id)
        self._now_ns = now_ns
        self._lock = threading.RLock()
        self._number = 0
        self._kept: set[bytes] = set()
        self._segments: dict[str, FrameWriter] = {}
        self._stop = threading.Event()
        with explained(self.path):
            (self.path / "segments").mkdir(parents=True)
            write_lease(self.path / "lease", own_lease())
        self._journal = FrameWriter(self.path / "journal", purpose="journal")
        self._payloads = FrameWriter(self.path / "payloads", purpose="payload")
        self.cursors = Cursors(self.path / "cursors")
        self._syncer = threading.Thread(target=self._sync_regularly, name="whence-sync", daemon=True)
        self._syncer.start()

    @property
    def is_open(self) -> bool:
        """Whether the run can still be written."""
        return not self._stop.is_set()

    def append(
        self, kind: str, public: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> int:
        """Write one event; when this returns it survives the death of the process.

        Args:
            kind: what happened.
            public: numbers and our own names; stays in the journal for ever.
            body: everything else; can be destroyed later.

        Returns:
            The event's number.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: it couldn't be written.
        """
        with self._lock:
            number = self._number
            entry: dict[str, Any] = {"n": number, "k": kind, "at": self._now_ns(), "p": public or {}}
            if body is not None:
                salt = secrets.token_bytes(_SALT_BYTES)
                content = _encode(body)
                entry["c"] = digest_bytes(salt + content)
                # the payload first: an event must never be there without what it commits to
                self._payloads.append(BODY, _encode({"n": number, "s": salt, "b": content}))
            self._journal.append(EVENT, _encode(entry))
            self._number = number + 1
            return number

    def put_object(self, data: bytes) -> bytes:
        """Keep content under its digest: small content with the run, large content in the workspace.

        Returns:
            The digest, 32 bytes raw.
        """
        if len(data) > _SMALL_BYTES:
            return self.folder.put_object(data)
        digest = digest_bytes(data)
        with self._lock:
            if digest not in self._kept:
                self._payloads.append(OBJECT, data)
                self._kept.add(digest)
        return digest

    def append_segment(self, name: str, kind: int, payload: bytes) -> None:
        """Write one frame to a segment of the run."""
        with self._lock:
            writer = self._segments.get(name)
            if writer is None:
                path = self.path / "segments" / name
                writer = self._segments[name] = FrameWriter(path, purpose=name[:8])
            writer.append(kind, payload)

    def sync(self) -> None:
        """Force everything written so far to the disk."""
        with self._lock:
            for writer in (self._payloads, *self._segments.values(), self._journal):
                writer.sync()

    def seal(self, status: str, body: dict[str, Any] | None = None) -> None:
        """End the run: commit to its segments, write its last event, force all to the disk."""
        with self._lock:
            if not self.is_open:
                return
            for name, writer in sorted(self._segments.items()):
                self.append(
                    "segment",
                    {"name": name, "frames": writer.count, "bytes": writer.size, "chain": writer.chain},
                )
            self.append("run_end", {"status": status}, body)
            self.sync()
            self._stop.set()
            for writer in (*self._segments.values(), self._payloads, self._journal):
                writer.close()
            self.cursors.close()
            with contextlib.suppress(OSError):
                (self.path / "lease").unlink()
            sync_folder(self.path)

    def _sync_regularly(self) -> None:
        while not self._stop.wait(_SYNC_PERIOD_S):
            with contextlib.suppress(OSError):  # the next write or seal meets the same trouble and says so
                with self._lock:
                    if not self.is_open:
                        return
                    self.sync()
                os.utime(self.path / "lease")


def read_journal(folder: Folder, run_id: str) -> Journal:
    """Read a run: every sound event with its body, and what is damaged.

    Raises:
        NotFoundError: there is no such run.
        StoreVersionError: a newer whence wrote it.
    """
    path = folder.run_path(run_id)
    scan = scan_frames(path / "journal")
    try:
        payloads = scan_frames(path / "payloads")
    except NotFoundError:
        payloads = Scan()
    journal = Journal(
        run_id=run_id,
        path=path,
        events=[],
        damages=[*scan.damages, *payloads.damages],
        torn_bytes=scan.torn_bytes,
        size=scan.sound_bytes,
        chain=scan.chain,
    )
    bodies: dict[int, tuple[bytes, bytes]] = {}
    for frame in payloads.frames:
        if frame.kind == OBJECT:
            journal.objects[digest_bytes(frame.payload)] = frame.payload
        elif frame.kind == BODY:
            entry = _decode(frame.payload)
            bodies[entry["n"]] = (entry["s"], entry["b"])
    for frame in scan.frames:
        if frame.kind != EVENT:
            continue
        entry = _decode(frame.payload)
        journal.events.append(_join(entry, bodies.get(entry["n"]), journal, frame.offset))
    return journal


def read_object(folder: Folder, journal: Journal, digest: bytes) -> bytes:
    """Read content by its digest, from the run or from the workspace.

    Raises:
        NotFoundError: it isn't here.
        DamagedError: its bytes aren't those of the digest.
    """
    kept = journal.objects.get(digest)
    return kept if kept is not None else folder.read_object(digest)


def check_segments(journal: Journal) -> list[Damage]:
    """Compare a sealed run's segments with what its journal committed to."""
    damages: list[Damage] = []
    committed = {event.public["name"]: event.public for event in journal.find("segment")}
    for name, promise in committed.items():
        path = str(journal.path / "segments" / name)
        scan = journal.segment(name)
        damages.extend(scan.damages)
        if (scan.chain, scan.sound_bytes, scan.torn_bytes) != (promise["chain"], promise["bytes"], 0):
            problem = (
                f"holds {scan.sound_bytes} sound bytes of {promise['bytes']}, or others than were sealed"
            )
            if not scan.damages:
                damages.append(Damage(path=path, offset=scan.sound_bytes, length=0, problem=problem))
    return damages


def _join(entry: dict[str, Any], kept: tuple[bytes, bytes] | None, journal: Journal, offset: int) -> Event:
    commitment = entry.get("c")
    body = None
    if commitment is not None and kept is not None:
        salt, content = kept
        if digest_bytes(salt + content) == commitment:
            body = _decode(content)
        else:
            problem = f"the body of event {entry['n']} isn't the one the journal committed to"
            path = str(journal.path / "payloads")
            journal.damages.append(Damage(path=path, offset=0, length=0, problem=problem))
    return Event(
        number=entry["n"],
        kind=entry["k"],
        at_ns=entry["at"],
        public=entry["p"],
        body=body,
        redacted=commitment is not None and body is None,
    )


def check_object(folder: Folder, journal: Journal, digest: bytes) -> Damage | None:
    """Check that an object is there and whole."""
    try:
        read_object(folder, journal, digest)
    except (NotFoundError, DamagedError) as error:
        path = str(folder.object_path(digest))
        return Damage(path=path, offset=0, length=0, problem=f"{digest_text(digest)}: {error.message}")
    return None
