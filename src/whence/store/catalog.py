"""The catalog: an index of the runs for questions across them; never the truth, and made again at will.

One row a run, brought up to date when it is read: a run whose journal has grown is read again. Writers
of runs never touch it. It keeps to SQLite's rollback journal, whose commits can't be lost by the
write-ahead log's reset bug (SQLite 3.7.0 to 3.51.2), and to one writer at a time under SQLite's own lock.
Where the folder can't be written, the catalog is built in memory.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whence.errors import StoreError
from whence.store.content import decode_content, encode_content
from whence.store.folder import Folder

CATALOG_FORMAT = 3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (format INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, stamp TEXT NOT NULL,
    is_final INTEGER NOT NULL, summary BLOB NOT NULL, outline BLOB
);
CREATE INDEX IF NOT EXISTS run_by_name ON run (name);
"""
_BUSY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """What the catalog keeps of a run.

    Args:
        run_id: the run's id.
        name: its friendly name.
        is_final: whether the run has ended, so that only its files can change what is known of it.
        summary: what lists and searches of runs need, JSON-able.
        outline: what questions about rows need; None where the run has to be opened.
    """

    run_id: str
    name: str
    is_final: bool
    summary: dict[str, Any]
    outline: dict[str, Any] | None = None


class Catalog:
    """The index of a workspace; threads of one process may share it.

    Args:
        folder: the workspace.
        summarise: reads a run and makes its row.
    """

    def __init__(self, folder: Folder, *, summarise: Callable[[str], CatalogRow]) -> None:
        self._folder = folder
        self._summarise = summarise
        self._lock = threading.RLock()
        self._connection = self._connected()
        # nobody is asked to close a workspace, and a connection left open is warned about
        self._close = weakref.finalize(self, self._connection.close)

    def refresh(self) -> None:
        """Bring the rows up to date with the journals.

        Raises:
            StoreError: the index can't be written, though it could be made.
        """
        with self._lock:
            try:
                self._refresh()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    raise StoreError(f"{self._path}: {error}", remedy="Try again.") from error
                self._begin_again()  # damaged, or of tables we don't know: it is only an index
                self._refresh()

    def summaries(self) -> list[dict[str, Any]]:
        """List the summaries of all runs, newest first, as of the last refresh."""
        with self._lock:
            rows = self._connection.execute("SELECT summary FROM run ORDER BY id DESC").fetchall()
        return [decode_content(summary) for (summary,) in rows]

    def outlines(self) -> list[tuple[str, str, bytes | None]]:
        """List id, stamp and outline (encoded) of all runs, newest first, as of the last refresh."""
        with self._lock:
            return self._connection.execute("SELECT id, stamp, outline FROM run ORDER BY id DESC").fetchall()

    def find(self, name_or_id: str) -> list[str]:
        """Find the ids of the runs of a name, an id, or the beginning of an id (8 characters or more)."""
        with self._lock:
            found = self._connection.execute(
                "SELECT id FROM run WHERE id = ?1 OR name = ?1"
                " OR (length(?1) >= 8 AND substr(id, 1, length(?1)) = upper(?1))",
                (name_or_id.encode("utf-8", "replace").decode(),),
            ).fetchall()
        return sorted(run_id for (run_id,) in found)

    def close(self) -> None:
        """Close it."""
        self._close()

    @property
    def _path(self) -> pathlib.Path:
        return self._folder.path / "catalog.sqlite"

    def _refresh(self) -> None:
        known = {
            run_id: (stamp, is_final)
            for run_id, stamp, is_final in self._connection.execute("SELECT id, stamp, is_final FROM run")
        }
        run_ids = self._folder.run_ids()
        runs = self._folder.runs_path
        changed: list[tuple[str, str, str, int, bytes, bytes | None]] = []
        for run_id in run_ids:
            stamp = _stamp(f"{runs}/{run_id}")
            before = known.get(run_id)
            if before is not None and before[0] == stamp and before[1]:
                continue
            row = self._summarise(run_id)
            outline = None if row.outline is None else encode_content(row.outline)
            summary = encode_content(row.summary)
            changed.append((run_id, row.name, stamp, int(row.is_final), summary, outline))
        gone = [(run_id,) for run_id in known.keys() - set(run_ids)]
        if changed or gone:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?)", changed)
                self._connection.executemany("DELETE FROM run WHERE id = ?", gone)

    def _begin_again(self) -> None:
        self._close()
        _remove(self._path)
        self._connection = _in_memory() if self._path.exists() else self._connected()
        self._close = weakref.finalize(self, self._connection.close)

    def _connected(self) -> sqlite3.Connection:
        if self._folder.exists:
            for _ in range(2):
                connection = _opened(self._path)
                if connection is not None:
                    return connection
                _remove(self._path)
        return _in_memory()


def _opened(path: pathlib.Path) -> sqlite3.Connection | None:
    """Open the file; None where it can't be, or isn't a catalog of this format."""
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
    except sqlite3.Error:
        return None
    try:
        if _prepare(connection):
            return connection
    except sqlite3.Error:
        pass
    connection.close()
    return None


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    _prepare(connection)
    return connection


def _prepare(connection: sqlite3.Connection) -> bool:
    """Make the tables; False where the file is a catalog of another format."""
    connection.executescript(_SCHEMA)
    found = connection.execute("SELECT format FROM about").fetchone()
    if found is None:
        with connection:
            connection.execute("INSERT INTO about VALUES (?)", (CATALOG_FORMAT,))
        return True
    return bool(found[0] == CATALOG_FORMAT)


def _remove(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _stamp(run_path: str) -> str:
    sizes = []
    for name in ("journal", "payloads"):
        try:
            found = os.stat(f"{run_path}/{name}")
            sizes.append(f"{found.st_size}@{found.st_mtime_ns}")
        except OSError:
            sizes.append("-")
    return " ".join(sizes)
