"""Whose code a file is: the user's own, Python's, or an installed package's, and in which version.

Only names of folders are read, as pip wrote them (`name-version.dist-info`); nothing is imported.
Source: PyPA specification "Recording installed projects".
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from whence.capture.secrets import redact

_SITE_FOLDERS = ("site-packages", "dist-packages")
_OWN_PACKAGE = __name__.partition(".")[0]
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where code lives: whose it is, the top-level module, and the distribution with its version."""

    owner: Literal["user", "python", "package"]
    module: str = ""
    distribution: str = ""
    version: str = ""


_USER = Home(owner="user")
_PYTHON = Home(owner="python", module="python")


def installed_packages() -> dict[str, str]:
    """List every installed distribution, as name and version, in the order of names.

    Cost: one listing of each folder on `sys.path`; no file is opened except for old develop installs.
    """
    found: dict[str, str] = {}
    for _, name, version in _installations():
        found.setdefault(name, version)
    return dict(sorted(found.items()))


def installed_from() -> dict[str, dict[str, Any]]:
    """Tell of the distributions that come from no index where they do come from.

    Returns:
        By name: `url`, without secrets, or `folder`; `editable`: whether the folder itself is used; `commit`,
        where it was installed from a repository.

    Cost: a look for one file in the folder of each distribution.
    Source: PyPA specification "Recording the direct URL origin of installed distributions".
    """
    found: dict[str, dict[str, Any]] = {}
    for folder, name, _ in _installations():
        try:
            told = json.loads((folder / "direct_url.json").read_bytes())
            url = urlsplit(told["url"])
            path = unquote(url.path) if url.scheme == "file" else ""
            origin: dict[str, Any] = {"folder": path} if path else {"url": redact(told["url"])}
            origin["editable"] = bool(told.get("dir_info", {}).get("editable", False))
            if "vcs_info" in told:
                origin["commit"] = told["vcs_info"].get("commit_id")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        found.setdefault(name, origin)
    return dict(sorted(found.items()))


@functools.lru_cache(maxsize=4096)
def home_of_file(file: str) -> Home:
    """Tell whose code a file is; a name in angle brackets is the user's unless it is frozen."""
    owner, module = _owner_of_file(file)
    return _home_of_package(module) if owner == "package" else _PYTHON if owner == "python" else _USER


def is_users_file(file: str) -> bool:
    """Tell whether a file is the user's own, without asking which package it is of else."""
    return _owner_of_file(file)[0] == "user"


@functools.lru_cache(maxsize=4096)
def _owner_of_file(file: str) -> tuple[str, str]:
    """Tell whose a file is, and of a package its top-level module."""
    if file.startswith("<"):
        return ("python" if file.startswith("<frozen") else "user"), ""
    path = os.path.abspath(file)
    if path.startswith(_OWN_FOLDER + os.sep):
        return "package", _OWN_PACKAGE
    parts = path.split(os.sep)
    for place, part in enumerate(parts[:-1]):
        if part in _SITE_FOLDERS:
            return "package", parts[place + 1].partition(".")[0]
    is_pythons = any(path.startswith(folder + os.sep) for folder in _python_folders())
    return ("python" if is_pythons else "user"), ""


def home_of_module(name: str) -> Home:
    """Tell whose code a module is, by its file if it has one, else by its name."""
    top = name.partition(".")[0]
    if top in {"__main__", "__mp_main__"}:
        return _USER
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        home = home_of_file(file)
        return _home_of_package(top) if home.owner == "package" else home
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return _PYTHON
    parent = sys.modules.get(top)
    parent_file = getattr(parent, "__file__", None)
    if isinstance(parent_file, str) and home_of_file(parent_file).owner == "package":
        return _home_of_package(top)
    return _USER


@functools.lru_cache(maxsize=1024)
def _home_of_package(module: str) -> Home:
    name, version = _distribution_of(module)
    return Home(owner="package", module=module, distribution=name, version=version)


def _distribution_of(module: str) -> tuple[str, str]:
    wanted = _normal(module)
    installations = list(_installations())
    for _, name, version in installations:
        if name == wanted:
            return name, version
    for folder, name, version in installations:
        if module in _modules_of(folder):
            return name, version
    own = getattr(sys.modules.get(module), "__version__", "")
    return module, own if isinstance(own, str) else ""


def _modules_of(folder: Path) -> set[str]:
    """List the top-level modules that a distribution installed."""
    for name in ("top_level.txt", "RECORD"):
        try:
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return {re.split(r"[/.,]", line, maxsplit=1)[0] for line in text.splitlines()}
    return set()


def _installations() -> Iterator[tuple[Path, str, str]]:
    for entry in sys.path:
        try:
            names = sorted(os.listdir(entry or "."))
        except OSError:
            continue
        for name in names:
            stem, dot, ending = name.rpartition(".")
            if not dot or ending not in {"dist-info", "egg-info"}:
                continue
            project, _, version = stem.partition("-")
            folder = Path(entry, name)
            yield folder, _normal(project), version.partition("-py")[0] or _version_inside(folder)


def _version_inside(folder: Path) -> str:
    path = folder / "PKG-INFO" if folder.is_dir() else folder
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"^Version:\s*(\S+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.lru_cache(maxsize=1)
def _python_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({os.path.abspath(paths[key]) for key in ("stdlib", "platstdlib")})
