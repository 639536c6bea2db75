"""Metrics as small plots: honest axes, every extreme kept, geometry only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from whence.documents.wording import number_text, shown
from whence.runs import SYSTEM, RunRecord

PLOTS = 24
ROWS = 200
STRETCHES = 300
_LARGEST = 1e300  # what is beyond it is as good as infinite, and its sums are

WIDTH, HEIGHT = 360, 204
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 34

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A place on an axis and its number."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The values of one metric.

    Args:
        key: its name.
        path: the line, for SVG; empty where nothing can be drawn.
        dots: single points, where there are few.
        x_ticks: along the steps.
        y_ticks: along the values.
        notes: what the picture doesn't show.
        along: what the horizontal axis counts: steps, or values where they all have one step.
    """

    key: str
    last: str
    lowest: str
    highest: str
    count: int
    path: str
    dots: list[tuple[float, float]]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    notes: list[str]
    along: str = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All metrics: the first `PLOTS` of several values drawn, at most `ROWS` more in words."""

    plots: list[Plot]
    others: list[Plot]
    left_out: int


def plot_metrics(record: RunRecord) -> Metrics:
    """Plot what a run logged."""
    return _plot_all(record, list(record.metrics))


def plot_machine(record: RunRecord) -> Metrics:
    """Plot what the machine and the process used, by the time since the run began."""
    found = _plot_all(record, [key for key in record.metric_keys if key.startswith(SYSTEM)], by_time=True)
    return replace(found, plots=[replace(each, key=each.key.removeprefix(SYSTEM)) for each in found.plots])


def _plot_all(record: RunRecord, keys: list[str], *, by_time: bool = False) -> Metrics:
    histories = record.logged.histories(keys)
    several = [key for key, history in histories.items() if len(history.value) > 1]
    order = several[:PLOTS] + [key for key in histories if key not in set(several[:PLOTS])]
    plots = []
    for key in order[: PLOTS + ROWS]:
        history = histories[key]
        across = (history.at - record.started_at_ns) / 1e9 if by_time else history.step.astype(np.float64)
        plots.append(plot_metric(key, across, history.value, along="seconds" if by_time else "step"))
    drawn = min(PLOTS, len(several))
    return Metrics(plots=plots[:drawn], others=plots[drawn:], left_out=len(histories) - len(plots))


def plot_metric(key: str, step: FloatArray, value: FloatArray, *, along: str = "step") -> Plot:
    """Plot one metric, shapes (n,) with n > 0."""
    last = number_text(float(value[-1]))
    if len(step) > 1 and not np.ptp(step):  # logged while nothing was delivered
        along, step = "value", np.arange(1, len(step) + 1, dtype=np.float64)
    order = np.argsort(step, kind="stable")
    step, value = step[order], value[order]
    value = drawable(value)
    finite = np.isfinite(value)
    notes = []
    if not finite.all():
        notes.append(f"{int((~finite).sum()):,} of them NaN or infinite, shown as gaps")
    if len(value) > 2 * STRETCHES:
        kept = extremes(value, STRETCHES)
        notes.append(f"the lowest and the highest of each of {STRETCHES} stretches are drawn")
        step, value = step[kept], value[kept]
    if not finite.any():
        return Plot(
            key=shown(key, 80), last=last, lowest="–", highest="–", count=len(order), path="", dots=[],  # noqa: RUF001
            x_ticks=[], y_ticks=[], notes=notes,
        )  # fmt: skip
    drawn = np.isfinite(value)
    lowest, highest = float(value[drawn].min()), float(value[drawn].max())
    y_ticks = nice_ticks(lowest, highest, 4)
    x_ticks = nice_ticks(float(step[0]), float(step[-1]), 4, whole=True)
    across = scale(min(x_ticks[0], step[0]), max(x_ticks[-1], step[-1]), LEFT, WIDTH - RIGHT)
    upward = scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    few = int(drawn.sum()) <= 16
    return Plot(
        key=shown(key, 80),
        last=last,
        lowest=number_text(lowest),
        highest=number_text(highest),
        count=len(order),
        path=line_of([across(each) for each in step], [upward(each) for each in value]),
        dots=[
            (across(x), upward(y)) for x, y in zip(step, value, strict=True) if math.isfinite(y)
        ] if few else [],
        x_ticks=[Tick(at=across(each), text=step_text(each)) for each in x_ticks],
        y_ticks=[
            Tick(at=upward(each), text=text)
            for each, text in zip(y_ticks, tick_texts(y_ticks), strict=True)
        ],
        notes=notes,
        along=along,
    )  # fmt: skip


def drawable(value: FloatArray) -> FloatArray:
    """Take values as they can be drawn: NaN where one is infinite, or as good as that."""
    return np.where(np.abs(value) <= _LARGEST, value, np.nan)


def extremes(value: FloatArray, stretches: int) -> NDArray[np.int64]:
    """Pick the places of the ends, and of each stretch's lowest, highest and a missing value, ascending."""
    bounds = np.linspace(0, len(value), stretches + 1).astype(np.int64)
    kept = [0, len(value) - 1]
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = value[start:end]
        finite = np.isfinite(part)
        if finite.any():
            kept.append(start + int(np.argmin(np.where(finite, part, np.inf))))
            kept.append(start + int(np.argmax(np.where(finite, part, -np.inf))))
        if not finite.all():
            kept.append(start + int(np.argmin(finite)))
    return np.unique(np.array(kept, np.int64))


_LEAST = 1e-280
"""Numbers below are drawn as nothing: steps between them couldn't be spelled."""


def nice_ticks(low: float, high: float, wanted: int, *, whole: bool = False) -> list[float]:
    """Choose round numbers that enclose a range, ascending, at least two."""
    if not high - low > max(abs(low), abs(high), _LEAST) * 1e-9:  # closer than twelve digits tell apart
        margin = abs(high) * 0.1 if abs(high) > _LEAST else 1.0
        low, high = low - (0 if whole else margin), high + (1 if whole else margin)
    rough = (high / wanted - low / wanted) or 1.0  # divided first: their difference may overflow
    size = 10.0 ** math.floor(math.log10(rough))
    step = next((size * factor for factor in (1, 2, 2.5, 5) if size * factor >= rough), size * 10)
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step), math.ceil(high / step)
    if whole:  # steps needn't be enclosed: the axis ends where they do
        ticks = [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
        return ticks if len(ticks) > 1 else [low, high]
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def tick_texts(ticks: list[float]) -> list[str]:
    """Write the numbers of an axis with as few digits as tell them apart."""
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [f"{tick:.{digits}g}" for tick in ticks]
        if len(set(texts)) == len(ticks):
            break
    if max(map(abs, ticks)) < 1e6 and all(tick == int(tick) for tick in ticks):
        return [f"{int(tick):,}" for tick in ticks]
    return [text.replace("e-0", "e-").replace("e+0", "e") for text in texts]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Map values straight to places."""
    return _Scale(low, high, start, end)


class _Scale:
    """A straight line from values to places."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start, self._end = low, start, end
        # halved so that a range from lowest to highest float doesn't overflow
        self._half_span = (high / 2 - low / 2) or 0.5

    def __call__(self, value: float) -> float:
        share = (value / 2 - self._low / 2) / self._half_span
        return round(self._start + share * (self._end - self._start), 2)


def line_of(across: list[float], upward: list[float]) -> str:
    """Write a line that is interrupted where a value is missing."""
    found = []
    pen = "M"
    for x, y in zip(across, upward, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        found.append(f"{pen}{x:g} {y:g}")
        pen = "L"
    return "".join(found)


def step_text(step: float) -> str:
    """Write a step: 1,200, 35k, 2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(step) >= size:
            return f"{step / (1e3 if unit == 'k' else size):g}{unit}"
    return f"{step:,.0f}"
