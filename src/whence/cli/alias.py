"""Give an alias to a version of a model, or take it away; whichever version had it loses it.

An alias is a name that moves: what loads digits@champion loads whichever version has it then.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Line, Words, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which version, and which alias."""
    parser.add_argument("model", metavar="MODEL", help="for example digits@3; with --remove digits@champion")
    parser.add_argument("alias", nargs="?", metavar="ALIAS", help="for example champion")
    parser.add_argument("--remove", action="store_true", help="take away the alias that MODEL names")
    parser.add_argument("--note", default="", metavar="TEXT", help="why")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Set it, or take it away."""
    if (arguments.alias is None) is not arguments.remove:
        raise InputError(
            "whence alias: wanted an alias to set, or --remove",
            remedy="Write whence alias digits@3 champion, or whence alias digits@champion --remove.",
        )
    workspace = asked_workspace(arguments)
    model = workspace.model(arguments.model)
    if arguments.remove:
        workspace.remove_alias(arguments.model, note=arguments.note)
    else:
        model.set_alias(arguments.alias, note=arguments.note)
    screen.show({"model": model.reference, "digest": model.digest, "aliases": model.aliases}, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """Say which aliases it has now."""
    now = ", ".join(value["aliases"]) or "no alias"
    return [Line(words=(Words("✓ ", "good"), strong(value["model"]), f"  {now}"))]
