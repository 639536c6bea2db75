"""List what is in the ledger, the newest first: when, what, and where; what was destroyed is shown so."""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Words, dim, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import moment
from whence.errors import InputError
from whence.ledger import KINDS

_USUAL = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which entries."""
    parser.add_argument("--kind", metavar="KIND", help=f"only of this one: {', '.join(sorted(KINDS))}")
    parser.add_argument(
        "--limit", type=int, default=_USUAL, metavar="COUNT", help=f"at most so many (default: {_USUAL})"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    if arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: wanted 1 or more", remedy=f"Leave it out for {_USUAL}.")
    if arguments.kind not in (None, *KINDS):
        raise InputError(
            f"--kind {arguments.kind:.40}: no entry is of it",
            remedy=f"Name one of {', '.join(sorted(KINDS))}.",
        )
    ledger = asked_workspace(arguments).ledger
    found = ledger.entries(arguments.kind, arguments.limit)
    value = {
        "entries": [each.to_json() for each in found],
        "size": sum(shard.size for shard in ledger.shards),
    }
    screen.show(value, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """A line for each."""
    if not value["entries"]:
        return [
            Line(words="Nothing of that is in the ledger."),
            *try_next([("whence seal", "log what isn't logged")]),
        ]
    shown = value["entries"]
    blocks: list[Block] = [
        Grid(heads=["at", "kind", "what", "entry"], rows=[_row(each) for each in shown], cut=(2,))
    ]
    if len(shown) < value["size"]:
        blocks.append(Line(words=dim(f"{len(shown):,} of {value['size']:,} entries")))
    return blocks


def _row(entry: dict[str, Any]) -> list[Cell]:
    what = Words(entry["what"], "doubt") if entry["redacted"] else strong(entry["what"])
    return [dim(moment(entry["at"])), entry["kind"], what, name(entry["place"])]
