"""Copy from another workspace what this one lacks: runs, objects, decisions. SRC is only read.

A run that goes on in SRC is copied as far as it is, and completed the next time. One that was gone on with
in both places is named, and both stay as they are. The exit code is 1 where that happened, or where
something of SRC is damaged.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, strong
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, size_of
from whence.errors import InputError
from whence.workspace import open as open_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, to where, and how."""
    parser.add_argument("source", metavar="SRC", help="the workspace to copy from")
    parser.add_argument("target", metavar="DST", nargs="?", help="the one to copy to (default: the one here)")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, and say what would be done")
    parser.add_argument(
        "--thorough", action="store_true", help="compare to the last byte, and mend what is damaged in DST"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Copy it."""
    if arguments.target is not None and arguments.workspace is not None:
        raise InputError("both DST and --workspace are given", remedy="Leave one of them out.")
    target = open_workspace(arguments.target if arguments.target is not None else arguments.workspace)
    with watched(screen) as tell:
        done = target.sync(
            arguments.source, dry_run=arguments.dry_run, thorough=arguments.thorough, tell=tell
        )
    value = {
        "source": str(open_workspace(arguments.source).path),
        "target": str(target.path),
        "dry_run": arguments.dry_run,
        "copied": done.copied,
        "extended": done.extended,
        "mended": done.mended,
        "ahead": done.ahead,
        "same": done.same,
        "objects": done.object_count,
        "others": done.other_count,
        "bytes": done.copied_bytes,
        "conflicts": _findings(done.conflicts),
        "damaged": _findings(done.damaged),
    }
    screen.show(value, page)
    return 0 if done.is_whole else 1


def page(value: dict[str, Any]) -> list[Block]:
    """What was copied, and what wasn't."""
    would = "would be " if value["dry_run"] else ""
    rows = [
        [count_of(len(value["copied"]), "run"), f"{would}copied"],
        [count_of(len(value["extended"]), "run"), f"{would}extended"],
        [count_of(len(value["mended"]), "run"), f"{would}mended"],
        [count_of(len(value["ahead"]), "run"), "further on here"],
        [count_of(value["same"], "run"), "the same already"],
        [count_of(value["objects"], "object"), f"{would}copied"],
        [count_of(value["others"], "other file"), f"{would}copied"],
    ]
    shown: list[list[Cell]] = [
        [strong(count), dim(what)] for count, what in rows if not count.startswith("0 ")
    ]
    blocks: list[Block] = [
        Line(words=(strong(value["source"]), dim("  to  "), strong(value["target"]))),
        Grid(rows=[*shown, [strong(size_of(value["bytes"])), dim(f"{would}written")]]),
    ]
    for title in ("conflicts", "damaged"):
        if value[title]:
            found = [[Words(each["problem"], "bad"), each["where"]] for each in value[title]]
            blocks += [Section(title=title), Grid(rows=[*found])]
    return blocks


def _findings(found: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"where": where, "problem": problem} for where, problem in found]
