"""Conditions on runs as users write them, parsed by hand; nothing a user writes is ever evaluated.

condition   = part { "or" part }
part        = step { "and" step }
step        = "not" step | "(" condition ")" | comparison
comparison  = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
            | field ("like" | "contains") value
            | field ["not"] "in" "(" value { "," value } ")"
            | field "exists"
field       = "id" | "name" | "title" | "status" | "started_at" | "ended_at" | "duration_s"
            | "model" | "artifact" | "source" | ("params" | "metrics" | "tags") "." key
key         = word | quoted
value       = number | "true" | "false" | "none" | word | quoted

A time is written as ISO 8601, such as '2026-11-01' or '2026-11-01T12:30'; without a zone it is the reader's.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast, get_args

from whence.errors import InputError
from whence.store import (
    KEYED_FIELDS,
    NAMED_FIELDS,
    PLAIN_FIELDS,
    TIME_FIELDS,
    All,
    Comparison,
    Condition,
    Field,
    Not,
    Order,
    Scalar,
    Sign,
    Some,
)

_CONSTANTS = {"true": True, "false": False, "none": None}
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_TOKEN = re.compile(
    rf"""\s*(?: (?P<sign>!=|<=|>=|=|<|>)
             | (?P<bracket>[(),])
             | (?P<quoted>{_QUOTED})
             | (?P<word>(?:[^\s=!<>"'(),]+(?:(?<=\.){_QUOTED})?)) )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SIGNS = frozenset(get_args(Sign))
_INT64 = range(-(1 << 63), 1 << 63)
_DEPTH = 50
_COMPARISONS = 1_000
_ORDERS = 20
_REMEDY = 'Write for example: metrics.loss < 0.3 and params.lr = 0.1 and status = "finished"'
_SORT_REMEDY = "Write for example: -metrics.val_acc,started_at"
_FIELDS = ", ".join([*PLAIN_FIELDS, *NAMED_FIELDS, *(f"{each}.X" for each in KEYED_FIELDS)])


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_where(text: str) -> Condition:
    """Parse a condition.

    Raises:
        InputError: it isn't a condition; the message points at the place.
    """
    return _Parser("--where", text, _REMEDY).condition()


def parse_sort(text: str) -> tuple[Order, ...]:
    """Parse an order: fields with commas between them, each with a `-` before it to go from high to low.

    Raises:
        InputError: it isn't an order; the message points at the place.
    """
    return _Parser("--sort", text, _SORT_REMEDY).order()


def parse_columns(text: str) -> tuple[Field, ...]:
    """Parse the fields of a table: with commas between them; raises `InputError`."""
    return _Parser("--columns", text, "Write for example: name,params.lr,metrics.loss").fields()


class _Parser:
    def __init__(self, option: str, text: str, remedy: str) -> None:
        self._option = option
        self._text = text
        self._remedy = remedy
        self._tokens = self._tokenized()
        self._at = 0
        self._depth = 0
        self._count = 0

    def condition(self) -> Condition:
        found = self._joined("or", lambda: self._joined("and", self._step, All), Some)
        if self._next is not None:
            raise self._wrong(f"wanted 'and', 'or' or the end, got {self._next.text!r:.40}")
        return found

    def order(self) -> tuple[Order, ...]:
        found = [self._order_step()]
        while self._takes("bracket", ","):
            found.append(self._order_step())
        self._end()
        if len(found) > _ORDERS:
            raise self._wrong(f"more than {_ORDERS} fields to sort by", at=0)
        return tuple(found)

    def fields(self) -> tuple[Field, ...]:
        found = [self._field()]
        while self._takes("bracket", ","):
            found.append(self._field())
        self._end()
        return tuple(found)

    def _order_step(self) -> Order:
        token = self._next
        descending = token is not None and token.kind == "word" and token.text.startswith("-")
        if token is not None and descending:
            self._tokens[self._at] = _Token(token.kind, token.text[1:], token.at + 1)
        field = self._field()
        if field.group in NAMED_FIELDS:
            raise self._wrong(f"runs can have several: {field}", at=token.at if token else None)
        return Order(field, descending)

    def _joined(
        self, joint: str, part: Callable[[], Condition], make: Callable[[tuple[Condition, ...]], Condition]
    ) -> Condition:
        parts = [part()]
        while self._takes("word", joint):
            parts.append(part())
        return parts[0] if len(parts) == 1 else make(tuple(parts))

    def _step(self) -> Condition:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._wrong("too many brackets inside of one another")
        if self._takes("word", "not"):
            found: Condition = Not(self._step())
        elif self._takes("bracket", "("):
            found = self._joined("or", lambda: self._joined("and", self._step, All), Some)
            self._wants("bracket", ")")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> Condition:
        field = self._field()
        is_not = self._takes("word", "not")
        if self._takes("word", "in"):
            self._wants("bracket", "(")
            parts = [self._compared(field, "!=" if is_not else "=")]
            while self._takes("bracket", ","):
                parts.append(self._compared(field, "!=" if is_not else "="))
            self._wants("bracket", ")")
            return All(tuple(parts)) if is_not else Some(tuple(parts))
        token = self._next
        sign = "" if token is None else token.text.lower()
        if is_not or token is None or token.kind not in ("sign", "word") or sign not in _SIGNS:
            wanted = "'in'" if is_not else "one of = != < <= > >= like contains in exists"
            raise self._wrong(f"wanted {wanted}")
        self._at += 1
        if sign == "exists":
            return Comparison(field=field, sign="exists")
        return self._compared(field, cast(Sign, sign))

    def _compared(self, field: Field, sign: Sign) -> Comparison:
        token = self._next
        if token is None or token.kind in ("sign", "bracket"):
            raise self._wrong("wanted a value")
        quoted = token.kind == "quoted"
        value: Scalar = _unquoted(token.text) if quoted else _bare(token.text)
        if sign in ("like", "contains"):
            value, quoted = (value if quoted else token.text), True
        elif field.group in TIME_FIELDS and value is not None:
            value, quoted = self._moment(str(value) if quoted else token.text), True
        elif field.group == "duration_s" and (isinstance(value, str) or value is True or value is False):
            raise self._wrong("wanted a number of seconds")
        self._at += 1
        self._count += 1
        if self._count > _COMPARISONS:
            raise self._wrong(f"more than {_COMPARISONS} values to compare with", at=token.at)
        return Comparison(field=field, sign=sign, value=value, text=None if quoted else token.text)

    def _moment(self, text: str) -> int:
        """Read a time as microseconds since 1970."""
        try:
            read = dt.datetime.fromisoformat(text)
            since = (read if read.tzinfo else read.astimezone()) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        except (ValueError, OverflowError, OSError):
            raise self._wrong("wanted a time such as '2026-11-01' or '2026-11-01T12:30'") from None
        return since // dt.timedelta(microseconds=1)

    def _field(self) -> Field:
        token = self._next
        if token is None:
            raise self._wrong("wanted a field")
        group, dot, key = token.text.partition(".")
        is_word = token.kind == "word"
        if is_word and not dot and group in (*PLAIN_FIELDS, *NAMED_FIELDS):
            found = Field(group)
        elif is_word and dot and group in KEYED_FIELDS and key:
            found = Field(group, _unquoted(key) if key[0] in "\"'" else key)
        else:
            raise self._wrong(f"{token.text!r:.40} isn't a field; there are {_FIELDS}")
        self._at += 1
        return found

    @property
    def _next(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _takes(self, kind: str, text: str) -> bool:
        token = self._next
        found = token is not None and token.kind == kind and token.text.lower() == text
        self._at += found
        return found

    def _wants(self, kind: str, text: str) -> None:
        if not self._takes(kind, text):
            raise self._wrong(f"wanted {text!r}")

    def _end(self) -> None:
        if self._next is not None:
            raise self._wrong(f"wanted ',' or the end, got {self._next.text!r:.40}")

    def _tokenized(self) -> list[_Token]:
        text = self._text
        tokens: list[_Token] = []
        at = 0
        end = len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                what = (
                    "a quote that isn't closed" if text[at] in "\"'" else f"{text[at]!r} doesn't belong here"
                )
                raise self._wrong(what, at=at)
            kind = match.lastgroup or ""
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            at = match.end()
        return tokens

    def _wrong(self, what: str, at: int | None = None) -> InputError:
        """Say what is wrong, pointing at the place: the next token, unless another one is given."""
        text = self._text
        if at is None:
            at = self._next.at if self._next is not None else len(text)
        is_short = "\n" not in text and len(text) <= 200
        pointer = f"  {text}\n  {' ' * at}^" if is_short else f"  at character {at}"
        return InputError(f"{self._option}: {what}\n{pointer}", remedy=self._remedy)


def field_value(field: Field, summary: dict[str, Any]) -> Any:
    """Look a field up in the summary of a run; None where it has none."""
    found: Any = summary.get(field.group)
    if field.group == "duration_s":
        times = [summary.get(each) for each in TIME_FIELDS]
        began, ended = (None if each is None else dt.datetime.fromisoformat(each) for each in times)
        return None if began is None or ended is None else (ended - began).total_seconds()
    return looked_up(found, field.key) if field.group in KEYED_FIELDS else found


def looked_up(values: Any, key: str) -> Any:
    """Find a key, whole or as a path through nested values; None where it isn't there."""
    if not isinstance(values, dict):
        return None
    if key in values:
        return values[key]
    first, dot, rest = key.partition(".")
    return looked_up(values.get(first), rest) if dot else None


def _bare(text: str) -> Scalar:
    if _NUMBER.fullmatch(text):
        number = float(text) if set(text) & set(".eE") else int(text)
        return number if isinstance(number, float) or number in _INT64 else float(number)
    return _CONSTANTS.get(text.lower(), text)


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])


def all_columns(summaries: Sequence[dict[str, Any]]) -> list[Field]:
    """List the fields that any of the runs has: the plain ones, and then the keys as they come."""
    keyed = dict.fromkeys(
        Field(group, key) for group in KEYED_FIELDS for summary in summaries for key in summary[group]
    )
    return [*map(Field, PLAIN_FIELDS), *keyed]
