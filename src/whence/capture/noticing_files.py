"""The files of a run: what was heard of them becomes inputs and outputs with sizes and digests.

A thread looks once a second at what was opened, digests it, and tells the journal; the rest is done when
the run ends. It takes at most a quarter of one core's time, and what it couldn't digest is listed without a
digest and with the reason.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from whence.capture.noticing import Ear, Gone, How, Opening, hear, hear_no_more, open_own
from whence.capture.noticing_natives import unseen_libraries, wrap_natives
from whence.capture.noticing_open import held_open
from whence.capture.noticing_places import module_files
from whence.capture.secrets import redact
from whence.errors import WhenceError
from whence.store import RunWriter
from whence.vocab import Hasher

PERIOD_S = 1.0
LARGEST_BYTES = 16 << 30
"""A larger file isn't digested."""
END_S = 2.0
"""So long digesting goes on when the run ends, or a twentieth of the run's time where that is more."""
_END_SHARE = 0.05
_PIECE_BYTES = 1 << 20
_REST = 3.0  # after a second's work so many seconds of rest: a quarter of a core
_AT_ONCE = 1_000  # files an event
_SETTLED_NS = 2_000_000_000
_REMEMBERED = 10_000

_MAPS_EACH = 10
_digesting: set[str] = set()
_digests: dict[
    tuple[int, int, int, int, int], bytes
] = {}  # of files as they are: runs of one process share it


@dataclass(slots=True)
class _State:
    """What a file was when it was looked at."""

    size: int
    stamp: tuple[int, int, int, int, int]
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> _State:
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return cls(found.st_size, stamp, found.st_mtime_ns)


class _File:
    """A file of the run: how it was opened, and what is known of its content."""

    __slots__ = ("before", "digest", "given", "is_gone", "note", "openings", "path", "state", "told")

    def __init__(self, path: str, given: str) -> None:
        self.path, self.given = path, given
        self.openings: list[Opening] = []
        self.state: _State | None = None
        self.digest: bytes | None = None
        self.before: bytes | None = None  # its digest as it was read, where it was written later
        self.note = ""
        self.is_gone = False
        self.told: list[Any] | None = None

    @property
    def first_ns(self) -> int:
        return min(each.first_ns for each in self.openings)

    @property
    def last_ns(self) -> int:
        return max(each.last_ns for each in self.openings)

    @property
    def count(self) -> int:
        return sum(each.count for each in self.openings)

    @property
    def how(self) -> How:
        """Read, written, or both; what was written first and read then is a result, and no input."""
        ways = {each.how for each in self.openings}
        if "unknown" in ways:
            has_changed = self.state is not None and self.state.mtime_ns >= self.first_ns
            ways = (ways - {"unknown"}) | ({"both"} if has_changed else {"read"})
        if len(ways) == 1:
            return next(iter(ways))
        read = min((each.first_ns for each in self.openings if each.how in ("read", "unknown")), default=None)
        wrote = min(each.first_ns for each in self.openings if each.how not in ("read", "unknown"))
        if "both" in ways or (read is not None and read < wrote):
            return "both"
        return "appended" if ways <= {"appended", "read"} else "written"

    @property
    def is_input(self) -> bool:
        return self.how in ("read", "both")

    @property
    def is_output(self) -> bool:
        return self.how != "read"


class FileNotes:
    """Lists what a run opens.

    Args:
        writer: where it is written.
        streamed: gives the files that streams read, which have a record of their own.
    """

    def __init__(self, writer: RunWriter, streamed: Callable[[], Iterable[str]]) -> None:
        self._writer = writer
        self._streamed = streamed
        self._ear = Ear(os.fspath(writer.folder.path))
        self._base = os.getcwd()
        self._home = os.path.expanduser("~")
        self._files: dict[str, _File] = {}
        self._gone_count = 0
        self._told_unfollowed: dict[tuple[str, str], int] = {}
        self._stop = threading.Event()
        self._held_before: set[str] = set()  # where the program already spoke to when the run began
        self._looks = 0
        self._began_s = time.monotonic()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._look_regularly, name="whence-files", daemon=True)

    def begin(self) -> None:
        """Hear from now on."""
        wrap_natives()
        self._held_before = {path for path, how in held_open(with_maps=False) if how != "read"}
        hear(self._ear)
        self._thread.start()

    def end(self) -> None:
        """Hear no more; digest what is left, and write all that isn't written yet."""
        hear_no_more(self._ear)
        if os.getpid() != self._pid:
            return
        self._stop.set()
        self._thread.join()
        for name in unseen_libraries():
            self._ear.note("library", name)
        self._look()
        deadline = time.monotonic() + max(END_S, _END_SHARE * (time.monotonic() - self._began_s))
        self._end_all(deadline)
        self._tell(is_over=True)

    def _look_regularly(self) -> None:
        while not self._stop.wait(PERIOD_S):
            with contextlib.suppress(WhenceError, OSError):  # what isn't written now is written at the end
                self._look()
                self._digest_inputs()
                self._tell(is_over=False)

    def _look(self) -> None:
        """Sort what was heard by files."""
        with_maps = self._stop.is_set() or self._looks % _MAPS_EACH == 0
        self._looks += 1
        for path, how in held_open(with_maps=with_maps):
            if path not in self._files and path not in _digesting and path not in self._held_before:
                self._ear.took(path, how)
        left_out: frozenset[str] | None = None
        while self._ear.fresh:
            heard = self._ear.fresh.popleft()
            if isinstance(heard, Gone):
                self._note_gone(heard)
                continue
            if heard.path.endswith(".py"):
                left_out = module_files() if left_out is None else left_out
                if heard.path in left_out:
                    continue
            file = self._files.get(heard.path)
            if file is None:
                file = self._files[heard.path] = _File(heard.path, heard.given)
            elif file.digest is not None and file.how == "read" and heard.how != "read":
                file.before, file.digest = file.digest, None
            file.is_gone = False
            file.openings.append(heard)

    def _note_gone(self, heard: Gone) -> None:
        file = self._files.get(heard.path)
        if file is not None:
            file.is_gone = True
            if file.is_input and heard.to:
                file.note = "moved later"

    def _digest_inputs(self) -> None:
        for file in list(self._files.values()):
            if self._stop.is_set():
                return
            if file.how == "read" and file.digest is None and not file.note and not file.is_gone:
                self._digest(file, rests=True)

    def _end_all(self, deadline: float) -> None:
        """Look at every file once more: small ones first, so that most are digested if not all can be."""
        streamed = {os.path.abspath(path) for path in self._streamed()}
        waiting: list[_File] = []
        for path, file in list(self._files.items()):
            state = None
            with contextlib.suppress(OSError):
                found = os.stat(path)
                state = _State.of(found)
                if not stat.S_ISREG(found.st_mode):
                    if stat.S_ISFIFO(found.st_mode):
                        self._ear.note("pipe", self._shown(path))
                    del self._files[path]
                    continue
            if path in streamed and file.how == "read":
                del self._files[path]
            elif state is None:
                self._end_gone(file)
            elif not self._is_as_digested(file, state):
                waiting.append(file)
        for file in sorted(waiting, key=lambda each: each.state.size if each.state else 0):
            if time.monotonic() > deadline:
                file.note = "the run ended before it could be digested"
            else:
                self._digest(file, rests=False, deadline=deadline)

    def _end_gone(self, file: _File) -> None:
        if file.is_input and (file.digest is not None or file.is_gone):
            file.note = file.note or "gone when the run ended"
        else:  # it was never there, or only for a time
            del self._files[file.path]
            self._gone_count += 1

    def _is_as_digested(self, file: _File, state: _State) -> bool:
        """Take a file's last state; tells whether there is nothing left to digest."""
        if file.digest is not None and file.state is not None and file.state.stamp == state.stamp:
            return True
        if file.digest is not None and not file.is_output:
            file.note = "changed after it was read"
            return True
        if file.digest is not None and file.how == "both" and file.before is None:
            file.before = file.digest
        file.digest, file.state, file.note = None, state, ""
        return False

    def _digest(self, file: _File, *, rests: bool, deadline: float | None = None) -> None:
        try:
            descriptor = open_own(file.path)
        except OSError as problem:
            if os.path.exists(file.path):
                file.note = f"can't be read ({problem.strerror or problem})"
            return
        try:
            state = _State.of(os.fstat(descriptor))
            file.state = state
            _digesting.add(file.path)
            if state.size > LARGEST_BYTES:
                file.note = f"larger than {LARGEST_BYTES >> 30} GiB"
                return
            file.digest = _digests.get(state.stamp) or self._read(descriptor, rests=rests, deadline=deadline)
            after = _State.of(os.fstat(descriptor))
        except OSError as problem:
            file.note = f"can't be read ({problem.strerror or problem})"
            return
        finally:
            os.close(descriptor)
            _digesting.discard(file.path)
        if file.digest is None:
            file.note = "" if rests else "the run ended before it could be digested"
        elif after.stamp != state.stamp:
            file.digest, file.note = None, "changed while it was digested"
        else:
            # `both` at the end: how it was read isn't known any more
            if file.how == "read" and state.mtime_ns > file.first_ns:
                file.note = "changed after it was opened"
            if time.time_ns() - state.mtime_ns > _SETTLED_NS and len(_digests) < _REMEMBERED:
                _digests[state.stamp] = file.digest

    def _read(self, descriptor: int, *, rests: bool, deadline: float | None) -> bytes | None:
        hasher = Hasher()
        piece = bytearray(_PIECE_BYTES)
        while True:
            began = time.monotonic()
            count = os.readv(descriptor, [piece])
            if not count:
                return hasher.digest()
            hasher.update(memoryview(piece)[:count])
            if rests and count == _PIECE_BYTES:
                if self._stop.wait(_REST * (time.monotonic() - began)):
                    return None
            elif deadline is not None and time.monotonic() > deadline:
                return None

    def _tell(self, *, is_over: bool) -> None:
        """Write what is new since the last time."""
        news = [
            (file, row) for file in self._files.values() if (row := self._row(file)) not in (None, file.told)
        ]
        for begin in range(0, len(news), _AT_ONCE):
            rows = news[begin : begin + _AT_ONCE]
            self._writer.append("file", {"files": len(rows)}, {"files": [row for _, row in rows]})
            for file, row in rows:
                file.told = row
        self._tell_unfollowed(is_over=is_over)
        if is_over and (self._gone_count or self._ear.folders or self._ear.failures):
            folders = [[self._shown(path), *counts] for path, counts in self._ear.folders.items()]
            public = {"gone": self._gone_count, "failures": self._ear.failures}
            public["exact"] = int(self._ear.counts_are_exact)
            self._writer.append("files_counted", public, {"folders": folders})

    def _tell_unfollowed(self, *, is_over: bool) -> None:
        """Write each entry when it is new, and once more with its last count when the run is over."""
        entries = []
        for key, (first_ns, last_ns, count) in list(self._ear.unfollowed.items()):
            told = self._told_unfollowed.get(key)
            if told is None or (is_over and told != count):
                self._told_unfollowed[key] = count
                entries.append([*key, first_ns, last_ns, count])
        if entries:
            self._writer.append("unfollowed", {"entries": len(entries)}, {"entries": entries})

    def _row(self, file: _File) -> list[Any] | None:
        if file.is_gone and file.digest is None and not file.note:
            return None
        shown = self._shown(file.path)
        given = redact(file.given.replace(self._home, "~")) if file.given != shown else ""
        size = None if file.state is None else file.state.size
        times = [file.first_ns, file.last_ns, file.count]
        given = "" if given == shown else given
        return [shown, given, file.how, size, file.digest, file.before, *times, file.note]

    def _shown(self, path: str) -> str:
        """Write a path as the record has it: below the working folder, or with `~` for home; no secrets."""
        if path.startswith(self._base + os.sep):
            path = path[len(self._base) + 1 :]
        elif path.startswith(self._home + os.sep) and self._home.count(os.sep) > 1:
            path = "~" + path[len(self._home) :]
        return redact(path.replace(os.sep, "/"))
