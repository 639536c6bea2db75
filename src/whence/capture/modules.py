"""What code takes from modules: the attributes it names of the user's modules, packages by version."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Protocol

from whence.capture.packages import Home, home_of_file, home_of_module
from whence.capture.syntax import normal_text, read_source
from whence.capture.usage import Chain
from whence.vocab import digest_bytes, digest_text

_MISSING = object()


class Walk(Protocol):
    """What the walk offers to whoever describes a part of what it meets."""

    constants: dict[str, str]
    unknown: list[str]

    def reach(self, value: Any, label: str) -> list[Any]:
        """Say what a value is."""

    def foreign(self, module: str, named: str) -> list[Any]:
        """Say something of Python's or a package's by its name."""

    def of_home(self, home: Home, named: str) -> list[Any]:
        """Do so where it is known already whose it is."""

    def note_file(self, file: str | None) -> None:
        """Note where something of the user's own stands."""

    def keep_text(self, name: str, text: str) -> None:
        """Keep source text for people."""


class Modules:
    """Says what modules contribute to a closure."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk

    def taken(self, module: ModuleType, label: str, chains: Iterable[Chain]) -> list[Any]:
        """Say what the chains of attributes take from a module.

        Args:
            module: the module.
            label: how the code calls it, for people.
            chains: attribute names; an empty chain means the module itself as a value.
        """
        if home_of_module(module.__name__).owner != "user":
            self._walk.constants.setdefault(label, f"module {module.__name__}")
            return self._walk.foreign(module.__name__, module.__name__)
        found = {}
        self._walk.note_file(getattr(module, "__file__", None))
        for chain in sorted(chains):
            owner, name, rest = _last_of_the_user(module, chain)
            self._walk.note_file(getattr(owner, "__file__", None))
            value = vars(owner).get(name, _MISSING) if name else _MISSING
            if isinstance(value, ModuleType):
                taken = self.taken(value, f"{owner.__name__}.{name}", [rest])
            elif value is _MISSING:
                taken = self._whole(owner.__name__, getattr(owner, "__file__", None))
            else:
                taken = self._walk.reach(value, f"{owner.__name__}.{name}")
            found[".".join(chain[: len(chain) - len(rest)])] = taken
        return ["module", found]

    def imported(self, wanted: tuple[int, str, Chain], scope: Mapping[str, Any]) -> list[Any]:
        """Say what an import inside a function brings, without importing it.

        Args:
            wanted: the import's level, module and names.
            scope: globals of the function.
        """
        level, name, names = wanted
        package = str(scope.get("__package__") or scope.get("__name__") or "")
        try:
            full = importlib.util.resolve_name("." * level + name, package)
            module = sys.modules.get(full)
            if module is not None:
                return self.taken(module, full, [(part,) for part in names] or [()])
            if home_of_module(full).owner == "python":
                return ["python", full]
            # looked for by its top alone: finding what is deeper would import the packages above it
            spec = importlib.util.find_spec(full.partition(".")[0])
        except (ImportError, ValueError):
            spec = None
            full = name
        if spec is None or spec.origin is None:
            self._walk.unknown.append(f"{full}: imported inside a function, and not found")
            return ["unknown", "module"]
        if home_of_file(spec.origin).owner == "user":
            return self._whole(full, spec.origin)
        self._walk.constants.setdefault(full, f"module {full}")
        return self._walk.of_home(home_of_file(spec.origin), full)  # not loaded, its name says nothing

    def _whole(self, name: str, file: str | None) -> list[Any]:
        """Say a module by all its text, where what is used of it can't be told."""
        source = read_source(file) if file else None
        self._walk.note_file(file)
        if source is None:
            self._walk.unknown.append(f"{name}: the module's source is not available")
            return ["unknown", "module"]
        text = normal_text(source.tree)
        self._walk.keep_text(name, text)
        self._walk.unknown.append(f"{name}: used as a whole module; what it refers to is not followed")
        return ["text", digest_text(digest_bytes(text.encode("utf-8", "surrogatepass")))]


def _last_of_the_user(module: ModuleType, chain: Chain) -> tuple[ModuleType, str, Chain]:
    """Follow a chain as long as it leads through the user's own modules."""
    for place, name in enumerate(chain):
        value = vars(module).get(name)
        if not isinstance(value, ModuleType) or home_of_module(value.__name__).owner != "user":
            return module, name, chain[place + 1 :]
        module = value
    return module, "", ()
