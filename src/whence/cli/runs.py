"""List the runs of the workspace, newest first.

--where takes comparisons joined by `and`: a field (id, name, title, status, params.X, metrics.X, tags.X),
one of = != < <= > >=, and a number, a quoted text or a word. A run without the field never matches.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Tone, Words, dim, name, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import moment, number, pairs, span_of
from whence.errors import InputError
from whence.runs import is_run_id

_TONES: dict[str, Tone] = {"finished": "good", "failed": "bad", "running": "name"}
_METRICS_SHOWN = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and how many."""
    parser.add_argument(
        "--where", metavar="CONDITION", help="for example: metrics.loss < 0.3 and params.lr = 0.1"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many to list (default: 20)")
    parser.add_argument("--after", metavar="CURSOR", help="go on after the `next` of an earlier list")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """List them."""
    if arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: wanted 1 or more", remedy="Leave it out for 20.")
    after = arguments.after.upper() if arguments.after is not None else None
    if after is not None and not is_run_id(after):
        raise InputError(
            f"--after {arguments.after!r:.60} is no cursor", remedy="Give the `next` of an earlier list."
        )
    workspace = asked_workspace(arguments)
    found = [
        summary
        for summary in workspace.summaries(where=arguments.where)
        if after is None or summary["id"] < after
    ]
    shown = found[: arguments.limit]
    value = {"runs": shown, "next": shown[-1]["id"] if len(found) > len(shown) else None}
    screen.show(value, lambda answer: page(answer, str(workspace.path), arguments.where))
    return 0


def page(value: dict[str, Any], workspace: str, where: str | None = None) -> list[Block]:
    """A line for each run."""
    if not value["runs"]:
        what = "No run matches" if where else "No runs yet"
        return [
            Line(words=(f"{what} in ", dim(workspace))),
            *try_next([("whence runs", "all of them")] if where else [("whence demo", "record a first one")]),
        ]
    blocks: list[Block] = [run_grid(value["runs"])]
    if value["next"]:
        blocks.append(Line(words=dim(f"more: whence runs --after {value['next']}"), indent=2))
    return blocks


def run_grid(summaries: list[dict[str, Any]], indent: int = 0) -> Grid:
    """The runs as aligned columns."""
    return Grid(
        heads=["run", "status", "started", "took", "title", "metrics", "params"],
        rows=[_row(summary) for summary in summaries],
        right=frozenset({3}),
        cut=(4, 5, 6),
        indent=indent,
    )


def status_words(status: str) -> Words:
    """A run's status in its tone."""
    return Words(status, _TONES.get(status, "doubt"))


def _row(summary: dict[str, Any]) -> list[Cell]:
    metrics = list(summary["metrics"].items())
    shown = "  ".join(f"{key}={number(value)}" for key, value in metrics[:_METRICS_SHOWN])
    return [
        name(summary["name"]),
        status_words(summary["status"]),
        dim(moment(summary["started_at"])[:16]),
        span_of(summary["started_at"], summary["ended_at"]),
        summary["title"],
        shown + ("  …" if len(metrics) > _METRICS_SHOWN else ""),
        dim(pairs(dict(list(summary["params"].items())[:_METRICS_SHOWN]))),
    ]
