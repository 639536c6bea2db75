"""The writing side of a run's folder: one writer, and nothing delivered that isn't written.

What lies where is told in `journal`, which reads it.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

from whence.errors import StoreBusyError, StoreError
from whence.lineage import Place
from whence.store.content import encode_content
from whence.store.cursors import Cursors
from whence.store.files import explained, sync_folder
from whence.store.folder import Folder
from whence.store.frames import FRAME_HEAD_BYTES, FrameWriter, Scan
from whence.store.journal import BODY, EVENT, OBJECT, Journal
from whence.store.liveness import begin_folder, own_lease, read_lease
from whence.store.reopening import Check, Found, take_over
from whence.vocab import digest_bytes

_SMALL_BYTES = 64 * 1024
_SALT_BYTES = 16
_SYNC_PERIOD_S = 1.0
_TRUSTED_NS = 3_000_000_000
"""For so long nobody takes a run over whose lease was just touched."""


class RunWriter:
    """The one writer of a run's folder; threads of its process may share it.

    Args:
        folder: the workspace.
        run_id: the run's id; its folder must not exist yet.
        now_ns: the clock.
        after: what the run has already, where it was taken over and is gone on with.
    """

    def __init__(
        self,
        folder: Folder,
        run_id: str,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        after: tuple[Found, Journal] | None = None,
    ) -> None:
        folder.make()
        self.folder = folder
        self.run_id = run_id
        self.path = folder.run_path(run_id)
        self._now_ns = now_ns
        self._lock = threading.RLock()
        self._number = 0
        self._kept: set[bytes] = set()
        self._segments: dict[str, FrameWriter] = {}
        self._has_new_file = False
        self._retired: list[pathlib.Path] = []
        self._stop = threading.Event()
        self._pid = os.getpid()
        self._confirmed_ns = now_ns()
        self._found = None if after is None else after[0]
        if after is not None:
            self._number = len(after[1].events)
            self._kept = set(after[1].objects)
        try:
            self._lease = begin_folder(self.path) if after is None else own_lease(self.path)
            self._journal = self._opened("journal", purpose="journal")
            self._payloads = self._opened("payloads", purpose="payload")
        except StoreError:
            self._take_away()  # nothing was recorded, so nothing is left
            raise
        self.cursors = Cursors(self.path / "cursors")
        self._syncer = threading.Thread(target=self._sync_regularly, name="whence-sync", daemon=True)
        self._syncer.start()

    @classmethod
    def reopen(
        cls,
        folder: Folder,
        run_id: str,
        *,
        check: Check,
        now_ns: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> tuple[RunWriter, Journal]:
        """Go on with a run that nobody writes.

        Args:
            folder: the workspace.
            run_id: the run.
            check: finds what is damaged beyond the files themselves.
            now_ns: the clock.
            sleep: waits, where only time can tell whether a writer on another machine lives.

        Returns:
            The writer, and what the run has already.

        Raises:
            NotFoundError: there is no such run, or nothing was recorded in it.
            StoreBusyError: its writer lives, or another process takes it over at this moment.
            DamagedError: it isn't whole.
            StoreReadOnlyError, StoreFullError, StoreError: it can't be written.
        """
        after = take_over(folder, run_id, check=check, sleep=sleep)
        return cls(folder, run_id, now_ns=now_ns, after=after), after[1]

    @property
    def is_open(self) -> bool:
        """Whether the run can still be written: it hasn't ended, and this is the process that began it."""
        return not self._stop.is_set() and os.getpid() == self._pid

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
            self._check_open()
            number = self._number
            entry: dict[str, Any] = {"n": number, "k": kind, "at": self._now_ns(), "p": public or {}}
            if body is not None:
                salt = secrets.token_bytes(_SALT_BYTES)
                content = encode_content(body)
                entry["c"] = digest_bytes(salt + content)
                # the payload first: an event must never be there without what it commits to
                self._payloads.append(BODY, encode_content({"n": number, "s": salt, "b": content}))
            self._journal.append(EVENT, encode_content(entry))
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
            self._check_open()
            if digest not in self._kept:
                self._payloads.append(OBJECT, data)
                self._kept.add(digest)
        return digest

    def append_segment(self, name: str, kind: int, payload: bytes) -> Place:
        """Write one frame to a segment of the run; returns where it is."""
        with self._lock:
            self._check_open()
            return self._segment(name).append(kind, payload)

    def append_aligned(self, name: str, kind: int, data: bytes) -> Place:
        """Write data to a segment so that they can be used where they lie, at a multiple of 8 bytes.

        The payload is a byte that says how many zeros follow, these, and the data.

        Returns:
            Where the frame is.
        """
        with self._lock:
            self._check_open()
            writer = self._segment(name)
            pad = -(writer.size + FRAME_HEAD_BYTES + 1) % 8
            return writer.append(kind, bytes([pad, *bytes(pad)]) + data)

    def _segment(self, name: str) -> FrameWriter:
        writer = self._segments.get(name)
        if writer is None:
            writer = self._segments[name] = self._opened(f"segments/{name}", purpose=name[:8])
            self._has_new_file = True
        return writer

    def _opened(self, name: str, *, purpose: str) -> FrameWriter:
        return FrameWriter(self.path / name, purpose=purpose, after=self._scans.get(name))

    @property
    def _scans(self) -> dict[str, Scan]:
        """What was in the files when the run was taken over."""
        return {} if self._found is None else self._found.scans

    def retire(self, name: str) -> None:
        """Take a segment away that is replaced, once what replaces it and the journal are on the disk."""
        with self._lock:
            writer = self._segments.pop(name, None)
            if writer is not None:
                writer.close()
                self._retired.append(writer.path)

    def sync(self) -> None:
        """Force everything written so far to the disk, and take away what it replaces."""
        with self._lock:
            self._confirm()
            for writer in (self._payloads, *self._segments.values(), self._journal):
                writer.sync()
            if self._has_new_file:
                with explained(self.path):
                    sync_folder(self.path / "segments")
                self._has_new_file = False
            for path in self._retired:
                with contextlib.suppress(OSError):  # one that stays does no harm: nobody reads it any more
                    path.unlink()
            self._retired = []

    def seal(self, status: str, body: dict[str, Any] | None = None) -> None:
        """End the run: commit to its segments, write its last event, force all to the disk."""
        with self._lock:
            if not self.is_open:
                return
            for name, held in sorted(self._commitments().items()):
                self.append("segment", {"name": name} | held)
            self.append("run_end", {"status": status}, body)
            self.sync()
            self._stop.set()
            self._close()
            with contextlib.suppress(OSError):
                (self.path / "lease").unlink()
            sync_folder(self.path)

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

    def note_fork(self) -> None:
        """Leave a sign, in a process forked from the writer, that something is read and not recorded."""
        if os.getpid() != self._pid:
            with explained(self.path):
                os.close(os.open(self.path / "forked", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))

    def discard(self) -> None:
        """Take the run away again, before anybody has heard of it; or what was added to an earlier one."""
        with self._lock:
            self._stop.set()
            self._close()
            self._take_away()

    def _take_away(self) -> None:
        if self._found is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self._found.put_back()

    def _close(self) -> None:
        for writer in (*self._segments.values(), self._payloads, self._journal):
            writer.close()
        self.cursors.close()

    def _check_open(self) -> None:
        if not self.is_open:
            raise StoreError(
                f"{self.path}: the run has ended, or another process began it",
                remedy="Start a run in this process.",
            )
        if not 0 <= self._now_ns() - self._confirmed_ns < _TRUSTED_NS:
            self._confirm()

    def _confirm(self) -> None:
        """Make sure that nobody took the run over while this process stood still, suspended for example."""
        lease = None
        with contextlib.suppress(OSError):  # whoever can't look, with no descriptor left say, goes on
            lease = read_lease(self.path / "lease")
        if lease not in (None, self._lease):
            raise StoreBusyError(
                f"{self.path}: another process took the run over while this one stood still",
                remedy="Let that one go on, and end this one.",
            )
        self._confirmed_ns = self._now_ns()

    def _sync_regularly(self) -> None:
        while not self._stop.wait(_SYNC_PERIOD_S):
            with contextlib.suppress(OSError):  # the next write or seal meets the same trouble and says so
                with self._lock:
                    if not self.is_open:
                        return
                    self.sync()
                os.utime(self.path / "lease")
