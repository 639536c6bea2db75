"""What differs between two dataset versions, as a page: columns, counts, rows, and why."""

from __future__ import annotations

import json
from typing import Any

from whence.cli.changes import SIGNS, op_blocks
from whence.cli.page import Block, Cell, Grid, Line, Section, Tone, Words, dim, name, strong, try_next
from whence.cli.wording import count_of, number, value_text

_ROW_SIGNS: dict[str, tuple[str, Tone]] = {**SIGNS, "moved": ("↕", "dim")}
_SHOWN_VALUES = 6


def dataset_diff_page(value: dict[str, Any]) -> list[Block]:
    """Counts first, then columns, then rows, then what made them differ."""
    head = (name(value["before"]), dim(f"  {value['rows_before']:,} rows  →  "), name(value["after"]))
    blocks: list[Block] = [Line(words=(*head, dim(f"  {count_of(value['rows_after'], 'row')}")))]
    if value["same"]:
        return [*blocks, Line(words=(Words("✓ ", "good"), "Both say the same, row by row."), indent=2)]
    counts = [(kind, value[kind]) for kind in ("changed", "added", "removed", "moved")]
    words: list[str | Words] = []
    for kind, count in counts:
        words += [dim(" · ")] if words else []
        words += [Words(f"{count:,} {kind}", _ROW_SIGNS[kind][1] if count else "dim")]
    blocks.append(Line(words=tuple(words), indent=2))
    if value["schema"]:
        blocks += [Section(title="columns"), Grid(rows=[_column(each) for each in value["schema"]])]
    if value["changed_by_column"]:
        most = sorted(value["changed_by_column"].items(), key=lambda each: -each[1])
        blocks += [Section(title="changed", note="rows by column")]
        blocks += [
            Grid(rows=[[strong(column), f"{count:,}"] for column, count in most], right=frozenset({1}))
        ]
    blocks += _rows(value)
    blocks += _why(value)
    if value["rows"] and not any("why" in row for row in value["rows"]):
        told = f"whence diff {value['before']} {value['after']} --why"
        key = f" --key {','.join(value['key'])}" if value["key"] else ""
        blocks += try_next([(told + key, "what made these rows differ")])
    return blocks


def _column(change: dict[str, Any]) -> list[Cell]:
    column, before, after = change["column"], change["before"], change["after"]
    if change["kind"] == "moved":
        return [Words("↕", "dim"), strong(column), dim(f"from place {before} to {after}")]
    if change["kind"] != "retyped":
        return [Words(*SIGNS[change["kind"]]), strong(column), dim(after or before)]
    note = "" if change["compared"] else Words("  values of these types aren't compared", "doubt")
    return [Words(*SIGNS["changed"]), strong(column), (before, dim(" → "), strong(after), note)]


def _rows(value: dict[str, Any]) -> list[Block]:
    total = sum(value[kind] for kind in ("changed", "added", "removed", "moved"))
    if not total:
        return []
    shown = len(value["rows"])
    note = f"{shown:,} of {total:,}; --limit shows more" if shown < total else ""
    heads = ["", value["before"], value["after"], "values"]
    grid = Grid(rows=[_row(row) for row in value["rows"]], heads=heads, right=frozenset({1, 2}), cut=(3,))
    return [Section(title="rows", note=note), *([grid] if shown else [])]


def _row(row: dict[str, Any]) -> list[Cell]:
    places = ["" if row[side] is None else f"{row[side]:,}" for side in ("row_a", "row_b")]
    return [Words(*_ROW_SIGNS[row["kind"]]), *places, _values(row)]


def _values(row: dict[str, Any]) -> Cell:
    if row["kind"] != "changed":
        values = row["before"] or row["after"]
        return ", ".join(f"{column} {_text(each)}" for column, each in list(values.items())[:_SHOWN_VALUES])
    words: list[str | Words] = []
    for column, each in row["before"].items():  # the key first
        if column not in row["columns"]:
            words += [dim(f"{column} {_text(each)}  ")]
    for place, column in enumerate(row["columns"][:_SHOWN_VALUES]):
        words += [dim(", ")] if place else []
        words += [f"{column} ", _text(row["before"][column]), dim(" → "), strong(_text(row["after"][column]))]
    return tuple(words)


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return number(value) if type(value) is float else value_text(value)


def _why(value: dict[str, Any]) -> list[Block]:
    """Each row's way: where it came from, what became of it elsewhere; and once what was done otherwise."""
    rows = [row for row in value["rows"] if "why" in row]
    if not rows:
        return []
    blocks: list[Block] = [Section(title="why")]
    blocks.append(
        Grid(rows=[[Words(*_ROW_SIGNS[row["kind"]]), _place(row), _way(row["why"])] for row in rows])
    )
    told: set[str] = set()
    for row in rows:
        for op in row["why"]["ops"]:
            if (said := json.dumps(op, sort_keys=True)) not in told:
                told.add(said)
                blocks += op_blocks(op)
    unknown = dict.fromkeys(each for row in rows for each in row["why"]["unknown"])
    if unknown:
        blocks += [Section(title="not known"), Grid(rows=[[Words(each, "doubt")] for each in unknown])]
    return blocks


def _place(row: dict[str, Any]) -> Cell:
    return f"row {row['row_a']:,}" if row["row_a"] is not None else f"row {row['row_b']:,}"


def _way(why: dict[str, Any]) -> Cell:
    origins = why["origins_a"] or why["origins_b"]
    words: list[str | Words] = ["; ".join(_origin(each) for each in origins[:3])]
    if len(origins) > 3:
        words += [dim(f" and {len(origins) - 3:,} more")]
    if why["origins_a"] and why["origins_b"] and _places(why["origins_a"]) != _places(why["origins_b"]):
        words += [dim(" → "), "; ".join(_origin(each) for each in why["origins_b"][:3])]
    for fate in why["fates"]:
        words += [dim(f"  in {fate['run']}: ")]
        words += (
            [f"dropped by {fate['op']}, ", Words(fate["reason"], "doubt")] if fate["op"] else [fate["reason"]]
        )
    for change in why["sources"]:
        words += [Words(f"  {change['name']} isn't what it was", "doubt")]
    if why["ops"]:
        words += [dim("  by "), ", ".join(dict.fromkeys(op["op"] for op in why["ops"]))]
    return tuple(words)


def _places(origins: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(each["path"] or each["source"], each["row"]) for each in origins]


def _origin(origin: dict[str, Any]) -> str:
    return f"{origin['path'] or origin['source']}, row {origin['row']:,}"
