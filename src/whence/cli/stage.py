"""Bring a version of a model to a stage, in words of yours: staging, production, retired.

Several versions may be in one stage; NAME@stage:STAGE is the one that came there last. Who, when and why are
kept, and whence show MODEL tells them.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Line, Words, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which version, and which stage."""
    parser.add_argument("model", metavar="MODEL", help="for example digits@3")
    parser.add_argument("stage", nargs="?", metavar="STAGE", help="for example production")
    parser.add_argument("--remove", action="store_true", help="take it out of the stage that it is in")
    parser.add_argument("--note", default="", metavar="TEXT", help="why")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Bring it there."""
    if (arguments.stage is None) is not arguments.remove:
        raise InputError(
            "whence stage: wanted a stage, or --remove",
            remedy="Write whence stage digits@3 production, or whence stage digits@3 --remove.",
        )
    model = asked_workspace(arguments).model(arguments.model)
    model.set_stage(arguments.stage, note=arguments.note)
    screen.show({"model": model.reference, "digest": model.digest, "stage": model.stage}, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """Say where it is now."""
    return [Line(words=(Words("✓ ", "good"), strong(value["model"]), f"  {value['stage'] or 'in no stage'}"))]
