"""Rows that two dataset versions have in common: by all that they say, or by the values of some columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whence.datasets.aligning import in_both
from whence.datasets.comparing import Rows, UnlikeError, as_common, common_types
from whence.datasets.marks import Int64Array, UInt64Array
from whence.datasets.sameness import BoolArray, Sameness
from whence.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Rows of two versions that are alike.

    Args:
        rows_a: of the first, ascending.
        rows_b: of the second.
        pairs: the first row of each that are alike, in the order of the first version.
    """

    rows_a: Int64Array
    rows_b: Int64Array
    pairs: list[tuple[int, int]]


def find_shared(before: Rows, after: Rows, by: Sequence[Sequence[str]], *, limit: int) -> list[Shared]:
    """Find the rows that are alike in some columns, for several choices of columns in one reading.

    Args:
        before: the first version.
        after: the second.
        by: choices of columns; none of them stands for all that both have. A row in which a chosen column
            is missing is like no other.
        limit: how many pairs to give of each.

    Raises:
        InputError: there is no such column, or its types can't be compared.

    Cost: reads both versions; holds 8 bytes a row and choice.
    """
    types = common_types(before.schema, after.schema)
    for name in [each for columns in by for each in columns]:
        for rows in (before, after):
            if name not in rows.schema.names:
                raise InputError(
                    f"{rows.reference} has no column {name!r:.80}",
                    remedy=f"It has: {', '.join(rows.schema.names[:20])}.",
                )
        if name not in types:
            raise _unlike(name)
    same = Sameness()
    try:
        sides = [list(_hashed(rows, by, types, same)) for rows in (before, after)]
    except UnlikeError as error:
        raise _unlike(error.column) from error
    return [_shared(*each, limit=limit) for each in zip(*sides, strict=True)]


_Side = tuple[UInt64Array, Int64Array]


def _hashed(
    rows: Rows, by: Sequence[Sequence[str]], types: dict[str, object], same: Sameness
) -> Iterator[_Side]:
    """For each choice of columns the hashes of the rows that have them, and the places of these."""
    hashes: list[list[UInt64Array]] = [[] for _ in by]
    places: list[list[Int64Array]] = [[] for _ in by]
    for number, start in enumerate(rows.ends[:-1].tolist()):
        part = rows.part(number)
        for choice, columns in enumerate(by):
            table = as_common(part, {name: types[name] for name in columns or types})
            there: BoolArray = np.ones(len(table), np.bool_)
            for name in columns:
                if table[name].null_count:
                    there &= table[name].is_valid().to_numpy()
            found = np.flatnonzero(there)
            hashes[choice].append(same.rows(table)[found])
            places[choice].append(found + start)
    for each, where in zip(hashes, places, strict=True):
        yield (
            np.concatenate(each) if each else np.empty(0, np.uint64),
            np.concatenate(where) if where else np.empty(0, np.int64),
        )


def _shared(before: _Side, after: _Side, *, limit: int) -> Shared:
    (here, places), (there, others) = before, after
    is_in, is_too = _among(here, there), _among(there, here)
    first, second = in_both(here[is_in], there[is_too])
    once = np.sort(np.unique(here[is_in][first], return_index=True)[1])[:limit]
    pairs = zip(places[is_in][first[once]].tolist(), others[is_too][second[once]].tolist(), strict=True)
    return Shared(rows_a=places[is_in], rows_b=others[is_too], pairs=list(pairs))


def _among(values: UInt64Array, others: UInt64Array) -> BoolArray:
    """Which values are among others."""
    if not len(others):
        return np.zeros(len(values), np.bool_)
    ordered = np.sort(others)
    found: BoolArray = ordered[np.searchsorted(ordered, values).clip(max=len(ordered) - 1)] == values
    return found


def _unlike(name: str) -> InputError:
    return InputError(
        f"the column {name!r:.80} has types in the two versions that can't be compared",
        remedy="Cast it and save it again.",
    )
