"""Log everything that can be logged and isn't: runs that ended or whose process died, and decisions.

Runs log themselves when they end. This takes up what was recorded before there was a ledger, what came from
elsewhere, and what ended while no key could be used. A run that somebody may still write stays as it is.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Grid, Line, Section, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Log it."""
    workspace = asked_workspace(arguments)
    with watched(screen) as tell:
        done = workspace.ledger.seal(tell=tell)
    lost = set(done.lost)
    value = {
        "workspace": str(workspace.path),
        "logged": [
            {
                "what": each.what,
                "lost": each.what in lost,
                "places": [f"{each.shard}:{index}" for index in each.indices],
            }
            for each in done.logged
        ],
        "left": [{"what": what, "why": why} for what, why in done.left],
        "shards": [
            {"shard": shard.name, "origin": shard.origin, "size": shard.size}
            for shard in workspace.ledger.shards
        ],
    }
    screen.show(value, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """What was logged and where, and what wasn't."""
    logged, left = value["logged"], value["left"]
    entries = sum(len(each["places"]) for each in logged)
    blocks: list[Block] = []
    if logged:
        things = count_of(len(logged), "run or decision", "runs and decisions")
        told = dim(f"  {count_of(entries, 'entry', 'entries')} for {things}")
        blocks.append(Line(words=(Words("✓ ", "good"), strong("Logged."), told)))
        rows = [
            [each["what"], each["places"][0], dim("its process had died" if each["lost"] else "")]
            for each in logged[:_SHOWN]
        ]
        blocks.append(Grid(rows=[*rows]))
        if len(logged) > _SHOWN:
            blocks.append(Line(words=dim(f"and {len(logged) - _SHOWN:,} more; --json lists all"), indent=2))
    else:
        blocks.append(Line(words=(Words("✓ ", "good"), strong("Nothing was left to log."))))
    if left:
        blocks += [Section(title="not logged")]
        blocks += [Grid(rows=[[each["what"], Words(each["why"], "doubt")] for each in left])]
    if value["shards"]:
        rows = [[each["shard"], f"{each['size']:,}", dim(each["origin"])] for each in value["shards"]]
        heads = ["shard", "entries", "log"]
        blocks += [Section(title="ledger"), Grid(heads=heads, rows=[*rows], right=frozenset({1}))]
    return blocks
