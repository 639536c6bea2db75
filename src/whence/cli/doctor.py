"""Check what whence needs here: Python and its packages, extras, the workspace and its runs, the disk, Git.

The exit code is 0 where all is well, 1 where something should be looked at, and 4 where the workspace can't
be used.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from typing import Any

from whence.cli.page import Block, Grid, Line, Section, Words, dim, name, strong
from whence.cli.screen import Screen
from whence.cli.surroundings import Check, State, check_sqlite, check_workspace, make_check
from whence.errors import StoreError

_PACKAGES = ("numpy", "msgspec", "xxhash", "rich", "jinja2")
_EXTRAS = {
    "images": (("pillow",), "PNG and JPEG samples, replay --out sample.png, whence demo"),
    "parquet": (("pyarrow",), "from_parquet, from_table, to_arrow, to_parquet"),
    "pandas": (("pandas", "pyarrow"), "from_table of pandas, to_pandas"),
    "polars": (("polars", "pyarrow"), "from_table of polars"),
    "timestamps": (("rfc3161-client",), "whence anchor rfc3161"),
    "evm": (("eth-account", "trie"), "whence anchor evm"),
    "workers": (("cloudpickle",), "lambdas and functions of notebooks in workers"),
    "torch": (("torch",), "to_torch, watched loaders"),
    "lightning": (("lightning",), "the callback for Lightning"),
    "transformers": (("transformers", "accelerate"), "the callback for the Hugging Face Trainer"),
    "keras": (("keras", "torch"), "the callback for Keras"),
}
_MARKS = {
    "ok": Words("✓", "good"),
    "missing": Words("·", "dim"),
    "doubt": Words("!", "doubt"),
    "bad": Words("✗", "bad"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check all of it."""
    stores, path = check_workspace(arguments.workspace, screen)
    checks = [*_package_checks(), *_extra_checks(), *stores, *_tool_checks()]
    usable = not any(check["state"] == "bad" for check in stores)
    well = not any(check["state"] in ("doubt", "bad") for check in checks)
    screen.show({"workspace": path, "usable": usable, "well": well, "checks": checks}, page)
    return StoreError.exit_code if not usable else 0 if well else 1


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
    if value["usable"] and not value["well"]:
        verdict = "whence can work here; look at what is marked with !"
    mark = Words("✗ ", "bad") if not value["usable"] else Words("✓ ", "good")
    return [*blocks, Line(words=""), Line(words=(mark, strong(verdict)))]


def _remedy(check: Check) -> Words:
    return name(check["remedy"]) if check["state"] != "ok" else dim(check["note"])


def _package_checks() -> Iterator[Check]:
    yield make_check(
        "python", "python", "ok", platform.python_version(), note=platform.python_implementation()
    )
    yield make_check("python", "whence", "ok", importlib.import_module("whence").__version__)
    for package in _PACKAGES:
        version = _version_of(package)
        state: State = "bad" if version is None else "ok"
        yield make_check(
            "python",
            package,
            state,
            version or "not installed",
            remedy="pip install --force-reinstall whence",
        )


def _extra_checks() -> Iterator[Check]:
    for extra, (packages, use) in _EXTRAS.items():
        versions = {package: _version_of(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        found = ", ".join(f"{package} {version}" for package, version in versions.items() if version)
        if missing:
            found = f"{' and '.join(missing)} {'isn' if len(missing) == 1 else 'aren'}'t installed"
        state: State = "missing" if missing else "ok"
        yield make_check("extras", extra, state, found, remedy=f"pip install 'whence[{extra}]'", note=use)


def _tool_checks() -> Iterator[Check]:
    yield check_sqlite()
    git = shutil.which("git")
    state: State = "ok" if git else "missing"
    yield make_check(
        "tools", "git", state, git or "not found", remedy="Install Git to have commits recorded.",
        note="commit and changes are recorded with each run",
    )  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield make_check("tools", "cores", "ok", str(cores))


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
