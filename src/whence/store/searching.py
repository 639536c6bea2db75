"""Searching: which runs mention some words, and where.

A word is found where one in a text begins with it; what holds a sign, such as a path, is found as those words
one after another. Words of scripts that put no space between words are looked for anywhere in a text, and so
are all where SQLite has no index of words.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from whence.errors import InputError
from whence.store.tables import has_fts5, searchable

_AROUND = 40
_PLACES = 3
_LOOKED_AT = 50
_WORDS = 30
_WORD = re.compile(r'"([^"]+)"?|(\S+)')
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run mentions a word: in which field, and a piece of the text around it."""

    field: str
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A run that mentions all words: its id, and some of the places."""

    run_id: str
    places: list[Place]


def search(connection: sqlite3.Connection, text: str, limit: int) -> list[Hit]:
    """Find the runs that mention all words of a text, best first and then newest.

    Raises:
        InputError: there is no word in it, or too many.
    """
    words = [quoted or bare for quoted, bare in _WORD.findall(searchable(text))]
    words = [word for word in words if re.search(r"\w", word)]
    if not words:
        raise InputError(
            f"{text!r:.60}: no word to search for", remedy="Write for example: whence search adam"
        )
    if len(words) > _WORDS:
        raise InputError(f"{len(words)} words to search for, at most {_WORDS}", remedy="Leave some out.")
    tables = [_matches(word) for word in words]
    joins = " ".join(
        f"JOIN (SELECT m.run, min(d.score) AS score FROM ({sql}) d JOIN mention m ON m.doc = d.no"
        f" GROUP BY m.run) w{number} ON w{number}.run = run.no"
        for number, (sql, _) in enumerate(tables)
    )
    score = " + ".join(f"w{number}.score" for number in range(len(words)))
    found = connection.execute(
        f"SELECT run.no, run.id FROM run {joins} ORDER BY {score}, run.id DESC LIMIT ?",
        [*(value for _, value in tables), limit],
    ).fetchall()
    return [Hit(run_id=run_id, places=_places(connection, number, words)) for number, run_id in found]


def _matches(word: str) -> tuple[str, str]:
    """Spell which texts mention a word; the less the score, the better."""
    if has_fts5() and not _UNSPACED.search(word):
        phrase = word.replace('"', " ")
        sql = "SELECT rowid AS no, rank AS score FROM word WHERE word MATCH ? LIMIT -1"
        return sql, f'"{phrase}" *'
    escaped = re.sub(r"([\\%_])", r"\\\1", word)
    return "SELECT no, 0.0 AS score FROM doc WHERE text LIKE ? ESCAPE '\\'", f"%{escaped}%"


def _places(connection: sqlite3.Connection, number: int, words: list[str]) -> list[Place]:
    """Find where a run mentions the words: the best place of each in some fields, and no place twice."""
    places: dict[tuple[str, str], Place] = {}
    for word in words:
        sql, value = _matches(word)
        best: dict[str, str] = {}
        for field, text in connection.execute(
            f"SELECT doc.field, doc.text FROM ({sql}) d JOIN doc ON doc.no = d.no"
            " JOIN mention m ON m.doc = doc.no WHERE m.run = ? ORDER BY d.score, doc.no LIMIT ?",
            (value, number, _LOOKED_AT),
        ):
            best.setdefault(field, text)
        for field, text in list(best.items())[:_PLACES]:
            places.setdefault((field, text), Place(field=field, snippet=_snippet(text, word)))
    return list(places.values())


def _snippet(text: str, word: str) -> str:
    """Cut out what is around a word."""
    at = max(0, text.casefold().find(word.casefold()))
    start, end = max(0, at - _AROUND), at + len(word) + _AROUND
    cut = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{cut}{'…' if end < len(text) else ''}"
