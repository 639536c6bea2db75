"""Merging: the sample that a join makes of a left and a right one, where the user gives no function.

Two dicts are merged: the left fields, then the right ones; a right field that the left sample has too is
called `NAME_right`, and key fields of one name, which are equal, come once. A side that is missing has None
in its fields, as its first sample says which they are, so that all rows have one form; key fields of one
name are filled from the side that is there. Where nothing is known of the other side's fields, because it
has no sample, there are none of them. Samples that aren't dicts are paired up in a tuple, with None for a
missing side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whence.ops.chunk import Chunk, Int64Array
from whence.vocab import Column, Columns

Names = tuple[Any, ...]


class Form(NamedTuple):
    """The form of a side's samples: the fields of its first one; None where that is no dict."""

    names: Names | None


class ClashError(Exception):
    """Two fields of a merged sample would have one name; `row` says which pair it is."""

    def __init__(self, name: Any, row: int) -> None:
        super().__init__(name)
        self.name = name
        self.row = row


def form_of(chunk: Chunk) -> Form | None:
    """The form of a side, as its first sample says; None where there is none."""
    if not len(chunk):
        return None
    if chunk.columns is not None:
        return Form(tuple(chunk.columns.names))
    first = chunk.values[0]
    return Form(tuple(first) if isinstance(first, dict) else None)


class Merger:
    """Merges samples, as rows or as columns.

    Args:
        shared: key fields that have one name on both sides.
    """

    def __init__(self, shared: Sequence[str]) -> None:
        self._shared = frozenset(shared)
        self._plans: dict[tuple[Names, Names], list[tuple[Any, Any]]] = {}

    def rows(
        self,
        lefts: Sequence[Any],
        rights: Sequence[Any],
        left_there: Sequence[bool],
        right_there: Sequence[bool],
        forms: tuple[Form | None, Form | None],
    ) -> list[Any]:
        """Make samples of pairs.

        Args:
            lefts: the left sample of each pair; anything where it is missing.
            rights: the right one.
            left_there: whether each is there.
            right_there: whether each is there.
            forms: of both sides; needed where one is missing.

        Raises:
            ClashError: two fields would have one name.
        """
        made: list[Any] = []
        for left, right, has_left, has_right in zip(lefts, rights, left_there, right_there, strict=True):
            try:
                if has_left and has_right:
                    made.append(self._both(left, right))
                elif has_left:
                    made.append(self._left_only(left, forms[1]))
                else:
                    made.append(self._right_only(right, forms[0]))
            except _NamedTwiceError as error:
                raise ClashError(error.args[0], len(made)) from None
        return made

    def _both(self, left: Any, right: Any) -> Any:
        if not (isinstance(left, dict) and isinstance(right, dict)):
            return left, right
        found = dict(left)
        for name, target in self._plan(tuple(left), tuple(right)):
            found[target] = right[name]
        return found

    def _left_only(self, left: Any, form: Form | None) -> Any:
        if not isinstance(left, dict) or (form is not None and form.names is None):
            return left, None
        found = dict(left)
        for _, target in self._plan(tuple(left), form.names or () if form is not None else ()):
            found[target] = None
        return found

    def _right_only(self, right: Any, form: Form | None) -> Any:
        if not isinstance(right, dict) or (form is not None and form.names is None):
            return None, right
        if form is None or form.names is None:
            return dict(right)
        found = {name: right.get(name) if name in self._shared else None for name in form.names}
        for name, target in self._plan(form.names, tuple(right)):
            found[target] = right[name]
        return found

    def columns(self, left: Columns, right: Columns, right_take: Int64Array, form: Form | None) -> Columns:
        """Make samples of pairs, by column.

        Args:
            left: the left sample of each pair.
            right: right samples; no fields where there is none.
            right_take: for each pair the place of the right sample, -1 where it is missing.
            form: of the right side; needed where one is missing.

        Raises:
            ClashError: two fields would have one name.
        """
        made = dict(left.by_name)
        missing = right_take < 0
        if not missing.any():
            for name, target in self._plan_of_all(tuple(left.names), tuple(right.names)):
                made[target] = right.by_name[name].taken(right_take)
            return Columns(made, count=len(right_take))
        places = np.where(missing, 0, right_take)
        is_empty = bool(missing.all())
        names = (form.names or ()) if form is not None else ()
        for name, target in self._plan_of_all(tuple(left.names), names):
            made[target] = (
                nothing(len(places)) if is_empty else _with_gaps(right.by_name[name].taken(places), missing)
            )
        return Columns(made, count=len(right_take))

    def right_columns(self, right: Columns, form: Form | None) -> Columns:
        """Make samples of right ones that no left one goes with, by column.

        Raises:
            ClashError: two fields would have one name.
        """
        if form is None or form.names is None:
            return right
        made: dict[str, Column] = {}
        for name in form.names:
            is_given = name in self._shared and name in right.by_name
            made[name] = right.by_name[name] if is_given else nothing(len(right))
        for name, target in self._plan_of_all(form.names, tuple(right.names)):
            made[target] = right.by_name[name]
        return Columns(made, count=len(right))

    def _plan_of_all(self, left: Names, right: Names) -> list[tuple[Any, Any]]:
        try:
            return self._plan(left, right)
        except _NamedTwiceError as error:
            raise ClashError(error.args[0], 0) from None

    def _plan(self, left: Names, right: Names) -> list[tuple[Any, Any]]:
        """Say what each right field is called in the merged sample; key fields of one name aren't in it."""
        plan = self._plans.get((left, right))
        if plan is None:
            taken = set(left)
            plan = []
            for name in right:
                if name in self._shared and name in taken:
                    continue
                target = f"{name}_right" if name in left else name
                if target in taken:
                    raise _NamedTwiceError(target)
                taken.add(target)
                plan.append((name, target))
            if len(self._plans) >= _PLANS:  # samples of ever other forms
                self._plans.clear()
            self._plans[left, right] = plan
        return plan


def nothing(count: int) -> Column:
    """A column of None."""
    return Column(np.zeros(count, np.int64), missing=np.ones(count, np.bool_))


def _with_gaps(column: Column, missing: NDArray[np.bool_]) -> Column:
    absent = missing if column.missing is None else missing | column.missing
    return Column(column.data, missing=absent, native=column.native)


def shared_fields(left: Sequence[str] | None, right: Sequence[str] | None) -> list[str]:
    """The key fields that have one name on both sides."""
    if left is None or right is None:
        return []
    return [name for name, other in zip(left, right, strict=True) if name == other]


class _NamedTwiceError(Exception):
    pass


_PLANS = 1000
