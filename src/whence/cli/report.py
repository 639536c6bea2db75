"""Write a run as one page of HTML that needs nothing else: no network, no script."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from whence.cli.page import Block, Line, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import size_of
from whence.documents import write_report
from whence.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and where to."""
    parser.add_argument("run", metavar="RUN", help="its name or id")
    parser.add_argument(
        "--out", metavar="FILE", default="report.html", help="the page (default: report.html)"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Write the page."""
    workspace = asked_workspace(arguments)
    asked = workspace.run(arguments.run)
    path = pathlib.Path(arguments.out)
    screen.progress(f"writing {path} …")
    try:
        write_report(workspace, asked, path)
        size = path.stat().st_size
    except OSError as error:
        raise InputError(
            f"--out {path}: {error.strerror or error}", remedy="Name a file that can be written."
        ) from error
    finally:
        screen.progress("")
    screen.show({"run": asked.name, "path": str(path), "bytes": size}, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """Say where it is."""
    return [
        Line(
            words=(
                Words("✓ ", "good"),
                strong(value["path"]),
                dim(f"  {size_of(value['bytes'])}, run {value['run']}"),
            )
        )
    ]
