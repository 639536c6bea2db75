"""Curves drawn with the dots of braille signs, as blocks of a page: a colour for each run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from plotille import Canvas

from whence.cli.page import Block, Line, Tone, Words, dim
from whence.documents import extremes, nice_ticks, tick_texts
from whence.runs import History

TONES: tuple[Tone, ...] = ("name", "doubt", "random", "good", "bad", "plain")
"""So many curves are told apart by colour."""

_BLANK = 0x2800
_LEAST_WIDTH = 20

_Range = tuple[float, float]


def plot_blocks(curves: Sequence[tuple[History, Tone]], *, width: int, height: int) -> list[Block]:
    """Draw curves over one pair of axes.

    Args:
        curves: the values and the tone of each; what is NaN or infinite is a gap.
        width: how many columns there are.
        height: how many lines the curves get.
    """
    told = [(_points(history), tone) for history, tone in curves]
    drawn = [(points, tone) for points, tone in told if points]
    if not drawn:
        return [Line(words=dim("no value that could be drawn"), indent=2)]
    x_range = _range([x for points, _ in drawn for x, _ in points])
    ticks = nice_ticks(*_range([y for points, _ in drawn for _, y in points]), max(2, height // 4))
    texts = tick_texts(ticks)
    margin = max(map(len, texts))
    columns = max(_LEAST_WIDTH, width - margin - 4)
    y_range = (ticks[0], ticks[-1])
    cells = _overlaid([(_canvas(points, columns, height, x_range, y_range), tone) for points, tone in drawn])
    labels = {
        height - 1 - round((tick - ticks[0]) / (ticks[-1] - ticks[0]) * (height - 1)): text
        for tick, text in zip(ticks, texts, strict=True)
    }
    blocks: list[Block] = [
        Line(words=(dim(f"{labels.get(row, ''):>{margin}} │"), *pieces), indent=1)
        for row, pieces in enumerate(cells)
    ]
    first, last = (f"{each:,.0f}" for each in x_range)
    gap = max(1, columns - len(first) - len(last))
    blocks.append(Line(words=dim(f"{'':>{margin}} └{'─' * columns}"), indent=1))
    blocks.append(Line(words=dim(f"{'':>{margin}}  {first}{'':{gap}}{last}"), indent=1))
    return blocks


_Points = list[tuple[float, float]]


def _points(history: History) -> _Points:
    """Places of a curve by step, every extreme of a long one kept, gaps as NaN; none where all are gaps."""
    order = np.argsort(history.step, kind="stable")
    step, value = history.step[order].astype(np.float64), history.value[order].copy()
    if len(step) > 1 and not np.ptp(step):  # logged while nothing was delivered
        step = np.arange(1, len(step) + 1, dtype=np.float64)
    value[~np.isfinite(value)] = np.nan
    if len(value) > 2_000:
        kept = extremes(value, 500)
        step, value = step[kept], value[kept]
    return list(zip(step.tolist(), value.tolist(), strict=True)) if np.isfinite(value).any() else []


def _range(values: Sequence[float]) -> _Range:
    known = [value for value in values if math.isfinite(value)]
    return min(known), max(known)


def _canvas(points: _Points, columns: int, height: int, x_range: _Range, y_range: _Range) -> list[str]:
    """Draw one curve; the rows of its signs, the top one first."""
    (left, right), (low, high) = x_range, y_range
    # a canvas ends before its highest values: a dot more in each direction takes these in
    right = left + ((right - left) or 1.0) * 2 * columns / (2 * columns - 1)
    high = low + (high - low) * 4 * height / (4 * height - 1)
    canvas = Canvas(columns, height, xmin=left, xmax=right, ymin=low, ymax=high)
    before: tuple[float, float] | None = None
    for x, y in points:
        if not math.isfinite(y):
            before = None
            continue
        if before is None:
            canvas.point(x, y)
        else:
            canvas.line(*before, x, y)
        before = (x, y)
    return str(canvas.plot()).split("\n")


def _overlaid(canvases: Sequence[tuple[list[str], Tone]]) -> list[list[Words]]:
    """Lay drawings over one another; a sign that several have takes the colour of the first."""
    rows: list[list[Words]] = []
    for lines in zip(*(rows for rows, _ in canvases), strict=True):
        pieces: list[Words] = []
        for signs in zip(*lines, strict=True):
            dots = 0
            tone: Tone = "plain"
            for sign, (_, own) in zip(signs, canvases, strict=True):
                found = ord(sign) - _BLANK
                if found and not dots:
                    tone = own
                dots |= found
            text = chr(_BLANK + dots) if dots else " "
            if pieces and (pieces[-1].tone == tone or not dots):
                pieces[-1] = Words(pieces[-1].text + text, pieces[-1].tone)
            else:
                pieces.append(Words(text, tone))
        rows.append(pieces)
    return rows
