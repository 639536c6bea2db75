"""Code files: the text of each file of the user's own that a run's functions need.

Needed are the files that a function's closure reaches and those that they import in turn, as far as they are
the user's own and loaded. Secrets are taken out of them; a function that held one isn't what it was then, and
whoever loads it finds that out.
"""

from __future__ import annotations

import functools
import importlib.util
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from whence.capture.anatomy import is_script_module
from whence.capture.code import files_of, place_of
from whence.capture.noticing import unheard
from whence.capture.packages import is_users_file
from whence.capture.secrets import redact
from whence.store import RunWriter
from whence.vocab import digest_bytes

_LARGEST_BYTES = 4 << 20
_REMEMBERED = 256
# Only what is loaded counts, so that a line of a text which looks like an import does no harm.
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^\n#;]+)", re.MULTILINE)
_IMPORT_FROM = re.compile(r"^[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]*)", re.MULTILINE)
_NAME = re.compile(r"\w+")


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


def code_files(functions: Iterable[Callable[..., Any]], files: Iterable[str] = ()) -> list[CodeFile]:
    """Find the files that some functions need, in the order of their paths.

    Args:
        functions: whose closures are followed.
        files: further ones of the user's own, taken with what they import.

    Cost: that of identifying the functions, and 0.1 ms for each file of the user's own; the first time in
        a process some ms for the secrets in each.
    """
    modules = (module for module in list(sys.modules.values()) if isinstance(module, ModuleType))
    by_file = {vars(module).get("__file__"): module for module in modules}
    found: dict[str, CodeFile] = {}
    waiting = sorted({*files_of(functions), *files})
    while waiting:
        file = waiting.pop()
        text = _text_of(file) if file not in found else None
        if text is None:
            continue
        module = by_file.get(file)
        name = "" if module is None or is_script_module(module.__name__) else module.__name__
        found[file] = CodeFile(path=place_of(file), module=name, data=_without_secrets(text))
        waiting += [str(each.__file__) for each in _imported(text, module)]
    return [found[file] for file in sorted(found)]


def _text_of(file: str) -> str | None:
    """Read a file of Python's; None where there is none, as for what was typed into a session."""
    try:
        with unheard():
            data = pathlib.Path(file).read_bytes()
        return importlib.util.decode_source(data) if len(data) <= _LARGEST_BYTES else None
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


@functools.lru_cache(maxsize=_REMEMBERED)
def _without_secrets(text: str) -> bytes:
    """Take the secrets out of a file's text; remembered, as each run of a process needs the same files."""
    return redact(text).encode("utf-8", "surrogatepass")


def _users_module(name: str) -> ModuleType | None:
    """The loaded module of that name, if it is the user's own and has a file."""
    module = sys.modules.get(name)
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    return module if isinstance(file, str) and is_users_file(file) else None


def _imported(text: str, module: ModuleType | None) -> Iterator[ModuleType]:
    """List the user's own modules that a file imports and that are loaded, and the packages they are in."""
    package = str(getattr(module, "__package__", None) or "")
    names = set() if module is None else {module.__name__}
    for line in _IMPORT.finditer(text):
        names |= {part.split()[0] for part in line[1].split(",") if part.strip()}
    for line in _IMPORT_FROM.finditer(text):
        try:
            base = importlib.util.resolve_name(line[1], package)
        except ImportError:  # beyond the top of the package: it would fail there too
            continue
        names |= {base, *(f"{base}.{name}" for name in _NAME.findall(line[2]))}
    for name in sorted({part for each in names for part in _with_parents(each)}):
        found = _users_module(name)
        if found is not None:
            yield found


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
        self._write(code_files(functions))

    def tell_script(self) -> None:
        """Write the files of the program that runs, if it is the user's own, and not what was typed."""
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        if isinstance(file, str):
            path = str(pathlib.Path(file).absolute())
            self._write(code_files([], [path] if is_users_file(path) else []))

    def _write(self, files: Iterable[CodeFile]) -> None:
        for each in files:
            digest = digest_bytes(each.data)
            if self._told.get(each.path) != digest:
                self._told[each.path] = digest
                body = {
                    "path": each.path,
                    "module": each.module,
                    "text": each.data.decode("utf-8", "surrogatepass"),
                }
                self._writer.append("code_file", {"digest": digest}, body)
