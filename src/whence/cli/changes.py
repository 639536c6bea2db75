"""How changes are drawn, whatever changed: values, and operations with their code."""

from __future__ import annotations

from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Tone, Words, dim, strong
from whence.cli.wording import number, value_text

SIGNS: dict[str, tuple[str, Tone]] = {
    "added": ("+", "good"),
    "removed": ("-", "bad"),
    "changed": ("~", "doubt"),
}
LINES: dict[str, Tone] = {"+": "good", "-": "bad", "@": "dim"}


def changes_grid(changes: list[dict[str, Any]], indent: int = 2) -> Grid:
    """Values that differ, one a line."""
    return Grid(rows=[_change(change) for change in changes], indent=indent)


def _change(change: dict[str, Any]) -> list[Cell]:
    sign = Words(*SIGNS[change["how"]])
    before, after = (_shown(change[side]) for side in ("before", "after"))
    if change["how"] != "changed":
        return [sign, change["name"], after if change["how"] == "added" else before]
    return [sign, change["name"], (before, dim(" → "), strong(after))]


def _shown(value: Any) -> str:
    return number(value) if type(value) is float else value_text(value)


def op_blocks(op: dict[str, Any]) -> list[Block]:
    """An operation that differs: its parameters, its code."""
    title = op["op"] if op["before"] is None else f"{op['before']} → {op['op']}"
    blocks: list[Block] = [Section(title=title, note=f"{op['kind']} of {op['stream']}, {op['how']}")]
    if op["params"]:
        blocks.append(changes_grid(op["params"]))
    for code in op["code"]:
        if code["diff"]:
            lines = [Words(line, LINES.get(line[:1], "plain")) for line in code["diff"].splitlines()]
            blocks += [Line(words=line, indent=2) for line in lines]
        if code["constants"] or code["packages"]:
            blocks.append(changes_grid(code["constants"] + code["packages"]))
        blocks += [Line(words=Words(f"not known: {each}", "doubt"), indent=2) for each in code["unknown"]]
    return blocks
