"""Check what whence needs here: Python and its packages, extras, the workspace, the disk, SQLite, Git.

The exit code is 4 where the workspace can't be used.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from typing import Any, Literal

from whence.cli.page import Block, Grid, Line, Section, Words, dim, name, strong
from whence.cli.screen import Screen
from whence.cli.wording import size_of
from whence.errors import StoreError
from whence.workspace import open as open_workspace

State = Literal["ok", "missing", "bad"]
Check = dict[str, Any]

_PACKAGES = ("numpy", "msgspec", "xxhash", "rich", "jinja2")
_EXTRAS = {
    "images": ("pillow", "PNG and JPEG samples, replay --out sample.png, whence demo"),
    "parquet": ("pyarrow", "from_parquet, from_table, to_arrow, to_parquet"),
    "pandas": ("pandas", "from_table of pandas, to_pandas"),
    "polars": ("polars", "from_table of polars"),
}
_LITTLE_SPACE_BYTES = 1_000_000_000
_MARKS = {"ok": Words("✓", "good"), "missing": Words("·", "dim"), "bad": Words("✗", "bad")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check all of it."""
    stores, path = _store_checks(arguments.workspace)
    checks = [*_package_checks(), *_extra_checks(), *stores, *_tool_checks()]
    value = {"workspace": path, "usable": all(check["state"] != "bad" for check in stores), "checks": checks}
    screen.show(value, page)
    return 0 if value["usable"] else StoreError.exit_code


def page(value: dict[str, Any]) -> list[Block]:
    """Each check in its group, with what to do where it fails."""
    blocks: list[Block] = []
    for group in dict.fromkeys(check["group"] for check in value["checks"]):
        blocks += [Section(title=group)]
        blocks += [
            Grid(
                rows=[
                    [_MARKS[check["state"]], check["name"], check["found"], _remedy(check)]
                    for check in value["checks"]
                    if check["group"] == group
                ]
            )
        ]
    verdict = "whence can work here." if value["usable"] else "The workspace can't be used."
    mark = Words("✓ ", "good") if value["usable"] else Words("✗ ", "bad")
    return [*blocks, Line(words=""), Line(words=(mark, strong(verdict)))]


def _remedy(check: Check) -> Words:
    return name(check["remedy"]) if check["state"] != "ok" else dim(check["note"])


def _check(group: str, title: str, state: State, found: str, *, remedy: str = "", note: str = "") -> Check:
    return {"group": group, "name": title, "state": state, "found": found, "remedy": remedy, "note": note}


def _package_checks() -> Iterator[Check]:
    yield _check("python", "python", "ok", platform.python_version(), note=platform.python_implementation())
    yield _check("python", "whence", "ok", importlib.import_module("whence").__version__)
    for package in _PACKAGES:
        version = _version_of(package)
        state: State = "bad" if version is None else "ok"
        yield _check(
            "python",
            package,
            state,
            version or "not installed",
            remedy="pip install --force-reinstall whence",
        )


def _extra_checks() -> Iterator[Check]:
    for extra, (package, use) in _EXTRAS.items():
        version = _version_of(package)
        state: State = "missing" if version is None else "ok"
        found = f"{package} {version}" if version else f"{package} isn't installed"
        yield _check("extras", extra, state, found, remedy=f"pip install 'whence[{extra}]'", note=use)


def _store_checks(asked: str | None) -> tuple[list[Check], str]:
    group = "workspace"
    try:
        workspace = open_workspace(asked)
        count = sum(workspace.count_by_status().values()) if workspace.exists else 0
    except StoreError as error:
        return [_check(group, "folder", "bad", error.message, remedy=error.remedy)], str(asked or "")
    path = workspace.path
    found = f"{count:,} runs" if workspace.exists else "not there yet"
    checks = [_check(group, "folder", "ok", str(path), note=found)]
    held = _nearest_folder(path)
    try:
        with tempfile.TemporaryFile(dir=held):
            checks.append(
                _check(group, "writable", "ok", "yes", note="" if held == path else f"by way of {held}")
            )
    except OSError as error:
        checks.append(
            _check(
                group, "writable", "bad", f"no ({error.strerror})",
                remedy=f"Make {held} writable, or set WHENCE_HOME to a folder that is.",
            )
        )  # fmt: skip
    free = shutil.disk_usage(held).free
    state: State = "ok" if free >= _LITTLE_SPACE_BYTES else "missing" if free else "bad"
    checks.append(_check(group, "free disk", state, size_of(free), remedy="Free some space."))
    return checks, str(path)


def _nearest_folder(path: pathlib.Path) -> pathlib.Path:
    """The folder itself, or the nearest above it that is there."""
    return next((each for each in (path, *path.parents) if each.is_dir()), pathlib.Path(path.anchor))


def _tool_checks() -> Iterator[Check]:
    yield _check("tools", "sqlite", "ok", sqlite3.sqlite_version, note="only for the catalog, an index")
    git = shutil.which("git")
    state: State = "ok" if git else "missing"
    yield _check(
        "tools", "git", state, git or "not found", remedy="Install Git to have commits recorded.",
        note="commit and changes are recorded with each run",
    )  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield _check("tools", "cores", "ok", str(cores))


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
