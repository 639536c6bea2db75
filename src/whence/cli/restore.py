"""Make a workspace of a backup. All of it is checked before anything is put in place.

A place that isn't empty is refused; --replace puts what is there aside, under a name beside it. To bring a
backup together with a workspace that has gone on, restore it elsewhere and `whence sync` from there.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Line, dim, strong, try_next
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, size_of
from whence.errors import InputError
from whence.workspace import open as open_workspace
from whence.workspace import restore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of what, and where."""
    parser.add_argument("file", metavar="FILE", help="the backup")
    parser.add_argument("to", metavar="DIR", nargs="?", help="the workspace to make (default: the one here)")
    parser.add_argument("--replace", action="store_true", help="put a workspace that is there aside")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check it, and put it in place."""
    if arguments.to is not None and arguments.workspace is not None:
        raise InputError("both DIR and --workspace are given", remedy="Leave one of them out.")
    target = arguments.to if arguments.to is not None else arguments.workspace
    with watched(screen) as tell:
        done = restore(arguments.file, target, replace=arguments.replace, tell=tell)
    value = {
        "path": str(done.path),
        "workspace": str(open_workspace(target).path),
        "made_at": done.made_at,
        "runs": done.run_count,
        "files": done.file_count,
        "bytes": done.content_bytes,
        "replaced": None if done.replaced is None else str(done.replaced),
    }
    screen.show(value, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """What was restored."""
    what = f"{count_of(value['runs'], 'run')}, {count_of(value['files'], 'file')}, {size_of(value['bytes'])}"
    blocks: list[Block] = [
        Line(words=strong(value["workspace"])),
        Line(words=f"{what}, as of {value['made_at']}; every digest holds", indent=2),
    ]
    if value["replaced"]:
        blocks.append(Line(words=(dim("what was there before: "), value["replaced"]), indent=2))
    return [*blocks, *try_next([(f"whence status -w {value['workspace']}", "what is in it")])]
