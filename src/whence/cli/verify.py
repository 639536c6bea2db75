"""Check the record: the chain of every journal, what it commits to, its segments and its objects.

The exit code is 1 where something doesn't hold, and where there was nothing to check.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Grid, Line, Section, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, size_of

_FINDINGS_SHOWN = 20
_WHAT = {
    "events": "of their journals, in an unbroken chain of digests",
    "frames": "of lineage and digests, by their checksums",
    "objects": "artifacts and models, by their digests",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the common options."""


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check everything in the workspace."""
    workspace = asked_workspace(arguments)
    verdict = workspace.verify()
    screen.show({"workspace": str(workspace.path)} | verdict.to_json(), page)
    return 0 if verdict.holds else 1


def page(value: dict[str, Any]) -> list[Block]:
    """The verdict, what was checked, what doesn't hold."""
    checked, findings = value["checked"], value["findings"]
    if value["holds"]:
        verdict = (Words("✓ ", "good"), strong("The record holds."))
    elif findings:
        verdict = (Words("✗ ", "bad"), strong("The record doesn't hold."))
    else:
        verdict = (Words("✗ ", "bad"), strong("Nothing was checked."))
    blocks: list[Block] = [Line(words=(*verdict, dim(f"  {value['workspace']}"))), Line(words="")]
    counts = [(key, count) for key, count in checked.items() if key != "bytes"]
    rows = [
        [f"{count:,}", key if count != 1 else key.removesuffix("s"), dim(_WHAT.get(key, ""))]
        for key, count in counts
    ]
    blocks.append(Grid(rows=[*rows, [size_of(checked["bytes"]), "read", ""]], right=frozenset({0})))
    if findings:
        shown = findings[:_FINDINGS_SHOWN]
        note = (
            ""
            if len(shown) == len(findings)
            else f"{len(shown)} of {count_of(len(findings), 'finding')}; --json lists all"
        )
        blocks += [Section(title="findings", note=note)]
        blocks += [Grid(rows=[[Words(each["problem"], "bad"), each["where"]] for each in shown])]
    if value["notes"]:
        blocks += [Section(title="good to know"), Grid(rows=[[note] for note in value["notes"]])]
    return blocks
