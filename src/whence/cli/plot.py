"""Plot the metrics of a run, or those of several over one another, in the terminal.

Without a run: the newest one. Of a long curve the lowest and the highest of each stretch are drawn, so that
no peak is lost; NaN and infinite values are gaps.
"""

from __future__ import annotations

import argparse
import shutil
from typing import Any

from whence.cli.page import Block, Line, Section, Words, dim, name
from whence.cli.place import asked_workspace
from whence.cli.plotting import TONES, plot_blocks
from whence.cli.screen import Screen
from whence.cli.wording import count_of, number
from whence.documents import extremes
from whence.errors import InputError, NotFoundError
from whence.runs import History
from whence.workspace import Run

_STRETCHES = 500
_PLOTS = 8
_NARROW = 100
_Curves = dict[str, list[tuple[Run, History]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, which metrics, how large."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="names or ids; default: the newest run")
    parser.add_argument(
        "--metric", action="append", metavar="KEY", help="one metric; again for another (default: all)"
    )
    parser.add_argument("--height", type=int, default=12, metavar="N", help="lines of a plot (default: 12)")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Draw them."""
    if arguments.height < 3:
        raise InputError(f"--height {arguments.height}: wanted 3 or more", remedy="Leave it out for 12.")
    workspace = asked_workspace(arguments)
    runs = [workspace.run(each) for each in arguments.runs] or [workspace.run()]
    if len(runs) > len(TONES):
        raise InputError(
            f"{len(runs)} runs, of which {len(TONES)} can be told apart",
            remedy="whence report compares up to 12.",
        )
    curves = _curves(runs, arguments.metric)
    value = {
        "runs": [each.name for each in runs],
        "metrics": [
            {"metric": key, "curves": [_curve(*each) for each in found]} for key, found in curves.items()
        ],
    }
    screen.show(value, lambda _: page(runs, curves, arguments.height, together=screen.has_colour))
    return 0


def _curves(runs: list[Run], asked: list[str] | None) -> _Curves:
    """Find the histories by metric; of those that were asked for each must be there."""
    known = list(dict.fromkeys(key for each in runs for key in each.metrics))
    for key in asked or []:
        if key not in known:
            raise NotFoundError(
                f"no metric {key!r:.60} in {', '.join(each.name for each in runs)}",
                remedy=f"There are: {', '.join(known[:20]) or 'none'}.",
            )
    return {
        key: [(each, each.history(key)) for each in runs if key in each.metrics] for key in asked or known
    }


def _curve(of: Run, history: History) -> dict[str, Any]:
    kept = extremes(history.value, _STRETCHES) if len(history.value) > 2 * _STRETCHES else slice(None)
    return {
        "run": of.name,
        "count": len(history.value),
        "step": history.step[kept].tolist(),
        "value": history.value[kept].tolist(),
    }


def page(runs: list[Run], curves: _Curves, height: int, *, together: bool) -> list[Block]:
    """A plot for each metric; where there is no colour to tell runs apart, one for each run."""
    width = min(_NARROW, shutil.get_terminal_size().columns)
    tones = {each.id: tone for each, tone in zip(runs, TONES, strict=False)}
    blocks: list[Block] = []
    for key, found in list(curves.items())[:_PLOTS]:
        note = f"last {number(float(found[0][1].value[-1]))}" if len(found) == 1 else ""
        blocks.append(Section(title=key, note=note))
        for group in [found] if together else [[each] for each in found]:
            if len(runs) > 1:
                legend = [
                    Words(f"━━ {each.name} {number(float(history.value[-1]))}  ", tones[each.id])
                    for each, history in group
                ]
                blocks.append(Line(words=tuple(legend), indent=2))
            blocks += plot_blocks(
                [(history, tones[each.id]) for each, history in group], width=width, height=height
            )
    if not curves:
        blocks.append(Line(words=("No metric was logged in ", name(runs[0].name))))
    left = len(curves) - _PLOTS
    if left > 0:
        blocks.append(
            Line(words=dim(f"and {count_of(left, 'metric')} more: name them with --metric"), indent=2)
        )
    return blocks
