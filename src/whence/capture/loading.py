"""Loading: from a reference back to the callable, in a process that may never have seen it.

A function of an importable module is imported; one of a script comes from a slice of the script's file;
a lambda or nested function is found in its file by the digest of its normal text and gets the closure
that was recorded. Whoever loads compares identities: code that changed since is loaded as it is now.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from types import CellType, FunctionType, ModuleType
from typing import Any

from whence.capture.anatomy import MISSING, is_script_module
from whence.capture.slices import folder_on_path, import_folder, slice_of
from whence.capture.syntax import Definition, SourceFile, read_source
from whence.capture.usage import facts_of, usage_of
from whence.errors import ReplayError
from whence.vocab import from_plain

_REMEDY = "Give the stream in Python: run.replay(..., stream=...)."

Reference = dict[str, Any]


def load_function(reference: Reference, *, root: str | None = None) -> Callable[..., Any]:
    """Load the callable that a reference of `refer` names.

    Args:
        reference: what `refer` returned, perhaps in another process.
        root: folder to look in for files recorded relative to a working directory; the current one
            is tried after it.

    Returns:
        The callable as the code is now.

    Raises:
        ReplayError: the file, the function, or a value of its closure isn't there.
    """
    loaded = _Loading(root).load(reference, "the function")
    if not callable(loaded):
        raise ReplayError(f"the reference to {reference.get('qualname')!r} leads to a value, not a function")
    return loaded  # type: ignore[no-any-return]  # just proved callable


class _Loading:
    def __init__(self, root: str | None) -> None:
        self._root = root
        self._functions: list[FunctionType] = []

    def load(self, reference: Reference, what: str) -> Any:
        load = _KINDS.get(str(reference.get("kind")))
        if load is None:
            raise ReplayError(f"{what} is referred to in a way that this version doesn't know")
        return load(self, reference, what)

    def _value(self, reference: Reference, what: str) -> Any:
        return from_plain(reference["value"])

    def _items(self, reference: Reference, what: str) -> Any:
        items = reference["items"]
        if isinstance(items, dict):
            return {key: self.load(item, f"{what}[{key!r}]") for key, item in items.items()}
        loaded = [self.load(item, f"{what}[{place}]") for place, item in enumerate(items)]
        return tuple(loaded) if reference["kind"] == "tuple" else loaded

    def _module(self, reference: Reference, what: str) -> ModuleType:
        return _imported(reference["module"], what, folder="")

    def _cycle(self, reference: Reference, what: str) -> FunctionType:
        return self._functions[reference["of"]]

    def _missing(self, reference: Reference, what: str) -> Any:
        raise ReplayError(f"{what} is a {reference['type']}, which wasn't recorded", remedy=_REMEDY)

    def _partial(self, reference: Reference, what: str) -> Any:
        keywords = reference["keywords"].items()
        return functools.partial(
            self.load(reference["func"], what),
            *(self.load(item, f"argument {place} of {what}") for place, item in enumerate(reference["args"])),
            **{key: self.load(item, f"argument {key} of {what}") for key, item in keywords},
        )

    def _made(self, reference: Reference, what: str) -> Any:
        arguments = [self.load(item, f"an argument of {what}") for item in reference["args"]]
        return self.load(reference["func"], what)(*arguments)

    def _attribute(self, reference: Reference, what: str) -> Any:
        return _attribute(self.load(reference["of"], f"the owner of {what}"), reference["name"], what)

    def _object(self, reference: Reference, what: str) -> Any:
        kind = self.load(reference["class"], f"the class of {what}")
        made = kind.__new__(kind)
        for name, field in reference["fields"].items():
            object.__setattr__(made, name, self.load(field, f"field {name} of {what}"))
        return made

    def _name(self, reference: Reference, what: str) -> Any:
        first, *rest = reference["qualname"].split(".")
        what = f"{reference['module']}.{reference['qualname']}"
        scope = self._scope(reference, [first], what)
        found = scope.get(first, MISSING)
        if found is MISSING:
            raise ReplayError(f"{what} isn't there any more", remedy=_REMEDY)
        for name in rest:
            found = _attribute(found, name, what)
        return found

    def _code(self, reference: Reference, what: str) -> FunctionType:
        what = f"{reference['qualname']} of {reference['file']}"
        definition = _find(self._source(reference, what), reference, what)
        code = definition.code
        names = usage_of(code).globals.keys() | facts_of(code).decorators.globals.keys()
        scope = self._scope(reference, names, what)
        cells = tuple(CellType() for _ in code.co_freevars)
        function = FunctionType(code, scope, code.co_name, None, cells)
        self._functions.append(function)
        for name, cell in zip(code.co_freevars, cells, strict=True):
            variable = f"the variable {name!r} of {what}"
            if name not in reference["closure"]:
                raise ReplayError(f"{variable} wasn't recorded: the code has changed", remedy=_REMEDY)
            cell.cell_contents = self.load(reference["closure"][name], variable)
        defaults = [self.load(item, f"a default of {what}") for item in reference["defaults"]]
        function.__defaults__ = tuple(defaults) or None
        named = reference["kwdefaults"].items()
        function.__kwdefaults__ = {key: self.load(item, f"the default of {key}") for key, item in named}
        self._functions.pop()
        return function

    def _scope(self, reference: Reference, names: Collection[str], what: str) -> dict[str, Any]:
        """Find the globals that hold names: of the module, of the running script, or of a slice."""
        module = reference["module"]
        path = find_file(reference["file"], self._root)
        if not is_script_module(module):
            folder = import_folder(path, module.rpartition(".")[0]) if path else ""
            if path and os.path.basename(path) == "__init__.py":
                folder = os.path.dirname(folder)
            imported = _imported(module, what, folder=folder)
            file = getattr(imported, "__file__", None)
            if not path or not file or _is_same_file(file, path):
                return vars(imported)
        main = sys.modules["__main__"]
        main_file = getattr(main, "__file__", None)
        # an interactive session has no file, and is the only place where its functions are
        here = _is_same_file(main_file, path) if main_file else path is None
        if here and not set(names) - vars(main).keys() - vars(builtins).keys():
            return vars(main)
        source = self._source(reference, what)
        package = reference.get("package") or ("" if is_script_module(module) else module.rpartition(".")[0])
        return slice_of(source, package=package).provide(names)

    def _source(self, reference: Reference, what: str) -> SourceFile:
        recorded = reference["file"]
        path = find_file(recorded, self._root)
        source = read_source(path or recorded)
        if source is None and not recorded:
            file = getattr(_imported(reference["module"], what, folder=""), "__file__", None)
            source = read_source(file) if file else None
        if source is None:
            raise ReplayError(
                f"{what}: the file {recorded!r} isn't here, or is no Python"
                if not recorded.startswith("<")
                else f"{what} was defined in an interactive session, which leaves no file",
                remedy=f"Run it in the folder of the project, or name that folder. {_REMEDY}",
            )
        return source


def find_file(recorded: str, root: str | None) -> str | None:
    """Find a recorded file, here or below a root, by its path or the end of it.

    Returns:
        An absolute path; `None` if there is none, or if none was recorded.
    """
    if not recorded or recorded.startswith("<"):
        return None
    path = Path(recorded)
    folders = [Path(root), Path.cwd()] if root is not None else [Path.cwd()]
    parts = path.parts[1:] if path.is_absolute() else path.parts
    candidates = [path] if path.is_absolute() and root is None else []
    candidates += [folder.joinpath(*parts[skip:]) for skip in range(len(parts)) for folder in folders]
    if path.is_absolute():
        candidates.append(path)
    return next((os.path.abspath(found) for found in candidates if found.is_file()), None)


def _find(source: SourceFile, reference: Reference, what: str) -> Definition:
    """Find a lambda or nested function by the digest of its text, else by its name if that is unique."""
    last = reference["qualname"].rpartition(".")[2]
    functions = (d for d in source.definitions if not isinstance(d.node, ast.ClassDef))
    named = [d for d in functions if d.qualname.rpartition(".")[2] == last]
    same = [d for d in named if reference["digest"] and facts_of(d.code).digest == reference["digest"]]
    if same:
        line, qualname = reference["line"], reference["qualname"]
        return min(same, key=lambda d: (d.qualname != qualname, abs(d.line - line)))
    placed = [d for d in named if d.qualname == reference["qualname"]]
    if len(placed) == 1:
        return placed[0]
    raise ReplayError(
        f"{what}, recorded at line {reference['line']}, isn't in the file any more",
        remedy=f"Check out the recorded version of the code. {_REMEDY}",
    )


def _imported(module: str, what: str, *, folder: str) -> ModuleType:
    try:
        if not folder or module in sys.modules:
            return importlib.import_module(module)
        with folder_on_path(folder):
            return importlib.import_module(module)
    except (Exception, SystemExit) as problem:
        raise ReplayError(
            f"{what}: importing {module} failed: {type(problem).__name__}: {problem}",
            remedy=f"Install what it needs, or run in the folder of the project. {_REMEDY}",
        ) from problem


def _is_same_file(one: str, other: str | None) -> bool:
    return other is not None and os.path.exists(one) and os.path.samefile(one, other)


def _attribute(owner: Any, name: str, what: str) -> Any:
    found = getattr(owner, name, MISSING)
    if found is MISSING:
        raise ReplayError(f"{what} isn't there any more", remedy=_REMEDY)
    return found


_KINDS: dict[str, Callable[[_Loading, Reference, str], Any]] = {
    "value": _Loading._value,
    "list": _Loading._items,
    "tuple": _Loading._items,
    "dict": _Loading._items,
    "module": _Loading._module,
    "cycle": _Loading._cycle,
    "missing": _Loading._missing,
    "partial": _Loading._partial,
    "made": _Loading._made,
    "attribute": _Loading._attribute,
    "object": _Loading._object,
    "name": _Loading._name,
    "code": _Loading._code,
}
