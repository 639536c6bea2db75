"""Which logs a witness cosigns: vkeys given by hand, and a file that is read again when it changes.

The file is a policy (C2SP tlog-policy), of which only the `log` lines count, or has a vkey on each line, with
or without `log` before it. In a policy no two logs may have one key; a witness doesn't mind, since it tells
logs apart by their names.
The name of a vkey is the origin of the log; several keys may sign one log.
"""

from __future__ import annotations

import os
import pathlib
import threading
from collections.abc import Callable, Iterable

from whence.errors import InputError, WhenceError
from whence.ledger import Verifier, parse_policy
from whence.store import explained_reading

_FILE_LIMIT = 1_000_000
_POLICY_WORDS = ("witness", "group", "quorum")


class Logs:
    """The logs that are cosigned, by origin.

    Args:
        vkeys: their keys.
        path: a file with more of them.
        say: told when the file has changed, and when it can't be read; then the logs of before stay.

    Raises:
        InputError: a vkey or the file is malformed.
        NotFoundError, StoreError: the file can't be read.
    """

    def __init__(
        self,
        vkeys: Iterable[str] = (),
        path: pathlib.Path | None = None,
        *,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._given = [_log([vkey], "--log") for vkey in vkeys]
        self._path = path
        self._say = say
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._by_origin = self._read()

    def of(self, origin: str) -> tuple[Verifier, ...]:
        """Return the keys that sign a log; none where it isn't known."""
        with self._lock:
            self._look()
            return self._by_origin.get(origin, ())

    @property
    def origins(self) -> list[str]:
        """The logs that are known."""
        with self._lock:
            return sorted(self._by_origin)

    def _look(self) -> None:
        """Read the file again where it isn't the one that was read."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._by_origin = self._read()
            self._say(f"{self._path}: {len(self._by_origin)} logs")
        except WhenceError as error:
            self._say(f"{self._path}: the logs of before stay; {error.message}")

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path) if self._path is not None else None
        except OSError:
            return ()
        return (found.st_ino, found.st_size, found.st_mtime_ns) if found is not None else ()

    def _read(self) -> dict[str, tuple[Verifier, ...]]:
        found: dict[str, tuple[Verifier, ...]] = {}
        for verifier in (*self._given, *([] if self._path is None else read_logs(self._path))):
            others = found.get(verifier.name, ())
            if verifier not in others:
                found[verifier.name] = (*others, verifier)
        return found


def read_logs(path: pathlib.Path) -> list[Verifier]:
    """Read the keys of logs from a policy, or from lines of vkeys.

    Raises:
        InputError: it is neither; the message names the line.
        NotFoundError, StoreError: it can't be read.
    """
    with explained_reading(path), path.open("rb") as file:
        data = file.read(_FILE_LIMIT + 1)
    lines = data.decode("utf-8", "replace").split("\n")
    words = {number: line.split() for number, line in enumerate(lines, 1)}
    said = {number: each for number, each in words.items() if each and not each[0].startswith("#")}
    if len(data) > _FILE_LIMIT or any(each[0] in _POLICY_WORDS for each in said.values()):
        return [log.verifier for log in parse_policy(data).logs]
    return [_log(each, f"{path}, line {number}") for number, each in said.items()]


def _log(words: list[str], where: str) -> Verifier:
    """Read a vkey as a policy reads it, so that a key of a witness isn't taken for one of a log."""
    try:
        (vkey,) = words[1:] if words[0] == "log" else words
        (log,) = parse_policy(f"log {vkey}\nquorum none\n").logs
    except ValueError as error:
        raise InputError(
            f"{where}: no vkey of a log ({error})",
            remedy="Write a vkey on each line, or a policy with `log` lines.",
        ) from error
    return log.verifier
