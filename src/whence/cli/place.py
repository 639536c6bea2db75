"""Which workspace a command is about."""

from __future__ import annotations

import argparse

from whence.errors import NotFoundError
from whence.workspace import Workspace
from whence.workspace import open as open_workspace


def asked_workspace(arguments: argparse.Namespace) -> Workspace:
    """Open the workspace that the arguments name, or the one that is found from here.

    Raises:
        NotFoundError: `--workspace` names a folder that holds none; a place that nobody named may be empty.
    """
    workspace = open_workspace(arguments.workspace)
    if arguments.workspace is not None and not workspace.exists:
        raise NotFoundError(
            f"no workspace at {workspace.path}", remedy=f"Make it with: whence init -w {arguments.workspace}"
        )
    return workspace
