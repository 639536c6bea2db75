"""The tables of the catalog, and how a run's row gets there; what they mean is told by `Catalog`.

A row of `run` whose `stamp` is empty is known by its id only. The facts of one key lie together, in the order
of the runs, so that a condition reads one stretch of the file. A text that many runs have is kept once, and
`mention` says which have it; what no run mentions any more is gone, from the index of words as well.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from whence.store.facts import Fact, Stored, facts_of, spelled
from whence.vocab import decode_content, encode_content, fast128

CATALOG_FORMAT = 5
_TEXT_LIMIT = 100_000

_SCHEMA = """
CREATE TABLE about (format INTEGER NOT NULL, listed TEXT NOT NULL, looked TEXT NOT NULL);
CREATE TABLE run (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL DEFAULT '',
    place TEXT NOT NULL DEFAULT '', final INTEGER NOT NULL DEFAULT 0, resumed INTEGER NOT NULL DEFAULT 0,
    part INTEGER NOT NULL DEFAULT 0, status TEXT, name BLOB, title BLOB, started_us INTEGER, ended_us INTEGER
);
CREATE INDEX run_by_name ON run (name);
CREATE INDEX run_open ON run (final) WHERE final = 0;
CREATE INDEX run_unread ON run (stamp) WHERE stamp = '';
CREATE TABLE told (run INTEGER PRIMARY KEY, summary BLOB NOT NULL, outline BLOB);
CREATE TABLE key (no INTEGER PRIMARY KEY, grp TEXT NOT NULL, name BLOB NOT NULL, UNIQUE (grp, name));
CREATE TABLE fact (
    key INTEGER NOT NULL, run INTEGER NOT NULL, kind INTEGER NOT NULL, value, PRIMARY KEY (key, run)
) WITHOUT ROWID;
CREATE TABLE named (
    run INTEGER NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL,
    name BLOB NOT NULL, digest BLOB, bytes INTEGER, at_ns INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (run, number, place)
) WITHOUT ROWID;
CREATE INDEX named_by_name ON named (kind, name);
CREATE INDEX named_by_digest ON named (digest);
CREATE TABLE doc (
    no INTEGER PRIMARY KEY, field TEXT NOT NULL, text TEXT NOT NULL, digest BLOB NOT NULL UNIQUE
);
CREATE TABLE mention (run INTEGER NOT NULL, doc INTEGER NOT NULL, PRIMARY KEY (run, doc)) WITHOUT ROWID;
CREATE INDEX mention_by_doc ON mention (doc, run);
"""
_WORDS = """
CREATE VIRTUAL TABLE word USING
    fts5 (text, content='doc', content_rowid='no', tokenize='unicode61 remove_diacritics 2')
"""
_FORGET_WORDS = "INSERT INTO word (word, rowid, text) SELECT 'delete', no, text FROM doc WHERE no = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Something that a run has under a name: a model, an artifact, a source, a file.

    Args:
        run_id: the run.
        number: of the event that tells of it.
        kind: what it is.
        name: its name.
        digest: of its content, raw; None where that isn't known.
        size_bytes: how much it is; None where that isn't known.
        at_ns: when, nanoseconds since 1970.
        body: what the event says of it.
    """

    run_id: str
    number: int
    kind: str
    name: str
    digest: bytes | None
    size_bytes: int | None
    at_ns: int
    body: dict[str, Any]


class Mention(NamedTuple):
    """A text of a run, and where it stands."""

    field: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """What the catalog keeps of a run.

    Args:
        run_id: the run's id.
        name: its friendly name.
        is_final: whether the run has ended, so that only its files can change what is known of it.
        is_part: whether it is a part of another run, with which it is read; lists leave it out.
        was_resumed: whether another process than began it went on with it.
        status: how it stands; None where its lease decides.
        started_us: when it began, microseconds since 1970; None where that isn't known.
        ended_us: when it ended; None where it hasn't.
        summary: what lists and searches of runs need, JSON-able; `status` is put in when it is read.
        outline: what questions about rows need; None where the run has to be opened.
        named: its models, artifacts and whatever else has a name.
        mentions: its texts.
    """

    run_id: str
    name: str
    is_final: bool
    summary: Mapping[str, Any]
    is_part: bool = False
    was_resumed: bool = False
    status: str | None = None
    started_us: int | None = None
    ended_us: int | None = None
    outline: dict[str, Any] | None = None
    named: Sequence[Named] = ()
    mentions: Iterable[Mention] = ()


def prepare(connection: sqlite3.Connection) -> bool:
    """Make the tables where there are none; False where the file is a catalog of another format."""
    connection.execute("PRAGMA secure_delete = ON")  # what was destroyed must not be left in free pages
    if _is_empty(connection):
        with writing(connection):
            if not _is_empty(connection):  # another process was first
                return prepare(connection)
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            if has_fts5():
                connection.execute(_WORDS)
            connection.execute(
                "INSERT INTO about SELECT ?, '', '' WHERE NOT EXISTS (SELECT 1 FROM about)", (_format(),)
            )
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS standing (run INTEGER PRIMARY KEY, status TEXT)")
    return connection.execute("SELECT format FROM about").fetchall() == [(_format(),)]


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def empty(connection: sqlite3.Connection) -> None:
    """Forget everything, within a transaction."""
    for table in ("run", "told", "key", "fact", "named", "mention", "doc"):
        connection.execute(f"DELETE FROM {table}")
    if has_fts5():
        connection.execute("INSERT INTO word (word) VALUES ('rebuild')")
    connection.execute("UPDATE about SET listed = '', looked = ''")


@contextlib.contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Change the tables, all or nothing; other processes wait with their changes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@functools.cache
def has_fts5() -> bool:
    """Whether this SQLite can index words."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5 (text)")
        except sqlite3.OperationalError:
            return False
    return True


def searchable(text: str) -> str:
    """Give a text as SQLite can hold it and search in it."""
    return text.encode("utf-8", "replace").decode().replace("\x00", " ")


def _format() -> int:
    """The number of the format; a catalog without an index of words has its own."""
    return CATALOG_FORMAT if has_fts5() else -CATALOG_FORMAT


class Filing:
    """Files rows within a transaction: the facts of many runs at once, sorted, since that is much quicker."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._do = connection.execute
        self._do_many = connection.executemany
        self._facts: list[tuple[int, int, int, Stored]] = []
        self._keys: dict[tuple[str, str], int] = {}
        self._has_dropped = False

    def file(self, row: CatalogRow, stamp: str, place: str) -> None:
        """File what is known of a run in the place of what was known."""
        values = (
            stamp, place, row.is_final, row.was_resumed, row.is_part, row.status, spelled(row.name),
            spelled(row.summary["title"]), row.started_us, row.ended_us, row.run_id,
        )  # fmt: skip
        self._do("INSERT OR IGNORE INTO run (id) VALUES (?)", (row.run_id,))
        self._do(
            "UPDATE run SET stamp = ?, place = ?, final = ?, resumed = ?, part = ?, status = ?, name = ?,"
            " title = ?, started_us = ?, ended_us = ? WHERE id = ?",
            values,
        )
        ((number,),) = self._do("SELECT no FROM run WHERE id = ?", (row.run_id,)).fetchall()
        is_new = self._do("SELECT 1 FROM told WHERE run = ?", (number,)).fetchone() is None
        before = self._told(number)
        outline = None if row.outline is None else encode_content(row.outline)
        self._do(
            "INSERT OR REPLACE INTO told VALUES (?, ?, ?)", (number, encode_content(row.summary), outline)
        )
        facts = facts_of(row.summary)
        self._forget_facts(number, before, {(fact.group, fact.name) for fact in facts})
        self._facts += [
            (self._key(fact.group, fact.name), number, fact.kind, fact.value)
            for fact in facts
            if before.get((fact.group, fact.name)) != fact
        ]
        self._file_named(number, row.named, is_new=is_new)
        self._file_mentions(number, row.mentions)

    def forget(self, run_id: str) -> None:
        """Forget a run that is gone."""
        for (number,) in self._do("SELECT no FROM run WHERE id = ?", (run_id,)).fetchall():
            self._forget_facts(number, self._told(number), set())
            self._drop_mentions(number, {doc for (doc,) in self._mentioned(number)})
            for table in ("told", "named"):
                self._do(f"DELETE FROM {table} WHERE run = ?", (number,))
            self._do("DELETE FROM run WHERE no = ?", (number,))

    def finish(self, *, is_erasing: bool) -> None:
        """File what was put off; where something may have been destroyed, its words are wiped off as well."""
        self._facts.sort(key=lambda fact: fact[:2])
        self._do_many("INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?)", self._facts)
        self._facts = []
        if is_erasing and self._has_dropped and has_fts5():
            self._do("INSERT INTO word (word) VALUES ('optimize')")

    def _told(self, number: int) -> dict[tuple[str, str], Fact]:
        found = self._do("SELECT summary FROM told WHERE run = ?", (number,)).fetchone()
        facts = [] if found is None else facts_of(decode_content(found[0]))
        return {(fact.group, fact.name): fact for fact in facts}

    def _forget_facts(
        self, number: int, before: Iterable[tuple[str, str]], kept: Container[tuple[str, str]]
    ) -> None:
        gone = [(self._key(*each), number) for each in before if each not in kept]
        self._do_many("DELETE FROM fact WHERE key = ? AND run = ?", gone)

    def _key(self, group: str, name: str) -> int:
        number = self._keys.get((group, name))
        if number is None:
            asked = (group, spelled(name))
            self._do("INSERT OR IGNORE INTO key (grp, name) VALUES (?, ?)", asked)
            (number,) = self._do("SELECT no FROM key WHERE grp = ? AND name = ?", asked).fetchone()
            self._keys[group, name] = number
        return number

    def _file_named(self, number: int, named: Sequence[Named], *, is_new: bool) -> None:
        if not is_new:
            self._do("DELETE FROM named WHERE run = ?", (number,))
        self._do_many(
            "INSERT INTO named VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    number, each.number, place, each.kind, spelled(each.name), each.digest, each.size_bytes,
                    each.at_ns, encode_content(each.body),
                )
                for place, each in enumerate(named)
            ],
        )  # fmt: skip

    def _file_mentions(self, number: int, mentions: Iterable[Mention]) -> None:
        before = {doc for (doc,) in self._mentioned(number)}
        now = {self._doc(mention) for mention in mentions}
        self._do_many("INSERT INTO mention VALUES (?, ?)", [(number, doc) for doc in now - before])
        self._drop_mentions(number, before - now)

    def _mentioned(self, number: int) -> list[tuple[int]]:
        return self._do("SELECT doc FROM mention WHERE run = ?", (number,)).fetchall()

    def _doc(self, mention: Mention) -> int:
        text = searchable(mention.text)[:_TEXT_LIMIT]
        digest = fast128(f"{mention.field}\n{text}".encode())
        found = self._do("SELECT no FROM doc WHERE digest = ?", (digest,)).fetchone()
        if found is not None:
            return int(found[0])
        filed = self._do(
            "INSERT INTO doc (field, text, digest) VALUES (?, ?, ?)", (mention.field, text, digest)
        )
        number = int(filed.lastrowid or 0)
        if has_fts5():
            self._do("INSERT INTO word (rowid, text) VALUES (?, ?)", (number, text))
        return number

    def _drop_mentions(self, number: int, gone: set[int]) -> None:
        for doc in gone:
            self._do("DELETE FROM mention WHERE run = ? AND doc = ?", (number, doc))
            if self._do("SELECT 1 FROM mention WHERE doc = ? LIMIT 1", (doc,)).fetchone() is None:
                if has_fts5():
                    self._do(_FORGET_WORDS, (doc,))
                self._do("DELETE FROM doc WHERE no = ?", (doc,))
                self._has_dropped = True
