"""Recorded code: a run's own functions, made again from the files that were stored with it.

Their texts are compared with the digests that the journal's chain holds before anything of them runs. They
are written to a folder of their own and loaded from there as any code is, with modules of their own: those of
today with the same names are out of sight while recorded code is loaded or runs, in the whole process. What
was made must have the digest that was recorded for the function, beside the packages recorded then.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from whence.capture.code import digest_beside
from whence.capture.codefiles import CodeFile
from whence.capture.loading import load_function
from whence.capture.packages import is_users_file
from whence.capture.slices import import_folder
from whence.errors import ReplayError
from whence.vocab import digest_text

_TODAY = "Replay with today's code: leave --code recorded, or in Python code='recorded'."
_in_force = threading.RLock()


class RecordedCode:
    """The code of a run, in modules of its own.

    Args:
        files: as they were recorded; their digests have been verified.
    """

    def __init__(self, files: Sequence[CodeFile]) -> None:
        self._folder = tempfile.mkdtemp(prefix="whence-code-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._paths = {file.path for file in files}
        self._modules: dict[str, ModuleType] = {}
        self._roots: list[str] = []
        for file in files:
            path = self._place(file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            root = import_folder(str(path), self._package_of(file))
            if root not in self._roots:
                self._roots.append(root)

    def load(self, entry: Mapping[str, Any], what: str) -> Callable[..., Any]:
        """Make a function again.

        Args:
            entry: what the record says of the function.
            what: where it was used, for messages.

        Raises:
            ReplayError: it isn't complete in the record, or isn't what was recorded.
        """
        if entry["unknown"]:
            reasons = "; ".join(entry["unknown"][:3])
            raise ReplayError(f"{what}: its recorded code is incomplete: {reasons}", remedy=_TODAY)
        missing = sorted(set(_files_in(entry["reference"])) - self._paths)
        if missing:
            raise ReplayError(f"{what}: the file {missing[0]!r} wasn't recorded", remedy=_TODAY)
        with self.in_force():
            fn = load_function(entry["reference"], root=self._folder)
            found = digest_text(digest_beside(fn, entry["packages"]))
        if found != entry["digest"]:
            raise ReplayError(
                f"{what}: the code made again from the record isn't what ran: its digest is {found}, "
                f"recorded was {entry['digest']}",
                remedy=_TODAY,
            )
        return fn

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let imports of the user's own modules lead to recorded ones, and none to those of today."""
        with _in_force:
            path, hidden = list(sys.path), _take_out()
            sys.modules.update(self._modules)
            sys.path[:] = [*self._roots, *(folder for folder in path if not _is_users(folder))]
            try:
                yield
            finally:
                self._modules = _take_out()
                sys.modules.update(hidden)
                sys.path[:] = path

    def _place(self, recorded: str) -> Path:
        path = Path(recorded)
        parts = [part for part in (path.parts[1:] if path.is_absolute() else path.parts) if part != ".."]
        return Path(self._folder).joinpath(*parts)

    @staticmethod
    def _package_of(file: CodeFile) -> str:
        is_package = Path(file.path).name == "__init__.py"
        return file.module if is_package else file.module.rpartition(".")[0]


def _take_out() -> dict[str, ModuleType]:
    """Take the user's own modules out of sight, but for the script that runs."""
    names = [name for name in list(sys.modules) if name != "__main__" and _is_users_module(name)]
    return {name: sys.modules.pop(name) for name in names}


def _is_users_module(name: str) -> bool:
    module = sys.modules[name]
    told = (
        vars(module) if isinstance(module, ModuleType) else {}
    )  # what it makes when it is asked is left alone
    file = told.get("__file__")
    if not isinstance(file, str):  # a package without a file of its own
        places = list(told.get("__path__", ()))
        return bool(places) and _is_users(places[0])
    return is_users_file(file)


def _is_users(folder: str) -> bool:
    """Whether a folder that imports are found in holds the user's own code."""
    return is_users_file(os.path.join(os.path.abspath(folder), "module.py"))


def _files_in(reference: Any) -> Iterator[str]:
    """List the files that a reference, and those inside it, lead to."""
    if isinstance(reference, dict):
        if reference.get("kind") == "value":
            return
        file = reference.get("file")
        if isinstance(file, str) and file and "module" in reference:
            yield file
        for inner in reference.values():
            yield from _files_in(inner)
    elif isinstance(reference, list):
        for inner in reference:
            yield from _files_in(inner)
