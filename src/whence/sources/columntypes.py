"""The types of CSV columns: inferred from the first rows, and how text becomes values of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from whence.errors import SourceError

INFERRED_ROWS = 1000

_TYPES: dict[str, type] = {"int": int, "float": float, "str": str}
# A leading zero belongs to a code (a postcode, a telephone number), not to a number.
_INT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf(?:inity)?)",
    re.IGNORECASE,
)

Parse = Callable[[str], Any]


class BadValueError(Exception):
    """A value isn't of its column's type; `index` says which."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def infer_type(values: Sequence[str], missing: frozenset[str]) -> str:
    """Infer the narrowest of int, float and str that all values have which aren't missing."""
    present = [value for value in values if value not in missing]
    if not present:
        return "str"
    if all(map(_INT.fullmatch, present)):
        return "int"
    return "float" if all(map(_FLOAT.fullmatch, present)) else "str"


def type_names(types: Mapping[str, str | type], columns: Sequence[str], path: str) -> dict[str, str]:
    """Check the types that the user gave, and call them by their names.

    Raises:
        SourceError: a column doesn't exist, or a type isn't one of int, float and str.
    """
    named = {}
    for column, given in types.items():
        name = given if isinstance(given, str) else given.__name__
        if column not in columns:
            raise SourceError(
                f"types names the column {column!r}, which {path} does not have",
                remedy=f"Its columns are {', '.join(columns)}.",
                place=path,
            )
        if name not in _TYPES:
            raise SourceError(
                f"types gives {name!r} for the column {column!r}",
                remedy="Use int, float or str here, and .map for anything else.",
                place=path,
            )
        named[column] = name
    return named


def parse_column(values: Sequence[str], type_name: str, missing: frozenset[str]) -> list[Any]:
    """Parse the values of one column; a missing one becomes None.

    Raises:
        BadValueError: a value isn't of the type.
    """
    if type_name == "str":
        return [None if value in missing else value for value in values]
    parse: Parse = _TYPES[type_name]
    try:
        # Python reads 1_000 as a number; no one who writes CSV means that.
        if "_" not in "".join(values):
            return [None if value in missing else parse(value) for value in values]
    except ValueError:
        pass
    for index, value in enumerate(values):
        if value not in missing and not _is_number(parse, value):
            raise BadValueError(index)
    return [None if value in missing else parse(value) for value in values]


def _is_number(parse: Parse, value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return "_" not in value
