"""Collating: what a group of samples becomes, for the ops that gather consecutive ones."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from whence.errors import OpError, PlanError, WhenceError
from whence.ops.chunk import Chunk
from whence.ops.op import Function, Op, check_callable
from whence.ops.seeding import Seed, leave_alone
from whence.ops.stacking import stack
from whence.vocab import Column, Columns, as_dicts

Collate = Literal["stack"] | Function

_NUMBERS = frozenset((bool, int, float))


def check_collate(collate: Any, where: str) -> None:
    """Refuse what isn't "stack" or a function.

    Raises:
        PlanError: it isn't.
    """
    if isinstance(collate, str):
        if collate != "stack":
            raise PlanError(
                f"{where}(collate={collate!r}): wanted 'stack' or a function",
                remedy="Use collate='stack', collate=list or a function of a list of samples.",
            )
        return
    check_callable(collate, f"{where}(collate=...)")


def collate_parameters(collate: Collate) -> dict[str, Any]:
    """What the record keeps of it, where it is no function of the user's."""
    if collate == "stack" or collate is list:
        return {"collate": "stack" if collate == "stack" else "list"}
    return {}


def collate_functions(collate: Collate) -> dict[str, Function]:
    """The user's function, if it is one."""
    return {} if isinstance(collate, str) or collate is list else {"collate": collate}


def collated(op: Op, collate: Collate, items: list[Any], first: int) -> Any:
    """Make one sample of a group.

    Args:
        op: whose group it is.
        collate: how.
        items: the group.
        first: the position of its first sample in the op's input; -1: not known.

    Raises:
        OpError: the samples don't go together, or the user's function failed.
    """
    try:
        return stack(items) if collate == "stack" else collate(items)
    except WhenceError:
        raise
    except Exception as error:
        place = f"samples {first} to {first + len(items) - 1}" if first >= 0 else f"a {op.kind}"
        raise OpError(
            f"op {op.label!r} can't gather {place}: {type(error).__name__}: {error}",
            remedy=f"Give the samples one form before {op.kind} (resize, pad), or pass collate=list.",
            op=op.label,
            position=first,
        ) from error


def gathered(
    op: Op,
    collate: Collate,
    chunk: Chunk,
    bounds: Sequence[tuple[int, int]],
    first: int,
    seed: Seed = leave_alone,
) -> list[Any]:
    """Make one sample of each group of a chunk; of columns without making rows, where they are stacked.

    Args:
        op: whose groups they are.
        collate: how.
        chunk: what is gathered.
        bounds: of each group the places in the chunk from its first sample up to its end.
        first: the position of the chunk's first sample in the op's input; -1: not known.
        seed: is asked before the user's function is called for a group.
    """
    columns = chunk.columns if collate == "stack" else None
    if columns is not None and columns.by_name:
        with contextlib.suppress(Exception):  # a group can't be stacked: as rows, the error says which one
            return _stacked(columns, bounds)
    values = chunk.values
    if collate == "stack" and values and type(values[0]) in _NUMBERS:
        column = Column.of(values)
        if column.is_uniform:
            return _parts(column.stacked(), bounds)
    made = []
    for place, (start, end) in enumerate(bounds):
        seed(place)
        made.append(collated(op, collate, values[start:end], first + start if first >= 0 else -1))
    return made


def _stacked(columns: Columns, bounds: Sequence[tuple[int, int]]) -> list[Any]:
    by_name: dict[str, list[Any]] = {}
    for name, column in columns.by_name.items():
        if column.is_uniform:
            by_name[name] = _parts(column.stacked(), bounds)
        else:
            by_name[name] = [column.taken(slice(start, end)).stacked() for start, end in bounds]
    return as_dicts(columns.names, by_name.values())


def _parts(whole: NDArray[Any], bounds: Sequence[tuple[int, int]]) -> list[NDArray[Any]]:
    """Cut an array; a copy each, since who keeps a batch must not keep its neighbours."""
    return [whole[start:end].copy() for start, end in bounds]
