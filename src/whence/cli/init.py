"""Make the workspace: the folder .whence here, or the one that --workspace or WHENCE_HOME names.

The first recorded run makes it as well; making it by hand decides where it stands.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Line, Words, strong, try_next
from whence.cli.screen import Screen
from whence.workspace import open as open_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Make it unless it is there."""
    workspace = open_workspace(arguments.workspace)
    is_new = not workspace.exists
    workspace.make()
    screen.show({"workspace": str(workspace.path), "created": is_new}, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """Say where it is."""
    done = "made" if value["created"] else "already there"
    return [
        Line(words=(Words("✓ ", "good"), strong(value["workspace"]), f"  {done}")),
        *try_next([("whence demo", "record a first run"), ("whence status", "what the workspace holds")]),
    ]
