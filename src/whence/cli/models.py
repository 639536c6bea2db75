"""List the models: the newest version of each, or all versions of one.

A model is called NAME, which means its newest version, or NAME@ and a number, an alias, stage:STAGE, latest,
or sha256:DIGEST, which alone means the same in every workspace.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.model_facts import format_words, list_model
from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.versions import shown_versions
from whence.cli.wording import moment, short_digest, size_of
from whence.errors import NotFoundError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which models."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="all versions of this one, the newest first")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    workspace = asked_workspace(arguments)
    found = workspace.models(arguments.name)
    if arguments.name is not None and not found:
        raise NotFoundError(
            f"no model {arguments.name!r:.80} in {workspace.path}", remedy="whence models lists them."
        )
    shown = shown_versions(found, arguments.name)
    listed = [
        list_model(model) | ({"versions": count} if arguments.name is None else {}) for model, count in shown
    ]
    value = {"models": listed, "damaged": workspace.damaged_decisions()}
    screen.show(value, lambda answer: page(answer, str(workspace.path)))
    return 0


def page(value: dict[str, Any], workspace: str) -> list[Block]:
    """A line for each."""
    if not value["models"]:
        return [
            Line(words=("No models yet in ", dim(workspace))),
            *try_next([("whence demo", "train a first one")]),
        ]
    heads = ["model", "aliases", "stage", "format", "size", "logged", "run", "digest"]
    blocks: list[Block] = [
        Grid(heads=heads, rows=[_row(each) for each in value["models"]], right=frozenset({4}), cut=(1, 7))
    ]
    if value["damaged"]:
        blocks += [
            Section(title="damaged", note="decisions that can't be read, so that aliases may be others")
        ]
        blocks += [Grid(rows=[[Words(each, "bad")] for each in value["damaged"]])]
    return blocks


def _row(model: dict[str, Any]) -> list[Cell]:
    count = model.get("versions", 1)
    return [
        (name(model["reference"]), dim(f"  of {count:,}") if count > 1 else ""),
        strong(", ".join(model["aliases"])),
        model["stage"] or "",
        format_words(model),
        size_of(model["bytes"]),
        dim(moment(model["logged_at"])[:16]),
        name(model["run"]),
        dim(short_digest(model["digest"])),
    ]
