"""What conditions and orders mean, slowly: each run tried by itself. The catalog is compared with it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from whence.store import KEYED_FIELDS, NAMED_FIELDS, All, Comparison, Condition, Field, Not, Order, Some

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MISSING = object()

Run = Mapping[str, Any]
"""A run: its summary, with times in microseconds, and lists of names for what it has several of."""


def holds(condition: Condition, run: Run) -> bool:
    """Tell whether a condition holds for a run."""
    match condition:
        case All(parts):
            return all(holds(part, run) for part in parts)
        case Some(parts):
            return any(holds(part, run) for part in parts)
        case Not(part):
            return not holds(part, run)
        case Comparison(field=field):
            if field.group in NAMED_FIELDS:
                found = [_compared(each, condition) for each in run[field.group]]
                return bool(found) and (all(found) if condition.sign == "!=" else any(found))
            return _compared(_find(run, field), condition)


def sort(runs: list[Run], orders: tuple[Order, ...]) -> list[Run]:
    """Sort runs: numbers before texts before truths, what is missing last, and then the newest first."""
    found = sorted(runs, key=lambda run: run["id"], reverse=True)
    for order in reversed(orders):
        there = [(_rank(_find(run, order.field)), run) for run in found]
        known = [(rank, run) for rank, run in there if rank is not None]
        by_kind: list[tuple[Any, Run]] = []
        for kind in range(3):
            alike = [(rank[1], run) for rank, run in known if rank[0] == kind]
            by_kind += sorted(alike, key=lambda each: each[0], reverse=order.descending)
        found = [run for _, run in by_kind] + [run for rank, run in there if rank is None]
    return found


def _rank(value: Any) -> tuple[int, Any] | None:
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float) and value == value:  # noqa: PLR0124
        return 0, value
    return (1, value) if isinstance(value, str) else None


def _compared(found: Any, comparison: Comparison) -> bool:
    sign, wanted = comparison.sign, comparison.value
    if found is _MISSING:
        return False
    if sign == "exists":
        return True
    if sign in ("like", "contains"):
        return isinstance(found, str) and _has(found, str(wanted), sign)
    if isinstance(found, str) and not isinstance(wanted, str) and comparison.text is not None:
        wanted = comparison.text
    if not _are_alike(found, wanted):
        return sign == "!="
    try:
        return bool(SIGNS[sign](found, wanted))
    except TypeError:  # none has no order
        return False


def _has(found: str, wanted: str, sign: str) -> bool:
    if sign == "contains":
        return wanted.casefold() in found.casefold()
    form = re.escape(wanted).replace("%", ".*").replace("_", ".")
    return re.fullmatch(form, found, re.DOTALL) is not None


def _find(run: Run, field: Field) -> Any:
    if field.group not in KEYED_FIELDS:
        return run[field.group]
    return _looked_up(run[field.group], field.key)


def _looked_up(values: Any, key: str) -> Any:
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
