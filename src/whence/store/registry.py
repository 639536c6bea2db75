"""The registry: what people decided about models, and the numbers that versions have in this workspace.

    registry/<ULID>     a framed file each: an event, as in a journal, and its body; written whole
    versions/<name>     as many bytes as versions of a name were given numbers here, so that each has its own

Decisions are files of their own so that folders merge by copying, whoever decided where; the latest one by
(time, id) counts, and all of them are history. The counters aren't the truth and don't merge: the number of
a version stands in its run, and a number that was given twice in two places is told wherever it is used.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from whence.errors import DamagedError, NotFoundError, WhenceError
from whence.store.files import explained, explained_reading, sync_folder
from whence.store.folder import Folder
from whence.store.frames import Damage, FrameWriter, scan_frames
from whence.vocab import decode_content, digest_bytes, encode_content

EVENT = 1
BODY = 2

_PURPOSE = "registry"
_SALT_BYTES = 16
_NAME_BYTES = 16
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Something that was decided.

    Args:
        id: the decision's id, a ULID.
        kind: what was decided: `alias`, `alias_removed`, `stage`, `description`.
        at_ns: when, nanoseconds since 1970 UTC.
        public: what can't be destroyed: the run and the number of the event that it is about.
        body: the words; None where they were destroyed.
    """

    id: str
    kind: str
    at_ns: int
    public: dict[str, Any]
    body: dict[str, Any] | None

    @property
    def order(self) -> tuple[int, str]:
        """By what decisions are ordered."""
        return self.at_ns, self.id


class Registry:
    """The decisions of a workspace.

    Args:
        folder: the workspace.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], Decision | Damage]] = {}
        self._settled_ns = -1

    @property
    def path(self) -> pathlib.Path:
        """Where it is."""
        return self._folder.path / "registry"

    def decide(
        self, kind: str, public: dict[str, Any], body: dict[str, Any], *, decision_id: str, at_ns: int
    ) -> None:
        """Write a decision; it is on the disk when this returns.

        Raises:
            StoreReadOnlyError, StoreFullError, StoreError: it couldn't be written; nothing is left of it.
        """
        self._folder.make()
        salt = secrets.token_bytes(_SALT_BYTES)
        content = encode_content(body)
        event = {"n": 0, "k": kind, "at": at_ns, "p": public, "c": digest_bytes(salt + content)}
        temporary = self.path / f".{decision_id}"
        with explained(self.path):
            self.path.mkdir(exist_ok=True)
            sync_folder(self._folder.path)
        try:
            writer = FrameWriter(temporary, purpose=_PURPOSE)
            try:
                writer.append(EVENT, encode_content(event))
                writer.append(BODY, encode_content({"n": 0, "s": salt, "b": content}))
                writer.sync()
            finally:
                writer.close()
            with explained(self.path):
                temporary.replace(self.path / decision_id)
                sync_folder(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def decisions(self) -> list[Decision]:
        """List what was decided, the earliest first; what is damaged is left to `damages`."""
        found = [each for each in self._all() if isinstance(each, Decision)]
        return sorted(found, key=lambda decision: decision.order)

    def damages(self) -> list[Damage]:
        """List what can't be read of it."""
        return [each for each in self._all() if isinstance(each, Damage)]

    def _all(self) -> list[Decision | Damage]:
        """Read the files that aren't known yet; none where the folder can't have changed since."""
        try:
            with explained_reading(self.path):
                changed_ns = self.path.stat().st_mtime_ns
                if changed_ns != self._settled_ns:
                    self._list()
                    # a change in the same tick of the file system's clock would go unseen
                    is_settled = time.time_ns() - changed_ns > _SETTLED_NS
                    self._settled_ns = changed_ns if is_settled else -1
        except NotFoundError:
            self._read = {}
        return [each for _, each in self._read.values()]

    def _list(self) -> None:
        kept: dict[str, tuple[tuple[int, int], Decision | Damage]] = {}
        with os.scandir(self.path) as entries:
            listed = [(entry.name, entry.stat()) for entry in entries if not entry.name.startswith(".")]
        for name, found in listed:
            stamp = (found.st_mtime_ns, found.st_size)
            known = self._read.get(name)
            kept[name] = known if known and known[0] == stamp else (stamp, _read(self.path / name))
        self._read = kept


def claim_version(folder: Folder, name: str, *, above: int) -> int:
    """Give the next version of a name its number: one that nobody gets again in this workspace.

    Args:
        folder: the workspace.
        name: the model's.
        above: the highest number that is known to be taken.

    Returns:
        The number; 0 where the workspace can't be written.

    Bytes are appended to a file, and where they end is the number: the system puts the bytes of two
    processes one behind the other.
    """
    path = counter_path(folder, name)
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            while True:
                missing = above - os.fstat(descriptor).st_size
                os.write(descriptor, b"." * max(1, missing + 1))
                number = os.lseek(descriptor, 0, os.SEEK_CUR)
                if number > above:
                    return number
        finally:
            os.close(descriptor)
    except OSError:
        return 0


def decision_digest(folder: Folder, decision_id: str) -> tuple[bytes, int]:
    """Digest the event that a decision's file holds, which commits to its body; and tell when it was.

    Raises:
        DamagedError: it can't be read, or isn't there.
    """
    path = folder.path / "registry" / decision_id
    found = _read(path)
    if isinstance(found, Damage):
        raise DamagedError(found.problem, place=found.path)
    event = next(frame for frame in scan_frames(path).frames if frame.kind == EVENT)
    return digest_bytes(event.payload), found.at_ns


def decision_ids(folder: Folder) -> list[str]:
    """List the decisions by id, the earliest first."""
    try:
        return sorted(each for each in os.listdir(folder.path / "registry") if not each.startswith("."))
    except OSError:
        return []


def counter_path(folder: Folder, name: str) -> pathlib.Path:
    """Where the numbers given to versions of a name are counted."""
    return (
        folder.path
        / "versions"
        / digest_bytes(name.encode("utf-8", "surrogatepass")).hex()[: 2 * _NAME_BYTES]
    )


def _read(path: pathlib.Path) -> Decision | Damage:
    try:
        scan = scan_frames(path)
        if scan.damages:
            return scan.damages[0]
        if scan.torn_bytes:
            raise DamagedError("it is cut off")
        event = next((frame for frame in scan.frames if frame.kind == EVENT), None)
        if event is None:
            raise DamagedError("it holds no event")
        entry = decode_content(event.payload)
        bodies = [decode_content(frame.payload) for frame in scan.frames if frame.kind == BODY]
        content = next(
            (each["b"] for each in bodies if digest_bytes(each["s"] + each["b"]) == entry["c"]), None
        )
        if bodies and content is None:
            raise DamagedError("its body isn't the one that it commits to")
        return Decision(
            id=path.name,
            kind=entry["k"],
            at_ns=entry["at"],
            public=entry["p"],
            body=None if content is None else decode_content(content),
        )
    except (WhenceError, KeyError, TypeError) as error:
        problem = error.message if isinstance(error, WhenceError) else "it holds no decision"
        return Damage(path=str(path), offset=0, length=0, problem=problem)
