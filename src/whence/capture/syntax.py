"""Source text behind running code: which definition of which file a code object was compiled from.

A file is parsed and compiled once; a code object in memory is matched with the definition that
compiles to the same instructions, so that a file edited since its import is noticed, and of two
lambdas on one line the right one is found (by columns, PEP 657). The normal form of a definition has
no comments, formatting, docstrings or annotations of functions, and doesn't tell what is logged.
Annotations in class bodies stay: dataclasses and their kin behave by them.
"""

from __future__ import annotations

import ast
import importlib.machinery
import linecache
import os
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType

from whence.capture.noticing import unheard

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_FILES_KEPT = 64
_HOLDERS = ("__func__", "fget", "fset", "fdel", "func")
_PLACELESS = (
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_name",
)
LOG_METHODS = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"}
)
_READERS = frozenset({"len", "str", "repr", "type"})
_COMPREHENSIONS = {
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
    ast.GeneratorExp: "<genexpr>",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One function, lambda or class of a file: what it is called, its syntax, and what it compiles to."""

    qualname: str
    line: int
    node: DefinitionNode
    code: CodeType


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One parsed and compiled file."""

    path: str
    data: bytes
    tree: ast.Module
    code: CodeType
    definitions: tuple[Definition, ...]

    def named(self, qualname: str) -> list[Definition]:
        """Find the definitions of that qualified name, in the order of the file."""
        return [found for found in self.definitions if found.qualname == qualname]


_files: OrderedDict[tuple[str, int, int], SourceFile | None] = OrderedDict()


def read_source(file: str) -> SourceFile | None:
    """Parse a file, or a cell of a notebook by its made-up name; `None` where there is no Python text."""
    try:
        status = os.stat(file)
        key = (file, status.st_mtime_ns, status.st_size)
    except OSError:
        key = (file, -1, sum(map(len, linecache.getlines(file))))
    if key in _files:
        _files.move_to_end(key)
        return _files[key]
    found = _files[key] = _parse(file, from_disk=key[1] >= 0)
    while len(_files) > _FILES_KEPT:
        _files.popitem(last=False)
    return found


def find_definition(code: CodeType) -> Definition | None:
    """Find the definition that a running function's code was compiled from.

    Returns:
        `None` if there is no source, or if it is no longer the source of this code.
    """
    source = read_source(code.co_filename)
    if source is None:
        return None
    named = [d for d in source.named(code.co_qualname) if not isinstance(d.node, ast.ClassDef)]
    same = [definition for definition in named if is_same_code(definition.code, code)]
    if same:
        return min(same, key=lambda d: (d.line != code.co_firstlineno, not _same_places(d.code, code)))
    here = [definition for definition in named if definition.line == code.co_firstlineno]
    return here[0] if len(here) == 1 and _is_rewritten(code.co_filename) else None


def find_class(kind: type, file: str) -> Definition | None:
    """Find the definition of a class in its file; `None` where there is none, or its methods differ."""
    source = read_source(file)
    if source is None:
        return None
    methods = [code for code in codes_of_class(kind) if code.co_filename == file]
    own = [code for code in methods if code.co_qualname.startswith(kind.__qualname__ + ".")]
    named = [d for d in source.named(kind.__qualname__) if isinstance(d.node, ast.ClassDef)]
    if _is_rewritten(file):
        return named[-1] if named else None
    for definition in reversed(named):
        inside = list(nested_codes(definition.code))
        if all(any(is_same_code(code, other) for other in inside) for code in own):
            return definition
    return None


def codes_of_class(kind: type) -> Iterator[CodeType]:
    """List the code of a class's own methods, properties among them, undecorated."""
    for value in vars(kind).values():
        for part in (value, *(getattr(value, name, None) for name in _HOLDERS)):
            code = getattr(part, "__code__", None)
            if isinstance(code, CodeType):
                yield code


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """List the code objects inside another, at any depth."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested_codes(constant)


def is_same_code(one: CodeType, other: CodeType) -> bool:
    """Tell whether two code objects do the same, wherever they stand."""
    if any(getattr(one, name) != getattr(other, name) for name in _PLACELESS):
        return False
    return len(one.co_consts) == len(other.co_consts) and all(
        map(_is_same_constant, one.co_consts, other.co_consts)
    )


def normal_text(node: ast.AST, loggers: frozenset[str] = frozenset()) -> str:
    """Write a piece of syntax in its normal form.

    Args:
        node: what to write.
        loggers: global names that stand for loggers. A statement that logs by one of them is left out, if
            what it logs is only read: a call among the arguments may do something.
    """
    # unparsed and parsed again: a copy, so that the file's own tree keeps its docstrings and places
    copy = ast.parse(ast.unparse(node))
    return ast.unparse(ast.fix_missing_locations(_Normal(loggers).visit(copy)))


def _is_same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return is_same_code(one, other)
    if type(one) is not type(other):
        return False
    return one == other if isinstance(one, frozenset) else repr(one) == repr(other)


def _same_places(one: CodeType, other: CodeType) -> bool:
    return list(one.co_positions()) == list(other.co_positions())


def _is_rewritten(file: str) -> bool:
    """Tell whether an import hook compiled the file its own way (as pytest does), or a notebook did."""
    if not os.path.isfile(file):
        return True
    return any(
        getattr(module, "__dict__", {}).get("__file__") == file
        and not isinstance(_loader_of(module), importlib.machinery.SourceFileLoader | None)
        for module in list(sys.modules.values())
    )


def _loader_of(module: object) -> object:
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return loader if loader is not None else getattr(module, "__loader__", None)


def _parse(file: str, *, from_disk: bool) -> SourceFile | None:
    try:
        if from_disk:
            with unheard(), open(file, "rb") as stream:
                data = stream.read()
        else:
            data = "".join(linecache.getlines(file)).encode("utf-8", "surrogatepass")
        if not data.strip():
            return None
        tree = ast.parse(data, file)
        code = compile(data, file, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return None
    codes: dict[tuple[str, int], list[CodeType]] = {}
    for inner in nested_codes(code):
        codes.setdefault((inner.co_qualname, inner.co_firstlineno), []).append(inner)
    definitions = []
    for qualname, node in _named_nodes([tree], ""):
        line = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        matching = _matching_code(node, codes.get((qualname, line), []))
        if matching is not None:
            definitions.append(Definition(qualname, line, node, matching))
    return SourceFile(file, data, tree, code, tuple(definitions))


def _named_nodes(nodes: Iterable[ast.AST], scope: str) -> Iterator[tuple[str, DefinitionNode]]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            qualname = scope + ("<lambda>" if isinstance(node, ast.Lambda) else node.name)
            yield qualname, node
            body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
            # decorators, defaults and bases belong to the scope around
            yield from _named_nodes((c for c in ast.iter_child_nodes(node) if c not in body), scope)
            inside = "." if isinstance(node, ast.ClassDef) else ".<locals>."
            yield from _named_nodes(body, qualname + inside)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            first = node.generators[0]
            yield from _named_nodes([first.iter], scope)
            rest = [c for c in ast.iter_child_nodes(node) if c is not first]
            inlined = sys.version_info >= (3, 12) and not isinstance(node, ast.GeneratorExp)  # PEP 709
            inner = scope if inlined else f"{scope}{_COMPREHENSIONS[type(node)]}.<locals>."
            yield from _named_nodes([first.target, *first.ifs, *rest], inner)
        else:
            yield from _named_nodes(ast.iter_child_nodes(node), scope)


def _matching_code(node: DefinitionNode, codes: list[CodeType]) -> CodeType | None:
    if len(codes) == 1 or (codes and not isinstance(node, ast.Lambda)):
        return codes[-1]
    if not isinstance(node, ast.Lambda):
        return None
    start = (node.body.lineno, node.body.col_offset)
    end = (node.body.end_lineno or 0, node.body.end_col_offset or 0)
    fitting = [code for code in codes if _span(code) == (start, end)]
    return fitting[0] if len(fitting) == 1 else None


def _span(code: CodeType) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Find where the body of a lambda begins and ends, by what its instructions know (PEP 657)."""
    starts, ends = [], []
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if (column, end_column) != (0, 0):  # the prologue's instructions have no columns of their own
            starts.append((line, column))
            ends.append((end_line, end_column))
    return (min(starts), max(ends)) if starts else None


class _Normal(ast.NodeTransformer):
    """Takes away what doesn't change what a function does."""

    def __init__(self, loggers: frozenset[str]) -> None:
        self._loggers = loggers
        self._in_class = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        around, self._in_class = self._in_class, _is_class_scope(node, self._in_class)
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body:
                kept = _undocumented(body) if documented else body
                kept = [s for s in kept if not self._says_nothing(s)]
                setattr(node, name, kept or ([ast.Pass()] if name == "body" else []))
        super().generic_visit(node)
        self._in_class = around
        return node

    def _says_nothing(self, statement: ast.stmt) -> bool:
        bare = isinstance(statement, ast.AnnAssign) and statement.value is None
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return True
        return isinstance(statement, ast.Pass) or (bare and not self._in_class) or self._logs(statement)

    def _logs(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) as call):
                given = [*call.args, *(keyword.value for keyword in call.keywords)]
                parts = (part for each in given for part in ast.walk(each))
                return name in self._loggers and method in LOG_METHODS and all(map(_only_reads, parts))
        return False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._untyped(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._untyped(node)

    def _untyped(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        if sys.version_info >= (3, 12):
            node.type_params = []
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if self._in_class or node.value is None:
            return node
        return ast.Assign(targets=[node.target], value=node.value)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def _only_reads(part: ast.AST) -> bool:
    if isinstance(part, ast.Call):
        return isinstance(part.func, ast.Name) and part.func.id in _READERS
    return not isinstance(part, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr)


def _is_class_scope(node: ast.AST, around: bool) -> bool:
    if isinstance(node, ast.ClassDef):
        return True
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module):
        return False
    return around


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body
