"""Which places of two sequences say the same, in one order: what is left between is what differs.

Rows that stand once in both are sure to belong together; of those the longest run in one order is taken, and
from each one on as long as neighbours are equal. Where few rows stand once, as in a table of ten labels,
32 rows after one another are looked at as one.

Source: patience diff (Cohen, 2003); windows of rows for rows as in Manber, "Finding Similar Files", 1994.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from whence.datasets.marks import Int64Array, UInt64Array
from whence.vocab import mix64

_DOUBLINGS = 5
_ODD = np.uint64(0x9E3779B97F4A7C15)

Pairs = tuple[Int64Array, Int64Array]
"""Places of one sequence and of the other, both ascending."""


def align(before: UInt64Array, after: UInt64Array) -> Pairs:
    """Find places that say the same, in the order of both.

    Args:
        before: what each place of one sequence says, as a hash; shape (n,).
        after: the same of the other; shape (m,).

    Cost: that of sorting both; and that of walking through each gap between places that stand once.
    """
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    inner = before[head : len(before) - tail], after[head : len(after) - tail]
    first, second = _between(*inner) if len(inner[0]) and len(inner[1]) else (_NOWHERE, _NOWHERE)
    ends = np.arange(tail)
    return (
        np.concatenate([np.arange(head), first + head, ends + (len(before) - tail)]),
        np.concatenate([np.arange(head), second + head, ends + (len(after) - tail)]),
    )


def longest_rise(places: Int64Array) -> Int64Array:
    """Find which of some places, all different, make a longest ascending run: their numbers, ascending."""
    if len(places) < 2 or (np.diff(places) > 0).all():
        return np.arange(len(places))
    lasts: list[int] = []
    numbers: list[int] = []
    before = np.full(len(places), -1, np.int64)
    for number, place in enumerate(places.tolist()):
        at = bisect_left(lasts, place)
        if at == len(lasts):
            lasts.append(place)
            numbers.append(number)
        else:
            lasts[at], numbers[at] = place, number
        if at:
            before[number] = numbers[at - 1]
    found = np.empty(len(lasts), np.int64)
    number = numbers[-1]
    for at in range(len(lasts) - 1, -1, -1):
        found[at] = number
        number = int(before[number])
    return found


def in_both(before: UInt64Array, after: UInt64Array) -> Pairs:
    """Pair places that say the same, wherever they are; of equal ones the first with the first.

    Returns:
        Places of both, in the order of the first.
    """
    order, other = np.argsort(before, kind="stable"), np.argsort(after, kind="stable")
    here, there = before[order], after[other]
    nth = np.arange(len(here)) - np.searchsorted(here, here)
    at = np.searchsorted(there, here) + nth
    found = at < np.searchsorted(there, here, side="right")
    first, second = order[found], other[at[found]]
    sorting = np.argsort(first)
    return first[sorting], second[sorting]


_NOWHERE: Int64Array = np.empty(0, np.int64)


def _between(before: UInt64Array, after: UInt64Array) -> Pairs:
    """Align sequences that begin and end with something else."""
    first, second = _anchors(before, after)
    if 2 * len(first) < min(len(before), len(after)):
        windows = _anchors(_windows(before), _windows(after))
        if len(windows[0]) > len(first):
            first, second = windows
    found = [(first, second)]
    starts = np.concatenate([[-1], first]) + 1, np.concatenate([[-1], second]) + 1
    ends = np.concatenate([first, [len(before)]]), np.concatenate([second, [len(after)]])
    gaps = np.flatnonzero((ends[0] > starts[0]) & (ends[1] > starts[1]))
    goes_on = before[starts[0][gaps]] == after[starts[1][gaps]]
    goes_on |= before[ends[0][gaps] - 1] == after[ends[1][gaps] - 1]
    for gap in gaps[goes_on].tolist():
        (here, there), (end, other) = (int(each[gap]) for each in starts), (int(each[gap]) for each in ends)
        head = _common(before[here:end], after[there:other])
        tail = _common(before[here + head : end][::-1], after[there + head : other][::-1])
        steps = np.concatenate([np.arange(head), np.arange(-tail, 0)])
        found.append((steps + np.where(steps < 0, end, here), steps + np.where(steps < 0, other, there)))
    if len(found) == 1:
        return first, second
    first, second = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(first)
    return first[order], second[order]


def _anchors(before: UInt64Array, after: UInt64Array) -> Pairs:
    """Pair what stands once in both, and keep a longest run in one order."""
    (values, places), (others, there) = _once(before), _once(after)
    if not len(values) or not len(others):
        return _NOWHERE, _NOWHERE
    at = np.searchsorted(others, values).clip(max=len(others) - 1)
    same = others[at] == values
    first, second = places[same], there[at[same]]
    order = np.argsort(first)
    first, second = first[order], second[order]
    kept = longest_rise(second)
    return first[kept], second[kept]


def _once(values: UInt64Array) -> tuple[UInt64Array, Int64Array]:
    """What stands once, ascending, and where."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    differs = np.ones(len(values) + 1, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=differs[1:-1])
    once = differs[1:] & differs[:-1]
    return ordered[once], order[once]


def _windows(values: UInt64Array) -> UInt64Array:
    """What each place says with the 31 after it; shorter by as many."""
    width = 1
    for _ in range(_DOUBLINGS):
        values = mix64(values[:-width] * _ODD + values[width:])
        width *= 2
    return values


def _common(before: NDArray[np.uint64], after: NDArray[np.uint64]) -> int:
    """How many places from the first on say the same; found in steps, since most differ soon."""
    size = min(len(before), len(after))
    step, done = 64, 0
    while done < size:
        differs = before[done : min(done + step, size)] != after[done : min(done + step, size)]
        if differs.any():
            return done + int(differs.argmax())
        done, step = min(done + step, size), 4 * step
    return size
