"""Hears when a module has been imported, whoever imports it and whenever; nothing is imported for that.

A finder that finds nothing itself asks the others and sees to it that their loader tells when it is done.
The loader stays the object that it was, so that whoever asks it for source or data meets the same one.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType


class Arrivals(importlib.abc.MetaPathFinder):
    """Tells of modules once they are there.

    Args:
        tell: is given each module of a name that is waited for, when its code has run.
    """

    def __init__(self, tell: Callable[[ModuleType], None]) -> None:
        self._tell = tell
        self._names: set[str] = set()
        self._looking: set[str] = set()

    def wait_for(self, names: Sequence[str]) -> None:
        """Tell of these when they come, and at once of those that are there."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self._names.update(names)
        for name in names:
            module = sys.modules.get(name)
            if module is not None and not _is_loading(module):
                self._tell(module)

    def stop(self) -> None:
        """Tell no more."""
        self._names.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module by the other finders, and hear of its end."""
        if fullname not in self._names or fullname in self._looking:
            return None
        self._looking.add(fullname)
        try:
            spec = None
            for finder in [each for each in sys.meta_path if each is not self]:
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    break
        finally:
            self._looking.discard(fullname)
        if spec is not None and spec.loader is not None:
            self._listen(spec.loader)
        return spec

    def _listen(self, loader: importlib.abc.Loader) -> None:
        """Hear when a loader is done; one that can't be told to say so is left alone."""

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            loader.exec_module(module)
            if module.__name__ in self._names:
                self._tell(module)

        if hasattr(loader, "exec_module") and hasattr(loader, "__dict__"):
            loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one, until it is done


def _is_loading(module: ModuleType) -> bool:
    """Whether the module's own code is still running: it tells of itself afterwards."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
