"""The catalog: an index of the runs for questions across them; never the truth, and made again at will.

It is brought up to date when it is asked. Writers of runs never touch it. It keeps to SQLite's rollback
journal, whose commits can't be lost by the write-ahead log's reset bug (SQLite 3.7.0 to 3.51.2), and to one
writer at a time under SQLite's own lock. Where the folder can't be written, the catalog is in memory.

What is looked at: the folder of the runs, for each question; runs that haven't ended, for each question that
needs to know of all; the runs that an answer shows; and the folders of all runs where that of the runs has
changed. Whoever writes a run that had ended leaves a lease in it, and `write_lease` touches that folder.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from whence.errors import StoreError
from whence.store.facts import spelled
from whence.store.folder import Folder
from whence.store.indexfile import copied, in_memory, is_busy, is_unwritable, opened, remove, was_replaced
from whence.store.liveness import find_writer
from whence.store.looking import (
    changed_folders,
    final_stamp,
    folder_stamp,
    list_names,
    open_stamp,
    settled,
)
from whence.store.searching import Hit, search
from whence.store.selecting import Selection, make_cursor, question
from whence.store.tables import CatalogRow, Filing, Named, empty, writing
from whence.vocab import decode_content

Tell = Callable[[int, int], None]
_Answer = TypeVar("_Answer")

_BATCH = 400
_LOOKS = 5
_STATUS_BY_LIFE = {None: "unknown", False: "lost", True: "running"}


class Page(NamedTuple):
    """Some of the runs: their summaries, and the cursor behind the last where there are more."""

    summaries: list[dict[str, Any]]
    following: str | None


class _Known(NamedTuple):
    number: int
    run_id: str
    stamp: str
    place: str
    is_final: bool
    was_resumed: bool
    has_status: bool


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

    # questions

    def refresh(self, tell: Tell | None = None) -> None:
        """Bring all rows up to date.

        Args:
            tell: is told how many runs have been read, and how many there are to read.

        Raises:
            StoreError: the index can't be written, though it could be made.
        """
        self._answered(lambda: self._refresh(tell))

    def rebuild(self, tell: Tell | None = None) -> int:
        """Forget everything and read all runs again; returns how many there are."""

        def again() -> int:
            with writing(self._connection):
                empty(self._connection)
            self._refresh(tell)
            return int(self._one("SELECT count(*) FROM run"))

        return self._answered(again)

    def page(self, selection: Selection, tell: Tell | None = None) -> Page:
        """List the summaries of the runs that are selected; what is listed is as the files are now."""
        return self._answered(lambda: self._page(selection, tell))

    def ids(self, selection: Selection) -> list[str]:
        """List the ids of the runs that are selected."""
        return [summary["id"] for summary in self.page(selection).summaries]

    def told(self, run_id: str) -> list[dict[str, Any]]:
        """Give the summary of a run, in a list; of one that isn't there none."""
        return self._answered(lambda: list(self._told("run.id", run_id)))

    def search(self, text: str, limit: int) -> list[Hit]:
        """Find the runs that mention all words of a text, best first, with the places where they do."""

        def found() -> list[Hit]:
            self._refresh()
            for _ in range(_LOOKS):
                hits = search(self._connection, text, limit)
                if not self._bring(
                    each for hit in hits for each in self._known("id = ? AND final", hit.run_id)
                ):
                    break
            return hits

        return self._answered(found)

    def count_by_status(self) -> dict[str, int]:
        """Count the runs by how they stand."""

        def counted() -> dict[str, int]:
            self._refresh()
            sql = (
                "SELECT coalesce(run.status, standing.status) AS status, count(*) FROM run"
                " LEFT JOIN standing ON standing.run = run.no WHERE run.part = 0 GROUP BY 1 ORDER BY 1"
            )
            return dict(self._connection.execute(sql).fetchall())

        return self._answered(counted)

    def named(
        self, *, kind: str | None = None, name: str | None = None, digest: bytes | None = None
    ) -> list[Named]:
        """List what runs have of a kind, a name, a digest: models, say; by time, then by run."""
        given = {"kind": kind, "name": None if name is None else spelled(name), "digest": digest}
        asked = {column: value for column, value in given.items() if value is not None}
        where = " AND ".join(["1", *(f"named.{column} = ?" for column in asked)])
        sql = (
            "SELECT run.id, number, named.kind, named.name, digest, bytes, at_ns, body FROM named"
            f" JOIN run ON run.no = named.run WHERE {where} ORDER BY at_ns, run.id, number, named.place"
        )

        def listed() -> list[Named]:
            self._refresh()
            return [
                Named(
                    run_id=run_id, number=number, kind=kind, name=name.decode("utf-8", "surrogatepass"),
                    digest=digest, size_bytes=size, at_ns=at_ns, body=decode_content(body),
                )
                for run_id, number, kind, name, digest, size, at_ns, body in self._connection.execute(
                    sql, list(asked.values())
                )
            ]  # fmt: skip

        return self._answered(listed)

    def outlines(self) -> list[tuple[str, str, bytes | None]]:
        """List id, stamp and outline (encoded) of all runs, newest first."""

        def listed() -> list[tuple[str, str, bytes | None]]:
            self._refresh()
            sql = "SELECT id, stamp, outline FROM run JOIN told ON told.run = run.no ORDER BY id DESC"
            return self._connection.execute(sql).fetchall()

        return self._answered(listed)

    def find(self, name_or_id: str) -> list[str]:
        """Find the ids of the runs of a name, an id, or the beginning of an id (8 characters or more)."""
        asked = spelled(name_or_id)
        begins = name_or_id.upper() if len(name_or_id) >= 8 and name_or_id.isascii() else "~"
        sql = (
            "SELECT id FROM run WHERE name = ?1 UNION SELECT id FROM run WHERE id = CAST(?1 AS TEXT)"
            " UNION SELECT id FROM run WHERE id >= ?2 AND id < ?2 || '~' ORDER BY id"
        )

        def found() -> list[str]:
            return [run_id for (run_id,) in self._connection.execute(sql, (asked, begins))]

        def listed() -> list[str]:
            self._list()
            self._bring(self._known("stamp = ''"))
            if not found():  # a run's name and id are the same for ever, once it has begun to tell them
                self._refresh()
            return found()

        return self._answered(listed)

    def close(self) -> None:
        """Close it."""
        self._close()

    # what changed

    def _refresh(self, tell: Tell | None = None) -> None:
        """Bring all rows up to date; look at runs that had ended where the folder of all has changed."""
        self._list()
        looked = folder_stamp(self._folder.runs_path)
        suspects = self._known("final = 0")
        is_quiet = looked == self._one("SELECT looked FROM about") != ""
        if not is_quiet:
            places = self._connection.execute("SELECT no, id, place FROM run WHERE final = 1")
            suspects += [
                known
                for number in changed_folders(self._folder.runs_path, places)
                for known in self._known("no = ?", number)
            ]
        self._bring(suspects, tell)
        if not is_quiet:
            self._note("looked", settled(looked))

    def _list(self) -> None:
        """Bring up to date which runs there are."""
        stamp = folder_stamp(self._folder.runs_path)
        if stamp == self._one("SELECT listed FROM about") != "":
            return
        names = list_names(self._folder.runs_path)
        known = {run_id for (run_id,) in self._connection.execute("SELECT id FROM run")}
        path = self._folder.runs_path
        new = [(name,) for name in sorted(names - known) if os.path.isdir(f"{path}/{name}")]
        gone = sorted(known - names)
        if new or gone:
            with writing(self._connection):
                self._connection.executemany("INSERT OR IGNORE INTO run (id) VALUES (?)", new)
                filing = Filing(self._connection)
                for run_id in gone:
                    filing.forget(run_id)
                filing.finish(is_erasing=True)
        self._note("listed", settled(stamp))

    def _bring(self, suspects: Iterable[_Known], tell: Tell | None = None) -> bool:
        """Look at the files of some runs, and read those again that have changed; tells whether any had."""
        changed: list[_Known] = []
        moved: list[tuple[str, str]] = []
        standing: list[tuple[int, str]] = []
        for known in suspects:
            path = f"{self._folder.runs_path}/{known.run_id}"
            place = settled(folder_stamp(path))
            if known.has_status and not known.is_final:
                changed.append(known)  # it couldn't be read, and perhaps can be now
            elif known.stamp != (final_stamp(path) if known.is_final else open_stamp(path)):
                changed.append(known)
            elif not known.is_final:
                standing.append((known.number, self._standing(known.run_id, known.stamp, known.was_resumed)))
            elif place != known.place:
                moved.append((place, known.run_id))
        self._stand(standing)
        if moved:
            with writing(self._connection):
                self._connection.executemany("UPDATE run SET place = ? WHERE id = ?", moved)
        for start in range(0, len(changed), _BATCH):
            self._read(changed[start : start + _BATCH])
            if tell is not None:
                tell(min(start + _BATCH, len(changed)), len(changed))
        return bool(changed)

    def _read(self, changed: list[_Known]) -> None:
        """Read runs anew, but for those that another process has read meanwhile."""
        standing: list[tuple[int, str]] = []
        with writing(self._connection):
            filing = Filing(self._connection)
            for before in changed:
                now = self._known("no = ?", before.number)
                path = f"{self._folder.runs_path}/{before.run_id}"
                # before it is read: what changes meanwhile is then read again
                place, final, open_ = settled(folder_stamp(path)), final_stamp(path), open_stamp(path)
                if not now:
                    continue  # it is gone
                found = now[0]
                if found == before or found.stamp != (final if found.is_final else open_):
                    row = self._summarise(before.run_id)
                    filing.file(row, final if row.is_final else open_, place)
                    found = found._replace(was_resumed=row.was_resumed, has_status=row.status is not None)
                if not found.has_status:
                    standing.append((found.number, self._standing(found.run_id, open_, found.was_resumed)))
            filing.finish(is_erasing=any(known.is_final for known in changed))
        self._stand(standing)

    def _standing(self, run_id: str, stamp: str, was_resumed: bool) -> str:
        path = self._folder.run_path(run_id)
        alive = find_writer(path).is_alive
        if alive is False and open_stamp(str(path)) != stamp:
            alive = True  # it has ended since, and went on when it was read
        status = _STATUS_BY_LIFE[alive]
        return "resumed" if status == "running" and was_resumed else status

    def _stand(self, standing: list[tuple[int, str]]) -> None:
        """Note how runs stand that haven't ended: for this process, since others may see it otherwise."""
        self._connection.executemany("INSERT OR REPLACE INTO standing VALUES (?, ?)", standing)

    # what is asked

    def _page(self, selection: Selection, tell: Tell | None) -> Page:
        asked = question(selection)
        if selection.limit is not None:
            asked = question(dataclasses.replace(selection, limit=selection.limit + 1))
        if selection.needs_all:
            self._refresh(tell)
        else:
            self._list()
        for _ in range(_LOOKS):
            rows = self._connection.execute(asked.sql, asked.values).fetchall()
            shown = rows[: selection.limit]
            known = [each for number, *_ in shown for each in self._known("no = ?", number)]
            # with a condition or an order all that hasn't ended was looked at before
            if not self._bring((each for each in known if each.is_final or not selection.needs_all), tell):
                break
        place = shown[-1][1:] if len(rows) > len(shown) else None
        following = None if place is None else make_cursor(selection.order, place)
        return Page([told for number, *_ in shown for told in self._told("run.no", number)], following)

    def _told(self, column: str, value: int | str) -> Iterator[dict[str, Any]]:
        sql = (
            "SELECT summary, coalesce(run.status, standing.status) FROM run JOIN told ON told.run = run.no"
            " LEFT JOIN standing ON standing.run = run.no"
        )
        for summary, status in self._connection.execute(f"{sql} WHERE {column} = ?", (value,)):
            yield decode_content(summary) | {"status": status or "unknown"}

    def _known(self, where: str, *values: int | str) -> list[_Known]:
        sql = f"SELECT no, id, stamp, place, final, resumed, status IS NOT NULL FROM run WHERE {where}"
        return list(map(_Known._make, self._connection.execute(sql, values)))

    def _one(self, sql: str) -> Any:
        return self._connection.execute(sql).fetchone()[0]

    def _note(self, name: str, stamp: str) -> None:
        if self._one(f"SELECT {name} FROM about") != stamp:
            with writing(self._connection):
                self._connection.execute(f"UPDATE about SET {name} = ?", (stamp,))

    # the file

    def _answered(self, ask: Callable[[], _Answer]) -> _Answer:
        with self._lock:
            try:
                return ask()
            except sqlite3.DatabaseError as error:
                if is_busy(error):
                    raise StoreError(f"{self._path}: {error}", remedy="Try again.") from error
                if was_replaced(error):
                    return self._answered_elsewhere(ask)
                if is_unwritable(error):
                    self._use(copied(self._connection))
                else:
                    self._begin_again()  # damaged, or of tables we don't know: it is only an index
                return ask()

    def _answered_elsewhere(self, ask: Callable[[], _Answer]) -> _Answer:
        """Answer where another process has put a new file in the place of the one that was open."""
        self._use(self._connected())
        try:
            return ask()
        except sqlite3.OperationalError:  # and another one: then by ourselves
            self._use(in_memory())
            return ask()

    @property
    def _path(self) -> pathlib.Path:
        return self._folder.path / "catalog.sqlite"

    def _begin_again(self) -> None:
        self._close()
        remove(self._path)
        self._use(in_memory() if self._path.exists() else self._connected())

    def _use(self, connection: sqlite3.Connection) -> None:
        self._close()
        self._connection = connection
        self._close = weakref.finalize(self, connection.close)

    def _connected(self) -> sqlite3.Connection:
        if self._folder.exists:
            for _ in range(2):
                connection = opened(self._path)
                if connection is not None:
                    return connection
                remove(self._path)
        return in_memory()
