"""Write a run as one page of HTML that needs nothing else: no network, no script.

A few samples are made again to be shown on their way, by the recorded functions from their files.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
from typing import Any

from whence.cli.home import home_of
from whence.cli.page import Block, Line, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import size_of
from whence.documents import write_report


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
    others = [each.record for each in workspace.runs()]
    home = home_of(asked, workspace, elsewhere=())
    with contextlib.chdir(home), contextlib.redirect_stdout(sys.stderr):  # recorded functions may print
        write_report(asked.record, path.absolute(), records=others)
    screen.progress("")
    screen.show({"run": asked.name, "path": str(path), "bytes": path.stat().st_size}, page)
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
