"""The logbook: which runs and decisions are in the ledger, and where; and which of them wait to be logged.

    catalog.ledger/<2 hex>           lines of JSON: [what, shard, [indices], size, events]
    catalog.ledger/reach             lines of JSON: [shard, how many of its entries were looked at]
    catalog.ledger/waiting/<what>    it ended, or is about to, and isn't logged; locked by who is at it

`what` is the id of a run or of a decision. Nothing here is the truth: what it says is compared with the log
wherever it matters, which tells all of it again. It isn't synced, not copied and not backed up.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from whence.store.files import write_all
from whence.store.folder import Folder
from whence.vocab import fast64

LOGBOOK = "catalog.ledger"

_WAITING = "waiting"
_REACH = "reach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Where something was logged.

    Args:
        what: the id of a run or of a decision.
        shard: the shard's name.
        indices: of its entries; the run's own first, then those of its models and artifacts.
        size_bytes: how long the run's journal was; 0 of a decision.
        event_count: how many events it had.
    """

    what: str
    shard: str
    indices: tuple[int, ...]
    size_bytes: int = 0
    event_count: int = 0


class Logbook:
    """The logbook of a workspace.

    Args:
        folder: the workspace.
    """

    def __init__(self, folder: Folder) -> None:
        self.path = folder.path / LOGBOOK

    # what is logged

    def find(self, what: str) -> list[Logged]:
        """List where something was logged, the earliest first; a run once for each of its ends."""
        return [each for each in _read(self._page(what)) if each.what == what]

    def latest(self) -> dict[str, Logged]:
        """Tell of everything where it was logged last: of a run, the time at which it was longest."""
        found: dict[str, Logged] = {}
        for path in sorted(self.path.glob("[0-9a-f][0-9a-f]")):
            for each in _read(path):
                known = found.get(each.what)
                if known is None or each.size_bytes >= known.size_bytes:
                    found[each.what] = each
        return found

    def note(self, logged: Iterable[Logged]) -> None:
        """Write down where something was logged; what is known isn't written again."""
        with contextlib.suppress(OSError):  # it is found again
            for each in logged:
                if each not in self.find(each.what):
                    _append(self._page(each.what), each)

    def reach(self) -> dict[str, int]:
        """Tell how many entries of each shard were looked at; all before them are written down."""
        found: dict[str, int] = {}
        with contextlib.suppress(OSError):
            for line in (self.path / _REACH).read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError):
                    shard, size = msgspec.json.decode(line, type=tuple[str, int])
                    found[shard] = size
        return found

    def note_reach(self, reach: Mapping[str, int]) -> None:
        """Write down how many entries of shards were looked at."""
        with contextlib.suppress(OSError):
            self.path.mkdir(exist_ok=True)
            lines = b"".join(msgspec.json.encode(each) + b"\n" for each in reach.items())
            temporary = self.path / f".{_REACH}.{os.getpid()}"
            temporary.write_bytes(lines)
            temporary.replace(self.path / _REACH)

    def forget(self) -> None:
        """Forget what is logged, so that it is looked up in the ledger again; what waits goes on waiting."""
        for path in (*self.path.glob("[0-9a-f][0-9a-f]"), self.path / _REACH):
            path.unlink(missing_ok=True)

    def _page(self, what: str) -> pathlib.Path:
        return self.path / f"{fast64(what.encode('utf-8', 'surrogatepass')) & 255:02x}"

    # what waits

    def waiting(self) -> list[str]:
        """List what waits to be logged, the oldest first, since ids sort by time."""
        try:
            return sorted(os.listdir(self.path / _WAITING))
        except OSError:
            return []

    def wait(self, what: str) -> None:
        """Have something logged by whoever logs next."""
        with contextlib.suppress(OSError):  # then it is found where all are looked at
            (self.path / _WAITING).mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path / _WAITING / what, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))

    @contextlib.contextmanager
    def claim(self, what: str) -> Iterator[bool]:
        """Be the one who logs something that waits, until this ends.

        Returns:
            Whether it waits and nobody else is at it. Whoever has logged it calls `done` before this ends.
        """
        path = self.path / _WAITING / what
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield False
            return
        try:
            yield _lock(descriptor) and _is_still(descriptor, path)
        finally:
            os.close(descriptor)

    def done(self, what: str) -> None:
        """Have something wait no more."""
        with contextlib.suppress(OSError):
            (self.path / _WAITING / what).unlink()


def _append(path: pathlib.Path, logged: Logged) -> None:
    line = [logged.what, logged.shard, logged.indices, logged.size_bytes, logged.event_count]
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        # the line before may have been cut off; an empty line is none
        write_all(descriptor, b"\n" + msgspec.json.encode(line) + b"\n")
    finally:
        os.close(descriptor)


def _read(path: pathlib.Path) -> Iterator[Logged]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            what, shard, indices, size, events = _decode(line)
            yield Logged(what=what, shard=shard, indices=indices, size_bytes=size, event_count=events)


_decode = msgspec.json.Decoder(tuple[str, str, tuple[int, ...], int, int]).decode


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # where files can't be locked, two may log the same, which is true twice
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN)
    return True


def _is_still(descriptor: int, path: pathlib.Path) -> bool:
    """Whether a file is what it was when it was opened: whoever held it before may be done with it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False
