"""Find the runs that mention some words, best first.

Looked for in names, titles, notes, parameters, tags, names of metrics, models, artifacts, sources, operations
and files, in code, commits, commands and tracebacks. A word finds all that begin with it; "several words"
in quotes are looked for one after another.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, dim, name, try_next
from whence.cli.place import asked_workspace
from whence.cli.runs import status_words, tell_reading
from whence.cli.screen import Screen
from whence.cli.wording import moment
from whence.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to search for, and how many runs to give."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="words that the runs must all mention")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many runs (default: 20)")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Search."""
    if arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: wanted 1 or more", remedy="Leave it out for 20.")
    workspace = asked_workspace(arguments)
    workspace.refresh(tell_reading(screen))
    text = " ".join(arguments.text)
    found = [
        {
            **{key: hit.summary[key] for key in ("id", "name", "title", "status", "started_at")},
            "matches": [{"field": place.field, "text": place.snippet} for place in hit.places],
        }
        for hit in workspace.search(text, arguments.limit)
    ]
    screen.show({"text": text, "runs": found}, lambda value: page(value, str(workspace.path)))
    return 0


def page(value: dict[str, Any], workspace: str) -> list[Block]:
    """The runs, and under each where it mentions the words."""
    if not value["runs"]:
        return [
            Line(words=("No run mentions that in ", dim(workspace))),
            *try_next([("whence runs", "list them")]),
        ]
    rows: list[list[Cell]] = []
    for each in value["runs"]:
        head: list[Cell] = [
            name(each["name"]),
            status_words(each["status"]),
            dim(moment(each["started_at"])[:16]),
        ]
        for number, match in enumerate(each["matches"] or [{"field": "", "text": ""}]):
            rows.append([*(head if number == 0 else ["", "", ""]), dim(match["field"]), match["text"]])
    return [Grid(heads=["run", "status", "started", "in", "text"], rows=rows, cut=(4,))]
