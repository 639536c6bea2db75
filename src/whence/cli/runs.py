"""List the runs of the workspace, newest first or sorted.

--where takes comparisons joined by and, or, not and brackets. A comparison is a field, one of = != < <= > >=
like contains, and a number, a quoted text or a word; or a field and in (...), not in (...), or exists.
Fields: id, name, title, status, started_at, ended_at, duration_s, model, artifact, source, params.X,
metrics.X, tags.X. A run without the field matches no comparison.
"""

from __future__ import annotations

import argparse
import collections
import shlex
from collections.abc import Callable
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Tone, Words, dim, name, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, duration, moment, number, pairs, span_of, value_text
from whence.errors import InputError
from whence.workspace import RunTable

SIGNED = ("--sort",)

_TONES: dict[str, Tone] = {"finished": "good", "failed": "bad", "running": "name", "resumed": "name"}
_METRICS_SHOWN = 4
_QUIET = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and how many."""
    parser.add_argument(
        "--where", metavar="CONDITION", help="for example: metrics.loss < 0.3 and params.lr = 0.1"
    )
    parser.add_argument(
        "--sort",
        metavar="FIELDS",
        help="for example: -metrics.val_acc,started_at; a - puts high values first",
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many to list (default: 20)")
    parser.add_argument("--after", metavar="CURSOR", help="go on after the `next` of an earlier list")
    parser.add_argument(
        "--columns", metavar="FIELDS", help="what to show of each: for example name,params.lr,metrics.loss"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    if arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: wanted 1 or more", remedy="Leave it out for 20.")
    workspace = asked_workspace(arguments)
    if arguments.where is not None or arguments.sort is not None:
        workspace.refresh(tell_reading(screen))
    found = workspace.page(arguments.where, sort=arguments.sort, limit=arguments.limit, after=arguments.after)
    value: dict[str, Any] = {"runs": found.summaries, "next": found.following}
    if arguments.columns is not None:
        table = RunTable.of(found.summaries, arguments.columns)
        value = {"columns": table.columns, "runs": list(table), "next": found.following}
    screen.show(value, lambda answer: page(answer, str(workspace.path), arguments))
    return 0


def tell_reading(screen: Screen) -> Callable[[int, int], None]:
    """Tell on standard error how far the reading of runs has come, where it takes a while."""

    def tell(done: int, total: int) -> None:
        if total > _QUIET:
            screen.progress("" if done >= total else f"reading {done:,} of {count_of(total, 'run')}")

    return tell


def page(value: dict[str, Any], workspace: str, arguments: argparse.Namespace) -> list[Block]:
    """A line for each run."""
    if not value["runs"]:
        what = "No run matches" if arguments.where else "No runs yet"
        following = (
            ("whence runs", "all of them") if arguments.where else ("whence demo", "record a first one")
        )
        return [Line(words=(f"{what} in ", dim(workspace))), *try_next([following])]
    blocks: list[Block] = [_column_grid(value) if "columns" in value else run_grid(value["runs"])]
    if value["next"]:
        given = [(f"--{each}", getattr(arguments, each)) for each in ("where", "sort", "columns", "limit")]
        options = [f"{option} {shlex.quote(str(text))}" for option, text in given if text not in (None, 20)]
        again = " ".join(["whence runs", *options, "--after", value["next"]])
        blocks.append(Line(words=dim(f"more: {again}"), indent=2))
    return blocks


def run_grid(summaries: list[dict[str, Any]], indent: int = 0) -> Grid:
    """The runs as aligned columns; those that share a name are told by their ids."""
    names = collections.Counter(summary["name"] for summary in summaries)
    return Grid(
        heads=["run", "status", "started", "took", "title", "metrics", "params"],
        rows=[_row(summary, names[summary["name"]] > 1) for summary in summaries],
        right=frozenset({3}),
        cut=(4, 5, 6),
        indent=indent,
    )


def status_words(status: str) -> Words:
    """A run's status in its tone."""
    return Words(status, _TONES.get(status, "doubt"))


def _column_grid(value: dict[str, Any]) -> Grid:
    columns = value["columns"]
    numbers = {
        place
        for place, column in enumerate(columns)
        if all(isinstance(row[column], int | float | None) for row in value["runs"])
    }
    return Grid(
        heads=columns,
        rows=[[_cell(column, row[column]) for column in columns] for row in value["runs"]],
        right=frozenset(numbers),
        cut=tuple(range(1, len(columns))),
    )


def _cell(column: str, value: Any) -> Cell:
    if value is None:
        return dim("-")
    if column in ("started_at", "ended_at"):
        return moment(value)
    if column == "status":
        return status_words(value)
    if column == "duration_s":
        return duration(value)
    if column.startswith("metrics.") and isinstance(value, int | float):
        return number(value)
    return name(value) if column in ("id", "name") else value if column == "title" else value_text(value)


def _row(summary: dict[str, Any], is_shared: bool) -> list[Cell]:
    metrics = list(summary["metrics"].items())
    shown = "  ".join(f"{key}={number(value)}" for key, value in metrics[:_METRICS_SHOWN])
    return [
        name(summary["id"] if is_shared else summary["name"]),
        status_words(summary["status"]),
        dim(moment(summary["started_at"])[:16]),
        span_of(summary["started_at"], summary["ended_at"]),
        summary["title"],
        shown + ("  …" if len(metrics) > _METRICS_SHOWN else ""),
        dim(pairs(dict(list(summary["params"].items())[:_METRICS_SHOWN]))),
    ]
