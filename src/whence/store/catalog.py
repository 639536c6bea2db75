"""The catalog: an index of the runs for questions across them; never the truth, and made again at will.

One row a run, brought up to date when it is read: a run whose journal has grown is read again. Writers
of runs never touch it. It keeps to SQLite's rollback journal, whose commits can't be lost by the
write-ahead log's reset bug (SQLite 3.7.0 to 3.51.2), and to one writer at a time under SQLite's own lock.
Where the folder can't be written, the catalog is built in memory.
"""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from whence.errors import StoreError
from whence.store.folder import Folder

CATALOG_FORMAT = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (format INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, stamp TEXT NOT NULL,
    is_final INTEGER NOT NULL, summary BLOB NOT NULL
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
        summary: everything else, JSON-able.
    """

    run_id: str
    name: str
    is_final: bool
    summary: dict[str, Any]


class Catalog:
    """The index of a workspace.

    Args:
        folder: the workspace.
        summarise: reads a run and makes its row.
    """

    def __init__(self, folder: Folder, *, summarise: Callable[[str], CatalogRow]) -> None:
        self._folder = folder
        self._summarise = summarise
        self._connection = self._connect()

    def refresh(self) -> None:
        """Bring the rows up to date with the journals."""
        known = {
            run_id: (stamp, is_final)
            for run_id, stamp, is_final in self._connection.execute("SELECT id, stamp, is_final FROM run")
        }
        run_ids = self._folder.run_ids()
        changed: list[tuple[str, str, str, int, bytes]] = []
        for run_id in run_ids:
            stamp = _stamp(self._folder.run_path(run_id))
            before = known.get(run_id)
            if before is not None and before[0] == stamp and before[1]:
                continue
            row = self._summarise(run_id)
            changed.append((run_id, row.name, stamp, int(row.is_final), msgspec.json.encode(row.summary)))
        gone = [(run_id,) for run_id in known.keys() - set(run_ids)]
        if changed or gone:
            with self._explained(), self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?)", changed)
                self._connection.executemany("DELETE FROM run WHERE id = ?", gone)

    def summaries(self) -> Iterator[dict[str, Any]]:
        """Give the summaries of all runs, newest first."""
        for (summary,) in self._connection.execute("SELECT summary FROM run ORDER BY id DESC"):
            yield msgspec.json.decode(summary)

    def find(self, name_or_id: str) -> list[str]:
        """Find the ids of the runs of a name, an id, or the beginning of an id (8 characters or more)."""
        found = self._connection.execute(
            "SELECT id FROM run WHERE id = ?1 OR name = ?1"
            " OR (length(?1) >= 8 AND substr(id, 1, length(?1)) = upper(?1))",
            (name_or_id,),
        )
        return sorted(run_id for (run_id,) in found)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._folder.exists:
            path = self._folder.path / "catalog.sqlite"
            for _ in range(2):
                with contextlib.suppress(sqlite3.OperationalError):
                    connection = sqlite3.connect(path, timeout=_BUSY_S)
                    if _prepare(connection):
                        return connection
                    connection.close()
                _remove(path)  # damaged, or of another format: it is only an index
        connection = sqlite3.connect(":memory:")
        _prepare(connection)
        return connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"{self._folder.path / 'catalog.sqlite'}: {error}",
                remedy="Delete the file; it is made again from the journals.",
            ) from error


def _prepare(connection: sqlite3.Connection) -> bool:
    """Make the tables; False where the file is not a catalog of this format."""
    try:
        connection.executescript(_SCHEMA)
        found = connection.execute("SELECT format FROM about").fetchone()
        if found is None:
            with connection:
                connection.execute("INSERT INTO about VALUES (?)", (CATALOG_FORMAT,))
            return True
        return bool(found[0] == CATALOG_FORMAT)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False


def _remove(path: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _stamp(run_path: pathlib.Path) -> str:
    sizes = []
    for name in ("journal", "payloads"):
        try:
            sizes.append(str((run_path / name).stat().st_size))
        except OSError:
            sizes.append("-")
    return " ".join(sizes)
