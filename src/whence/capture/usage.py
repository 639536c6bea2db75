"""What a piece of code refers to: globals with the attributes taken from them, cells, and imports.

Read from instructions, because only they know which names are global; filtered by the normal form of
the source, so that a name used in an annotation alone doesn't count.
"""

from __future__ import annotations

import ast
import dis
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from types import CodeType
from weakref import WeakKeyDictionary

from whence.capture.anatomy import file_of_class
from whence.capture.syntax import (
    LOG_METHODS,
    DefinitionNode,
    codes_of_class,
    find_class,
    find_definition,
    nested_codes,
    normal_text,
)
from whence.vocab import digest_bytes, digest_text, digest_value

_LOADS_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_LOADS_CELL = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_LOADS_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_STORES_GLOBAL = {"STORE_GLOBAL", "DELETE_GLOBAL"}
_STORES_NAME = {"STORE_NAME", "STORE_GLOBAL"}
_SKIPPED = {"EXTENDED_ARG", "CACHE", "PUSH_NULL"}
_FACTS_KEPT = 8192

Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The names that code refers to.

    Attributes:
        globals: for each global name the chains of attributes taken from it; `()` for the bare name.
        cells: the same for names of enclosing functions.
        assigned: globals that the code itself assigns.
        stored: names that the code binds at its own level.
        imports: (level, module, names) of the imports inside.
    """

    globals: dict[str, frozenset[Chain]]
    cells: dict[str, frozenset[Chain]]
    assigned: frozenset[str]
    stored: frozenset[str]
    imports: tuple[tuple[int, str, Chain], ...]

    def named_as_logger(self) -> list[str]:
        """The global names that methods which log are taken from."""
        return [
            name
            for name, chains in self.globals.items()
            if any(chain and chain[0] in LOG_METHODS for chain in chains)
        ]

    def only(self, names: Collection[str]) -> Usage:
        """Keep the global names that are among others."""
        return replace(self, globals={n: chains for n, chains in self.globals.items() if n in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What never changes about one code object.

    Attributes:
        text: normal form of the source; empty if there is none.
        digest: digest of the text, or of the instructions in its place.
        usage: what the code refers to.
        decorators: what its decorators refer to.
        inside: qualified names of the functions that the definition of a class contains.
        line: first line in the file.
        gap: why the text isn't known; empty if it is.
    """

    text: str
    digest: str
    usage: Usage
    decorators: Usage
    inside: frozenset[str] = frozenset()
    line: int = 0
    gap: str = ""


_NO_NAMES: frozenset[str] = frozenset()
_facts: dict[tuple[int, frozenset[str]], tuple[CodeType, Facts]] = {}
_class_facts: WeakKeyDictionary[type, tuple[list[int], dict[frozenset[str], Facts | None]]] = (
    WeakKeyDictionary()
)


def facts_of(code: CodeType, loggers: frozenset[str] = _NO_NAMES) -> Facts:
    """Find text, digest and references of a function's code; remembered for each code object.

    Args:
        code: of the function.
        loggers: global names that stand for loggers, see `normal_text`.

    Cost: parsing and compiling the file the first time; a dictionary look-up after that.
    """
    # by identity: equal code objects may stand in different files; the tuple keeps the id from reuse
    known = _facts.get((id(code), loggers))
    if known is not None:
        return known[1]
    definition = find_definition(code)
    if definition is None:
        facts = Facts(
            text="",
            digest=digest_text(digest_value(_instructions(code))),
            usage=usage_of(code),
            decorators=_NOTHING,
            gap="source not available or changed since its import: identified by bytecode",
        )
    else:
        facts = _facts_of_node(definition.node, code, loggers)
    if len(_facts) >= _FACTS_KEPT:
        _facts.clear()
    _facts[id(code), loggers] = (code, facts)
    return facts


def facts_of_class(kind: type, loggers: frozenset[str] = _NO_NAMES) -> Facts | None:
    """Find text, digest and references of a class; remembered until one of its methods is replaced.

    Returns:
        `None` if there is no source, or if it is no longer the source of the class's methods.
    """
    methods = [id(code) for code in codes_of_class(kind)]
    known = _class_facts.get(kind)
    if known is None or known[0] != methods:
        known = _class_facts[kind] = methods, {}
    found = known[1]
    if loggers not in found:
        file = file_of_class(kind)
        definition = find_class(kind, file) if file else None
        found[loggers] = _facts_of_node(definition.node, definition.code, loggers) if definition else None
    return found[loggers]


def _facts_of_node(node: DefinitionNode, code: CodeType, loggers: frozenset[str]) -> Facts:
    text = normal_text(node, loggers)
    return Facts(
        text=text,
        digest=digest_text(digest_bytes(text.encode("utf-8", "surrogatepass"))),
        usage=usage_of(code, within=_names_loaded(text)),
        decorators=_usage_of_decorators(node),
        inside=frozenset(inner.co_qualname for inner in nested_codes(code)),
        line=code.co_firstlineno,
    )


def usage_of(code: CodeType, *, within: frozenset[str] | None = None) -> Usage:
    """Find the names that code refers to, nested functions included.

    Args:
        code: of a function, a class body or a module.
        within: names to keep; the default keeps all.
    """
    usage = _Collector(set(code.co_freevars))
    usage.collect(code)
    for inner in nested_codes(code):
        usage.collect(inner)
    return Usage(
        globals=_kept(usage.globals, within),
        cells=_kept(usage.cells, within),
        assigned=frozenset(usage.assigned),
        stored=frozenset(_names_stored(code)),
        imports=tuple(dict.fromkeys(usage.imports)),
    )


class _Collector:
    def __init__(self, free: set[str]) -> None:
        self.globals: dict[str, set[Chain]] = {}
        self.cells: dict[str, set[Chain]] = {}
        self.assigned: set[str] = set()
        self.imports: list[tuple[int, str, Chain]] = []
        self._free = free

    def collect(self, code: CodeType) -> None:
        steps = [step for step in dis.get_instructions(code) if step.opname not in _SKIPPED]
        for place, step in enumerate(steps):
            if step.opname in _LOADS_GLOBAL:
                self.globals.setdefault(step.argval, set()).add(_chain(steps, place + 1))
            elif step.opname in _LOADS_CELL and step.argval in self._free:
                self.cells.setdefault(step.argval, set()).add(_chain(steps, place + 1))
            elif step.opname in _STORES_GLOBAL:
                self.assigned.add(step.argval)
            elif step.opname == "IMPORT_NAME":
                level, names = steps[place - 2].argval, steps[place - 1].argval
                self.imports.append((level or 0, step.argval, tuple(names or ())))


def _chain(steps: list[dis.Instruction], start: int) -> Chain:
    names = []
    for step in steps[start:]:
        if step.opname not in _LOADS_ATTRIBUTE:
            break
        names.append(step.argval)
    return tuple(names)


def _kept(found: dict[str, set[Chain]], within: frozenset[str] | None) -> dict[str, frozenset[Chain]]:
    # `super()` needs `__class__`, and a private name in a class is written shorter than it is
    kept = (n for n in found if within is None or n in within or n == "__class__" or _is_private(n))
    return {name: frozenset(found[name]) for name in sorted(kept)}


def _is_private(name: str) -> bool:
    return "__" in name[1:] and not name.endswith("__")


def _names_stored(code: CodeType) -> Iterable[str]:
    for step in dis.get_instructions(code):
        if step.opname in _STORES_NAME:
            yield step.argval
    for inner in nested_codes(code):
        for step in dis.get_instructions(inner):
            if step.opname == "STORE_GLOBAL":
                yield step.argval


def _names_loaded(text: str) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


def _usage_of_decorators(node: DefinitionNode) -> Usage:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    if not decorators:
        return _NOTHING
    together = ast.Expression(body=ast.Tuple(elts=decorators, ctx=ast.Load()))
    return usage_of(compile(ast.fix_missing_locations(together), "<decorators>", "eval"))


def _instructions(code: CodeType) -> list[object]:
    """Spell code without its source: what it does, without where it stands."""
    return [
        code.co_code,
        [_spelled(constant) for constant in code.co_consts],
        list(code.co_names),
        list(code.co_varnames),
        list(code.co_freevars),
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
    ]


def _spelled(constant: object) -> object:
    if isinstance(constant, CodeType):
        return _instructions(constant)
    if isinstance(constant, tuple):
        return [_spelled(item) for item in constant]
    return "..." if constant is Ellipsis else constant


_NOTHING = Usage(globals={}, cells={}, assigned=frozenset(), stored=frozenset(), imports=())
