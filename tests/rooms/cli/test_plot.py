"""Metrics in the terminal: drawn where they are, with every peak; as values for programs."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np
import pytest

import whence as wh
from whence.cli import main
from whence.cli.page import Line, Words
from whence.cli.plotting import plot_blocks
from whence.runs import History


def history(values: list[float]) -> History:
    step = np.arange(len(values), dtype=np.int64)
    return History(step=step, value=np.array(values, np.float64), at=step)


def drawn(values: list[float], height: int = 8) -> list[str]:
    """The curve's lines, the top one first, without axis."""
    blocks = plot_blocks([(history(values), "name")], width=60, height=height)
    texts = []
    for block in blocks[:height]:
        assert isinstance(block, Line)
        pieces = block.words if isinstance(block.words, tuple) else (block.words,)
        texts.append("".join(piece.text for piece in pieces[1:] if isinstance(piece, Words)))
    return texts


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    for number in (1, 2):
        with wh.start_run(workspace=tmp_path) as run:
            for step in range(3_000):
                run.log_metric("loss", 1000.0 if step == 1_234 else 1.0, step=step)
            if number == 1:
                run.log_metric("f1", math.nan)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_what_falls_is_drawn_falling() -> None:
    rows = drawn([float(value) for value in range(100, 0, -1)])
    first = [row.index(row.strip()[0]) for row in rows if row.strip()]
    assert first == sorted(first)
    assert len(first) == 8


def test_the_least_and_the_greatest_value_are_on_the_edges() -> None:
    rows = drawn([0.0, 1.0])
    assert rows[0].rstrip()[-1].strip()
    assert rows[-1][0].strip()


def test_a_single_peak_among_many_values_is_drawn() -> None:
    values = [0.0] * 100_000
    values[77_777] = 1.0
    assert drawn(values)[0].strip()


def test_a_gap_is_left_open() -> None:
    (row,) = {row for row in drawn([1.0] * 40 + [math.nan] * 40 + [1.0] * 40) if row.strip()}
    assert "   " in row.strip()


def test_values_that_are_no_numbers_are_told() -> None:
    (line,) = plot_blocks([(history([math.nan, math.inf]), "name")], width=60, height=8)
    assert isinstance(line, Line)
    assert "no value" in str(line.words)


def test_curves_of_several_runs_keep_their_tones() -> None:
    low, high = history([0.0, 0.0]), history([1.0, 1.0])
    blocks = plot_blocks([(low, "name"), (high, "doubt")], width=60, height=8)
    tones = {
        piece.tone
        for block in blocks
        if isinstance(block, Line) and isinstance(block.words, tuple)
        for piece in block.words
        if isinstance(piece, Words) and piece.text.strip()
    }
    assert {"name", "doubt"} <= tones


def test_programs_get_the_points(workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(said(capsys, "plot", "--metric", "loss", "-w", str(workspace), "--json"))
    ((curve,),) = [metric["curves"] for metric in value["metrics"]]
    assert curve["count"] == 3_000
    assert len(curve["step"]) == len(curve["value"]) < 2_000
    assert dict(zip(curve["step"], curve["value"], strict=True))[1_234] == 1000.0


def test_without_colours_each_run_has_a_plot(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [run.name for run in wh.open(workspace).runs()]
    text = said(capsys, "plot", *names, "--metric", "loss", "-w", str(workspace))
    assert text.count("└") == 2
    assert all(name in text for name in names)


def test_a_metric_that_is_not_there_is_named(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", "--metric", "accuracy", "-w", str(workspace)]) == 3
    said_wrong = capsys.readouterr().err
    assert "accuracy" in said_wrong
    assert "loss" in said_wrong


@pytest.mark.parametrize("arguments", [["--height", "2"], ["a"] * 7])
def test_what_cannot_be_drawn_is_refused(
    workspace: pathlib.Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = [wh.open(workspace).run().name if each == "a" else each for each in arguments]
    assert main(["plot", *names, "-w", str(workspace)]) == 2
    assert capsys.readouterr().err
