"""Seedables: objects that a user's function draws from, which have generators of their own.

Albumentations' pipelines are such from 1.4.19 on: they no longer draw from the global generators. They are
found by what the function can reach: its parameters, closure, defaults, the global names in its code, and
what these hold, as long as it is the user's own or a plain container.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from whence.capture import anatomy
from whence.capture.packages import home_of_module

_MOST = 10_000
_PLAIN = (str, bytes, int, float, complex, type(None))


def find_seedables(*roots: Any) -> list[Any]:
    """Find the objects that have a method `set_random_seed`, from some functions and values on.

    Returns:
        The outermost ones, in the order in which they are met, each once, among the first 10,000 things.
    """
    found: list[Any] = []
    waiting: list[Any] = [*roots]
    seen: dict[int, Any] = {}  # kept, so that no id is used twice
    while waiting and len(seen) < _MOST:
        value = waiting.pop(0)
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value
        if not isinstance(value, type | ModuleType) and callable(getattr(value, "set_random_seed", None)):
            found.append(value)
        else:
            waiting += _within(value)
    return found


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, FunctionType):
        return _of_function(value) if _is_users(value.__module__) else []
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, type | ModuleType) or not _is_users(type(value).__module__):
        return []
    call = getattr(type(value), "__call__", None)  # noqa: B004 - what it reaches is wanted
    return [*anatomy.fields_of(value).values(), call]


def _of_function(function: FunctionType) -> Iterator[Any]:
    yield from (anatomy.content_of(cell) for cell in function.__closure__ or ())
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from (
        function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__
    )
    if hasattr(function, "__wrapped__"):
        yield function.__wrapped__


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_users(module: str | None) -> bool:
    return module is not None and home_of_module(module).owner == "user"
