"""The writing side of a run's folder: one writer, and nothing delivered that isn't written.

What lies where is told in `journal`, which reads it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from whence.errors import NotFoundError, RecordWarning, StoreBusyError, StoreError
from whence.store.confirming import SYNCED, Confirming, nothing_synced
from whence.store.cursors import Cursors
from whence.store.files import explained, sync_folder
from whence.store.folder import Folder
from whence.store.frames import FrameWriter
from whence.store.journal import Journal
from whence.store.liveness import Lease, begin_folder, own_lease, read_lease
from whence.store.metrics_tail import Tail
from whence.store.metrics_writing import RunPoints
from whence.store.reopening import Check, Found, take_over

_SYNC_PERIOD_S = 1.0
_TRUSTED_NS = 3_000_000_000
"""For so long nobody takes a run over whose lease was just touched."""


class RunWriter(RunPoints):
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
        found = None if after is None else after[0]
        super().__init__(folder, folder.run_path(run_id), now_ns=now_ns, found=found)
        self.run_id = run_id
        self.cursors = Cursors(self.path / "cursors")
        self._retired: list[pathlib.Path] = []
        self._stop = threading.Event()
        self._pid = os.getpid()
        self._confirmed_ns = now_ns()
        if after is not None:
            self._number = len(after[1].events)
            self._kept = set(after[1].objects)
        try:
            self._lease = self._begin() if after is None else own_lease(self.path)
            self._open()
            if after is not None:
                self._go_on_with_points(after[0].points, after[1])
            with explained(self.path):
                sizes = {name: scan.sound_bytes for name, scan in self._scans.items()}
                sizes |= {tail.path.name: tail.synced for tail in self._tails()}
                self._confirming = Confirming(self.path, sizes, lambda public: self._append("gap", public))
            self.cursors.make_room()
        except StoreError:
            self._take_away()  # nothing was recorded, so nothing is left
            raise
        self._confirming.add_entry(self.path)
        self._confirming.add_entry(folder.runs_path)
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
    ) -> tuple[Self, Journal]:
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
        return not self._has_ended and not self._stop.is_set() and os.getpid() == self._pid

    @property
    def is_sealed(self) -> bool:
        """Whether the run has ended, with all of it on the disk."""
        return self._has_ended and self._stop.is_set()

    def cursor(self, number: int) -> tuple[memoryview, int]:
        """Find the cursor of a pass; see `Cursors.slots`. Without room for it, it is counted as lost."""
        with self._writing():
            try:
                return self.cursors.slots(number)
            except StoreError as error:
                if not self._outbox.endures:
                    raise
                self._outbox.note(error)
                self._lose("cursor", of_pass=number)
                return self.cursors.apart()

    def retire(self, name: str) -> None:
        """Take a segment away that is replaced, once what replaces it and the journal are on the disk."""
        with self._lock:
            writer = self._segments.pop(name, None)
            if writer is not None:
                self._outbox.put(functools.partial(self._let_go, writer), 0, is_essential=True)

    def _let_go(self, replaced: FrameWriter | Tail) -> None:
        replaced.close()
        self._retired.append(replaced.path)

    def sync(self) -> None:
        """Force everything written so far to the disk, and take away what it replaces.

        Raises:
            StoreError: some of it may not be there.
        """
        with self._lock:
            self._confirm()
            self._recover(patiently=False)
            with explained(self.path):
                if self._outbox.error is not None:
                    raise self._outbox.error
                framed = (self._payloads, *self._segments.values(), self._journal)
                tails = self._tails()
                if any(not tail.synced for tail in tails):
                    self._confirming.add_entry(self.path)
                self._confirming.force([*(each.file for each in framed), *tails], self.cursors)
            for path in self._retired:
                with contextlib.suppress(OSError):  # one that stays does no harm: nobody reads it any more
                    path.unlink()
            self._retired = []

    def settle(self) -> bool:
        """Force everything written so far to the disk, as far as it takes that; returns whether it did."""
        try:
            self.sync()
        except StoreBusyError:
            raise
        except StoreError as error:
            if not self._outbox.endures:
                raise
            self._warned.say_unconfirmed(error)
            return False
        return True

    def seal(self, status: str, body: dict[str, Any] | None = None) -> None:
        """End the run: commit to its segments, write its last event, force all to the disk.

        Where the disk refuses that, the end waits like everything else, and nothing is written after it.
        """
        with self._lock:
            if not self.is_open:
                return
            self._confirm()
            if not self._recover(patiently=False):
                self._tell(self._outbox.trouble)
            self._end_points()
            for name, held in sorted(self._commitments().items()):
                self._append("segment", {"name": name} | held)
            self._append("run_end", {"status": status}, body)
            self._has_ended = True
            if self._close_sealed():
                return
        atexit.register(self._close_sealed)
        self._warned.say_unsealed(self._outbox.error)

    def _close_sealed(self) -> bool:
        """Let a run go that has ended, once its end is on the disk; returns whether it is."""
        with self._lock:
            if self._stop.is_set():
                return True
            if not (self.settle() and self.settle()):  # again, where there was something to tell of the first
                return False
            self._stop.set()
            self._close()
            with contextlib.suppress(OSError):
                (self.path / "lease").unlink()
                (self.path / SYNCED).unlink()
                if not self.cursors.is_used and self._found is None:
                    (self.path / "cursors").unlink()
                sync_folder(self.path)
            return True

    def note_fork(self) -> None:
        """Leave a sign, in a process forked from the writer, that something is read and not recorded."""
        if os.getpid() != self._pid:
            with contextlib.suppress(OSError):
                os.close(os.open(self.path / "forked", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))

    def discard(self) -> None:
        """Take the run away again, before anybody has heard of it; or what was added to an earlier one."""
        with self._lock:
            self._stop.set()
            self._close()
            self._take_away()

    def _begin(self) -> Lease:
        return begin_folder(self.path, {SYNCED: nothing_synced({})})

    def _take_away(self) -> None:
        if self._found is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self._found.put_back()

    def _close(self) -> None:
        super()._close()
        self.cursors.close()
        self._confirming.close()

    def _mark_waiting(self, waits: bool) -> None:
        self.cursors.mark_waiting(waits)

    def _note_new_file(self) -> None:
        self._confirming.add_entry(self.path / "segments")

    def _check_open(self) -> None:
        if not self.is_open:
            raise StoreError(
                f"{self.path}: the run has ended, or another process began it",
                remedy="Start a run in this process.",
            )
        if not self._is_trusted(self._now_ns()):
            self._confirm()

    def _is_trusted(self, at_ns: int) -> bool:
        return 0 <= at_ns - self._confirmed_ns < _TRUSTED_NS

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
            with contextlib.suppress(OSError):  # whatever the disk refuses otherwise: the writer lives
                if read_lease(self.path / "lease") == self._lease:
                    os.utime(self.path / "lease")
            # the next write or seal meets the same trouble; a warning made an error must not end the thread
            with contextlib.suppress(OSError, NotFoundError, RecordWarning):
                with self._lock:
                    if os.getpid() != self._pid:
                        return
                    if self._has_ended:
                        self._close_sealed()
                    else:
                        self.settle()
                self._say()
