"""Compare two runs: parameters, operations and their code, what was read and dropped, packages and machine.

BEFORE and AFTER are names or ids; AFTER is the newest run where it is left out. Code is compared as source
text, with the functions that it calls.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Tone, Words, dim, name, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, number, short_digest, value_text

_PARTS_SHOWN = 10
_LINES_SHOWN = 200
_SIGNS: dict[str, tuple[str, Tone]] = {
    "added": ("+", "good"),
    "removed": ("-", "bad"),
    "changed": ("~", "doubt"),
}
_LINES: dict[str, Tone] = {"+": "good", "-": "bad", "@": "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which two."""
    parser.add_argument("before", metavar="BEFORE", help="a run's name or id")
    parser.add_argument("after", nargs="?", metavar="AFTER", help="another's; default: the newest run")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Compare them."""
    screen.show(asked_workspace(arguments).diff(arguments.before, arguments.after).to_json(), page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """What was given first, then what was done, what was read, where; at last what came of it."""
    blocks: list[Block] = [Line(words=(name(value["before"]), dim("  →  "), name(value["after"])))]
    if value["same"]:
        blocks.append(Line(words=(Words("✓ ", "good"), "Nothing that was recorded differs but the time.")))
    if value["params"]:
        blocks += [Section(title="parameters"), _changes(value["params"])]
    for op in value["ops"]:
        blocks += _op(op)
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
        blocks += [_changes(short[:_PARTS_SHOWN])]
        if len(short) > _PARTS_SHOWN:
            more = f"and {len(short) - _PARTS_SHOWN:,} more: --json has them"
            blocks.append(Line(words=dim(more), indent=2))
    if value["environment"]:
        texts = [change for change in value["environment"] if change["name"] != "git.diff"]
        blocks += [Section(title="environment"), _changes(texts)]
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
        blocks += [Section(title="metrics", note="last values"), _changes(value["metrics"])]
    return blocks


def _code(value: dict[str, Any]) -> list[Block]:
    """Files of code; whole, where no operation has told what changed in them."""
    blocks: list[Block] = [Section(title="files of code")]
    is_told = any(code["diff"] for op in value["ops"] for code in op["code"])
    for file in value["code"]:
        blocks.append(Line(words=(Words(*_SIGNS[file["how"]]), " ", file["path"]), indent=2))
        if not is_told:
            lines = [Words(line, _LINES.get(line[:1], "plain")) for line in file["diff"].splitlines()]
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


def _changes(changes: list[dict[str, Any]], indent: int = 2) -> Grid:
    return Grid(rows=[_change(change) for change in changes], indent=indent)


def _change(change: dict[str, Any]) -> list[Cell]:
    sign = Words(*_SIGNS[change["how"]])
    before, after = (_shown(change[side]) for side in ("before", "after"))
    if change["how"] != "changed":
        return [sign, change["name"], after if change["how"] == "added" else before]
    return [sign, change["name"], (before, dim(" → "), strong(after))]


def _shown(value: Any) -> str:
    return number(value) if type(value) is float else value_text(value)


def _op(op: dict[str, Any]) -> list[Block]:
    title = op["op"] if op["before"] is None else f"{op['before']} → {op['op']}"
    blocks: list[Block] = [Section(title=title, note=f"{op['kind']} of {op['stream']}, {op['how']}")]
    if op["params"]:
        blocks.append(_changes(op["params"]))
    for code in op["code"]:
        if code["diff"]:
            lines = [Words(line, _LINES.get(line[:1], "plain")) for line in code["diff"].splitlines()]
            blocks += [Line(words=line, indent=2) for line in lines]
        if code["constants"] or code["packages"]:
            blocks.append(_changes(code["constants"] + code["packages"]))
        blocks += [Line(words=Words(f"not known: {each}", "doubt"), indent=2) for each in code["unknown"]]
    return blocks


def _source(source: dict[str, Any]) -> list[Block]:
    sign = Words(*_SIGNS[source["how"]])
    parts = [
        part | {side: part[side] and short_digest(part[side]) for side in ("before", "after")}
        for part in source["parts"][:_PARTS_SHOWN]
    ]
    note = f"  {count_of(source['count'], 'part')} of it" if source["count"] else ""
    blocks: list[Block] = [Line(words=(sign, " ", source["source"], dim(note)), indent=2)]
    if parts:
        blocks.append(_changes(parts, indent=4))
    if source["count"] > len(parts):
        blocks.append(
            Line(words=dim(f"and {source['count'] - len(parts):,} more: --json has them"), indent=4)
        )
    return blocks
