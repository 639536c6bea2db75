"""Grouped: what `group_by` gives, until it is said what becomes of each group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from whence.errors import PlanError
from whence.ops import Function, GroupColumns, GroupFunction, GroupSamples, Key, Op, shown_key

StreamT = TypeVar("StreamT")


class Grouped(Generic[StreamT]):
    """Samples by a key; `aggregate` or `samples` makes a stream of one sample a group.

    Args:
        key: what they are grouped by.
        pipe: chains an operation on their stream.
    """

    __slots__ = ("_key", "_pipe")

    def __init__(self, key: Key, pipe: Callable[[Op], StreamT]) -> None:
        self._key = key
        self._pipe = pipe

    def aggregate(self, fn: Function | None = None, /, **columns: tuple[str, str] | str) -> StreamT:
        """Make one sample of each group, by a function or by aggregations of fields.

        `aggregate(fn)` calls `fn(key, samples)`; see `ops.GroupFunction`.
        `aggregate(mean_age=("age", "mean"), n="size")` gives dicts of the key and these fields, without
        making a Python object a sample where the samples come as columns; see `ops.GroupColumns`.
        """
        if fn is None:
            return self._pipe(
                GroupColumns(label=f"group_by({shown_key(self._key)})", key=self._key, columns=columns)
            )
        if columns:
            raise PlanError(
                "group_by(key).aggregate: a function and aggregations of fields at once",
                remedy="Pass the one or the others.",
            )
        return self._pipe(GroupFunction(label=f"group_by({shown_key(self._key)})", key=self._key, fn=fn))

    def samples(self) -> StreamT:
        """Make a list of the samples of each group; see `ops.GroupSamples`."""
        return self._pipe(GroupSamples(label=f"group_by({shown_key(self._key)})", key=self._key))

    def __repr__(self) -> str:
        return f"group_by({shown_key(self._key)}): call .aggregate(...) or .samples()"
