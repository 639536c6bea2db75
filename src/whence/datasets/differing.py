"""What differs between two dataset versions: rows that were added, removed, changed or moved, and columns.

Chunks that say the same in both are known by their digests and not read. Of all others each row becomes one
hash, and rows are matched by these:

    by key      rows with the same values in some columns are the same row; any other difference is a change
    by content  where as many rows stand between equal chunks in both, and at least half of them are equal
                place by place, rows that differ have changed at their place; elsewhere rows that are equal
                are matched in order, and then wherever they are: these have moved. Of what is left, as many
                rows on both sides between the same neighbours have changed, one by one; anything else was
                removed and added.

Rows are compared in the columns that both have. A column whose type changed is compared as the wider type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from whence.datasets.aligning import align, in_both, longest_rise
from whence.datasets.comparing import (
    NOWHERE,
    Rows,
    UnlikeError,
    as_common,
    common_types,
    schema_changes,
)
from whence.datasets.logical import type_name
from whence.datasets.marks import Int64Array, UInt64Array
from whence.datasets.sameness import Sameness
from whence.errors import InputError

_AT_ONCE = 1 << 16
_NAMED = 3

RowKind = Literal["changed", "removed", "added", "moved"]
_KINDS: tuple[RowKind, ...] = ("changed", "removed", "added", "moved")
_CHANGED, _REMOVED, _ADDED, _MOVED = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A row that isn't the same in both.

    Args:
        kind: changed, removed, added, or moved: it says the same at another place.
        row_a: its place in the first version; None where it was added.
        row_b: its place in the second; None where it was removed.
        columns: those that changed.
        before: its values in the first version: those that changed and the key; all where it was removed.
        after: the same of the second; all if it was added.
    """

    kind: RowKind
    row_a: int | None
    row_b: int | None
    columns: list[str] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


class _Found(NamedTuple):
    """Rows that differ: places in the first version, in the second, and the number of their kind."""

    first: Int64Array
    second: Int64Array
    kind: Int64Array

    @classmethod
    def of(cls, kind: int, first: Int64Array | None, second: Int64Array | None) -> _Found:
        size = len(first if first is not None else second if second is not None else ())
        nowhere = np.full(size, NOWHERE)
        return cls(
            nowhere if first is None else first,
            nowhere if second is None else second,
            np.full(size, kind),
        )

    @classmethod
    def together(cls, found: Sequence[_Found]) -> _Found:
        """All of them in the order of their places; those that only moved at the end."""
        first, second, kind = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.lexsort((first, np.where(second == NOWHERE, first, second), kind == _MOVED))
        return cls(first[order], second[order], kind[order])


class _Region(NamedTuple):
    """What stands between equal chunks: chunks of the first version, and of the second."""

    first: range
    second: range


class Comparison:
    """Two versions, compared row by row.

    Args:
        before: the first.
        after: the second.
        key: the columns whose values say which row is which; none to tell rows by place and content.

    Raises:
        InputError: there is no such column, or several rows have one key; says which.
        DamagedError, NotFoundError: a chunk can't be read.

    Cost: reads the chunks that differ, and 8 bytes a row of these are held (16 with a key, of all rows).
    """

    def __init__(self, before: Rows, after: Rows, *, key: Sequence[str] = ()) -> None:
        self.before, self.after, self.key = before, after, tuple(key)
        self._same = Sameness()
        self._types = common_types(before.schema, after.schema)
        self._check_key()
        found = None
        while found is None:
            try:
                found = self._by_key() if key else self._by_content()
            except UnlikeError as error:
                if error.column in self.key:
                    raise _key_of_two_types(error.column) from error
                del self._types[error.column]
        self._found = _Found.together(found)
        self.schema = schema_changes(before.schema, after.schema, self._types)

    def count(self, kind: RowKind) -> int:
        """Count the rows of a kind."""
        return int(np.count_nonzero(self._found.kind == _KINDS.index(kind)))

    def rows(self) -> Iterator[RowChange]:
        """Give each row that differs, those that only moved last; read some at a time."""
        step = 256
        for start in range(0, len(self._found.kind), step):
            yield from self._described(_Found(*(each[start : start + step] for each in self._found)))

    def changed_by_column(self) -> dict[str, int]:
        """Count the changed rows by the columns that changed."""
        counts = dict.fromkeys(self._types, 0)
        changed = self._found.kind == _CHANGED
        first, second = self._found.first[changed], self._found.second[changed]
        for start in range(0, len(first), _AT_ONCE):
            piece = slice(start, start + _AT_ONCE)
            for name, differs in self._differing(first[piece], second[piece]).items():
                counts[name] += int(np.count_nonzero(differs))
        return {name: count for name, count in counts.items() if count}

    # matching

    def _by_content(self) -> list[_Found]:
        found: list[_Found] = []
        left: list[tuple[Int64Array, Int64Array, UInt64Array]] = []
        others: list[tuple[Int64Array, Int64Array, UInt64Array]] = []
        gap_count = 0
        for region in self._regions():
            first, here = self._hashed(self.before, region.first)
            second, there = self._hashed(self.after, region.second)
            if len(here) == len(there):
                differs = np.flatnonzero(here != there)
                if 2 * len(differs) <= len(here):
                    found.append(_Found.of(_CHANGED, first[differs], second[differs]))
                    continue
            gone, come, count = _unaligned(here, there)
            left.append((first[gone[0]], gone[1] + gap_count, here[gone[0]]))
            others.append((second[come[0]], come[1] + gap_count, there[come[0]]))
            gap_count += count
        return [*found, *_told_apart(left, others, gap_count)]

    def _by_key(self) -> list[_Found]:
        regions = self._regions()
        pooled = []
        for rows, parts in (
            (self.before, [region.first for region in regions]),
            (self.after, [region.second for region in regions]),
        ):
            read = {number for each in parts for number in each}
            places, keys, hashes, where = [], [], [], []
            for number in range(len(rows.contents)):
                table = self._table(rows, number)
                keys.append(self._same.rows(table.select(self.key)))
                if number in read:
                    hashes.append(self._same.rows(table))
                    places.append(np.arange(*rows.ends[number : number + 2]))
                    within = next(place for place, each in enumerate(parts) if number in each)
                    where.append(np.full(table.num_rows, within))
            every = _joined(keys, np.uint64)
            self._check_unique(rows, every)
            chosen = _joined(places, np.int64)
            pooled.append((chosen, every[chosen], _joined(hashes, np.uint64), _joined(where, np.int64)))
        (first, key, here, region), (second, other, there, other_region) = pooled
        at, to = in_both(key, other)
        differs = here[at] != there[to]
        stays = region[at] == other_region[to]
        stays[stays] = _in_order(second[to[stays]])
        moved = ~differs & ~stays
        return [
            _Found.of(_CHANGED, first[at[differs]], second[to[differs]]),
            _Found.of(_REMOVED, np.delete(first, at), None),
            _Found.of(_ADDED, None, np.delete(second, to)),
            _Found.of(_MOVED, first[at[moved]], second[to[moved]]),
        ]

    def _regions(self) -> list[_Region]:
        """Find what stands between chunks that say the same; all of both where types differ."""
        whole = _Region(range(len(self.before.contents)), range(len(self.after.contents)))
        if any(
            type_name(self.before.schema.field(name).type) != type_name(self.after.schema.field(name).type)
            for name in self.before.schema.names
            if name in self.after.schema.names
        ):
            return [whole]  # the words of two types may be the same, and mean something else
        numbers: dict[bytes, int] = {}
        sides = (
            np.array([numbers.setdefault(content, len(numbers)) for content in rows.contents], np.uint64)
            for rows in (self.before, self.after)
        )
        first, second = align(*sides)
        starts = np.concatenate([[-1], first]) + 1, np.concatenate([[-1], second]) + 1
        ends = [*first.tolist(), whole.first.stop], [*second.tolist(), whole.second.stop]
        found = [
            _Region(range(here, end), range(there, other))
            for here, there, end, other in zip(*(each.tolist() for each in starts), *ends, strict=True)
        ]
        return [each for each in found if each.first or each.second]

    def _hashed(self, rows: Rows, parts: range) -> tuple[Int64Array, UInt64Array]:
        """The places of the rows of some chunks, and a hash of each."""
        hashes = [self._same.rows(self._table(rows, number)) for number in parts]
        start = int(rows.ends[parts.start])
        found = _joined(hashes, np.uint64)
        return np.arange(start, start + len(found)), found

    def _table(self, rows: Rows, number: int) -> Any:
        return as_common(rows.part(number), self._types)

    # telling

    def _described(self, found: _Found) -> Iterator[RowChange]:
        changed = np.flatnonzero(found.kind == _CHANGED)
        differing = self._differing(found.first[changed], found.second[changed])
        columns: dict[int, list[str]] = {
            place: [name for name in differing if differing[name][number]]
            for number, place in enumerate(changed.tolist())
        }
        before = self.before.values(found.first)
        after = self.after.values(found.second)
        for place, (first, second, kind) in enumerate(zip(*(each.tolist() for each in found), strict=True)):
            shown = None if kind != _CHANGED else [*self.key, *columns[place]]
            yield RowChange(
                kind=_KINDS[kind],
                row_a=None if first == NOWHERE else first,
                row_b=None if second == NOWHERE else second,
                columns=columns.get(place, []),
                before=_chosen(before[place], shown) if kind in (_CHANGED, _REMOVED) else {},
                after=_chosen(after[place], shown) if kind in (_CHANGED, _ADDED) else {},
            )

    def _differing(self, first: Int64Array, second: Int64Array) -> dict[str, Any]:
        """For each column the flags of the pairs in which it differs."""
        names = list(self._types)
        here = as_common(self.before.taken(first, names), self._types)
        there = as_common(self.after.taken(second, names), self._types)
        return {
            name: (self._same.cells(name, here[name]) != self._same.cells(name, there[name])).any(axis=0)
            for name in names
        }

    def _check_key(self) -> None:
        for name in self.key:
            for rows in (self.before, self.after):
                if name not in rows.schema.names:
                    raise InputError(
                        f"{rows.reference} has no column {name!r:.80}",
                        remedy=f"It has: {', '.join(rows.schema.names[:20])}.",
                    )
            if name not in self._types:
                raise _key_of_two_types(name)

    def _check_unique(self, rows: Rows, keys: UInt64Array) -> None:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        again = np.flatnonzero(ordered[1:] == ordered[:-1])
        if not len(again):
            return
        at = order[again[:_NAMED]], order[again[:_NAMED] + 1]
        values = [rows.values(each, self.key) for each in at]
        named = [
            f"{', '.join(repr(value) for value in found.values()):.80} (rows {first} and {second})"
            for first, second, found in zip(at[0].tolist(), at[1].tolist(), values[0], strict=True)
        ]
        raise InputError(
            f"the key {', '.join(self.key)} names {len(again):,} rows of {rows.reference} that another "
            f"row has as well: {'; '.join(named)}",
            remedy="Give a key that each row has for itself, of several columns if need be, or none.",
        )


def _key_of_two_types(name: str) -> InputError:
    return InputError(
        f"the key's column {name!r:.80} has types in the two versions that can't be compared",
        remedy="Give another key, or cast the column and save it again.",
    )


_Left = tuple[Int64Array, Int64Array]
"""Places that are left over, and in which gap between matched ones each is."""


def _unaligned(before: UInt64Array, after: UInt64Array) -> tuple[_Left, _Left, int]:
    """What isn't matched in order, with its gap; and how many gaps there are."""
    first, second = align(before, after)
    left = []
    for size, matched in ((len(before), first), (len(after), second)):
        places = np.delete(np.arange(size), matched)
        left.append((places, np.searchsorted(matched, places)))
    return left[0], left[1], len(first) + 1


def _told_apart(
    before: list[tuple[Int64Array, Int64Array, UInt64Array]],
    after: list[tuple[Int64Array, Int64Array, UInt64Array]],
    gap_count: int,
) -> list[_Found]:
    """Tell what moved, what changed and what was removed and added of the rows that are left over."""
    sides = []
    for left in (before, after):
        places, gaps, hashes = zip(*left, strict=True) if left else ((), (), ())
        sides.append((_joined(places, np.int64), _joined(gaps, np.int64), _joined(hashes, np.uint64)))
    (first, gap, here), (second, other_gap, there) = sides
    at, to = in_both(here, there)
    moved = _Found.of(_MOVED, first[at], second[to])
    first, gap = np.delete(first, at), np.delete(gap, at)
    second, other_gap = np.delete(second, to), np.delete(other_gap, to)
    even = np.bincount(gap, minlength=gap_count) == np.bincount(other_gap, minlength=gap_count)
    here_even, there_even = even[gap], even[other_gap]
    return [
        _Found.of(_CHANGED, first[here_even], second[there_even]),
        _Found.of(_REMOVED, first[~here_even], None),
        _Found.of(_ADDED, None, second[~there_even]),
        moved,
    ]


def _in_order(places: Int64Array) -> Any:
    """Of places that stand in another order tell which of them keep theirs."""
    flags = np.zeros(len(places), np.bool_)
    flags[longest_rise(places)] = True
    return flags


def _joined(parts: Sequence[Any], kind: Any) -> Any:
    return np.concatenate(parts) if len(parts) else np.empty(0, kind)


def _chosen(values: dict[str, Any], columns: Sequence[str] | None) -> dict[str, Any]:
    return values if columns is None else {name: values[name] for name in columns}
