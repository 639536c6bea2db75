"""What a run does beside its streams, as an audit hook hears it: files, processes and connections.

The hook is installed with the first run of a process and stays, as audit hooks do; while no run is on it
looks one word up and returns. It never raises, takes no lock for what it has heard before, and does nothing
to files: all that takes time is left to `noticing_files`. In a forked process it hears nothing.
Source: PEP 578 and the table of audit events in Python's documentation.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from whence.capture.noticing_places import is_left_out
from whence.capture.secrets import redact_arguments

LISTED = 10_000
"""So many files of a run are listed one by one; of further ones their folders, and how many they are."""
_APART = 250_000
_FOLDERS = 1_000
_UNFOLLOWED = 1_000
_LEFT_OUT_KNOWN = 50_000
_WORDS = 300

# Our own readers and writers open with this: it means nothing for what isn't a terminal, and costs nothing.
OWN = getattr(os, "O_NOCTTY", 0)
_now_ns = time.time_ns
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
_TELLING = _ACCESS | os.O_APPEND | os.O_TRUNC | os.O_CREAT | os.O_EXCL
_NO_FILE = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)

How = Literal["read", "written", "appended", "both", "unknown"]
Unfollowed = Literal["process", "fork", "network", "library", "pipe", "more"]


class Opening:
    """A path that was opened in one way, as often as it was."""

    __slots__ = ("count", "first_ns", "given", "how", "last_ns", "path")

    def __init__(self, path: str, given: str, how: How, at_ns: int) -> None:
        self.path, self.given, self.how = path, given, how
        self.first_ns = self.last_ns = at_ns
        self.count = 1


@dataclass(frozen=True, slots=True)
class Gone:
    """A path that was taken away; or, with a new path, moved there."""

    path: str
    to: str = ""


_IGNORED = Opening("", "", "unknown", 0)


class Ear:
    """What one run hears.

    Args:
        workspace: its folder; what is opened in it is left out.
    """

    def __init__(self, workspace: str) -> None:
        self.fresh: deque[Opening | Gone] = deque()
        self.unfollowed: dict[tuple[Unfollowed, str], list[int]] = {}
        self.folders: dict[str, list[int]] = {}
        self.failures = 0
        self._workspace = os.path.abspath(workspace) + os.sep
        self._known: dict[tuple[Any, int], Opening] = {}
        self._listed: set[str] = set()
        self._apart: set[int] = set()
        self._crowds: dict[
            str, list[int]
        ] = {}  # by folders as they are given: one look for each further file
        self._cwd: str | None = None
        self._lock = threading.RLock()  # a finalizer that opens a file may come in between
        self.by_event: dict[str, Callable[..., None]] = {
            "open": self._opened,
            "sqlite3.connect": self._connected_to_database,
            "os.chdir": self._moved_to,
            "os.rename": self._renamed,
            "os.remove": self._removed,
            "os.link": self._linked,
            "os.symlink": self._linked,
            "os.truncate": self._truncated,
            "subprocess.Popen": self._began,
            "os.system": lambda command: self.note("process", _words([command])),
            "os.exec": lambda path, args, env: self.note("process", _words(args)),
            "os.posix_spawn": lambda path, args, env: self.note("process", _words(args)),
            "os.fork": lambda: self.note("fork", "a copy of this process"),
            "os.forkpty": lambda: self.note("fork", "a copy of this process"),
            "socket.getaddrinfo": self._asked_for_address,
            "socket.connect": self._connected,
        }

    def note(self, kind: Unfollowed, what: str) -> None:
        """Take something that can't be followed."""
        if getattr(_aside, "depth", 0):
            return
        now = time.time_ns()
        with self._lock:
            known = self.unfollowed.get((kind, what))
            if known is None and len(self.unfollowed) >= _UNFOLLOWED:
                kind, what = "more", f"further ones of kind {kind}"
                known = self.unfollowed.get((kind, what))
            if known is None:
                self.unfollowed[kind, what] = [now, now, 1]
            else:
                known[1], known[2] = now, known[2] + 1

    def took(self, path: Any, how: How, at_ns: int | None = None) -> None:
        """Take a file that was opened, at some time or now, in a way which the interpreter doesn't tell."""
        if getattr(_aside, "depth", 0):
            return
        given = os.fsdecode(path)
        if "://" in given:
            self._note_url(given)
        else:
            self._take((given, how), given, how, at_ns)

    def begun(self, words: Sequence[Any]) -> None:
        """Take a process that multiprocessing begins as a new interpreter."""
        texts = [os.fsdecode(word) for word in words]
        if not any("resource_tracker" in text for text in texts):
            self.note("process", "a process of multiprocessing")

    def _opened(self, path: Any, mode: str | None, flags: int) -> None:
        known = self._known.get((path, flags & _TELLING))
        if known is not None and not flags & OWN:
            known.last_ns = _now_ns()
            known.count += 1
            return
        if type(path) is int or flags & (OWN | _NO_FILE) or getattr(_aside, "depth", 0):
            return
        if self._crowds and type(path) is str and not flags & _TELLING:
            counts = self._crowds.get(path.rpartition(os.sep)[0])
            if counts is not None:
                self._count(counts, path)
                return
        if path == getattr(_aside, "expected", None):
            return
        given = os.fsdecode(path)
        if not given.endswith(".pyc"):
            self._take((path, flags & _TELLING), given, _how(flags))

    def _take(self, key: tuple[Any, Any], given: str, how: How, at_ns: int | None = None) -> None:
        path = self._absolute(given)
        now = time.time_ns() if at_ns is None else at_ns
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                known.last_ns, known.count = now, known.count + 1
            elif path.startswith(self._workspace) or is_left_out(path):
                if len(self._known) < _LEFT_OUT_KNOWN:
                    self._known[key] = _IGNORED
            elif path in self._listed or len(self._listed) < LISTED:
                self._listed.add(path)
                self._known[key] = opening = Opening(path, given, how, now)
                self.fresh.append(opening)
            else:
                self._count_in_folder(path, given)

    def _count_in_folder(self, path: str, given: str) -> None:
        folder = os.path.dirname(path)
        if folder not in self.folders and len(self.folders) >= _FOLDERS:
            folder = ""
        counts = self.folders.setdefault(folder, [0, 0])
        if len(self._crowds) < _LEFT_OUT_KNOWN:
            self._crowds[given.rpartition(os.sep)[0]] = counts
        self._count(counts, given)

    def _count(self, counts: list[int], given: str) -> None:
        counts[0] += 1
        mark = hash(given) if given.startswith(os.sep) else hash((self._cwd, given))
        if mark not in self._apart and len(self._apart) < _APART:
            self._apart.add(mark)
            counts[1] += 1

    @property
    def counts_are_exact(self) -> bool:
        """Whether all files that are only counted could be told apart."""
        return len(self._apart) < _APART

    def _absolute(self, given: str) -> str:
        if os.path.isabs(given):
            return os.path.normpath(given)
        if self._cwd is None:
            self._cwd = os.getcwd()
        return os.path.normpath(os.path.join(self._cwd, given))

    def _moved_to(self, path: Any) -> None:
        with self._lock:  # the same names are other files from now on
            self._known = {}
            self._crowds = {}
            self._cwd = None

    def _renamed(self, source: Any, target: Any, *folders: int) -> None:
        if all(folder == -1 for folder in folders) and not getattr(_aside, "depth", 0):
            self._moved(os.fsdecode(source), os.fsdecode(target))

    def _moved(self, source: str, target: str) -> None:
        before = self._absolute(source)
        if not before.startswith(self._workspace) and not is_left_out(before):
            self._take((target, "rename"), target, "written")
            self.fresh.append(Gone(before, self._absolute(target)))
            self._forget(before)

    def _removed(self, path: Any, folder: int = -1) -> None:
        if folder == -1:
            gone = self._absolute(os.fsdecode(path))
            if gone in self._listed:
                self.fresh.append(Gone(gone))
                self._forget(gone)

    def _forget(self, path: str) -> None:
        """A path may be another file when it is opened again."""
        with self._lock:
            for key in [key for key, known in self._known.items() if known.path == path]:
                del self._known[key]

    def _linked(self, source: Any, target: Any, *folders: int) -> None:
        if all(folder == -1 for folder in folders):
            self._take((target, "link"), os.fsdecode(target), "written")

    def _truncated(self, path: Any, length: int) -> None:
        if type(path) is not int:
            self._take((path, "truncate"), os.fsdecode(path), "both")

    def _connected_to_database(self, database: Any) -> None:
        given = os.fsdecode(database)
        if given.startswith("file:"):
            given = unquote(urlsplit(given).path)
        if given and given != ":memory:":
            exists = os.path.exists(self._absolute(given))
            self._take((given, "sqlite"), given, "unknown" if exists else "written")

    def _began(self, executable: Any, args: Any, cwd: Any, env: Any) -> None:
        words = _words(args)
        self.note("process", "a worker of a stream" if "whence.processes.starting" in words else words)

    def _asked_for_address(self, host: Any, port: Any, *rest: Any) -> None:
        _aside.asked = (port, host.decode("ascii", "replace") if isinstance(host, bytes) else host)

    def _connected(self, socket: Any, address: Any) -> None:
        if not isinstance(address, tuple) or len(address) < 2:
            return  # a socket of this machine
        host, port = address[:2]
        asked = getattr(_aside, "asked", None)
        if asked is not None and asked[1] and str(asked[0]) == str(port):
            host = asked[1].rpartition("@")[2]
        self.note("network", f"{host}:{port}")

    def _note_url(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            self._take((url, "url"), unquote(parts.path), "read")
        else:
            self.note("network", f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def _how(flags: int) -> How:
    access = flags & _ACCESS
    if access == os.O_RDONLY:
        return "read"
    if flags & os.O_APPEND:
        return "appended"
    return "both" if access == os.O_RDWR and not flags & (os.O_TRUNC | os.O_EXCL) else "written"


def _words(command: Any) -> str:
    """Write a command as a shell would take it, without secrets, and not too long."""
    if isinstance(command, str | bytes | os.PathLike):
        command = [command]
    words = [os.fsdecode(word) for word in command]
    if len(words) == 3 and words[1] in ("-c", "/c"):  # a shell was begun for it
        words = [words[2]]
    texts = redact_arguments([word[:_WORDS] for word in words[:_WORDS]])
    return (texts[0] if len(texts) == 1 else shlex.join(texts))[:_WORDS]


_aside = threading.local()
_ears: list[Ear] = []
_lock = threading.Lock()
_hearing: Mapping[str, Callable[..., None]] = {}
_installed = False


def _hook(event: str, args: Sequence[Any]) -> None:
    heard = _hearing.get(event)
    if heard is not None:
        try:
            heard(*args)
        except Exception:
            _fail()


def _fail() -> None:
    if _ears:
        _ears[-1].failures += 1


def current_ear() -> Ear | None:
    """The one that hears: of the run begun last and not yet ended."""
    return _ears[-1] if _ears and _hearing else None


def hear(ear: Ear) -> None:
    """Let a run hear, until it is told not to; one that was begun before waits until then."""
    global _hearing, _installed  # noqa: PLW0603 - one hook a process, and what it does now
    with _lock:
        if not _installed:
            _installed = True
            sys.addaudithook(_hook)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_hear_nothing)
        _ears.append(ear)
        _hearing = ear.by_event


def hear_no_more(ear: Ear) -> None:
    """Let a run hear no more."""
    global _hearing  # noqa: PLW0603 - as above
    with _lock:
        if ear in _ears:
            _ears.remove(ear)
        _hearing = _ears[-1].by_event if _ears else {}


def _hear_nothing() -> None:
    global _hearing, _lock  # the lock may be held by a thread that isn't in the copy
    _hearing, _lock = {}, threading.Lock()
    _ears.clear()


@contextmanager
def unheard() -> Iterator[None]:
    """Do something of whence's own, which is no doing of the run, in this thread."""
    _aside.depth = getattr(_aside, "depth", 0) + 1
    try:
        yield
    finally:
        _aside.depth -= 1


def expect(path: str) -> None:
    """Let the next who opens this in this thread be unheard: what is read is known otherwise."""
    _aside.expected = path


def open_own(path: str) -> int:
    """Open a regular file to read it, unheard; a descriptor.

    Raises:
        OSError: it can't be opened, or isn't a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | OWN | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError("not a regular file")
