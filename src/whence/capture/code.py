"""Code identity: what a function is, by the source of everything of the user's own that it reaches.

Two identities are equal when the code would do the same as far as can be told: comments, formatting,
docstrings, annotations of functions, loggers, file names and line numbers don't count. What can't be
hashed counts as the word "unknown" with its type's name, and is listed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from whence.capture import anatomy
from whence.capture.closure import Closure
from whence.capture.packages import home_of_module
from whence.capture.usage import facts_of_class
from whence.vocab import digest_value

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeIdentity:
    """What a callable is.

    Attributes:
        name: for people; a lambda with its place.
        module: module that defines it.
        qualname: qualified name in the module.
        file: file it was compiled from, relative to the working directory if below; empty for C.
        line: first line in the file; 0 for C.
        digest: of the closure, 32 bytes raw.
        source: normal text of each function and class of the user's own that it reaches, by name.
        constants: canonical text, or a note, of each value that it refers to, by name.
        packages: version of each installed distribution that it reaches.
        unknown: reasons why something can't be known; empty if the identity is complete.
    """

    name: str
    module: str
    qualname: str
    file: str
    line: int
    digest: bytes
    source: dict[str, str]
    constants: dict[str, str]
    packages: dict[str, str]
    unknown: list[str]


def identify(fn: Callable[..., Any]) -> CodeIdentity:
    """Identify a callable by its closure.

    Args:
        fn: a function, lambda, class, method, partial, builtin, or any object that can be called.

    Returns:
        The identity; never raises, what can't be known stands in `unknown`.

    Cost: a few ms for each file the first time; then proportional to the functions and values reached.
    """
    inner = innermost(fn)
    module = str(getattr(inner, "__module__", None) or "builtins")
    qualname = str(getattr(inner, "__qualname__", None) or getattr(inner, "__name__", "?"))
    file, line = _place(inner)
    name = f"{qualname} ({os.path.basename(file)}:{line})" if "<lambda>" in qualname else qualname
    closure = Closure()
    root = closure.walk(fn, name)
    digested = [_FORMAT, root, closure.entries, closure.packages]
    return CodeIdentity(
        name=name,
        module=module,
        qualname=qualname,
        file=file,
        line=line,
        digest=digest_value(digested),
        source=closure.source,
        constants=closure.constants,
        packages=closure.packages,
        unknown=list(dict.fromkeys(closure.unknown)),
    )


def digest_beside(fn: Callable[..., Any], packages: Mapping[str, str]) -> bytes:
    """The digest that a callable would have beside packages of these versions."""
    closure = Closure()
    root = closure.walk(fn, "")
    beside = {name: packages.get(name, version) for name, version in closure.packages.items()}
    return digest_value([_FORMAT, root, closure.entries, beside])


def files_of(functions: Iterable[Callable[..., Any]]) -> set[str]:
    """Find the files in which the user's own code stands that some callables reach."""
    closure = Closure()
    for fn in functions:
        closure.walk(fn, "")
    return closure.files


def innermost(fn: Any) -> Any:
    """Find the function or class that a callable is named by: behind partials, methods and decorators."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif hasattr(fn, "__func__"):
            fn = fn.__func__
        elif hasattr(fn, "__wrapped__") and not hasattr(fn, "__code__"):
            fn = fn.__wrapped__
        else:
            return fn if hasattr(fn, "__name__") else type(fn)


def place_of(file: str) -> str:
    """Write a file's path relative to the working directory, if it is below."""
    if file.startswith("<"):
        return file
    try:
        relative = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if relative.startswith("..") else relative.replace(os.sep, "/")


def _place(value: Any) -> tuple[str, int]:
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        return place_of(code.co_filename), code.co_firstlineno
    own = isinstance(value, type) and home_of_module(value.__module__).owner == "user"
    facts = facts_of_class(value) if own else None
    if facts is None:
        return "", 0
    return place_of(anatomy.file_of_class(value) or ""), facts.line
