"""Taking one guard out of a module: what remains when a check is forgotten.

A guard is an `if` that does nothing but raise, or a call of one of the module's `_check_…` functions.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def guards_of(module: ModuleType) -> list[str]:
    """Name all guards of a module: `function: condition`."""
    return [name for name, _ in _guards(ast.parse(inspect.getsource(module)))]


def without(module: ModuleType, guard: str) -> dict[str, Any]:
    """Run the module's source without one of its guards; its names come back."""
    tree = ast.parse(inspect.getsource(module))
    for name, statement in _guards(tree):
        if name == guard:
            for parent in ast.walk(tree):
                body = getattr(parent, "body", None)
                if isinstance(body, list) and statement in body:
                    body[body.index(statement)] = ast.copy_location(ast.Pass(), statement)
    names: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(tree, f"<{module.__name__} without {guard}>", "exec"), names)
    return names


def _guards(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in ast.walk(function):
                name = _name(statement)
                if name:
                    assert isinstance(statement, ast.stmt)
                    yield f"{function.name}: {name}", statement


def _name(node: ast.AST) -> str:
    match node:
        case ast.If(test=test, body=[ast.Raise()], orelse=[]):
            return ast.unparse(test)
        case ast.Expr(value=ast.Call(func=ast.Name(id=called))) if called.startswith("_check_"):
            return ast.unparse(node)
        case _:
            return ""
