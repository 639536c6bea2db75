"""A slice of a script: only those of its statements that bind what a function needs.

A training script without a guard would start to train if it were imported. So a function of a script is
loaded by running its imports, definitions and assignments, as far as the function needs them and in the
order of the file; nothing under `if __name__ == "__main__"`, no loop, and no call for its own sake,
except those on `sys.path`, by which the imports find what they import.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import os
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from whence.capture.anatomy import SLICE_PREFIX
from whence.capture.syntax import SourceFile
from whence.capture.usage import usage_of
from whence.errors import ReplayError
from whence.vocab import digest_bytes

_BINDING = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
)
_ALWAYS = "*"
_REMEDY = "Give the stream in Python: run.replay(..., stream=...)."

_slices: dict[tuple[str, bytes], Slice] = {}
_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class _Piece:
    binds: frozenset[str]
    needs: frozenset[str]


def slice_of(source: SourceFile, *, package: str = "") -> Slice:
    """Find the slice of a file, the same one as long as the file doesn't change.

    Args:
        source: the parsed file.
        package: the package that relative imports start from.
    """
    key = (source.path, digest_bytes(source.data))
    with _lock:
        if key not in _slices:
            _slices[key] = Slice(source, package)
        return _slices[key]


class Slice:
    """A module made of some of a file's statements; it grows as more names are asked for."""

    def __init__(self, source: SourceFile, package: str) -> None:
        self._source = source
        self._flags = _future_flags(source.tree)
        self._imports: list[ast.stmt] = [s for s in source.tree.body if _is_plain_import(s)]
        self._pieces: dict[int, _Piece] = {}
        self._have: set[str] = set()
        self._run: set[int] = set()
        place = digest_bytes(source.path.encode("utf-8", "surrogatepass") + source.data)
        self.module = ModuleType(SLICE_PREFIX + place.hex()[:16])
        self.module.__file__ = source.path
        self.module.__package__ = package
        sys.modules[self.module.__name__] = self.module

    def provide(self, names: Collection[str]) -> dict[str, Any]:
        """Run the statements that bind names, and what those need in turn.

        Args:
            names: global names that a function uses.

        Returns:
            The module's globals.

        Raises:
            ReplayError: a statement fails, or a name is bound only by code that a replay doesn't run.
        """
        with _lock, folder_on_path(import_folder(self._source.path, self.module.__package__ or "")):
            needed = self._closed({*names, _ALWAYS})
            try:
                for statement in self._source.tree.body:
                    for part in self._parts(statement, needed - self._have):
                        self._execute(part)
                self._check(needed)
            except ReplayError:
                _slices.pop((self._source.path, digest_bytes(self._source.data)), None)  # half made
                raise
            self._have |= needed
            return vars(self.module)

    def _closed(self, names: set[str]) -> set[str]:
        """Add to names what the statements that bind them need, until nothing new comes."""
        while True:
            more = set(names)
            for statement in self._source.tree.body:
                more |= self._needs(statement, names)
            if more == names:
                return names
            names = more

    def _needs(self, statement: ast.stmt, names: set[str]) -> set[str]:
        if isinstance(statement, _BINDING) or _is_on_path(statement):
            piece = self._piece(statement)
            return set(piece.needs) if piece.binds & names else set()
        found: set[str] = set()
        for body in _bodies(statement):
            for inner in body:
                found |= self._needs(inner, names)
        kept = self._binds(statement) & names
        return found | _names_in_head(statement) if kept else found

    def _binds(self, statement: ast.stmt) -> set[str]:
        if isinstance(statement, _BINDING) or _is_on_path(statement):
            return set(self._piece(statement).binds)
        return {name for body in _bodies(statement) for inner in body for name in self._binds(inner)}

    def _parts(self, statement: ast.stmt, names: set[str]) -> Iterator[ast.stmt]:
        """Cut a top-level statement down to what binds names and didn't run yet."""
        if isinstance(statement, _BINDING) or _is_on_path(statement):
            if self._piece(statement).binds & names and id(statement) not in self._run:
                self._run.add(id(statement))
                yield statement
        elif self._binds(statement) & names:
            yield self._cut(statement, names)

    def _cut(self, statement: ast.stmt, names: set[str]) -> ast.stmt:
        def kept(body: list[ast.stmt]) -> list[ast.stmt]:
            return [part for inner in body for part in self._parts(inner, names)]

        if isinstance(statement, ast.If):
            cut = ast.If(statement.test, kept(statement.body) or [ast.Pass()], kept(statement.orelse))
            return ast.copy_location(cut, statement)
        assert isinstance(statement, ast.Try)
        handlers = [
            ast.copy_location(ast.ExceptHandler(h.type, h.name, kept(h.body) or [ast.Pass()]), h)
            for h in statement.handlers
        ]
        body = kept(statement.body) or [ast.Pass()]
        orelse, final = kept(statement.orelse), kept(statement.finalbody)
        if not handlers and not final:
            final = [ast.Pass()]
        return ast.copy_location(ast.Try(body, handlers, orelse, final), statement)

    def _piece(self, statement: ast.stmt) -> _Piece:
        """Find what a statement binds and needs, by what it compiles to."""
        known = self._pieces.get(id(statement))
        if known is None:
            usage = usage_of(self._compiled(statement))
            binds, needs = set(usage.stored), set(usage.globals)
            if _is_on_path(statement) or _is_star_import(statement):
                binds.add(_ALWAYS)
            for target in _targets(statement):
                root = _root_of(target)
                if root:  # `TABLE["a"] = 1` changes what TABLE means
                    binds.add(root)
                    needs.add(root)
            known = self._pieces[id(statement)] = _Piece(frozenset(binds), frozenset(needs))
        return known

    def _compiled(self, statement: ast.stmt) -> CodeType:
        # the compiler treats attributes of imported names in its own way: it must see every import,
        # so that a definition compiles to the same instructions as in the whole file
        unseen = ast.If(test=ast.Constant(value=False), body=self._imports, orelse=[])
        body = [statement, unseen] if self._imports else [statement]
        tree = ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))
        code: CodeType = compile(tree, self._source.path, "exec", flags=self._flags, dont_inherit=True)
        return code

    def _execute(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            return
        try:
            exec(self._compiled(statement), vars(self.module))
        except (Exception, SystemExit) as problem:
            raise ReplayError(
                f"{self._source.path}:{statement.lineno}: loading what the function needs failed: "
                f"{type(problem).__name__}: {problem}",
                remedy=f"Make this statement run here, or load the code yourself. {_REMEDY}",
            ) from problem

    def _check(self, needed: set[str]) -> None:
        known = vars(self.module).keys() | vars(builtins).keys()
        lacking = needed - known
        for statement in self._source.tree.body if lacking else []:
            if isinstance(statement, _BINDING):
                continue
            skipped = set(usage_of(self._compiled(statement)).stored) & lacking
            if skipped:
                raise ReplayError(
                    f"{self._source.path}:{statement.lineno}: the function needs "
                    f"{', '.join(sorted(skipped))}, bound by code that a replay doesn't run",
                    remedy=f"Assign it at the top level of the file, outside of any guard or loop. {_REMEDY}",
                )


def _bodies(statement: ast.stmt) -> list[list[ast.stmt]]:
    """List the blocks of a condition or `try` that may bind names; a main guard has only its `else`."""
    if isinstance(statement, ast.If):
        return [statement.orelse] if _is_main_guard(statement.test) else [statement.body, statement.orelse]
    if isinstance(statement, ast.Try):
        handlers = [handler.body for handler in statement.handlers]
        return [statement.body, *handlers, statement.orelse, statement.finalbody]
    return []


def _names_in_head(statement: ast.stmt) -> set[str]:
    """List the names in a condition, or in what the handlers of a `try` catch."""
    heads = [statement.test] if isinstance(statement, ast.If) else []
    if isinstance(statement, ast.Try):
        heads = [handler.type for handler in statement.handlers if handler.type is not None]
    return {node.id for head in heads for node in ast.walk(head) if isinstance(node, ast.Name)}


def _is_main_guard(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _is_on_path(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner))):
            return ast.unparse(owner) == "sys.path"
    return False


def _is_plain_import(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.module != "__future__" and not _is_star_import(statement)
    return isinstance(statement, ast.Import)


def _is_star_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []


def _root_of(target: ast.expr) -> str:
    if not isinstance(target, ast.Subscript | ast.Attribute):
        return ""
    inner: ast.expr = target
    while isinstance(inner, ast.Subscript | ast.Attribute):
        inner = inner.value
    return inner.id if isinstance(inner, ast.Name) else ""


def _future_flags(tree: ast.Module) -> int:
    flags = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


def import_folder(path: str, package: str) -> str:
    """Find the folder that a file's imports start from: its own, or the one that holds its package."""
    folder = os.path.dirname(path)
    for _ in filter(None, package.split(".")):
        folder = os.path.dirname(folder)
    return folder


@contextmanager
def folder_on_path(folder: str) -> Iterator[None]:
    """Let imports find a folder first, as they do in a script; and last from then on, for later imports."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
