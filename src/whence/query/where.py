"""Conditions on runs: comparisons joined by `and`, parsed by hand; nothing a user writes is ever evaluated.

condition   = comparison { "and" comparison }
comparison  = field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
field       = "id" | "name" | "title" | "status" | ("params" | "metrics" | "tags") "." key
key         = word | quoted
value       = number | "true" | "false" | "none" | word | quoted
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from whence.errors import InputError

Summary = Mapping[str, Any]

PLAIN_FIELDS = ("id", "name", "title", "status")
KEYED_FIELDS = ("params", "metrics", "tags")

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONSTANTS = {"true": True, "false": False, "none": None}
_TOKEN = re.compile(
    r"""\s*(?: (?P<sign>!=|<=|>=|=|<|>)
             | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
             | (?P<word>(?:[^\s=!<>"']+(?:(?<=\.)(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))?)) )""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REMEDY = 'Write for example: metrics.loss < 0.3 and params.lr = 0.1 and status = "finished"'
_MISSING = object()


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison.

    Args:
        group: params, metrics, tags, or the field itself.
        key: the key in its group; empty where the group is the field.
        sign: how it is compared.
        value: what it is compared with.
        text: the value as it was written, where it was a bare word or number; None where it was quoted.
    """

    group: str
    key: str
    sign: str
    value: Any
    text: str | None

    def __call__(self, summary: Summary) -> bool:
        """Tell whether a run matches; one without the field doesn't."""
        found = summary.get(self.group, _MISSING)
        if self.key:
            found = _looked_up(found, self.key)
        if found is _MISSING:
            return False
        wanted = self.value
        if isinstance(found, str) and not isinstance(wanted, str) and self.text is not None:
            wanted = self.text  # a tag "3" is what a user means by tags.fold = 3
        if not _are_alike(found, wanted):
            return self.sign == "!="
        try:
            return bool(_COMPARE[self.sign](found, wanted))
        except TypeError:  # lists and none have no order
            return False


def parse_where(text: str) -> Callable[[Summary], bool]:
    """Parse a condition.

    Args:
        text: as the user wrote it.

    Returns:
        A function that tells whether the summary of a run matches.

    Raises:
        InputError: it isn't a condition; the message points at the place.
    """
    comparisons = parse_comparisons(text)
    return lambda summary: all(comparison(summary) for comparison in comparisons)


def parse_comparisons(text: str) -> list[Comparison]:
    """Parse a condition into its comparisons; raises `InputError`."""
    tokens = _tokens(text)
    comparisons: list[Comparison] = []
    at = 0
    while True:
        comparisons.append(_comparison(text, tokens[at : at + 3]))
        at += 3
        if at >= len(tokens):
            return comparisons
        joint = tokens[at]
        if joint.kind != "word" or joint.text.lower() != "and":
            raise _wrong(text, joint.at, f"wanted 'and' or the end, got {joint.text!r:.40}")
        at += 1


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            what = "a quote that isn't closed" if text[at] in "\"'" else f"{text[at]!r} doesn't belong here"
            raise _wrong(text, at, what)
        kind = match.lastgroup or ""
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return tokens


def _comparison(text: str, tokens: list[_Token]) -> Comparison:
    end = len(text)
    if not tokens:
        raise _wrong(text, end, "wanted a field")
    group, key = _field(text, tokens[0])
    if len(tokens) < 2 or tokens[1].kind != "sign":
        at = tokens[1].at if len(tokens) > 1 else end
        raise _wrong(text, at, "wanted one of = != < <= > >=")
    if len(tokens) < 3 or tokens[2].kind == "sign":
        raise _wrong(text, tokens[2].at if len(tokens) > 2 else end, "wanted a value")
    token = tokens[2]
    quoted = token.kind == "quoted"
    value = _unquoted(token.text) if quoted else _bare(token.text)
    return Comparison(
        group=group, key=key, sign=tokens[1].text, value=value, text=None if quoted else token.text
    )


def _field(text: str, token: _Token) -> tuple[str, str]:
    group, dot, key = token.text.partition(".")
    if token.kind == "word" and not dot and group in PLAIN_FIELDS:
        return group, ""
    if token.kind == "word" and dot and group in KEYED_FIELDS and key:
        return group, _unquoted(key) if key[0] in "\"'" else key
    known = ", ".join([*PLAIN_FIELDS, *(f"{each}.X" for each in KEYED_FIELDS)])
    raise _wrong(text, token.at, f"{token.text!r:.40} isn't a field; there are {known}")


def _bare(text: str) -> Any:
    if _NUMBER.fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    return _CONSTANTS.get(text.lower(), text)


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])


def _looked_up(values: Any, key: str) -> Any:
    """Find a key, whole or as a path through nested values."""
    if not isinstance(values, Mapping):
        return _MISSING
    if key in values:
        return values[key]
    first, dot, rest = key.partition(".")
    return _looked_up(values.get(first, _MISSING), rest) if dot else _MISSING


def _are_alike(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return isinstance(found, bool) and isinstance(wanted, bool)
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return True
    return type(found) is type(wanted)


def _wrong(text: str, at: int, what: str) -> InputError:
    pointer = f"  {text}\n  {' ' * at}^" if "\n" not in text and len(text) <= 200 else f"  at character {at}"
    return InputError(f"--where: {what}\n{pointer}", remedy=_REMEDY)
