"""Make the catalog anew from the journals of all runs; the answers stay the same."""

from __future__ import annotations

import argparse
import time
from typing import Any

from whence.cli.page import Block, Line, strong
from whence.cli.place import asked_workspace
from whence.cli.runs import tell_reading
from whence.cli.screen import Screen
from whence.cli.wording import count_of, duration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Read all runs again."""
    workspace = asked_workspace(arguments)
    began = time.monotonic()
    count = workspace.rebuild(tell_reading(screen)) if workspace.exists else 0
    took_s = round(time.monotonic() - began, 3)
    screen.show({"workspace": str(workspace.path), "runs": count, "seconds": took_s}, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """How many runs, and how long it took."""
    words = ("Read ", strong(count_of(value["runs"], "run")), f" in {duration(value['seconds'])}.")
    return [Line(words=words)]
