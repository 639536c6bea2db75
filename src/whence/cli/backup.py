"""Write the workspace to one tar file while runs go on: .tar, .tar.gz, .tgz or .tar.xz.

Given a folder, the file in it is named by the workspace and the time. The exit code is 1 where something was
damaged already; it is in the backup as it is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import pathlib
from typing import Any

from whence.cli.page import Block, Grid, Line, Section, Words, dim, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, size_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("to", metavar="FILE|FOLDER", help="the file, or the folder to put one in")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Write it."""
    workspace = asked_workspace(arguments)
    path = pathlib.Path(arguments.to)
    if path.is_dir():
        now = dt.datetime.now(dt.UTC)
        path /= f"{workspace.path.absolute().parent.name or 'whence'}-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    with watched(screen) as tell:
        done = workspace.back_up(path, tell=tell)
    value = {
        "workspace": str(workspace.path),
        "path": str(path),
        "made_at": done.made_at,
        "runs": done.run_count,
        "files": done.file_count,
        "bytes": done.content_bytes,
        "size": path.stat().st_size,
        "damaged": [{"where": where, "problem": problem} for where, problem in done.damaged],
    }
    screen.show(value, page)
    return 1 if done.damaged else 0


def page(value: dict[str, Any]) -> list[Block]:
    """What is in it."""
    what = f"{count_of(value['runs'], 'run')}, {count_of(value['files'], 'file')}, {size_of(value['bytes'])}"
    blocks: list[Block] = [
        Line(words=(strong(value["path"]), dim(f"  {size_of(value['size'])}"))),
        Line(words=f"{what}, each with its digest", indent=2),
    ]
    if value["damaged"]:
        blocks += [Section(title="damaged already, and backed up as it is")]
        blocks += [Grid(rows=[[Words(each["problem"], "bad"), each["where"]] for each in value["damaged"]])]
    return [*blocks, *try_next([(f"whence restore {value['path']} DIR", "makes a workspace of it")])]
