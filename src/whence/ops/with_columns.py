"""With columns: fields made of fields, by functions of whole columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from whence.errors import OpError, PlanError, WhenceError
from whence.ops.chunk import Chunk
from whence.ops.fields import FieldOp, Fitted, Samples, check_names, is_unknown
from whence.ops.op import Function, failed
from whence.vocab import Column, plain

_OWN = frozenset(map(np.dtype, (np.bool_, np.int64, np.float64)))
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class WithColumns(FieldOp):
    """Add fields to each sample, or replace them, 1 -> 1; all are made of the sample as it came in.

    Args:
        columns: for each field what it becomes: the name of another field, whose value is taken; a function,
            `fn(columns)`, of a mapping from fields to arrays with a value for each of some samples, which
            returns an array or a list of as many values, or anything else as the value of all; or anything
            else, a constant. (A text is a field's name: for a constant one write `lambda columns: "text"`.)

    A function may get any number of samples at once, so the value it gives for one must not depend on the
    others; the first samples of a pass are also given to it one by one, and a function that then says
    something else is refused. Values of arrays of float64, int64 and bool become Python's own.
    """

    kind: ClassVar[str] = "with_columns"

    columns: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(list(self.columns), "with_columns")
        for name, value in self.columns.items():
            if not callable(value) and is_unknown(plain(value)):
                raise PlanError(
                    f"with_columns({name}=...): a {type(value).__name__} can't be recorded as a constant",
                    remedy=f"Write a function: with_columns({name}=lambda columns: ...).",
                )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain: the fields in order, and those that no function makes."""
        given = {name: plain(value) for name, value in self.columns.items() if not callable(value)}
        return {"names": list(self.columns), "params": given}

    def functions(self) -> dict[str, Function]:
        """The user's functions, by field."""
        return {name: value for name, value in self.columns.items() if callable(value)}

    @classmethod
    def restored(cls, label: str, parameters: Mapping[str, Any], functions: Mapping[str, Function]) -> Self:
        """Make it again of what the record says; for its mapping only, without the constants."""
        made = {**dict.fromkeys(parameters["names"]), **parameters.get("params", {}), **functions}
        return cls(label=label, columns={name: made[name] for name in parameters["names"]})

    def apply(self, samples: Samples, fitted: Fitted) -> Chunk:
        """Make the fields."""
        sources = [value for value in self.columns.values() if isinstance(value, str)]
        samples.check_fields(sources)
        made = {name: self._made(samples, name, value) for name, value in self.columns.items()}
        return samples.with_columns(made)

    def _made(self, samples: Samples, name: str, value: Any) -> Column:
        if isinstance(value, str):
            return samples.column(value)
        if not callable(value):
            return Column.of([value] * len(samples))
        view = ColumnsView(samples)
        made = self._called(value, view, samples, name)
        watch = samples.context.recorder.watch("columns")
        watch.made_of(name, view.read, whole=view.is_listed, count=len(samples))
        if len(samples) > 1 and int(samples.positions[0]) == samples.context.first:
            self._check_alone(value, samples, name, made)
        return made

    def _called(self, fn: Callable[..., Any], view: ColumnsView, samples: Samples, name: str) -> Column:
        try:
            found = fn(view)
        except OpError as error:
            if error.op == self.label:
                raise
            raise self._failed(fn, samples, error) from error
        except WhenceError:
            raise
        except Exception as error:
            raise self._failed(fn, samples, error) from error
        if not isinstance(found, np.ndarray | list) or (isinstance(found, np.ndarray) and not found.ndim):
            return Column.of([found[()] if isinstance(found, np.ndarray) else found] * len(samples))
        count = len(found)
        if count != len(samples):
            raise samples.wrong(
                0,
                f"and {len(samples) - 1} more were given to the function of {name!r}, "
                f"which returned {count} values",
                "It must return one value for each sample.",
            )
        return _column_of(found)

    def _failed(self, fn: Callable[..., Any], samples: Samples, error: Exception) -> OpError:
        """Name the first sample that the function fails on by itself; the first of all where none does."""
        index = 0
        for place in range(len(samples)):
            try:
                fn(ColumnsView(_one(samples, place)))
            except Exception:  # any function may fail in its own way
                index = place
                break
        origin = samples.context.name_origin(int(samples.chunk.origins[index]))
        return failed(self, int(samples.positions[index]), origin, error)

    def _check_alone(self, fn: Callable[..., Any], samples: Samples, name: str, made: Column) -> None:
        """Refuse a function whose value for a sample depends on those beside it."""
        for place in (0, len(samples) - 1):
            one = _one(samples, place)
            alone = self._called(fn, ColumnsView(one), one, name)
            if not _are_close(alone.values()[0], made.taken(np.array([place])).values()[0]):
                raise samples.wrong(
                    place,
                    f"gets another {name!r} by itself than with others, so it would depend on how many are "
                    "read at once",
                    "Make each value of its own sample only; normalize and its like are for what all tell.",
                )


class ColumnsView(Mapping[str, NDArray[Any]]):
    """The fields of some samples as arrays, each made when it is asked for."""

    __slots__ = ("_samples", "is_listed", "read")

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.read: set[str] = set()
        self.is_listed = False

    def __getitem__(self, name: str) -> NDArray[Any]:
        self.read.add(name)
        self._samples.check_fields([name])
        return self._samples.column(name).stacked()

    def __iter__(self) -> Iterator[str]:
        self.is_listed = True
        columns = self._samples.chunk.columns
        if columns is not None:
            return iter(columns.names)
        rows = self._samples.chunk.values
        self._samples.check_fields([])
        return iter([name for name in rows[0] if all(name in row for row in rows)])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _one(samples: Samples, place: int) -> Samples:
    which = np.array([place])
    return Samples(
        op=samples.op,
        chunk=samples.chunk.taken(which),
        positions=samples.positions[which],
        context=samples.context,
    )


def _column_of(found: NDArray[Any] | Sequence[Any]) -> Column:
    if not isinstance(found, np.ndarray):
        return Column.of(found)
    if found.ndim == 1 and found.dtype.newbyteorder("=") in _OWN:
        return Column(
            found.astype(found.dtype.newbyteorder("="))
        )  # a copy: the function may use its own again
    if found.ndim == 1 and found.dtype.kind in "US":
        return Column.of(found.tolist())
    return Column.of_items(found)


def _are_close(one: Any, other: Any) -> bool:
    if isinstance(one, float | np.floating | np.ndarray) and isinstance(
        other, float | np.floating | np.ndarray
    ):
        found, wanted = np.asarray(one), np.asarray(other)
        if found.shape != wanted.shape:
            return False
        if found.dtype.kind in "fc" and wanted.dtype.kind in "fc":
            return bool(np.allclose(found, wanted, rtol=_CLOSE, atol=0.0, equal_nan=True))
        return bool(found.tolist() == wanted.tolist())
    return bool(plain(one) == plain(other))
