"""Whither: find where a file, a source or some of its rows went, in all runs of the workspace.

ORIGIN is a path as it was recorded, or any longer or shorter form of it that fits one file; the name of a
source; or SOURCE:ROW. `absent` is true only where the record proves that nothing made of it was delivered.
"""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, learned_words, short_digest
from whence.errors import InputError

_LIMIT_FOR_PEOPLE = 10
_LIMIT_FOR_PROGRAMS = 1000
_ROWS_LIMIT = 10_000_000
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to follow."""
    parser.add_argument("origin", metavar="ORIGIN", help="a path, a source's name, or SOURCE:ROW")
    parser.add_argument("--rows", metavar="ROWS", help="rows of the file or source, counted from 0: 1,2,5-9")
    default = f"default: {_LIMIT_FOR_PEOPLE}; with --json {_LIMIT_FOR_PROGRAMS}"
    parser.add_argument(
        "--limit", type=int, metavar="N", help=f"bounds the lists, never the count ({default})"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Follow it."""
    rows = None if arguments.rows is None else parse_rows(arguments.rows)
    limit = arguments.limit
    if limit is None:
        limit = _LIMIT_FOR_PROGRAMS if screen.as_json else _LIMIT_FOR_PEOPLE
    if limit < 0:
        raise InputError(f"--limit {limit}: wanted 0 or more", remedy="Leave it out for the default.")
    found = asked_workspace(arguments).impact(arguments.origin, rows)
    screen.show(found.to_json(limit=limit) | {"limit": limit}, page)
    return 0


def parse_rows(text: str) -> list[int]:
    """Read `1,2,5-9` as the rows it lists, ascending and each once.

    Raises:
        InputError: it isn't a list of rows.
    """
    rows: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InputError(
                f"--rows: {part.strip()!r:.40} isn't a row or a range",
                remedy="Write for example: --rows 1,2,5-9",
            )
        if last >= 1 << 62 or len(rows) + last - first >= _ROWS_LIMIT:
            raise InputError(
                f"--rows: more than {_ROWS_LIMIT:,} rows", remedy="Ask for the whole source, without --rows."
            )
        rows.update(range(first, last + 1))
    return sorted(rows)


def page(value: dict[str, Any]) -> list[Block]:
    """The count first, then each delivery, each drop, each model."""
    blocks: list[Block] = [Line(words=strong(value["origin"])), *_origin_lines(value), *_verdict(value)]
    if value["exposures"]:
        blocks += [Section(title="delivered", note=_of(len(value["exposures"]), value["count"]))]
        blocks += [Grid(rows=[_exposure_row(each) for each in value["exposures"]])]
    if value["drops"]:
        note = (
            f"the first {value['limit']}; --limit shows more" if len(value["drops"]) == value["limit"] else ""
        )
        blocks += [Section(title="dropped", note=note), Grid(rows=_drop_rows(value["drops"]))]
    if value["fits"]:
        blocks += [Section(title="learned of it", note="and a part in all that was made with that")]
        blocks += [Grid(rows=[_fit_row(fit) for fit in value["fits"]])]
    if value["models"]:
        shown = value["versions"] or value["models"]
        blocks += [Section(title="models of those runs"), Grid(rows=[[name(each)] for each in shown])]
    if value["indirect"]:
        blocks += [Section(title="made from those models", note="indirectly: by runs that read none of it")]
        blocks += [
            Grid(
                rows=[
                    [name(each["model"]), each["how"], dim(f"from {each['through']}")]
                    for each in value["indirect"]
                ]
            )
        ]
    if value["unreached"]:
        blocks += [Section(title="not reached", note="these runs ended before it came")]
        blocks += [Grid(rows=[[name(each)] for each in value["unreached"]])]
    if value["gaps"]:
        blocks += [Section(title="gaps"), Grid(rows=[[Words(each, "doubt")] for each in value["gaps"]])]
    if value["exposures"]:
        first = exposure_address(value["exposures"][0])
        blocks += try_next([(f"whence trace {shlex.quote(first)}", "the way of the first one")])
    return blocks


def exposure_address(exposure: dict[str, Any]) -> str:
    """The address of a delivery."""
    repeat = f"#{exposure['repeat']}" if exposure["repeat"] else ""
    place = exposure["item"] if exposure["batch"] is None else f"{exposure['batch']}.{exposure['item']}"
    return f"{exposure['run']}/{exposure['stream']}@{exposure['epoch']}{repeat}:{place}"


def _origin_lines(value: dict[str, Any]) -> list[Block]:
    origins = value["origins"]
    if not origins:
        return []
    first = origins[0]
    what = f"{first['source']}, row {first['row']:,}"
    if len(origins) > 1:
        what += f" and {count_of(len(origins) - 1, 'more row')}"
    return [
        Line(words=(what, dim(f"  {short_digest(first['digest'])}") if len(origins) == 1 else ""), indent=2)
    ]


def _verdict(value: dict[str, Any]) -> list[Block]:
    if value["count"]:
        runs = count_of(len(value["runs"]), "run")
        return [
            Line(words=(strong(count_of(value["count"], "delivery", "deliveries")), f" in {runs}"), indent=2)
        ]
    if value["fits"]:
        runs = count_of(len({fit["run"] for fit in value["fits"]}), "run")
        return [
            Line(
                words=(
                    "nothing made of it was delivered, but ",
                    strong("something was learned of it"),
                    f" in {runs}",
                ),
                indent=2,
            )
        ]
    if not value["absent"]:
        return [Line(words=Words("no delivery found, but the record has gaps", "doubt"), indent=2)]
    if value["origins"]:
        return [Line(words=Words("was read, and nothing made of it was delivered", "good"), indent=2)]
    if value["unreached"]:
        return [Line(words=Words("no run came as far as this", "good"), indent=2)]
    return [Line(words=Words("no run in this workspace read it", "good"), indent=2)]


def _exposure_row(exposure: dict[str, Any]) -> list[Cell]:
    place = f"item {exposure['item']:,}"
    if exposure["batch"] is not None:
        place = f"batch {exposure['batch']:,}, {place}"
    fate = "" if exposure["fate"] == "delivered" else Words(exposure["fate"], "doubt")
    return [name(exposure_address(exposure)), dim(f"epoch {exposure['epoch']}, {place}"), fate]


def _fit_row(fit: dict[str, Any]) -> list[Cell]:
    note = "" if fit["direct"] else ", by way of what was learned of these"
    return [
        fit["field"],
        learned_words(fit["values"]),
        dim(f"of {count_of(fit['count'], 'sample')} for {fit['op']}{note}"),
        name(fit["run"]),
        dim(f"epoch {spelled(fit['epochs'])}"),
    ]


def _drop_rows(drops: list[dict[str, Any]]) -> list[list[Cell]]:
    """A line for each way to be dropped; where it happened in several runs, their number."""
    runs_by_way: dict[tuple[str, str, str, str], list[str]] = {}
    for drop in drops:
        way = (drop["reason"], drop["op"], drop["detail"], spelled(drop["epochs"]))
        runs_by_way.setdefault(way, []).append(drop["run"])
    return [
        [
            Words(reason, "doubt"),
            f"at {op}",
            detail,
            name(runs[0]) if len(runs) == 1 else count_of(len(runs), "run"),
            dim(f"epoch {epochs}"),
        ]
        for (reason, op, detail, epochs), runs in runs_by_way.items()
    ]


def spelled(numbers: list[int]) -> str:
    """Spell ascending numbers with their ranges: 0-2, 5."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _of(shown: int, count: int) -> str:
    return f"{shown:,} of {count:,}; --limit shows more" if shown < count else ""
