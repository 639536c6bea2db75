"""Views: samples that note which of their fields a function reads.

A view is a dict and works as one; what a function makes of it is made of plain dicts again (`plainly`).
Noted is what goes through the methods of a dict. What a library in C takes from it by going around them
isn't seen, and neither is what is read from a copy that Python makes of all of it at once, such as
`{**sample}` or `dict(sample)`: that such a copy was made is noted, unless it is at once what the function
gives back.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import numpy as np

from whence.capture.syntax import find_definition

_ABSENT = object()
_DEPTH = 12
_OUR_REFERENCES = 2  # that of the list, and that of the call that counts them
_LEAVES = frozenset({type(None), bool, int, float, complex, str, bytes})


def raw(view: dict[Any, Any]) -> dict[Any, Any]:
    """Take what a view holds, as a dict, with nothing noted; `dict(view)` asks the view."""
    return dict(dict.items(view))


class Reads:
    """What was read of the samples that an op was called with.

    Args:
        fields: those that were asked for by name.
        whole: whether the function went through all of a sample, whatever its fields are.
        copied: whether it made a copy of which nobody knows what was read.
        given: fields that were set, even to the very object that they had.
        views: all views that note here.
    """

    __slots__ = ("copied", "fields", "given", "views", "whole")

    def __init__(self) -> None:
        self.fields: set[Any] = set()
        self.given: set[Any] = set()
        self.views: list[View] = []
        self.whole = False
        self.copied = False

    def end(self) -> bool:
        """Note nothing any more, the function has returned; tells whether somebody still holds a view."""
        for view in self.views:
            view.leave()
        return any(sys.getrefcount(self.views[place]) > _OUR_REFERENCES for place in range(len(self.views)))


class View(dict[Any, Any]):
    """A sample that notes what is read of it.

    Args:
        sample: what it shows.
        reads: where it is noted; None once nobody listens any more.
    """

    __slots__ = ("_listed", "_own", "_reads", "_was_copied")

    def __init__(self, sample: dict[Any, Any], reads: Reads) -> None:
        super().__init__(sample)
        self._reads: Reads | None = reads
        self._own = set(sample)  # fields that still have the value they came with
        self._listed: tuple[FrameType, int] | None = None
        self._was_copied = False
        reads.views.append(self)

    def leave(self) -> None:
        """Note nothing any more."""
        self._end_listing()
        self._reads = None

    # by name

    def __getitem__(self, key: Any) -> Any:
        if self._reads is not None and not self._is_copying(sys._getframe(1)):
            self._read(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._read(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._read(key)
        return super().__contains__(key)

    def pop(self, key: Any, default: Any = _ABSENT) -> Any:
        self._read(key)
        self._own.discard(key)
        return super().pop(key) if default is _ABSENT else super().pop(key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._read(key)
        if not super().__contains__(key):
            self._give(key)
        return super().setdefault(key, default)

    # all of it

    def __iter__(self) -> Iterator[Any]:
        self._read_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._read_all()
        return super().__reversed__()

    def keys(self) -> Any:
        """The fields; Python asks for them, and then for each, when it copies all of a dict at once."""
        if self._reads is not None:
            self._end_listing()
            frame = sys._getframe(1)
            self._listed = frame, frame.f_lasti
        return super().keys()

    def values(self) -> Any:
        self._read_all()
        return super().values()

    def items(self) -> Any:
        self._read_all()
        return super().items()

    def popitem(self) -> tuple[Any, Any]:
        self._read_all()
        key, value = super().popitem()
        self._own.discard(key)
        return key, value

    def __eq__(self, other: object) -> bool:
        self._read_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self._read_all()
        return super().__ne__(other)

    __hash__ = None  # as of any dict

    def __repr__(self) -> str:
        self._read_all()
        return super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._read_all()
        return dict, (raw(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        self._read_all()
        return copy.deepcopy(raw(self), memo)

    # copies that still note

    def copy(self) -> View:
        made = View(raw(self), self._reads or Reads())
        made._reads, made._own = self._reads, set(self._own)
        return made

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        made = self.copy()
        made |= other
        return made

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        made = self.copy()
        dict.clear(made)
        dict.update(made, other)
        dict.update(made, raw(self))
        return made

    # changes

    def __setitem__(self, key: Any, value: Any) -> None:
        self._give(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._own.discard(key)
        super().__delitem__(key)

    def clear(self) -> None:
        self._own.clear()
        super().clear()

    def update(self, *others: Any, **more: Any) -> None:
        changes = dict(*others, **more)
        for key in changes:
            self._give(key)
        super().update(changes)

    def __ior__(self, other: Any) -> View:
        changes = raw(other) if isinstance(other, View) else dict(other)
        for key in changes:
            self._give(key)
        super().update(changes)
        return self

    def _give(self, key: Any) -> None:
        self._own.discard(key)
        if self._reads is not None:
            self._reads.given.add(key)

    def _read(self, key: Any) -> None:
        # what the function has set itself is no field that it reads; one that isn't there is
        if self._reads is not None and (key in self._own or not dict.__contains__(self, key)):
            self._reads.fields.add(key)

    def _read_all(self) -> None:
        if self._reads is not None:
            self._reads.fields |= self._own
            self._reads.whole = True

    def _is_copying(self, frame: FrameType) -> bool:
        """Whether the fields were listed by the very instruction that now asks for one: a copy of all."""
        if self._listed is None:
            return False
        if self._listed[0] is not frame or self._listed[1] != frame.f_lasti:
            self._end_listing()
            return False
        if not self._was_copied:
            self._was_copied = True
            if self._reads is not None:
                self._reads.copied |= not _is_given_back(frame)
        return True

    def _end_listing(self) -> None:
        """If no copy was made, the function itself has listed the fields."""
        if self._listed is not None and not self._was_copied and self._reads is not None:
            self._reads.whole = True
        self._listed, self._was_copied = None, False


def plainly(value: Any, samples: Mapping[int, Any]) -> Any:
    """Put plain dicts for the views in what a function gave back, however deep they are in it.

    Args:
        value: what it gave back; changed in place where it isn't a view itself.
        samples: by the id of a view the sample that it showed; any other view becomes a dict of its own.
    """
    return _plain(value, samples, {}, 0)


def _plain(value: Any, samples: Mapping[int, Any], done: dict[int, Any], depth: int) -> Any:
    kind = type(value)
    if kind in _LEAVES or depth > _DEPTH:
        return value
    if id(value) in done:
        return done[id(value)][0]
    if kind is View:
        found = samples.get(id(value))
        if found is None:
            found = raw(value)
            done[id(value)] = found, value
            _replace_in_dict(found, samples, done, depth)
        done[id(value)] = found, value
        return found
    done[id(value)] = value, value  # the second keeps it alive, so that its id isn't given again
    if isinstance(value, dict):
        _replace_in_dict(value, samples, done, depth)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            plain = _plain(each, samples, done, depth + 1)
            if plain is not each:
                value[place] = plain
    elif isinstance(value, tuple):
        parts = [_plain(each, samples, done, depth + 1) for each in value]
        if any(part is not each for part, each in zip(parts, value, strict=True)):
            value = kind(*parts) if hasattr(value, "_fields") else kind(parts)
            done[id(value)] = value, value
    elif isinstance(value, np.ndarray):
        if value.dtype.hasobject and value.dtype.names is None and value.flags.writeable:
            flat = value.reshape(-1)
            for place, each in enumerate(flat.tolist()):
                plain = _plain(each, samples, done, depth + 1)
                if plain is not each:
                    value[np.unravel_index(place, value.shape)] = plain
    else:
        _replace_in_object(value, samples, done, depth)
    return value


def _replace_in_dict(
    value: dict[Any, Any], samples: Mapping[int, Any], done: dict[int, Any], depth: int
) -> None:
    for key, each in list(dict.items(value)):
        plain = _plain(each, samples, done, depth + 1)
        if plain is not each:
            dict.__setitem__(value, key, plain)


def _replace_in_object(value: Any, samples: Mapping[int, Any], done: dict[int, Any], depth: int) -> None:
    """Look into objects that hold values under names: instances of classes, dataclasses with slots."""
    held = getattr(value, "__dict__", None)
    if isinstance(held, dict) and not isinstance(value, type):
        _replace_in_dict(held, samples, done, depth)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            each = getattr(value, field.name, None)
            plain = _plain(each, samples, done, depth + 1)
            if plain is not each:
                object.__setattr__(value, field.name, plain)


def _is_given_back(frame: FrameType) -> bool:
    """Whether the copy that a frame is making becomes what the op's function gives back, and nothing else.

    Only then nothing can be read from it unseen. That is so for `return {**sample, "y": 1}`, for a lambda of
    the same, and for what stands there inside a list, a tuple or a choice.
    """
    above = frame.f_back
    if above is None or not str(above.f_globals.get("__name__", "")).startswith("whence."):
        return False
    code = frame.f_code
    if "dict" in frame.f_globals or "dict" in (*code.co_varnames, *code.co_freevars):
        return False  # another one than Python's
    return _makes_result(code, frame.f_lasti)


@lru_cache(maxsize=256)
def _makes_result(code: CodeType, at: int) -> bool:
    definition = find_definition(code)
    if definition is None:
        return False
    place = list(code.co_positions())[at // 2]
    parents: dict[ast.AST, ast.AST] = {}
    found = None
    for node in ast.walk(definition.node):
        parents.update((child, node) for child in ast.iter_child_nodes(node))
        if isinstance(node, ast.expr) and _makes_dict(node) and _place_of(node) == place:
            found = node
    return found is not None and _leads_out(found, parents)


def _makes_dict(node: ast.expr) -> bool:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    return named or isinstance(node, ast.Dict)


def _place_of(node: ast.expr) -> tuple[int | None, ...]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _leads_out(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    parent = parents.get(node)
    if isinstance(parent, ast.IfExp):
        return node is not parent.test and _leads_out(parent, parents)
    if isinstance(parent, ast.List | ast.Tuple):
        return _leads_out(parent, parents)
    if isinstance(parent, ast.Dict):
        return node in parent.values and node not in _unpacked(parent) and _leads_out(parent, parents)
    return isinstance(parent, ast.Return | ast.Lambda | ast.Yield)


def _unpacked(node: ast.Dict) -> list[ast.expr]:
    return [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
