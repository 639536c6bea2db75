"""Copy a model, a dataset or an artifact out of the workspace, checked; whole or not at all.

WHAT is a model or a dataset, digits@champion for example, or RUN/NAME of an artifact or a model.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from whence.cli.page import Block, Line, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, visible
from whence.cli.wording import short_digest, size_of
from whence.errors import NotFoundError
from whence.workspace import Artifact, Dataset, Model, Workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, and where to."""
    parser.add_argument("what", metavar="WHAT", help="a model or dataset, or RUN/NAME of an artifact")
    parser.add_argument(
        "--out", metavar="PATH", help="a file or folder that isn't there yet (default: its name, here)"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Copy it."""
    found = _found(asked_workspace(arguments), arguments.what)
    path = found.save_to(arguments.out or pathlib.PurePath(found.name).name)
    if found.is_unsafe:
        screen.say(f"whence: {visible(found.name)} is {found.format}: {found.remedy}")
    value = {
        "name": found.name,
        "digest": found.digest,
        "bytes": found.size_bytes,
        "format": found.format,
        "unsafe": found.is_unsafe,
        "path": str(path),
    }
    screen.show(value, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """Say what lies where."""
    told = f"  {size_of(value['bytes'])}, {value['format']}"
    digest = dim(f"  {short_digest(value['digest'])}")
    return [Line(words=(Words("✓ ", "good"), strong(value["path"]), told, digest))]


def _found(workspace: Workspace, asked: str) -> Model | Dataset | Artifact:
    if "/" not in asked:
        return _version(workspace, asked)
    try:
        return workspace.artifact(asked)
    except NotFoundError as missing:
        try:
            return workspace.model(asked)
        except NotFoundError:
            raise missing from None


def _version(workspace: Workspace, asked: str) -> Model | Dataset:
    try:
        return workspace.model(asked)
    except NotFoundError as missing:
        try:
            return workspace.dataset(asked)
        except NotFoundError:
            raise missing from None
