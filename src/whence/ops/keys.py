"""Keys: what sort, group_by and join read of each sample to arrange it by, checked before it is used.

A key is a field, several fields, or what a function makes of a sample. All keys of an operation are of one
kind: numbers (1 and 1.0 are one key, and an integer beyond 2**53 is no float near it), bools (True isn't 1),
text, bytes, or any other one type that can be hashed; tuples are compared part by part. None, NaN (in an
array NaT), what can't be hashed and kinds that are mixed are refused, naming the sample: whether such keys
are equal, or which comes first, is for nobody but the user to say.

Keys are kept as arrays, one for each part of a key, with no Python object a sample where the samples came
as columns of numbers; the same keys come out of rows. Numbering them is the business of `ops.numbering`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whence.errors import OpError, PlanError, WhenceError
from whence.ops.chunk import Chunk
from whence.ops.coded import Coded
from whence.ops.op import Context, Function, Op, failed, name_of
from whence.vocab import Column

Key = str | tuple[str, ...] | Function

_FLOAT_BYTES = 8
_SHOWN = {"number": "a number", "bool": "a bool", "text": "text", "bytes": "bytes"}


def as_key(key: Any, where: str) -> Key:
    """Take a key as it was given: a field, several fields (a list or a tuple), or a function of a sample.

    Raises:
        PlanError: it is none of them.
    """
    if isinstance(key, str):
        return key
    if isinstance(key, list | tuple) and key and all(isinstance(name, str) for name in key):
        if len(set(key)) == len(key):
            return tuple(key)
        raise PlanError(f"{where}: a field is named twice: {', '.join(key)}", remedy="Name each once.")
    if callable(key):
        return key  # type: ignore[no-any-return]  # anything that can be called will do
    raise PlanError(
        f"{where}: wanted a field, a list of fields or a function, got {key!r:.40}",
        remedy='Write "id", ["year", "city"] or lambda sample: sample["id"] // 10.',
    )


def fields_of(key: Key) -> tuple[str, ...] | None:
    """The fields that a key is made of; None where a function makes it."""
    if isinstance(key, str):
        return (key,)
    return key if isinstance(key, tuple) else None


def key_parameter(key: Key) -> str | list[str]:
    """A key of fields as the record keeps it."""
    return list(key) if isinstance(key, tuple) else str(key)


def shown_key(key: Key) -> str:
    """A key as labels show it."""
    if isinstance(key, str):
        return key
    return ", ".join(key) if isinstance(key, tuple) else name_of(key)


class KeyPart(NamedTuple):
    """One part of the keys of some samples.

    Args:
        kind: number, bool, text, bytes, or the name of another type.
        data: shape (n,): bool, int64 or float64; datetimes as int64, in the unit that the kind names;
            everything else, numbers of several types too, as Python's own objects; texts that come again and
            again by number, where they need not be put in order.
    """

    kind: str
    data: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of some samples.

    Args:
        parts: of each key the first parts, the second ones, ...; one where a key is no tuple.
        shape: how the parts stand together: 0 for a value by itself, a tuple of shapes for a tuple.
        values: what the user's function gave for each sample, where one makes the keys.
    """

    parts: tuple[KeyPart, ...]
    shape: Any = 0
    values: Sequence[Any] | None = None

    def __len__(self) -> int:
        return len(self.parts[0].data) if self.parts else 0

    def taken(self, which: Any) -> Keys:
        """Some of them: by mask, by positions or by slice."""
        return Keys(tuple(KeyPart(part.kind, part.data[which]) for part in self.parts), self.shape)

    @classmethod
    def joined(cls, several: Sequence[Keys]) -> Keys:
        """Several, one after the other; they were read by one reader, or by two that go together."""
        first = several[0]
        columns = zip(*(keys.parts for keys in several), strict=True)
        return cls(
            tuple(KeyPart(parts[0].kind, _joined([part.data for part in parts])) for parts in columns),
            first.shape,
        )


@dataclass(slots=True)
class Kinds:
    """Of which kinds the keys of an op are, as its first sample decides; the sides of a join share them."""

    found: tuple[Any, ...] | None = None
    said_by: str = ""
    names: list[str] = field(default_factory=list)


class KeyReader:
    """Reads the keys of an op's samples, chunk after chunk, and checks them.

    Args:
        op: the op, for messages.
        key: as `as_key` gives it.
        context: of the op.
        first: the position of the first sample that will be read; -1 where positions aren't known.
        kinds: shared by readers whose keys are compared with each other.
        side: which input is read, where there are several: `left`, for example.
        coded: whether texts may be told by number: where only equality matters.
    """

    def __init__(
        self,
        op: Op,
        key: Key,
        context: Context,
        *,
        first: int = 0,
        kinds: Kinds | None = None,
        side: str = "",
        coded: bool = False,
    ) -> None:
        self._op = op
        self._key = key
        self._context = context
        self._position = first
        self._kinds = kinds or Kinds()
        self._side = side
        self._coded = coded

    def read(self, chunk: Chunk) -> Keys:
        """Read the keys of the next chunk; columns stay columns unless a function makes the keys.

        Raises:
            OpError: a key can't be made or can't be used; it names the first such sample.
        """
        fields = fields_of(self._key)
        columns = chunk.columns
        if fields is not None and columns is not None and all(name in columns.by_name for name in fields):
            found = [self._keys_of_column(columns.by_name[name]) for name in fields]
            keys = _gathered(found, fields, self._key)
            values: Callable[[], list[Any]] = lambda: self._of_fields(chunk, fields)  # noqa: E731 - one line
        else:
            made, error = self._made(chunk)
            if error is not None:  # a sample before it may be at fault already
                self._refuse(made, chunk)
                raise error
            keys = keys_of_values(made)
            values = lambda: made  # noqa: E731 - as above
        if keys is None or not self._is_like(keys, chunk):
            self._refuse(values(), chunk)
            raise AssertionError("a chunk of keys can't be used, but each of them can")
        if self._position >= 0:
            self._position += len(chunk)
        return keys if fields is not None else replace(keys, values=values())

    def _keys_of_column(self, column: Column) -> Keys | None:
        coded = column.coded() if self._coded else None
        return keys_of_column(column) if coded is None else Keys((KeyPart("text", Coded(*coded).as_data()),))

    def _made(self, chunk: Chunk) -> tuple[list[Any], OpError | WhenceError | None]:
        """Make keys of rows, up to the first sample that fails."""
        key = self._key
        found: list[Any] = []
        try:
            if isinstance(key, str):
                found.extend(value[key] for value in chunk.values)
            elif isinstance(key, tuple):
                found.extend(tuple(value[name] for name in key) for value in chunk.values)
            else:
                found.extend(self._context.recorder.watch("key").reading(key, chunk.values))
        except WhenceError as error:
            return found, error
        except Exception as error:
            return found, self._failed(chunk, len(found), error)
        if len(found) < len(chunk):  # a StopIteration inside the function ends the loop without a word
            return found, self._failed(chunk, len(found), StopIteration("raised by the function"))
        return found, None

    def _failed(self, chunk: Chunk, index: int, error: Exception) -> OpError:
        origin = self._context.name_origin(int(chunk.origins[index]))
        refused = failed(self._op, self._place(index), origin, error)
        refused.__cause__ = error
        return refused

    def _of_fields(self, chunk: Chunk, fields: tuple[str, ...]) -> list[Any]:
        columns = chunk.columns
        if columns is None:
            raise AssertionError("rows have been read already")
        parts = [columns.by_name[name].values() for name in fields]
        return parts[0] if isinstance(self._key, str) else list(zip(*parts, strict=True))

    def _is_like(self, keys: Keys, chunk: Chunk) -> bool:
        """Whether keys are of the kinds that came first, which the first ones decide."""
        if not len(chunk):
            return True
        kinds = (keys.shape, *(part.kind for part in keys.parts))
        if self._kinds.found is None:
            self._kinds.found = kinds
            self._kinds.said_by = self._name(0)
        return kinds == self._kinds.found

    def _refuse(self, values: list[Any], chunk: Chunk) -> None:
        """Say which is the first sample whose key can't be used, if there is one."""
        for index, value in enumerate(values):
            problem = problem_of(value)
            if problem is None:
                one = keys_of_values([value])
                if one is None:
                    raise AssertionError("a key that nothing is wrong with can't be used")
                kinds = (one.shape, *(part.kind for part in one.parts))
                if self._kinds.found is None:
                    self._kinds.found, self._kinds.said_by = kinds, self._name(index)
                if kinds == self._kinds.found:
                    continue
                problem = (
                    f"is {_shown(kinds)}, and that of {self._kinds.said_by} is {_shown(self._kinds.found)}",
                    "Give all keys one type before, by a map or a cast.",
                )
            origin = self._context.name_origin(int(chunk.origins[index]))
            raise OpError(
                f"op {self._op.label!r}: the key of {self._name(index)} ({origin}) {problem[0]}",
                remedy=problem[1],
                op=self._op.label,
                position=self._place(index),
                origin=origin,
            )

    def _place(self, index: int) -> int:
        return self._position + index if self._position >= 0 else -1

    def _name(self, index: int) -> str:
        side = f" of the {self._side} side" if self._side else ""
        return f"sample {self._place(index)}{side}" if self._position >= 0 else f"a sample{side}"


def keys_of_column(column: Column) -> Keys | None:
    """Take a column as keys; None where some of them can't be used."""
    data = column.data
    if column.missing is not None and column.missing.any():
        return None
    if data.ndim > 1:
        return None if len(data) else Keys((KeyPart("array", np.empty(0, object)),))
    kind = data.dtype.kind
    if kind == "b":
        return Keys((KeyPart("bool", data),))
    if kind in "iu" and (data.dtype != np.uint64 or not len(data) or int(data.max()) < 1 << 63):
        return Keys((KeyPart("number", data.astype(np.int64, copy=False)),))
    if kind == "f" and data.dtype.itemsize <= _FLOAT_BYTES:
        if np.isnan(data).any():
            return None
        return Keys((KeyPart("number", data.astype(np.float64, copy=False)),))
    if kind in "mM":
        return None if np.isnat(data).any() else Keys((_of_times(data),))
    values = column.values()
    if kind == "O" and set(map(type, values)) == {str}:
        return Keys((KeyPart("text", data),))
    return keys_of_values(values)


def keys_of_values(values: Sequence[Any]) -> Keys | None:
    """Take values as keys; None where some of them can't be used, or they are of several kinds."""
    types = set(map(type, values))
    if all(issubclass(kind, tuple) for kind in types) and types:
        lengths = set(map(len, values))
        if len(lengths) != 1 or lengths == {0}:
            return None
        inside = [keys_of_values(part) for part in zip(*values, strict=True)]
        return _together([part for part in inside if part is not None], len(inside))
    kinds = {_kind_of(kind) for kind in types}
    if len(kinds) > 1:
        return None
    kind = kinds.pop() if kinds else "number"
    if kind == "number":
        return _of_numbers(values, types)
    if kind == "bool":
        return Keys((KeyPart(kind, np.array(values, np.bool_)),))
    if kind in ("datetime64", "timedelta64"):
        if len({value.dtype for value in values}) > 1:
            return None
        data = np.array(values)
        return None if np.isnat(data).any() else Keys((_of_times(data),))
    if kind not in ("text", "bytes") and not all(problem_of(value) is None for value in values):
        return None
    return Keys((KeyPart(kind, np.fromiter(values, object, len(values))),))


def problem_of(value: Any) -> tuple[str, str] | None:
    """Say why a value can't be a key, and what to do about it; None where it can."""
    if isinstance(value, tuple):
        if not value:
            return "is an empty tuple", "Give each sample a key with something in it."
        return next((problem for problem in map(problem_of, value) if problem is not None), None)
    if value is None:
        return "is None", "Filter such samples out before, or fill the gap with fill_missing."
    if _kind_of(type(value)) in ("bool", "text", "bytes"):
        return None
    try:
        hash(value)
        is_itself = bool(value == value)  # noqa: PLR0124 - NaN isn't
    except Exception as error:  # any type may refuse in its own way
        return (
            f"can't be compared with others: {type(value).__name__}: {error}",
            "Make the key a number, text or a tuple of them, by a function for instance.",
        )
    if not is_itself:
        return "is NaN", "Filter such samples out before, or fill the gap with fill_missing."
    return None


def _kind_of(kind: type) -> str:
    if issubclass(kind, bool | np.bool_):
        return "bool"
    if issubclass(kind, np.timedelta64 | np.datetime64):
        return str(kind.__name__)
    if issubclass(kind, int | float | np.integer | np.float16 | np.float32):
        return "number"
    if issubclass(kind, str):
        return "text"
    if issubclass(kind, bytes):
        return "bytes"
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _of_numbers(values: Sequence[Any], types: set[type]) -> Keys | None:
    count = len(values)
    if all(issubclass(kind, float | np.floating) for kind in types) and types:
        data: NDArray[Any] = np.fromiter(values, np.float64, count)
        return None if np.isnan(data).any() else Keys((KeyPart("number", data),))
    whole = all(issubclass(kind, int | np.integer) for kind in types)
    if whole:
        try:
            return Keys((KeyPart("number", np.fromiter(map(int, values), np.int64, count)),))
        except OverflowError:
            pass
    plain = [
        int(value) if isinstance(value, int | np.integer) else float(value) for value in values
    ]  # comparing Python's own numbers with each other is exact, whatever their types and sizes
    if not whole and any(value != value for value in plain):  # noqa: PLR0124 - NaN isn't itself
        return None
    return Keys((KeyPart("number", np.fromiter(plain, object, count)),))


def _of_times(data: NDArray[Any]) -> KeyPart:
    little = data.astype(data.dtype.newbyteorder("="), copy=False)
    return KeyPart(little.dtype.name, little.view(np.int64))


def _gathered(found: Sequence[Keys | None], fields: tuple[str, ...], key: Key) -> Keys | None:
    if isinstance(key, str):
        return found[0]
    return _together([keys for keys in found if keys is not None], len(fields))


def _together(inside: Sequence[Keys], count: int) -> Keys | None:
    """Make the keys of tuples of those of their items; None where some of these can't be used."""
    if len(inside) < count:
        return None
    return Keys(tuple(part for keys in inside for part in keys.parts), tuple(keys.shape for keys in inside))


def _joined(several: Sequence[NDArray[Any]]) -> NDArray[Any]:
    coded: list[Any] = [data for data in several if isinstance(data, Coded)]
    if len(coded) == len(several):
        return Coded.joined(coded).as_data()
    arrays = [data.array() if isinstance(data, Coded) else data for data in several]
    if len({array.dtype for array in arrays if len(array)}) > 1:
        parts = [array.astype(object) for array in arrays]  # integers and floats: as they are, to be exact
        return np.concatenate(parts)
    full = [array for array in arrays if len(array)] or list(arrays[:1])
    return np.concatenate(full)


def _shown(kinds: tuple[Any, ...]) -> str:
    shape, *names = kinds
    shown = [_SHOWN.get(name, f"of type {name}") for name in names]
    return shown[0] if shape == 0 else f"a tuple of {', '.join(shown)}"
