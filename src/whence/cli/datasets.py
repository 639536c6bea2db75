"""List the datasets: the newest version of each, or all versions of one.

A dataset is called NAME, which means its newest version, or NAME@ and a number, an alias, latest, or
sha256:DIGEST, which alone means the same in every workspace.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.dataset_facts import list_dataset
from whence.cli.page import Block, Cell, Grid, Line, dim, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.versions import shown_versions
from whence.cli.wording import moment, short_digest, size_of
from whence.errors import NotFoundError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which datasets."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="all versions of this one, the newest first")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    workspace = asked_workspace(arguments)
    found = workspace.datasets(arguments.name)
    if arguments.name is not None and not found:
        raise NotFoundError(
            f"no dataset {arguments.name!r:.80} in {workspace.path}", remedy="whence datasets lists them."
        )
    shown = shown_versions(found, arguments.name)
    listed = [
        list_dataset(each) | ({"versions": count} if arguments.name is None else {}) for each, count in shown
    ]
    screen.show({"datasets": listed}, lambda answer: page(answer, str(workspace.path)))
    return 0


def page(value: dict[str, Any], workspace: str) -> list[Block]:
    """A line for each."""
    if not value["datasets"]:
        return [
            Line(words=("No datasets yet in ", dim(workspace))),
            Line(words=dim('Save one in Python: stream.save("digits-clean")')),
            *try_next([("whence demo", "see a pipeline first")]),
        ]
    heads = ["dataset", "aliases", "rows", "size", "message", "saved", "run", "digest"]
    rows = [_row(each) for each in value["datasets"]]
    return [Grid(heads=heads, rows=rows, right=frozenset({2, 3}), cut=(4, 1, 7))]


def _row(dataset: dict[str, Any]) -> list[Cell]:
    count = dataset.get("versions", 1)
    return [
        (name(dataset["reference"]), dim(f"  of {count:,}") if count > 1 else ""),
        strong(", ".join(dataset["aliases"])),
        f"{dataset['rows']:,}",
        size_of(dataset["bytes"]),
        dataset["message"],
        dim(moment(dataset["saved_at"])[:16]),
        name(dataset["run"]),
        dim(short_digest(dataset["digest"])),
    ]
