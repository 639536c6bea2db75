"""The file of the catalog: opened where it is one of ours and can be, and otherwise in memory."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3

from whence.errors import StoreError
from whence.store.selecting import does_contain, is_like
from whence.store.tables import prepare

_BUSY_S = 30.0
_CACHE_KB = 64_000
_UNWRITABLE = ("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM")


def opened(path: pathlib.Path) -> sqlite3.Connection | None:
    """Open the file, or an empty catalog in memory where it can't be; None where it isn't one of this format.

    Raises:
        StoreError: another process has it locked.
    """
    try:
        return _ready(sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None))
    except sqlite3.Error as error:
        if is_busy(error):
            raise StoreError(f"{path}: {error}", remedy="Try again.") from error
        return in_memory() if is_unwritable(error) else None


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has the file locked."""
    return _reason(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_unwritable(error: sqlite3.Error) -> bool:
    """Whether the file, or its disk, can't be opened or written: it may be sound all the same."""
    return _reason(error).startswith(_UNWRITABLE)


def was_replaced(error: sqlite3.Error) -> bool:
    """Whether the file isn't the one any more that was opened."""
    return _reason(error) == "SQLITE_READONLY_DBMOVED"


def _reason(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")


def in_memory() -> sqlite3.Connection:
    """Make an empty one."""
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    prepare(connection)
    _teach(connection)
    return connection


def copied(known: sqlite3.Connection) -> sqlite3.Connection:
    """Go on in memory with what is known."""
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    with contextlib.suppress(sqlite3.Error):
        known.backup(connection)
        ready = _ready(connection)
        if ready is not None:
            return ready
    connection.close()
    return in_memory()


def _ready(connection: sqlite3.Connection) -> sqlite3.Connection | None:
    """Make the tables; None, and the connection closed, where it isn't a catalog of this format."""
    try:
        if prepare(connection):
            _teach(connection)
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _teach(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA cache_size = {-_CACHE_KB}")
    connection.create_function("like_text", 2, is_like, deterministic=True)
    connection.create_function("contains_text", 2, does_contain, deterministic=True)


def remove(path: pathlib.Path) -> None:
    """Take it away, with what SQLite left beside it."""
    for each in (
        path,
        path.with_name(f"{path.name}-journal"),
    ):  # which would be played back into the next one
        with contextlib.suppress(OSError):
            each.unlink()
