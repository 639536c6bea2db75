"""The closure of a callable: everything of the user's own that decides what it does.

A walk from the callable over functions, classes and values. Each function, class and object becomes a
numbered entry that says what its names mean: another entry, a value by its canonical bytes, an installed
package by its version, or "unknown" and a type. Entries hold no path, line or module name, so that moving
code doesn't change it; names are taken in their order, so that the walk is the same everywhere.
"""

from __future__ import annotations

import builtins
import enum
import functools
import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from whence.capture import anatomy
from whence.capture.modules import Modules
from whence.capture.noticing_natives import original_of
from whence.capture.packages import Home, home_of_file, home_of_module
from whence.capture.usage import Facts, Usage, facts_of, facts_of_class
from whence.errors import CanonicalError
from whence.vocab import canonical, digest_bytes, digest_text

Reference = list[Any]

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_BASES: tuple[Callable[[Any], Any], ...] = (str, bytes, int, float, list, tuple, dict, set, frozenset)
_OF_THE_MODULE = frozenset(
    {"__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__", "__annotations__"}
)
_LOGGERS: Any = logging.Logger | logging.LoggerAdapter
_TEXT_LIMIT = 4_000
_DEPTH_LIMIT = 60


class Closure:
    """One walk; afterwards its attributes say what was found.

    Attributes:
        entries: what is digested, JSON-able.
        source: normal text by name; constants: canonical text or a note by name.
        packages: version by distribution; unknown: reasons, for people.
        files: where the user's own code in it stands.
    """

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.source: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.packages: dict[str, str] = {}
        self.unknown: list[str] = []
        self.files: set[str] = set()
        self._modules = Modules(self)
        self._waiting: deque[Callable[[], None]] = deque()
        self._numbers: dict[int, int] = {}
        self._alive: list[object] = []  # what was seen stays alive, so that no id is used twice
        self._around: list[int] = []

    def walk(self, value: Any, label: str) -> Reference:
        """Reach a value and everything behind it."""
        reference = self.reach(value, label)
        while self._waiting:
            self._waiting.popleft()()
        return reference

    def reach(self, value: Any, label: str) -> Reference:
        """Say what a value is; what is behind a function, class or object waits for its turn."""
        if type(value) in _PLAIN:
            return self.value(value, label)
        value = original_of(value)
        known = self._numbers.get(id(value))
        if known is not None:
            return ["entry", known]
        if id(value) in self._around or len(self._around) > _DEPTH_LIMIT:
            return self.not_known(value, label, "it contains itself, or is nested too deeply")
        self._around.append(id(value))
        try:
            for kinds, describe in _WAYS:
                if isinstance(value, kinds):
                    return describe(self, value, label)
            return self._instance(value, label)
        finally:
            self._around.pop()

    def value(self, value: Any, label: str) -> Reference:
        """Say a value by its canonical bytes."""
        try:
            spelled = canonical(value)
        except CanonicalError:
            return self.not_known(value, label, "it has no canonical bytes")
        except Exception as problem:  # a foreign type's own refusal to be read, of any kind
            return self.not_known(value, label, f"reading it failed with {type(problem).__name__}")
        if len(spelled) <= _TEXT_LIMIT:
            text = spelled.decode("utf-8", "surrogatepass")
        else:
            text = f"{digest_text(digest_bytes(spelled))} of {len(spelled)} bytes"
        self.constants.setdefault(label, text)
        return ["value", text]

    def not_known(self, value: Any, label: str, why: str) -> Reference:
        """Write down a gap: the word unknown and the type's name."""
        named = anatomy.name_of(type(value))
        self.unknown.append(f"{label}: of type {named}, {why}")
        self.constants.setdefault(label, f"unknown {named}")
        return ["unknown", named]

    def foreign(self, module: str, named: str) -> Reference:
        """Say something of Python's or a package's by its name, and note the package's version."""
        return self.of_home(home_of_module(module), named)

    def of_home(self, home: Home, named: str) -> Reference:
        """Do so where it is known already whose it is."""
        if home.owner == "package":
            self.packages[home.distribution] = home.version or "unknown"
        return [home.owner, named]

    def note_file(self, file: str | None) -> None:
        """Note where something of the user's own stands."""
        if file:
            self.files.add(file)

    def keep_text(self, name: str, text: str) -> None:
        """Keep source text for people, under a name of its own."""
        unique, number = name, 1
        while self.source.get(unique, text) != text:
            number += 1
            unique = f"{name}#{number}"
        self.source[unique] = text

    def _entry(self, value: object, kind: str, fill: Callable[[list[Any]], None]) -> Reference:
        number = self._numbers[id(value)] = len(self.entries)
        self._alive.append(value)
        entry: list[Any] = [kind]
        self.entries.append(entry)
        self._waiting.append(lambda: fill(entry))
        return ["entry", number]

    def _function(self, function: FunctionType, label: str) -> Reference:
        file = function.__code__.co_filename
        home = home_of_file(file)
        if home.owner == "user" and file.startswith("<"):
            home = home_of_module(function.__module__ or "__main__")
        if home.owner == "user":
            return self._entry(function, "function", lambda entry: self._fill_function(function, entry))
        if home.owner == "package":
            self.packages[home.distribution] = home.version or "unknown"
        if anatomy.is_found_by_name(function) and home_of_module(function.__module__).owner == home.owner:
            return [home.owner, anatomy.name_of(function)]
        if function.__closure__ is None:
            return [home.owner, anatomy.name_as_written(function)]
        # made by a package around something, which may be the user's
        return self._entry(function, home.owner, lambda entry: self._fill_foreign(function, entry))

    def _fill_function(self, function: FunctionType, entry: list[Any]) -> None:
        name = anatomy.label_of(function)
        self.note_file(function.__code__.co_filename)
        facts = facts_of(function.__code__)
        if loggers := _loggers_among(facts.usage, function.__globals__):
            facts = facts_of(function.__code__, loggers)
        self._note_source(name, facts)
        entry.append(facts.digest)
        entry.append(self._cells(anatomy.cells_of([function]), facts.usage, name))
        entry.append(self._names(facts.usage, function.__globals__, name))
        entry.append(self._decorators(facts.decorators, function.__globals__, name))
        entry.append(self._defaults(function, name))
        if hasattr(function, "__wrapped__"):
            entry.append(self.reach(function.__wrapped__, name))

    def _fill_foreign(self, function: FunctionType, entry: list[Any]) -> None:
        named = anatomy.name_as_written(function)
        entry.append(named)
        cells = sorted(anatomy.cells_of([function]).items())
        entry.append({name: self._cell(cell, f"{named}[{name}]") for name, cell in cells})

    def _defaults(self, function: FunctionType, name: str) -> list[Any]:
        positional = enumerate(function.__defaults__ or ())
        named = sorted((function.__kwdefaults__ or {}).items())
        return [[key, self.reach(value, f"{name}({key}=)")] for key, value in (*positional, *named)]

    def _class(self, kind: type, label: str) -> Reference:
        if home_of_module(kind.__module__).owner != "user":
            return self.foreign(kind.__module__, anatomy.name_of(kind))
        return self._entry(kind, "class", lambda entry: self._fill_class(kind, entry))

    def _fill_class(self, kind: type, entry: list[Any]) -> None:
        name = anatomy.label_of(kind)
        self.note_file(anatomy.file_of_class(kind))
        facts = facts_of_class(kind)
        if facts and (loggers := _loggers_among(facts.usage, anatomy.globals_of_class(kind))):
            facts = facts_of_class(kind, loggers)
        covered: frozenset[int] = frozenset()
        if facts is None:
            self.unknown.append(f"{name}: source of the class not available or changed since its import")
        else:
            self._note_source(name, facts)
            scope = anatomy.globals_of_class(kind)
            functions = anatomy.functions_of_class(kind)
            covered = frozenset(id(f) for f in functions if f.__code__.co_qualname in facts.inside)
            entry.append(facts.digest)
            cells = anatomy.cells_of([f for f in functions if id(f) in covered])
            entry.append(self._cells(cells, facts.usage, name))
            entry.append(self._names(facts.usage, scope, name, local=vars(kind)))
            entry.append(self._decorators(facts.decorators, scope, name))
        entry.append([self.reach(base, f"{name} base") for base in (*kind.__bases__, type(kind))])
        entry.append(self._attributes(kind, name, covered))

    def _attributes(self, kind: type, name: str, covered: frozenset[int]) -> dict[str, Any]:
        """Say what stands in a class besides what its own text defines."""
        found: dict[str, Any] = {}
        for attribute, value in sorted(vars(kind).items()):
            parts = anatomy.parts_of_attribute(value)
            for place, part in enumerate(parts):
                if id(part) in covered:
                    if part.__defaults__ or part.__kwdefaults__:
                        found[f"{attribute}() {place}"] = self._defaults(part, f"{name}.{attribute}")
                elif not anatomy.is_made_by_python(attribute, value, kind):
                    found[f"{attribute} {place}"] = self.reach(part, f"{name}.{attribute}")
        return found

    def _cells(self, cells: Mapping[str, CellType], usage: Usage, owner: str) -> dict[str, Reference]:
        found = {}
        for name, chains in usage.cells.items():
            content = anatomy.content_of(cells[name]) if name in cells else anatomy.MISSING
            if isinstance(content, ModuleType):
                found[name] = self._modules.taken(content, f"{owner}[{name}]", chains)
            elif name in cells:
                found[name] = self._cell(cells[name], f"{owner}[{name}]")
        return found

    def _cell(self, cell: CellType, label: str) -> Reference:
        content = anatomy.content_of(cell)
        return ["empty"] if content is anatomy.MISSING else self.reach(content, label)

    def _names(
        self, usage: Usage, scope: Mapping[str, Any], owner: str, *, local: Mapping[str, Any] | None = None
    ) -> dict[str, Reference]:
        """Say what the global names of a piece of code mean."""
        found: dict[str, Reference] = {}
        for name, chains in usage.globals.items():
            label = f"{anatomy.scope_label(scope)}.{name}"
            value = scope.get(name, anatomy.MISSING)
            if name in _OF_THE_MODULE:
                continue
            if name in usage.assigned:
                found[name] = ["unknown", "assigned"]
                self.unknown.append(f"{label}: assigned by the code itself, so its value doesn't count")
            elif isinstance(value, ModuleType):
                found[name] = self._modules.taken(value, label, chains)
            elif value is not anatomy.MISSING:
                found[name] = self.reach(value, label)
            elif not hasattr(builtins, name) and name not in (local or {}):
                found[name] = ["unknown", "undefined"]
                self.unknown.append(f"{owner}: the name {name} isn't defined")
        for wanted in usage.imports:
            found[f"import {wanted}"] = self._modules.imported(wanted, scope)
        return found

    def _decorators(self, usage: Usage, scope: Mapping[str, Any], owner: str) -> dict[str, Reference]:
        # a decorator that isn't global was reached by what it made
        return self._names(usage.only(scope.keys()), scope, owner)

    def _note_source(self, name: str, facts: Facts) -> None:
        if facts.gap:
            self.unknown.append(f"{name}: {facts.gap}")
        else:
            self.keep_text(name, facts.text)

    def _method(self, method: MethodType, label: str) -> Reference:
        return ["method", self.reach(method.__func__, label), self.reach(method.__self__, f"{label} self")]

    def _partial(self, partial: functools.partial[Any], label: str) -> Reference:
        arguments = [self.reach(value, f"{label}({place})") for place, value in enumerate(partial.args)]
        keywords = {key: self.reach(value, f"{label}({key}=)") for key, value in partial.keywords.items()}
        return ["partial", self.reach(partial.func, label), arguments, keywords]

    def _builtin(self, function: Any, label: str) -> Reference:
        owner = getattr(function, "__self__", None) or getattr(function, "__objclass__", None)
        if owner is None or isinstance(owner, ModuleType | type):
            module = getattr(function, "__module__", None) or getattr(owner, "__module__", None) or "builtins"
            return self.foreign(module, f"{module}.{function.__qualname__}")
        return ["bound", function.__qualname__, self.reach(owner, f"{label} self")]

    def _logger(self, logger: Any, label: str) -> Reference:
        return ["logger"]

    def _enum(self, member: enum.Enum, label: str) -> Reference:
        return ["enum", self.reach(type(member), label), member.name]

    def _pattern(self, pattern: re.Pattern[Any], label: str) -> Reference:
        return ["pattern", self.value(pattern.pattern, label), pattern.flags]

    def _module(self, module: ModuleType, label: str) -> Reference:
        return self._modules.taken(module, label, [()])

    def _descriptor(self, value: Any, label: str) -> Reference:
        return ["descriptor", [self.reach(part, label) for part in anatomy.parts_of_attribute(value)]]

    def _container(self, value: Any, label: str) -> Reference:
        kind = type(value)
        if kind not in {list, tuple, dict, set, frozenset}:
            return self._instance(value, label)
        items = [*value.keys(), *value.values()] if kind is dict else value
        if set(map(type, items)) <= _PLAIN:
            return self.value(value, label)
        if kind is dict:
            pairs = [
                [self.reach(key, f"{label} key"), self.reach(item, f"{label}[{key!r:.40}]")]
                for key, item in value.items()
            ]
            return ["dict", sorted(pairs, key=canonical)]
        found = [self.reach(item, f"{label}[{place}]") for place, item in enumerate(value)]
        return [kind.__name__, found if kind in {list, tuple} else sorted(found, key=canonical)]

    def _instance(self, value: Any, label: str) -> Reference:
        kind = type(value)
        if kind.__module__ == "operator":  # itemgetter and its kin say how they are made
            return ["made", anatomy.name_of(kind), self.reach(value.__reduce__()[1:], label)]
        if not _is_users_class(kind):
            if callable(value) and isinstance(getattr(value, "__name__", None), str):
                return self._foreign_callable(value, label)
            if not callable(value) or not hasattr(value, "__dict__"):
                self.foreign(kind.__module__, "")
                return self.value(value, label)
        return self._entry(value, "object", lambda entry: self._fill_object(value, label, entry))

    def _foreign_callable(self, value: Any, label: str) -> Reference:
        """Say a callable with a name that isn't a Python function, such as NumPy's or a cache around one."""
        module = value.__module__ if isinstance(getattr(value, "__module__", None), str) else ""
        module = module or type(value).__module__
        if home_of_module(module).owner != "user":
            return self.foreign(module, f"{module}.{value.__name__}")
        self.foreign(type(value).__module__, "")
        if hasattr(value, "__wrapped__"):
            return ["wrapped", anatomy.name_of(type(value)), self.reach(value.__wrapped__, label)]
        return self.not_known(value, label, "it is compiled")

    def _fill_object(self, value: Any, label: str, entry: list[Any]) -> None:
        entry.append(self.reach(type(value), label))
        fields = anatomy.fields_of(value)
        entry.append({name: self.reach(field, f"{label}.{name}") for name, field in fields.items()})
        for base in _BASES:
            if isinstance(value, base):  # type: ignore[arg-type]  # each is a class
                entry.append(self.reach(base(value), label))
                break


def _loggers_among(usage: Usage, scope: Mapping[str, Any]) -> frozenset[str]:
    """Find the global names by which code logs: by a logger, or by the module itself."""
    found = ((name, scope.get(name)) for name in usage.named_as_logger())
    return frozenset(name for name, value in found if value is logging or isinstance(value, _LOGGERS))


def _is_users_class(kind: type) -> bool:
    return home_of_module(kind.__module__).owner == "user" and anatomy.file_of_class(kind) is not None


_WAYS: list[tuple[Any, Callable[[Closure, Any, str], Reference]]] = [
    (FunctionType, Closure._function),
    (_LOGGERS, Closure._logger),
    (ModuleType, Closure._module),
    (MethodType, Closure._method),
    (functools.partial, Closure._partial),
    (type, Closure._class),
    (
        BuiltinFunctionType
        | MethodDescriptorType
        | MethodWrapperType
        | WrapperDescriptorType
        | ClassMethodDescriptorType,
        Closure._builtin,
    ),
    (staticmethod | classmethod | property, Closure._descriptor),
    (enum.Enum, Closure._enum),
    (re.Pattern, Closure._pattern),
    (list | tuple | dict | set | frozenset, Closure._container),
]
