"""Write a run as one page of HTML that needs nothing else: no network, no script; or compare several.

Of one run a few samples are made again to be shown on their way, by the recorded functions from their files.
Of several the page says what differs between them, and what came of it; the first is what the code of the
others is compared with.
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
from whence.documents import write_comparison, write_report
from whence.workspace import Run, Workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and where to."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="its name or id; several are compared")
    parser.add_argument(
        "--out", metavar="FILE", help="the page (default: report.html, of several runs comparison.html)"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Write the page."""
    workspace = asked_workspace(arguments)
    asked, *further = [workspace.run(name) for name in arguments.runs]
    path = pathlib.Path(arguments.out or ("comparison.html" if further else "report.html"))
    screen.progress(f"writing {path} …")
    if further:
        write_comparison([each.record for each in (asked, *further)], path)
    else:
        _write_one(asked, workspace, path)
    screen.progress("")
    names = [each.name for each in (asked, *further)]
    screen.show({"runs": names, "path": str(path), "bytes": path.stat().st_size}, page)
    return 0


def _write_one(asked: Run, workspace: Workspace, path: pathlib.Path) -> None:
    others = [each.record for each in workspace.runs()]
    home = home_of(asked, workspace, elsewhere=())
    with contextlib.chdir(home), contextlib.redirect_stdout(sys.stderr):  # recorded functions may print
        write_report(asked.record, path.absolute(), records=others)


def page(value: dict[str, Any]) -> list[Block]:
    """Say where it is."""
    return [
        Line(
            words=(
                Words("✓ ", "good"),
                strong(value["path"]),
                dim(f"  {size_of(value['bytes'])}, {' · '.join(value['runs'])}"),
            )
        )
    ]
