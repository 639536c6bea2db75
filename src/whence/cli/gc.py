"""Find what nobody needs any more, and delete it where --delete is said.

That is: objects that no run refers to, what writers left that died (temporary files, runs in which nothing
was recorded), and segments whose content was sealed elsewhere. Nothing goes that a running run, or one of
which nobody knows, may need; no object goes while a run's references can't be read.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Grid, Line, Section, dim, name, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, size_of
from whence.errors import InputError

_SHOWN = 20
_HOUR_S = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether, and how old."""
    parser.add_argument("--delete", "--yes", action="store_true", help="delete it; without this it is listed")
    parser.add_argument(
        "--older-than", type=float, default=1.0, metavar="HOURS",
        help="what was changed within so many hours stays (default: 1)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Find it, and delete it."""
    if not arguments.older_than >= 0:
        raise InputError(
            f"--older-than {arguments.older_than}: wanted 0 or more", remedy="Leave it out for 1."
        )
    workspace = asked_workspace(arguments)
    with watched(screen) as tell:
        done = workspace.tidy(delete=arguments.delete, grace_s=arguments.older_than * _HOUR_S, tell=tell)
    value = {
        "workspace": str(workspace.path),
        "deleted": done.is_deleted,
        "bytes": done.size_bytes,
        "leftovers": [
            {"path": str(each.path), "kind": each.kind, "bytes": each.size_bytes, "why": each.why}
            for each in done.leftovers
        ],
        "kept": done.kept,
    }
    screen.show(value, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """What goes, and what stays."""
    found = value["leftovers"]
    shown = found[:_SHOWN]
    blocks: list[Block] = [Line(words=dim(value["workspace"]))]
    if shown:
        rows = [
            [each["path"], size_of(each["bytes"]), dim(f"{each['kind']}: {each['why']}")] for each in shown
        ]
        blocks.append(Grid(rows=[*rows], right=frozenset({1})))
    if len(found) > len(shown):
        blocks.append(Line(words=dim(f"and {len(found) - len(shown):,} more; --json lists all"), indent=2))
    what = (strong(count_of(len(found), "thing")), f" nobody needs, {size_of(value['bytes'])}")
    blocks.append(Line(words=(*what, ": deleted." if value["deleted"] else ".")))
    if found and not value["deleted"]:
        blocks.append(Line(words=(name("whence gc --delete"), dim("  deletes them"))))
    if value["kept"]:
        blocks += [Section(title="kept"), Grid(rows=[[each] for each in value["kept"]])]
    return blocks
