"""Check that two dataset versions have nothing in common: no source row, no row that says the same.

A and B are versions, such as train and test. Rows are followed back through the passes that saved them. With
--by also no value of some columns may be in both, such as a patient. The exit code is 1 where something is.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, name
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of

_SHOWN = 5
_WORDS = {
    "source": ("no source row is behind both", "come from the same source rows"),
    "content": ("no row is in both", "say the same"),
    "column": ("no value of {by} is in both", "have the same {by}"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which two."""
    parser.add_argument("a", metavar="A", help="a dataset version, a split for training for example")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--by", metavar="COLUMNS", help="columns that say what belongs together, with commas")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Look for what they have in common."""
    by = None if arguments.by is None else [each.strip() for each in arguments.by.split(",")]
    found = asked_workspace(arguments).leaks(arguments.a, arguments.b, by=by)
    screen.show(found.to_json(), page)
    return 0 if found.holds else 1


def page(value: dict[str, Any]) -> list[Block]:
    """A line for each kind of leak, and some rows of each."""
    blocks: list[Block] = [Line(words=(name(value["before"]), dim("  and  "), name(value["after"])))]
    by = ", ".join(value["by"])
    for leak in value["leaks"]:
        clean, dirty = (words.format(by=by) for words in _WORDS[leak["kind"]])
        if not leak["rows_a"]:
            sign = Words("· ", "dim") if value["gaps"] and leak["kind"] == "source" else Words("✓ ", "good")
            blocks.append(Line(words=(sign, clean), indent=2))
            continue
        rows = f"{count_of(leak['rows_a'], 'row')} and {leak['rows_b']:,}"
        blocks.append(Line(words=(Words("✗ ", "bad"), Words(rows, "bad"), f" {dirty}"), indent=2))
        blocks.append(Grid(rows=[_example(value, each) for each in leak["examples"][:_SHOWN]], indent=6))
    if value["gaps"]:
        blocks += [Section(title="gaps"), Grid(rows=[[Words(each, "doubt")] for each in value["gaps"]])]
    return blocks


def _example(value: dict[str, Any], example: dict[str, Any]) -> list[Cell]:
    sides = (("before", "row_a"), ("after", "row_b"))
    cells: list[Cell] = [f"{value[side]} row {example[row]:,}" for side, row in sides]
    origin = example.get("origin")
    if origin:
        cells.append(dim(f"{origin['path'] or origin['source']}, row {origin['row']:,}"))
    return cells
