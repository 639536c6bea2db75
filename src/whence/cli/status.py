"""Tell of the workspace: where it is, how large, and what ran in it last."""

from __future__ import annotations

import argparse
import os
import pathlib
from typing import Any

from whence.cli.page import Block, Line, Section, Words, facts, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.runs import run_grid, status_words, tell_reading
from whence.cli.screen import Screen
from whence.cli.wording import count_of, size_of

_NEWEST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Count the runs and what they take."""
    workspace = asked_workspace(arguments)
    counts: dict[str, int] = {}
    newest: list[dict[str, Any]] = []
    if workspace.exists:
        workspace.refresh(tell_reading(screen))
        counts, newest = workspace.count_by_status(), workspace.summaries(limit=_NEWEST)
    value = {
        "workspace": str(workspace.path),
        "exists": workspace.exists,
        "runs": {"total": sum(counts.values()), "by_status": counts},
        "bytes": bytes_on_disk(workspace.path),
        "newest": newest,
    }
    screen.show(value, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """The workspace at a glance."""
    if not value["exists"]:
        return [
            Line(words=("No workspace yet: nothing is recorded at ", strong(value["workspace"]))),
            *try_next([("whence demo", "record a first run"), ("whence init", "make an empty workspace")]),
        ]
    by_status: list[str | Words] = []
    for status, count in value["runs"]["by_status"].items():
        by_status += ["   " if by_status else "", f"{count:,} ", status_words(status)]
    blocks: list[Block] = [
        Line(words=strong(value["workspace"])),
        facts(
            [
                ("runs", tuple(by_status) if by_status else "none"),
                ("size", size_of(value["bytes"])),
            ]
        ),
    ]
    if not value["newest"]:
        return [*blocks, *try_next([("whence demo", "record a first run")])]
    first = value["newest"][0]["name"]
    return [
        *blocks,
        Section(title="newest", note=_of_all(value)),
        run_grid(value["newest"], indent=2),
        *try_next(
            [(f"whence show {first}", "that run in full"), ("whence verify", "whether the record holds")]
        ),
    ]


def bytes_on_disk(folder: pathlib.Path) -> int:
    """Add up what the files of a folder take on the disk; what vanishes meanwhile counts nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for each in names:
            try:
                found = os.lstat(os.path.join(root, each))
            except OSError:
                continue
            total += found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size
    return total


def _of_all(value: dict[str, Any]) -> str:
    total, shown = value["runs"]["total"], len(value["newest"])
    return f"{shown} of {count_of(total, 'run')}" if total > shown else ""
