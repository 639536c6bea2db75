"""The logbook: which runs and decisions are in the ledger, and where; and which of them wait to be logged.

    catalog.ledger/<2 hex>           the book's name, then JSON lines [what, shard, [indices], size, events]
    catalog.ledger/reach             the same, then [shard, how many of its entries were looked at]
    catalog.ledger/waiting/<what>    it ended, or is about to, and isn't logged; locked by who is at it

`what` is the id of a run or of a decision. Nothing here is the truth: what it says is compared with the log
wherever it matters, which tells all of it again. It isn't synced and not backed up; where a copy of another
workspace was put over it, files of two books lie side by side, and all of it is forgotten.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import secrets
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
        return [each for each in self._read(self._page(what)) if each.what == what]

    def latest(self) -> dict[str, Logged]:
        """Tell of everything where it was logged last: of a run, the time at which it was longest."""
        found: dict[str, Logged] = {}
        for path in self._pages():
            for each in self._read(path):
                known = found.get(each.what)
                if known is None or each.size_bytes > known.size_bytes:
                    found[each.what] = each
        return found

    def note(self, logged: Iterable[Logged]) -> None:
        """Write down where something was logged; what is known isn't written again."""
        with contextlib.suppress(OSError):  # it is found again
            by_page: dict[pathlib.Path, list[Logged]] = {}
            for each in logged:
                by_page.setdefault(self._page(each.what), []).append(each)
            for page, found in by_page.items():
                known = set(self._read(page))
                new = [each for each in found if each not in known]
                if new:
                    _put_if_new(page, self._named())
                    _append(page, new)

    def reach(self) -> dict[str, int]:
        """Tell how many entries of each shard were looked at; all before them are written down."""
        if any(_lines(page)[:1] != _lines(self.path / _REACH)[:1] for page in self._pages()):
            self.forget()
        found: dict[str, int] = {}
        for line in _lines(self.path / _REACH)[1:]:
            with contextlib.suppress(msgspec.DecodeError):
                shard, size = msgspec.json.decode(line, type=tuple[str, int])
                found[shard] = size
        return found

    def note_reach(self, reach: Mapping[str, int]) -> None:
        """Write down how many entries of shards were looked at."""
        with contextlib.suppress(OSError):
            lines = [self._named(), *(msgspec.json.encode(each) for each in reach.items()), b""]
            temporary = self.path / f".{_REACH}.{secrets.token_hex(6)}"
            temporary.write_bytes(b"\n".join(lines))
            temporary.replace(self.path / _REACH)

    def forget(self) -> None:
        """Forget what is logged, so that it is looked up in the ledger again; what waits goes on waiting."""
        with contextlib.suppress(OSError):
            for path in (self.path / _REACH, *self._pages()):  # first what says that the pages are whole
                path.unlink(missing_ok=True)

    def _page(self, what: str) -> pathlib.Path:
        return self.path / f"{fast64(what.encode('utf-8', 'surrogatepass')) & 255:02x}"

    def _pages(self) -> list[pathlib.Path]:
        return sorted(self.path.glob("[0-9a-f][0-9a-f]"))

    def _named(self) -> bytes:
        """Give the name of the book, which is made with it."""
        self.path.mkdir(exist_ok=True)
        for _ in range(2):
            _put_if_new(self.path / _REACH, secrets.token_hex(8).encode())
            lines = _lines(self.path / _REACH)
            if lines:
                return lines[0]
            self.forget()  # a power cut took what was in it
        raise OSError(f"{self.path / _REACH} can't be written")

    def _read(self, page: pathlib.Path) -> list[Logged]:
        lines = _lines(page)
        if lines and lines[:1] != _lines(self.path / _REACH)[:1]:
            self.forget()  # of another workspace's book
            return []
        found = []
        for line in lines[1:]:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                what, shard, indices, size, events = _decode(line)
                logged = Logged(what=what, shard=shard, indices=indices, size_bytes=size, event_count=events)
                found.append(logged)
        return found

    # what waits

    def waiting(self) -> list[str]:
        """List what waits to be logged, the oldest first, since ids sort by time."""
        try:
            return sorted(os.listdir(self.path / _WAITING))
        except OSError:
            return []

    def wait(self, what: str) -> bool:
        """Have something logged by whoever logs next; returns whether it didn't wait already."""
        path = self.path / _WAITING / what
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except OSError:  # where nothing can be written, it is found where everything is looked at
            return not path.exists()
        return True

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


def _append(path: pathlib.Path, logged: Iterable[Logged]) -> None:
    lines = [
        msgspec.json.encode([each.what, each.shard, each.indices, each.size_bytes, each.event_count])
        for each in logged
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        # the line before may have been cut off; an empty line is none
        write_all(descriptor, b"\n".join([b"", *lines, b""]))
    finally:
        os.close(descriptor)


def _lines(path: pathlib.Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError:
        return []


def _put_if_new(path: pathlib.Path, first: bytes) -> None:
    """Make a file with its first line, unless it is there."""
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        temporary.write_bytes(first + b"\n")
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()


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
