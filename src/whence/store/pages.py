"""What a run writes, in the order in which it happened: events with their bodies, objects, segments.

All of it goes through one outbox, so that what is on the disk is at any moment all that was written up to
some point, whichever file it went to. When the disk has refused something, what was lost is told before
anything that comes after.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

from whence.errors import StoreError
from whence.lineage import Place
from whence.store.folder import Folder
from whence.store.frames import FRAME_HEAD_BYTES, FrameWriter, Scan
from whence.store.journal import BODY, EVENT, GAP, OBJECT
from whence.store.objects import Kept, SteadyFile
from whence.store.outbox import Outbox, Trouble, Warned, name_error, waiting_bytes
from whence.store.reopening import Found
from whence.vocab import digest_bytes, encode_content

_SMALL_BYTES = 64 * 1024
_SALT_BYTES = 16
_ESSENTIAL = frozenset(
    {"run_start", "run_resume", "environment", "libraries", "source", "stream", "code_file", "snapshot"}
    | {"pass_start", "begun", "pass_end", "unrecorded", "reach", "segment", "run_end", GAP}
)
"""Events without which others can't be understood; there are few of them."""


class RunPages:
    """The framed files of a run, for its one writer; threads of its process may share it.

    Args:
        folder: the workspace.
        path: the run's folder, which is there.
        now_ns: the clock.
        found: what the files have already, where the run was taken over.
    """

    def __init__(
        self, folder: Folder, path: pathlib.Path, *, now_ns: Callable[[], int], found: Found | None
    ) -> None:
        self.folder = folder
        self.path = path
        self._now_ns = now_ns
        self._found = found
        self._lock = threading.RLock()
        self._number = 0
        self._kept: set[bytes] = set()
        self._segments: dict[str, FrameWriter] = {}
        self._outbox = Outbox(bound_bytes=waiting_bytes(), now_ns=now_ns)
        self._warned = Warned(path)
        self._has_ended = False

    def _open(self) -> None:
        self._journal = self._opened("journal", purpose="journal")
        self._payloads = self._opened("payloads", purpose="payload")

    def endure(self) -> None:
        """From now on nothing that is written raises because of the disk; see `Outbox`."""
        self._outbox.endures = True

    @property
    def is_behind(self) -> bool:
        """Whether something waits for the disk, so that what is read of the run isn't all of it."""
        return not self._outbox.is_clear

    def append(
        self, kind: str, public: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> int:
        """Write one event; when this returns and nothing waits it survives the death of the process.

        Args:
            kind: what happened.
            public: numbers and our own names; stays in the journal for ever.
            body: everything else; can be destroyed later.

        Returns:
            The event's number; -1 where it was lost, and was counted.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: it couldn't be written, and nothing is to wait.
        """
        with self._writing():
            return self._append(kind, public, body)

    def _append(
        self, kind: str, public: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> int:
        number, is_essential = self._number, kind in _ESSENTIAL
        entry: dict[str, Any] = {"n": number, "k": kind, "at": self._now_ns(), "p": public or {}}
        if body is not None:
            salt = secrets.token_bytes(_SALT_BYTES)
            content = encode_content(body)
            entry["c"] = digest_bytes(salt + content)
            whole = encode_content({"n": number, "s": salt, "b": content})
            # the payload first: an event must never be there without what it commits to
            if self._payloads.append(BODY, whole, is_essential=is_essential) is None:
                return self._lose(kind)
            is_essential = True
        if self._journal.append(EVENT, encode_content(entry), is_essential=is_essential) is None:
            return self._lose(kind)
        self._number = number + 1
        return number

    def lose(self, what: str, count: int = 1, *, of_pass: int = -1) -> None:
        """Count what was lost, to be told when the disk takes something again.

        Args:
            what: it was.
            count: how many.
            of_pass: the pass of whose outputs less is known then.
        """
        with self._lock:
            self._lose(what, count, of_pass=of_pass)

    def _lose(self, what: str, count: int = 1, *, of_pass: int = -1) -> int:
        trouble = self._outbox.note(self._outbox.error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        trouble.lost[what] += count
        if of_pass >= 0:
            trouble.passes.add(of_pass)
        return -1

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let one thread write, and say at the end what befell the record."""
        with self._lock:
            self._check_open()
            if not self._outbox.is_clear:
                self._recover()
            yield
        self._say()

    def _recover(self, *, patiently: bool = True) -> bool:
        """Write what waits and, when that is done, what was lost meanwhile; returns whether nothing waits."""
        if not self._outbox.drain(patiently=patiently):
            return False
        if not self._has_ended:  # then it was told before the end
            trouble, self._outbox.trouble = self._outbox.trouble, None
            self._tell(trouble)
        if self._outbox.is_clear:
            self._mark_waiting(False)
        return self._outbox.is_empty

    def _say(self) -> None:
        """Warn once of a disk that refuses."""
        trouble = self._outbox.trouble
        if trouble is not None:
            self._mark_waiting(True)
            self._warned.say_waiting(trouble.error)

    def put_object(self, data: bytes) -> bytes:
        """Keep content under its digest: small content with the run, large content in the workspace.

        Returns:
            The digest, 32 bytes raw; also of content that was lost, which is told then.
        """
        if len(data) > _SMALL_BYTES:
            return self._put(data)
        digest = digest_bytes(data)
        with self._writing():
            if digest not in self._kept:
                if self._payloads.append(OBJECT, data) is None:
                    self._lose_object(digest)
                else:
                    self._kept.add(digest)
        return digest

    def put_file(self, file: SteadyFile) -> Kept:
        """Keep a file's content, a large one read in blocks; see `put_object` and `Folder.put_file`."""
        if file.size <= _SMALL_BYTES:
            data = file.read()
            return Kept(self.put_object(data), len(data))
        if not self.is_behind:
            try:
                return self.folder.put_file(file)
            except StoreError as error:
                if not self._outbox.endures:
                    raise
                with self._lock:
                    self._outbox.note(error)
        if self._outbox.has_room(file.size):  # read now: another time it may be gone, or be another one
            data = file.read()
            return Kept(self._put(data), len(data))
        digest = file.digest()
        file.check(digest)
        with self._writing():
            self._lose_object(digest)
        return Kept(digest, file.size)

    def _put(self, data: bytes) -> bytes:
        """Write large content, without keeping other threads from writing meanwhile; returns its digest."""
        with self._writing():
            if self.is_behind:  # it may not find room to wait, so it isn't patient
                self._recover(patiently=False)
            waits = self.is_behind
        try:
            if not waits:
                return self.folder.put_object(data)
        except StoreError as error:
            if not self._outbox.endures:
                raise
            with self._lock:
                self._outbox.note(error)
                # what is larger than a file may be is never taken, and all that follows would wait for ever
                waits = name_error(error) != "EFBIG"
        digest = digest_bytes(data)
        with self._lock:
            if not (waits and self._outbox.put(lambda: self.folder.put_object(data), len(data))):
                self._lose_object(digest)
        self._say()
        return digest

    def _lose_object(self, digest: bytes) -> None:
        self._lose("content")
        if self._outbox.trouble is not None:
            self._outbox.trouble.objects.append(digest)

    def append_segment(self, name: str, kind: int, payload: bytes) -> Place | None:
        """Write one frame to a segment of the run.

        Returns:
            Where it is; None where there is no room for it, not even to wait: `lose` tells what that means.
        """
        with self._writing():
            writer = self._segment(name)
            return None if writer is None else writer.append(kind, payload)

    def append_aligned(self, name: str, kind: int, data: bytes) -> Place | None:
        """Write data to a segment so that they can be used where they lie, at a multiple of 8 bytes.

        The payload is a byte that says how many zeros follow, these, and the data.

        Returns:
            Where the frame is; None as for `append_segment`.
        """
        with self._writing():
            writer = self._segment(name)
            if writer is None:
                return None
            pad = -(writer.size + FRAME_HEAD_BYTES + 1) % 8
            return writer.append(kind, bytes([pad, *bytes(pad)]) + data)

    def _segment(self, name: str) -> FrameWriter | None:
        writer = self._segments.get(name)
        if writer is None:
            try:
                writer = self._segments[name] = self._opened(f"segments/{name}", purpose=name[:8])
            except StoreError:
                if not self._outbox.endures:
                    raise
                return None
            self._note_new_file()
        return writer

    def _tell(self, trouble: Trouble | None) -> None:
        """Tell what was lost, behind all that waits."""
        if trouble is not None:
            body = {"objects": trouble.objects} if trouble.objects else None
            self._append("gap", trouble.to_public(self._now_ns()), body)

    def _opened(self, name: str, *, purpose: str) -> FrameWriter:
        after = self._scans.get(name)
        return FrameWriter(self.path / name, purpose=purpose, after=after, outbox=self._outbox)

    @property
    def _scans(self) -> dict[str, Scan]:
        """What was in the files when the run was taken over."""
        return {} if self._found is None else self._found.scans

    def _commitments(self) -> dict[str, dict[str, Any]]:
        """What a seal commits to: the segments that were found, and those written here as they are now."""
        found = {
            name.removeprefix("segments/"): {"frames": s.count, "bytes": s.sound_bytes, "chain": s.chain}
            for name, s in self._scans.items()
            if name.startswith("segments/")
        }
        return found | {
            name: {"frames": writer.count, "bytes": writer.size, "chain": writer.chain}
            for name, writer in self._segments.items()
        }

    def _close(self) -> None:
        for writer in (*self._segments.values(), self._payloads, self._journal):
            writer.close()

    def _check_open(self) -> None:
        """Refuse to write to a run that has ended, or that another process writes."""
        raise NotImplementedError

    def _mark_waiting(self, waits: bool) -> None:
        """Leave a sign that something waits, where a full disk has room for it."""
        raise NotImplementedError

    def _note_new_file(self) -> None:
        """There is a segment more."""
        raise NotImplementedError
