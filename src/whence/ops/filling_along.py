"""Filling along the stream: from the samples before and after one where a value is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.fields import Samples, check_names
from whence.ops.numbers import FloatArray, as_floats, is_missing, numbers_of, replaced
from whence.ops.op import Context, Fetch, Input, MappingKind, Op, Recorded, related_of
from whence.vocab import Column

Along = Literal["forward", "interpolate"]

_NOWHERE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FillAlong(Op):
    """Give fields a value where theirs is missing (None, or NaN), out of the samples around, 1 -> 1.

    A filled sample came from itself and from those that its values were taken of. What no sample before has
    (forward), or none before or none after (interpolate), stays missing and is counted. Samples are held back
    until all that they need has come.

    Args:
        how: by field "forward", the last value before, of any type; or "interpolate", the number on the line
            between the last number before and the first after, by position; of such a field all
            numbers become floats.
    """

    kind: ClassVar[str] = "fill_along"
    mapping_kind: ClassVar[MappingKind] = "relation"

    how: Mapping[str, Along] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(list(self.how), "fill_missing")

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"how": dict(self.how)}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """Each sample from itself, and from those that its values were taken of."""
        return related_of(recorded, sizes)

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Fill as soon as all is known that is needed."""
        carried: dict[str, _Carried] = {}
        waiting: list[Chunk] = []
        first = end = context.first
        missing_from: dict[str, int | None] = dict.fromkeys(self.how)
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            waiting.append(chunk)
            positions = np.arange(end, end + len(chunk), dtype=np.int64)
            end += len(chunk)
            self._look(self._samples(chunk, positions, context), missing_from)
            ready = min((start for start in missing_from.values() if start is not None), default=end)
            filled = self._handed_on(waiting, first, ready, carried, context) if ready > first else None
            context.recorder.spent(time.perf_counter_ns() - began, len(chunk), ready - first)
            first = max(first, ready)
            if filled is not None:
                yield filled
        if end > first:
            yield self._handed_on(waiting, first, end, carried, context)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Make each sample of those that it came from."""
        rows = mappings[0].backward(positions)
        below, which = np.unique(rows.indices, return_inverse=True)
        chunk = fetch(0, below)
        made = []
        for number, position in enumerate(positions.tolist()):
            places = which[rows.indptr[number] : rows.indptr[number + 1]]
            samples = self._samples(chunk.taken(places), below[places], context)
            filled, _, _ = self._filled(samples, {})
            made.append(filled.taken(np.flatnonzero(below[places] == position)))
        return Chunk.joined(made)

    def _samples(self, chunk: Chunk, positions: Int64Array, context: Context) -> Samples:
        return Samples(op=self, chunk=chunk, positions=positions, context=context)

    def _look(self, samples: Samples, missing_from: dict[str, int | None]) -> None:
        """Find where, for each field, those begin at the end that what comes next may yet fill."""
        samples.check_fields(list(self.how))
        for name, how in self.how.items():
            if how == "forward":
                continue
            missing = is_missing(samples.column(name))
            known = np.flatnonzero(~missing)
            if len(known) < len(missing):
                begun = missing_from[name]
                if len(known):
                    last = int(known[-1]) + 1
                    missing_from[name] = int(samples.positions[last]) if last < len(missing) else None
                elif begun is None:
                    missing_from[name] = int(samples.positions[0])
            else:
                missing_from[name] = None

    def _handed_on(
        self, waiting: list[Chunk], first: int, ready: int, carried: dict[str, _Carried], context: Context
    ) -> Chunk:
        """Fill the samples up to a position; those after it go on waiting."""
        chunk = Chunk.joined(waiting)
        count = ready - first
        positions = np.arange(first, first + len(chunk), dtype=np.int64)
        filled, sources, left = self._filled(self._samples(chunk, positions, context), carried)
        self._carry(chunk, positions, count, carried)
        context.recorder.related(0, *_relation(positions[:count], [each[:count] for each in sources]))
        for name, places in left.items():
            still = int(np.count_nonzero(places[:count]))
            if still:
                context.recorder.noticed(f"{name} left missing", still)
        waiting[:] = [chunk.taken(slice(count, None))] if count < len(chunk) else []
        return filled.taken(slice(count)) if count < len(chunk) else filled

    def _carry(self, chunk: Chunk, positions: Int64Array, count: int, carried: dict[str, _Carried]) -> None:
        """Remember the last value of each field among those handed on."""
        samples = chunk.taken(slice(count))
        for name in self.how:
            column = _column_of(samples, name)
            known = np.flatnonzero(~is_missing(column))
            if len(known):
                carried[name] = _Carried(column.taken(known[-1:]), int(positions[known[-1]]))

    def _filled(
        self, samples: Samples, carried: Mapping[str, _Carried]
    ) -> tuple[Chunk, list[Int64Array], dict[str, Any]]:
        """Fill samples of ascending positions.

        Returns:
            The samples; arrays of the positions that each one's values were taken of, or -1; and by field
            where a value is missing still.
        """
        made: dict[str, Column] = {}
        sources: list[Int64Array] = []
        left: dict[str, Any] = {}
        for name, how in self.how.items():
            column = samples.column(name)
            before = carried.get(name)
            if how == "forward":
                made[name], found = _forward(column, samples.positions, before)
                sources.append(found)
            else:
                made[name], around = _between(samples, name, column, before)
                sources += around
            left[name] = is_missing(made[name])
        return samples.with_columns(made), sources, left


@dataclass(frozen=True, slots=True)
class _Carried:
    """The last value that a field had: a column of one, and its position."""

    column: Column
    position: int


def _column_of(chunk: Chunk, name: str) -> Column:
    return (
        chunk.columns.by_name[name]
        if chunk.columns is not None
        else Column.of([row[name] for row in chunk.values])
    )


def _forward(column: Column, positions: Int64Array, before: _Carried | None) -> tuple[Column, Int64Array]:
    missing = is_missing(column)
    found = np.full(len(positions), _NOWHERE, np.int64)
    if not missing.any():
        return column, found
    places = np.arange(len(positions), dtype=np.int64)
    last = np.maximum.accumulate(np.where(missing, _NOWHERE, places))
    known = last != _NOWHERE
    takes = missing & known
    found[takes] = positions[last[takes]]
    if before is None:
        return column.taken(np.where(known, last, places)), found
    found[~known] = before.position
    whole = Column.joined([before.column, column])
    return whole.taken(np.where(known, last + 1, 0)), found


def _between(
    samples: Samples, name: str, column: Column, before: _Carried | None
) -> tuple[Column, list[Int64Array]]:
    numbers, missing = numbers_of(samples, name, column)
    positions = samples.positions
    known = ~missing
    at, what = positions[known], numbers[known]
    if before is not None:
        at = np.concatenate(([before.position], at))
        what = np.concatenate((numbers_of(samples, name, before.column)[0], what))
    after = np.searchsorted(at, positions)
    takes = missing & (after > 0) & (after < len(at))
    found = [np.full(len(positions), _NOWHERE, np.int64) for _ in range(2)]
    floats = as_floats(column, numbers)
    if takes.any():
        right = after[takes]
        found[0][takes], found[1][takes] = at[right - 1], at[right]
        filled = numbers.copy()
        filled[takes] = _on_the_line(positions[takes], at[right - 1], at[right], what[right - 1], what[right])
        floats = replaced(floats, takes, filled)
    return floats, found


def _on_the_line(
    positions: Int64Array, first: Int64Array, last: Int64Array, start: FloatArray, end: FloatArray
) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        return start + (end - start) * ((positions - first) / (last - first))


def _relation(positions: Int64Array, sources: Sequence[Int64Array]) -> tuple[Int64Array, Int64Array]:
    """Spell for each output its own position and those its values were taken of, ascending, each once."""
    table = np.stack([positions, *(np.where(each == _NOWHERE, positions, each) for each in sources)], axis=1)
    table.sort(axis=1)
    fresh = np.ones(table.shape, np.bool_)
    fresh[:, 1:] = table[:, 1:] != table[:, :-1]
    return fresh.sum(axis=1), table[fresh]
