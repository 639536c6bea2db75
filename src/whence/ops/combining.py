"""Combining: the samples, the draw ids and the origins of pairs of a left and a right sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.errors import OpError, WhenceError
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.merging import ClashError, Form, Merger, form_of
from whence.ops.op import Context, Function, Op, failed
from whence.vocab import Columns, mix64

BoolArray = NDArray[np.bool_]

_TIMES = np.uint64(0x9E3779B97F4A7C15)
_RIGHT = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of samples.

    Args:
        left: left samples.
        right: right samples.
        left_take: for each pair the place of its left one, -1 where it is missing.
        right_take: the same for the right one.
    """

    left: Chunk
    right: Chunk
    left_take: Int64Array
    right_take: Int64Array

    @cached_property
    def keeps_left(self) -> bool:
        """Whether they have all left samples, each once, in order."""
        take = self.left_take
        return len(take) == len(self.left) and bool((take == np.arange(len(take))).all())

    def of_left(self, values: NDArray[Any]) -> NDArray[Any]:
        """What belongs to the left sample of each pair, where each has one."""
        return values if self.keeps_left else values[self.left_take]


@dataclass(slots=True, kw_only=True)
class Combining:
    """Makes the samples of pairs.

    Args:
        op: the op, for messages.
        combine: the user's function; None: they are merged.
        merger: merges them.
        context: of the pass.
        forms: of both sides, as soon as they are known.
    """

    op: Op
    combine: Function | None
    merger: Merger
    context: Context
    forms: list[Form | None]

    def see(self, number: int, chunk: Chunk) -> None:
        """Learn the form of a side from its first samples."""
        if self.forms[number] is None:
            self.forms[number] = form_of(chunk)

    def made(self, pairs: Pairs, left_positions: Int64Array, right_positions: Int64Array) -> Chunk:
        """Make the samples of pairs.

        Args:
            pairs: the pairs.
            left_positions: of the left samples in their input.
            right_positions: of the right ones.

        Raises:
            OpError: the user's function failed, or two fields would have one name.
        """
        has_left, has_right = pairs.left_take >= 0, pairs.right_take >= 0
        if has_left.all():
            left_ids, origins = pairs.of_left(pairs.left.ids), pairs.of_left(pairs.left.origins)
        else:
            left_ids, origins = _at(pairs.left.ids, pairs.left_take), _at(pairs.left.origins, pairs.left_take)
            origins = np.where(has_left, origins, _at(pairs.right.origins, pairs.right_take))
        if len(pairs.right) < len(has_right):  # each comes several times, or some don't
            turned = _at(_turned(pairs.right.ids), pairs.right_take)
        else:
            turned = _turned(_at(pairs.right.ids, pairs.right_take))
        ids = _together(left_ids, turned, has_left, has_right)
        try:
            content = self._columns(pairs) if self.combine is None else None
            if content is not None:
                return Chunk.of_columns(content, ids, origins)
            made = self._rows(pairs, has_left, has_right)
        except ClashError as error:
            place = self._place(pairs, error.row, left_positions, right_positions)
            raise self._clash(error, place, int(origins[error.row])) from None
        except _FailedError as error:
            place = self._place(pairs, error.row, left_positions, right_positions)
            named = self.context.name_origin(int(origins[error.row]))
            raise failed(self.op, place, named, error.cause) from error.cause
        return Chunk(made, ids, origins)

    def _columns(self, pairs: Pairs) -> Columns | None:
        """Merge columns; None where the samples aren't columns, or aren't dicts on both sides."""
        for form in self.forms:
            if form is not None and form.names is None:
                return None
        right = pairs.right.columns
        if not len(pairs.left):
            if right is None or not len(pairs.right):
                return None
            return self.merger.right_columns(right.taken(pairs.right_take), self.forms[0])
        left = pairs.left.columns
        if left is None or (pairs.left_take < 0).any():
            return None
        if right is None:
            right = Columns({}, count=0) if not len(pairs.right) else pairs.right.as_columns()
        form = self.forms[1]
        if right is None or (form is not None and right.names and tuple(right.names) != form.names):
            return None  # the first right sample, which says what a missing one has, is of another form
        if not pairs.keeps_left:
            left = left.taken(pairs.left_take)
        return self.merger.columns(left, right, pairs.right_take, self.forms[1])

    def _rows(self, pairs: Pairs, has_left: BoolArray, has_right: BoolArray) -> list[Any]:
        lefts, rights = _values(pairs.left, pairs.left_take), _values(pairs.right, pairs.right_take)
        if self.combine is None:
            forms = (self.forms[0], self.forms[1])
            return self.merger.rows(lefts, rights, has_left.tolist(), has_right.tolist(), forms)
        made: list[Any] = []
        try:
            made.extend(self.context.recorder.watch("combine").combining(self.combine, lefts, rights))
        except WhenceError:
            raise
        except Exception as error:
            raise _FailedError(len(made), error) from error
        if len(made) < len(lefts):  # a StopIteration inside the function ends the loop without a word
            raise _FailedError(len(made), StopIteration("raised by the function"))
        return made

    def _place(self, pairs: Pairs, row: int, left_positions: Int64Array, right_positions: Int64Array) -> int:
        left = int(pairs.left_take[row])
        return int(left_positions[left] if left >= 0 else right_positions[pairs.right_take[row]])

    def _clash(self, error: ClashError, position: int, origin: int) -> OpError:
        named = self.context.name_origin(origin)
        return OpError(
            f"op {self.op.label!r}: the sample made of sample {position} ({named}) would have two fields "
            f"{error.name!r:.60}",
            remedy="Rename fields before the join, or pass combine=... to say what becomes of them.",
            op=self.op.label,
            position=position,
            origin=named,
        )


def joined_ids(
    left: UInt64Array, right: UInt64Array, has_left: BoolArray, has_right: BoolArray
) -> UInt64Array:
    """The draw ids of pairs: mixed of both; of a left sample alone its own, of a right one its own mixed."""
    return _together(left, _turned(right), has_left, has_right)


def _turned(right: UInt64Array) -> UInt64Array:
    return mix64(right + _RIGHT)


def _together(
    left: UInt64Array, turned: UInt64Array, has_left: BoolArray, has_right: BoolArray
) -> UInt64Array:
    if has_left.all() and has_right.all():
        return mix64(left * _TIMES ^ turned)
    return np.where(has_left, np.where(has_right, mix64(left * _TIMES ^ turned), left), turned)


def _at(values: NDArray[Any], take: Int64Array) -> NDArray[Any]:
    """What stands at some places; anything where that is -1."""
    return values[take] if len(values) else np.zeros(len(take), values.dtype)


def _values(chunk: Chunk, take: Int64Array) -> Sequence[Any]:
    """The samples at some places, None where that is -1; nobody else is given the same dict."""
    if not len(chunk):
        return [None] * len(take)
    found = chunk.taken(np.where(take < 0, 0, take))
    if chunk.columns is not None:
        return [
            None if place < 0 else value for place, value in zip(take.tolist(), found.values, strict=True)
        ]
    return [
        None if place < 0 else dict(value) if type(value) is dict else value
        for place, value in zip(take.tolist(), found.values, strict=True)
    ]


class _FailedError(Exception):
    def __init__(self, row: int, cause: Exception) -> None:
        super().__init__(row)
        self.row = row
        self.cause = cause
