"""Stacking: samples together as arrays, each field when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from whence.ops.chunk import Chunk
from whence.vocab import stack_values

Make = Callable[[str], NDArray[Any]]

_ABSENT: Any = object()


class Stacked(dict[Any, Any]):
    """A dict of arrays that makes each when it is asked for: a function of columns needs few of many fields.

    Whatever else is done to it than asking for fields by name, it makes all of them first and is a dict.

    Args:
        names: the fields, in order.
        make: stacks a field.
    """

    __slots__ = ("_left", "_make", "_names")

    def __init__(self, names: Iterable[Any], make: Make) -> None:
        super().__init__()
        self._names = list(names)
        self._left = set(self._names)
        self._make = make

    # by name

    def __missing__(self, name: Any) -> Any:
        if name not in self._left:
            raise KeyError(name)
        found = self._make(name)
        self._left.discard(name)
        super().__setitem__(name, found)
        return found

    def get(self, name: Any, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 - this is what `get` is

    def __contains__(self, name: object) -> bool:
        return name in self._left or super().__contains__(name)

    def __len__(self) -> int:
        return super().__len__() + len(self._left)

    def __setitem__(self, name: Any, value: Any) -> None:
        self._left.discard(name)
        super().__setitem__(name, value)

    # all of it

    def _filled(self) -> dict[Any, Any]:
        if self._names:
            found = {name: self[name] for name in self._names}
            found |= dict.items(self)  # what was set besides comes last
            self._names = []
            super().clear()
            super().update(found)
        return super()  # type: ignore[return-value]  # the dict that it is

    def __iter__(self) -> Iterator[Any]:
        return self._filled().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        return self._filled().__reversed__()

    def keys(self) -> Any:
        return self._filled().keys()

    def values(self) -> Any:
        return self._filled().values()

    def items(self) -> Any:
        return self._filled().items()

    def __eq__(self, other: object) -> bool:
        return self._filled().__eq__(other.copy() if isinstance(other, Stacked) else other)

    def __ne__(self, other: object) -> bool:
        return self._filled().__ne__(other.copy() if isinstance(other, Stacked) else other)

    __hash__ = None  # as of any dict

    def __repr__(self) -> str:
        return self._filled().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (self.copy(),)

    def copy(self) -> dict[Any, Any]:
        return dict(self.items())

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        return self.copy() | other if isinstance(other, dict) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return other | self.copy() if isinstance(other, dict) else NotImplemented

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __delitem__(self, name: Any) -> None:
        self._filled().__delitem__(name)

    def clear(self) -> None:
        self._filled().clear()

    def pop(self, name: Any, default: Any = _ABSENT) -> Any:
        return self._filled().pop(name) if default is _ABSENT else self._filled().pop(name, default)

    def popitem(self) -> Any:
        return self._filled().popitem()

    def setdefault(self, name: Any, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *others: Any, **more: Any) -> None:
        for name, value in dict(*others, **more).items():
            self[name] = value


def stacked(chunk: Chunk) -> Any:
    """Stack the samples of a chunk for a function of columns: fields when they are asked for.

    Raises:
        ValueError: the samples don't go together.
    """
    columns = chunk.columns
    if columns is not None and columns.by_name:
        by_name = columns.by_name
        return Stacked(by_name, lambda name: by_name[name].stacked())
    rows = chunk.values
    if type(rows[0]) is not dict:
        return stack_values(rows)
    return Stacked(check_alike(rows), lambda name: stack_values([row[name] for row in rows], str(name)))


def stack(items: Sequence[Any]) -> Any:
    """Stack samples: dicts into a dict of arrays, arrays and numbers into an array, shape (n, ...)."""
    if type(items[0]) is not dict:
        return stack_values(items)
    return {name: stack_values([item[name] for item in items], str(name)) for name in check_alike(items)}


def check_alike(items: Sequence[Any]) -> Iterable[Any]:
    """Give the fields that all samples have, in the order of the first.

    Raises:
        ValueError: one has others.
    """
    names = items[0].keys()
    for number, item in enumerate(items):
        if type(item) is not dict or item.keys() != names:
            found = sorted(map(str, item)) if isinstance(item, dict) else type(item).__name__
            raise ValueError(
                f"sample {number} of the batch has {found}, the first has {sorted(map(str, names))}"
            )
    return list(names)
