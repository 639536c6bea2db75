"""Selecting: a condition, an order and a place to go on from, as one question to the catalog's tables.

Whatever the user gave is bound, never spelled into the question.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.errors import DamagedError, InputError
from whence.store.conditions import (
    KEYED_FIELDS,
    NAMED_FIELDS,
    All,
    Comparison,
    Condition,
    Field,
    Not,
    Order,
)
from whence.store.facts import NONE, NUMBER, TEXT, spelled, stored
from whence.vocab import decode_content, encode_content

_PLAIN = {
    "id": ("CAST(run.id AS BLOB)", TEXT),
    "name": ("run.name", TEXT),
    "title": ("run.title", TEXT),
    "status": ("CAST(coalesce(run.status, standing.status) AS BLOB)", TEXT),
    "started_at": ("run.started_us", NUMBER),
    "ended_at": ("run.ended_us", NUMBER),
    "duration_s": ("(run.ended_us - run.started_us) / 1e6", NUMBER),
}
_RUN_ID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
_FACT = "SELECT f.run FROM fact f WHERE f.key = (SELECT no FROM key WHERE grp = ? AND name = ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which runs, in which order; parts of runs are never among them.

    Args:
        condition: what holds of them; None for all.
        order: by what they are sorted; the newest come first where that leaves it open.
        limit: at most how many.
        after: the cursor of the run before the first.
    """

    condition: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    after: str | None = None

    @property
    def needs_all(self) -> bool:
        """Whether something must be known of every run, and not only of those that come out."""
        return self.condition is not None or bool(self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question in SQL: its rows are a run's number, its id, and its place in the order."""

    sql: str
    values: list[Any]


def question(selection: Selection) -> Question:
    """Put a selection as a question; raises `InputError` where its cursor isn't one."""
    joins, columns, joined = _sorted_by(selection.order)
    wheres: list[str] = ["run.part = 0"]
    values: list[Any] = []
    if selection.condition is not None:
        sql, given = _holds(selection.condition)
        wheres.append(sql)
        values += given
    if selection.after is not None:
        sql, given = _after(columns, read_cursor(selection.after, selection.order))
        wheres.append(sql)
        values += given
    placed = ", ".join(f"{column}" for column, _ in columns)
    order = ", ".join(f"{column} {'DESC' if descending else 'ASC'}" for column, descending in columns)
    sql = (
        f"SELECT run.no, {placed} FROM run LEFT JOIN standing ON standing.run = run.no {joins}"
        f" WHERE {' AND '.join(wheres)} ORDER BY {order}"
    )
    if selection.limit is not None:
        sql, values = f"{sql} LIMIT ?", [*values, selection.limit]
    return Question(sql=sql, values=[*joined, *values])


def make_cursor(order: Sequence[Order], place: Sequence[Any]) -> str:
    """Spell the place of a run in an order, so that a list can go on behind it."""
    if not order:
        return str(place[-1])
    content = encode_content([[str(each.field), each.descending] for each in order] + list(place))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def read_cursor(cursor: str, order: Sequence[Order]) -> list[Any]:
    """Read the place that a cursor tells.

    Raises:
        InputError: it is none, or one of a list that was sorted otherwise.
    """
    if not order:
        if _RUN_ID.fullmatch(cursor.upper()):
            return [cursor.upper()]
        raise _no_cursor(cursor)
    try:
        content = decode_content(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (binascii.Error, DamagedError, ValueError):
        raise _no_cursor(cursor) from None
    count = len(order)
    if not isinstance(content, list) or len(content) != 4 * count + 1:
        raise _no_cursor(cursor)
    if content[:count] != [[str(each.field), each.descending] for each in order]:
        raise _no_cursor(cursor)
    place = content[count:]
    if not all(isinstance(each, int | float | bytes | str | None) for each in place):
        raise _no_cursor(cursor)
    return place


def is_like(text: Any, pattern: bytes) -> bool:
    """Whether a text has a form, in which `%` stands for any characters and `_` for one."""
    return isinstance(text, bytes) and _form(pattern).fullmatch(_read(text)) is not None


def does_contain(text: Any, part: bytes) -> bool:
    """Whether a text has another in it; upper and lower case are the same."""
    return isinstance(text, bytes) and _folded(part) in _read(text).casefold()


@functools.lru_cache(maxsize=64)
def _form(pattern: bytes) -> re.Pattern[str]:
    signs = {"%": ".*", "_": "."}
    return re.compile("".join(signs.get(char) or re.escape(char) for char in _read(pattern)), re.DOTALL)


@functools.lru_cache(maxsize=64)
def _folded(part: bytes) -> str:
    return _read(part).casefold()


def _read(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")


def _no_cursor(cursor: str) -> InputError:
    return InputError(
        f"--after {cursor!r:.60} is no cursor of this list",
        remedy="Give the `next` of an earlier list, sorted in the same way.",
    )


def _holds(condition: Condition) -> tuple[str, list[Any]]:
    """Spell a condition; what comes out is true or false, never null."""
    if isinstance(condition, Comparison):
        return _compared(condition)
    if isinstance(condition, Not):
        sql, values = _holds(condition.part)
        return f"NOT {sql}", values
    parts = [_holds(part) for part in condition.parts]
    joint = "AND" if isinstance(condition, All) else "OR"
    return _joined([sql for sql, _ in parts], joint), [value for _, values in parts for value in values]


def _joined(parts: Sequence[str], joint: str) -> str:
    """Join parts by halves: for SQLite a row of them is as deep as it is long, and it bounds the depth."""
    if len(parts) <= 2:
        return f"({f' {joint} '.join(parts)})"
    middle = len(parts) // 2
    return f"({_joined(parts[:middle], joint)} {joint} {_joined(parts[middle:], joint)})"


def _compared(comparison: Comparison) -> tuple[str, list[Any]]:
    field = comparison.field
    if field.group in KEYED_FIELDS:
        sql, values = _tested(comparison, "f.kind", "f.value")
        return f"run.no IN ({_FACT} AND {sql})", [field.group, spelled(field.key), *values]
    if field.group in NAMED_FIELDS:
        if comparison.sign == "!=":  # it has some, and none of them is this one
            has = Comparison(field=field, sign="exists")
            same = Comparison(field=field, sign="=", value=comparison.value, text=comparison.text)
            return _holds(All((has, Not(same))))
        sql, values = _tested(comparison, str(TEXT), "k.name")
        return f"run.no IN (SELECT k.run FROM named k WHERE k.kind = ? AND {sql})", [field.group, *values]
    column, kind = _PLAIN[field.group]
    return _tested(comparison, f"(CASE WHEN {column} IS NULL THEN {NONE} ELSE {kind} END)", column)


def _tested(comparison: Comparison, kind: str, value: str) -> tuple[str, list[Any]]:
    """Spell the comparison of a value that is there."""
    sign = comparison.sign
    if sign == "exists":
        return f"{kind} >= 0", []
    if sign in ("like", "contains"):
        return f"({kind} = {TEXT} AND {sign}_text({value}, ?))", [stored(comparison.value)[1]]
    wanted = [stored(comparison.value)]
    if comparison.text is not None and not isinstance(comparison.value, str):
        wanted.append(stored(comparison.text))  # a tag "3" is what a user means by tags.fold = 3
    if sign in ("=", "!="):
        sql = " OR ".join(f"({kind} = {each} AND {value} IS ?)" for each, _ in wanted)
        return f"NOT ({sql})" if sign == "!=" else f"({sql})", [given for _, given in wanted]
    # none has no order, and what is compared with a value of another kind isn't less and isn't more
    ordered = [(each, given) for each, given in wanted if each != NONE]
    sql = " OR ".join(f"({kind} = {each} AND {value} {sign} ?)" for each, _ in ordered)
    return f"({sql or '0'})", [given for _, given in ordered]


def _sorted_by(order: Sequence[Order]) -> tuple[str, list[tuple[str, bool]], list[Any]]:
    """Give the joins that an order needs, its columns with their direction, and the values of the joins."""
    joins: list[str] = []
    values: list[Any] = []
    columns: list[tuple[str, bool]] = []
    for number, each in enumerate(order):
        kind, value = _sort_columns(each.field, f"s{number}")
        if each.field.group in KEYED_FIELDS:
            joins.append(
                f"LEFT JOIN fact s{number} ON s{number}.run = run.no"
                f" AND s{number}.key = (SELECT no FROM key WHERE grp = ? AND name = ?)"
            )
            values += [each.field.group, spelled(each.field.key)]
        columns += [(f"({kind} IS NULL)", False), (kind, False), (value, each.descending)]
    return " ".join(joins), [*columns, ("run.id", True)], values


def _sort_columns(field: Field, alias: str) -> tuple[str, str]:
    if field.group in KEYED_FIELDS:
        return f"(CASE WHEN {alias}.kind < {NONE} THEN {alias}.kind END)", f"{alias}.value"
    column, kind = _PLAIN[field.group]
    return f"(CASE WHEN {column} IS NOT NULL THEN {kind} END)", column


def _after(columns: Sequence[tuple[str, bool]], place: Sequence[Any]) -> tuple[str, list[Any]]:
    """Spell that a run comes after a place: it does at one column, and is the same in those before."""
    ways: list[str] = []
    values: list[Any] = []
    for number, (column, descending) in enumerate(columns):
        same = [f"{each} IS ?" for each, _ in columns[:number]]
        ways.append(" AND ".join([*same, f"{column} {'<' if descending else '>'} ?"]))
        values += place[: number + 1]
    return f"({' OR '.join(f'({way})' for way in ways)})", values
