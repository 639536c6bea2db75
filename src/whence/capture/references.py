"""References: how to find a callable again in another process, as JSON.

A function that its module can name is referred to by that name; a lambda or nested function by where it
stands, the digest of its normal text, and the values of its closure and defaults. What can't be found
again is written down as `missing` with its type, and only loading it fails.
"""

from __future__ import annotations

import enum
import functools
import operator
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any

from whence.capture import anatomy
from whence.capture.code import place_of
from whence.capture.noticing_natives import original_of
from whence.capture.packages import home_of_file, home_of_module
from whence.capture.usage import facts_of, facts_of_class
from whence.errors import CanonicalError
from whence.vocab import from_plain, plain

_DEPTH_LIMIT = 40
_BYTES_LIMIT = 1 << 20
_MADE_BY_ARGUMENTS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)


def refer(fn: Callable[..., Any]) -> dict[str, Any]:
    """Refer to a callable, so that `load_function` finds it in another process.

    Args:
        fn: a function, lambda, class, method, partial, builtin, or callable object.

    Returns:
        A JSON-able dict; its `kind` is `name`, `code`, `partial`, `attribute`, `made`, `object`,
        `value`, `list`, `tuple`, `dict`, `module`, `cycle` or `missing`. Never raises.
    """
    return _Referring().refer(fn)


class _Referring:
    def __init__(self) -> None:
        self._functions: list[FunctionType] = []  # those being referred to, from the outside in
        self._depth = 0

    def refer(self, value: Any) -> dict[str, Any]:
        if self._depth > _DEPTH_LIMIT:
            return _missing(value)
        self._depth += 1
        value = original_of(value)
        try:
            found = self._find(value)
        finally:
            self._depth -= 1
        # a variable's name may be bound again, in a loop say: it is used only where nothing else leads back
        return (_bound(value) or found) if _has_gap(found) else found

    def _find(self, value: Any) -> dict[str, Any]:
        if isinstance(value, ModuleType):
            return {"kind": "module", "module": value.__name__}
        if isinstance(value, functools.partial):
            return {
                "kind": "partial",
                "func": self.refer(value.func),
                "args": [self.refer(item) for item in value.args],
                "keywords": {key: self.refer(item) for key, item in value.keywords.items()},
            }
        if isinstance(value, enum.Enum):
            return {"kind": "attribute", "of": self.refer(type(value)), "name": value.name}
        if callable(value):
            return self._callable(value)
        if type(value) in {list, tuple}:
            items = [self.refer(item) for item in value]
            if all(item["kind"] == "value" for item in items):
                return _value(value)
            return {"kind": type(value).__name__, "items": items}
        if type(value) is dict and all(type(key) is str for key in value):
            fields = {key: self.refer(item) for key, item in value.items()}
            if all(item["kind"] == "value" for item in fields.values()):
                return _value(value)
            return {"kind": "dict", "items": fields}
        made = _value(value)
        return self._object(value) if made["kind"] == "missing" else made

    def _callable(self, value: Any) -> dict[str, Any]:
        named = _named(value)
        if named is not None:
            return named
        if isinstance(value, FunctionType):
            return self._code(value)
        if isinstance(value, _MADE_BY_ARGUMENTS):
            made = value.__reduce__()
            return {"kind": "made", "func": self.refer(made[0]), "args": [self.refer(a) for a in made[1]]}
        if isinstance(value, functools._lru_cache_wrapper):
            cache = self.refer(functools.lru_cache)
            return {"kind": "made", "func": cache, "args": [self.refer(value.__wrapped__)]}
        owner, name = getattr(value, "__self__", None), getattr(value, "__name__", "")
        if owner is not None and isinstance(name, str) and getattr(owner, name, None) == value:
            return {"kind": "attribute", "of": self.refer(owner), "name": name}
        if isinstance(value, MethodType | type):
            return _missing(value)
        return self._object(value)

    def _code(self, function: FunctionType) -> dict[str, Any]:
        if function in self._functions:
            return {"kind": "cycle", "of": self._functions.index(function)}
        self._functions.append(function)
        try:
            closure = {
                name: _missing(None) if content is anatomy.MISSING else self.refer(content)
                for name, cell in anatomy.cells_of([function]).items()
                for content in [anatomy.content_of(cell)]
            }
            return {
                "kind": "code",
                **_place(function, function.__globals__),
                "qualname": function.__code__.co_qualname,
                "closure": closure,
                "defaults": [self.refer(value) for value in function.__defaults__ or ()],
                "kwdefaults": {key: self.refer(v) for key, v in (function.__kwdefaults__ or {}).items()},
            }
        finally:
            self._functions.pop()

    def _object(self, value: Any) -> dict[str, Any]:
        """Refer to an object of the user's own by its class and fields."""
        kind = type(value)
        if home_of_module(kind.__module__).owner != "user" or isinstance(value, tuple | list | dict | set):
            return _missing(value)
        fields = {name: self.refer(field) for name, field in anatomy.fields_of(value).items()}
        return {"kind": "object", "class": self.refer(kind), "fields": fields}


def _named(value: Any) -> dict[str, Any] | None:
    """Refer to a callable by the name that its module, or the running script, has for it."""
    qualname = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    for module in _modules_of(value):
        if isinstance(qualname, str) and _walk(module, qualname) is value:
            return {"kind": "name", "qualname": qualname, **_place(value, vars(module))}
    return None


def _bound(value: Any) -> dict[str, Any] | None:
    """Refer to anything by a variable of its module, or of the running script, that holds it."""
    for module in _modules_of(value):
        name = next((name for name, found in list(vars(module).items()) if found is value), "")
        if name:
            return {"kind": "name", "qualname": name, **_place(value, vars(module))}
    return None


def _modules_of(value: Any) -> list[ModuleType]:
    """List the modules that may have a name for a value, its own first."""
    own = getattr(value, "__module__", None)
    names = [own, type(value).__module__] if isinstance(own, str) else [type(value).__module__]
    names += [name.partition(".")[0] for name in names]
    candidates = (sys.modules.get(name) for name in dict.fromkeys([*names, "builtins", "__main__"]))
    return [module for module in candidates if module is not None]


def _has_gap(reference: Any) -> bool:
    """Tell whether a reference, or one inside it, leads nowhere."""
    if isinstance(reference, dict):
        if reference.get("kind") == "value":
            return False
        return reference.get("kind") == "missing" or any(map(_has_gap, reference.values()))
    return isinstance(reference, list) and any(map(_has_gap, reference))


def _place(value: Any, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Say where something of a module stands; packages and Python itself need no file."""
    module = str(scope.get("__name__") or "builtins")
    place: dict[str, Any] = {"module": module, "file": "", "line": 0, "digest": ""}
    if home_of_module(module).owner != "user":
        return place
    place["file"] = place_of(str(scope.get("__file__") or ""))
    if anatomy.is_script_module(module) and scope.get("__package__"):
        place["package"] = scope["__package__"]
    facts = None
    if isinstance(value, FunctionType) and home_of_file(value.__code__.co_filename).owner == "user":
        facts = facts_of(value.__code__)
        place["line"] = value.__code__.co_firstlineno
        place["file"] = place["file"] or place_of(value.__code__.co_filename)
    elif isinstance(value, type):
        facts = facts_of_class(value)
        place["line"] = facts.line if facts is not None else 0
    if facts is not None and not facts.gap:
        place["digest"] = facts.digest
    return place


def _walk(module: ModuleType, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        found = original_of(getattr(found, part, anatomy.MISSING))
    return found


def _value(value: Any) -> dict[str, Any]:
    if getattr(value, "nbytes", 0) > _BYTES_LIMIT:
        return _missing(value)
    made = plain(value)
    try:
        from_plain(made)
    except (CanonicalError, ValueError, TypeError):
        return _missing(value)
    return {"kind": "value", "value": made}


def _missing(value: Any) -> dict[str, Any]:
    return {"kind": "missing", "type": anatomy.name_of(type(value))}
