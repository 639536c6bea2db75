"""Compare two runs, or two dataset versions.

Of runs: parameters, operations and their code, what was read and dropped, packages and machine. BEFORE and
AFTER are names or ids; AFTER is the newest run where it is left out. Code is compared as source text, with
the functions that it calls.

Of dataset versions, as digits@1 digits@2: columns, and rows that were added, removed, changed or moved; with
--why also the source rows and operations that made the difference. AFTER is the newest version of the same
name where it is left out, and a name alone means the two newest.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.changes import LINES, SIGNS, changes_grid, op_blocks
from whence.cli.dataset_diff import dataset_diff_page
from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, name, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, short_digest
from whence.errors import InputError
from whence.query import RunDiff

_LIMIT_FOR_PEOPLE = 10
_LIMIT_FOR_PROGRAMS = 1000
_PARTS_SHOWN = 10
_LINES_SHOWN = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which two."""
    parser.add_argument("before", metavar="BEFORE", help="a run's name or id, or a dataset version")
    parser.add_argument("after", nargs="?", metavar="AFTER", help="another; default: the newest one")
    rows = parser.add_argument_group("dataset versions")
    rows.add_argument(
        "--key",
        metavar="COLUMNS",
        help="columns whose values say which row is which, with commas",
    )
    default = f"default: {_LIMIT_FOR_PEOPLE}; with --json {_LIMIT_FOR_PROGRAMS}"
    rows.add_argument("--limit", type=int, metavar="N", help=f"bounds the rows, never the counts ({default})")
    rows.add_argument("--why", action="store_true", help="tell what made each of these rows differ")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Compare them."""
    key = None if arguments.key is None else [each.strip() for each in arguments.key.split(",")]
    found = asked_workspace(arguments).diff(arguments.before, arguments.after, key=key)
    limit = arguments.limit
    if isinstance(found, RunDiff):
        if limit is not None or arguments.why:
            raise InputError("--limit and --why are about dataset versions", remedy="Leave them out.")
        screen.show(found.to_json(), page)
        return 0
    if limit is None:
        limit = _LIMIT_FOR_PROGRAMS if screen.as_json else _LIMIT_FOR_PEOPLE
    if limit < 0:
        raise InputError(f"--limit {limit}: wanted 0 or more", remedy="Leave it out for the default.")
    screen.show(found.to_json(limit=limit, why=arguments.why), dataset_diff_page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """What was given first, then what was done, what was read, where; at last what came of it."""
    blocks: list[Block] = [Line(words=(name(value["before"]), dim("  →  "), name(value["after"])))]
    if value["same"]:
        blocks.append(Line(words=(Words("✓ ", "good"), "Nothing that was recorded differs but the time.")))
    if value["params"]:
        blocks += [Section(title="parameters"), changes_grid(value["params"])]
    for op in value["ops"]:
        blocks += op_blocks(op)
    if value["code"]:
        blocks += _code(value)
    if value["sources"]:
        blocks.append(Section(title="sources"))
        for source in value["sources"]:
            blocks += _source(source)
    if value["files"]:
        blocks.append(Section(title="files", note="read beside the streams"))
        short = [
            change | {side: change[side] and short_digest(change[side]) for side in ("before", "after")}
            for change in value["files"]
        ]
        blocks += [changes_grid(short[:_PARTS_SHOWN])]
        if len(short) > _PARTS_SHOWN:
            more = f"and {len(short) - _PARTS_SHOWN:,} more: --json has them"
            blocks.append(Line(words=dim(more), indent=2))
    if value["environment"]:
        texts = [change for change in value["environment"] if change["name"] != "git.diff"]
        blocks += [Section(title="environment"), changes_grid(texts)]
        if len(texts) < len(value["environment"]):
            blocks.append(Line(words=dim("changes that weren't committed differ: --json has them"), indent=2))
    if value["unknown"]:
        blocks += [
            Section(title="not known"),
            Grid(rows=[[Words(each, "doubt")] for each in value["unknown"]]),
        ]
    if value["drops"]:
        blocks += [Section(title="drops", note="over all passes"), _drops(value["drops"])]
    if value["metrics"]:
        blocks += [Section(title="metrics", note="last values"), changes_grid(value["metrics"])]
    return blocks


def _code(value: dict[str, Any]) -> list[Block]:
    """Files of code; whole, where no operation has told what changed in them."""
    blocks: list[Block] = [Section(title="files of code")]
    is_told = any(code["diff"] for op in value["ops"] for code in op["code"])
    for file in value["code"]:
        blocks.append(Line(words=(Words(*SIGNS[file["how"]]), " ", file["path"]), indent=2))
        if not is_told:
            lines = [Words(line, LINES.get(line[:1], "plain")) for line in file["diff"].splitlines()]
            blocks += [Line(words=line, indent=4) for line in lines[:_LINES_SHOWN]]
            if len(lines) > _LINES_SHOWN:
                more = f"and {len(lines) - _LINES_SHOWN:,} more lines: --json has them"
                blocks.append(Line(words=dim(more), indent=4))
    return blocks


def _drops(drops: list[dict[str, Any]]) -> Grid:
    rows: list[list[Cell]] = []
    for drop in drops:
        before, after = ("?" if drop[side] is None else f"{drop[side]:,}" for side in ("before", "after"))
        why = dim(f"{drop['reason']}  of {drop['stream']}" if drop["reason"] else f"of {drop['stream']}")
        rows.append([drop["op"], (before, dim(" → "), strong(after)), why])
    return Grid(rows=rows)


def _source(source: dict[str, Any]) -> list[Block]:
    sign = Words(*SIGNS[source["how"]])
    parts = [
        part | {side: part[side] and short_digest(part[side]) for side in ("before", "after")}
        for part in source["parts"][:_PARTS_SHOWN]
    ]
    note = f"  {count_of(source['count'], 'part')} of it" if source["count"] else ""
    blocks: list[Block] = [Line(words=(sign, " ", source["source"], dim(note)), indent=2)]
    if parts:
        blocks.append(changes_grid(parts, indent=4))
    if source["count"] > len(parts):
        blocks.append(
            Line(words=dim(f"and {source['count'] - len(parts):,} more: --json has them"), indent=4)
        )
    return blocks
