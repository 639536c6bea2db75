"""A metric of several runs in one plot: one pair of axes, one colour a run; geometry only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whence.documents.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    STRETCHES,
    TOP,
    WIDTH,
    FloatArray,
    Tick,
    drawable,
    extremes,
    line_of,
    nice_ticks,
    scale,
    step_text,
    tick_texts,
)
from whence.documents.wording import number_text, shown
from whence.runs import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The values of one run.

    Args:
        run: its place among the runs that are compared.
        path: the line, for SVG; empty where nothing can be drawn.
        dots: single points, where there are few.
    """

    run: int
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a metric came to in one run, in words."""

    run: int
    last: str
    lowest: str
    highest: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """One metric of several runs.

    Args:
        key: its name.
        along: what the horizontal axis counts: steps, or values where all of them have one step.
        curves: of the runs of which there is something to draw.
        readings: of all runs that logged it.
        notes: what the picture doesn't show.
    """

    key: str
    along: str
    curves: list[Curve]
    readings: list[Reading]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    notes: list[str]


def overlay(key: str, histories: Sequence[History | None]) -> Overlay:
    """Lay a metric's values of several runs over one another; None for a run that hasn't logged it."""
    told = [(run, each) for run, each in enumerate(histories) if each is not None and len(each.value)]
    readings = [_reading(run, each) for run, each in told]
    along = "value" if all(len(each.step) == 1 or not np.ptp(each.step) for _, each in told) else "step"
    drawn = [(run, *_points(each, along)) for run, each in told]
    notes = []
    if any(not np.isfinite(each.value).all() for _, each in told):
        notes.append("NaN and infinite values are gaps")
    if any(len(each.value) > 2 * STRETCHES for _, each in told):
        notes.append(f"of a long curve the lowest and the highest of each of {STRETCHES} stretches are drawn")
    finite = [(run, step, value) for run, step, value in drawn if np.isfinite(value).any()]
    if not finite:
        return Overlay(
            key=shown(key, 80), along=along, curves=[], readings=readings, x_ticks=[], y_ticks=[], notes=notes
        )
    lows, highs = zip(*((np.nanmin(value), np.nanmax(value)) for _, _, value in finite), strict=True)
    y_ticks = nice_ticks(float(min(lows)), float(max(highs)), 4)
    first, last = min(float(step[0]) for _, step, _ in finite), max(float(step[-1]) for _, step, _ in finite)
    x_ticks = nice_ticks(first, last, 4, whole=True)
    across = scale(min(x_ticks[0], first), max(x_ticks[-1], last), LEFT, WIDTH - RIGHT)
    upward = scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    curves = []
    for run, step, value in finite:
        points = [(across(x), upward(y)) for x, y in zip(step.tolist(), value.tolist(), strict=True)]
        few = int(np.isfinite(value).sum()) <= 16
        curves.append(
            Curve(
                run=run,
                path=line_of([x for x, _ in points], [y for _, y in points]),
                dots=[(x, y) for x, y in points if math.isfinite(y)] if few else [],
            )
        )
    return Overlay(
        key=shown(key, 80),
        along=along,
        curves=curves,
        readings=readings,
        x_ticks=[Tick(at=across(each), text=step_text(each)) for each in x_ticks],
        y_ticks=[
            Tick(at=upward(each), text=text) for each, text in zip(y_ticks, tick_texts(y_ticks), strict=True)
        ],
        notes=notes,
    )


def _points(history: History, along: str) -> tuple[FloatArray, FloatArray]:
    """The points to draw, shapes (n,): by step, what can't be drawn as NaN, long curves by their extremes."""
    value = drawable(history.value)
    if along == "value":
        return np.arange(1, len(value) + 1, dtype=np.float64), value
    order = np.argsort(history.step, kind="stable")
    step, value = history.step[order].astype(np.float64), value[order]
    if len(value) > 2 * STRETCHES:
        kept = extremes(value, STRETCHES)
        step, value = step[kept], value[kept]
    return step, value


def _reading(run: int, history: History) -> Reading:
    finite = history.value[np.isfinite(history.value)]
    lowest, highest = (
        (number_text(float(finite.min())), number_text(float(finite.max()))) if len(finite) else ("–", "–")  # noqa: RUF001
    )
    return Reading(
        run=run,
        last=number_text(float(history.value[-1])),
        lowest=lowest,
        highest=highest,
        count=len(history.value),
    )
