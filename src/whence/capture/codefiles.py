"""Code files: the text of each file of the user's own that a run's functions need.

Needed are the files that a function's closure reaches and those that they import in turn, as far as they are
the user's own and loaded. Secrets are taken out of them; a function that held one isn't what it was then, and
whoever loads it finds that out.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from whence.capture.anatomy import is_script_module
from whence.capture.code import files_of, place_of
from whence.capture.packages import home_of_module
from whence.capture.secrets import redact
from whence.capture.syntax import read_source
from whence.store import RunWriter
from whence.vocab import digest_bytes

_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """A file of the user's own.

    Args:
        path: relative to the working directory if below, as references have it.
        module: what it is imported as; "" for the script that runs.
        data: its text, in UTF-8.
    """

    path: str
    module: str
    data: bytes


def code_files(functions: Iterable[Callable[..., Any]]) -> list[CodeFile]:
    """Find the files that some functions need, in the order of their paths.

    Cost: that of identifying the functions, and of reading the files the first time.
    """
    by_file = {str(module.__file__): module for module in _users_modules()}
    found: dict[str, CodeFile] = {}
    waiting = sorted(files_of(functions))
    while waiting:
        file = waiting.pop()
        source = read_source(file) if file not in found and not file.startswith("<") else None
        if source is None or len(source.data) > _LARGEST_BYTES:
            continue
        module = by_file.get(file)
        name = "" if module is None or is_script_module(module.__name__) else module.__name__
        text = redact(importlib.util.decode_source(source.data))
        found[file] = CodeFile(path=place_of(file), module=name, data=text.encode("utf-8", "surrogatepass"))
        waiting += [str(each.__file__) for each in _imported(source.tree, module)]
    return [found[file] for file in sorted(found)]


def _users_modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if isinstance(getattr(module, "__file__", None), str) and home_of_module(name).owner == "user":
            yield module


def _imported(tree: ast.Module, module: ModuleType | None) -> Iterator[ModuleType]:
    """List the user's own modules that a file imports and that are loaded, and the packages they are in."""
    package = str(getattr(module, "__package__", None) or "")
    names = set() if module is None else {module.__name__}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # beyond the top of the package: it would fail there too
                continue
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    for name in sorted({part for each in names for part in _with_parents(each)}):
        found = sys.modules.get(name)
        if isinstance(getattr(found, "__file__", None), str) and home_of_module(name).owner == "user":
            yield found  # type: ignore[misc]  # what has a file is a module


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


class CodeNotes:
    """Tells a run of code files, each text once.

    Args:
        writer: where it is written.
    """

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._told: dict[str, bytes] = {}

    def tell(self, functions: Iterable[Callable[..., Any]]) -> None:
        """Write the files that some functions need and that weren't written, or have changed since."""
        for each in code_files(functions):
            digest = digest_bytes(each.data)
            if self._told.get(each.path) != digest:
                self._told[each.path] = digest
                body = {
                    "path": each.path,
                    "module": each.module,
                    "text": each.data.decode("utf-8", "surrogatepass"),
                }
                self._writer.append("code_file", {"digest": digest}, body)
