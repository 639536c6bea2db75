"""The page docs/reference/format.md on points: a reader written from it reads what whence reads."""

from __future__ import annotations

import math
import pathlib

import numpy as np
import pytest

import whence as wh
from tests.rooms.store.pointsreader import read_histories, read_packed, read_tail
from tests.rooms.store.reader import RunReader, read_workspace
from whence.store import metrics_writing

KEYS = ("loss", "acc", "ünder/score", "nan")


@pytest.fixture(autouse=True)
def small_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_writing, "TAIL_POINTS", 500)


def log(run: wh.Run) -> None:
    random = np.random.default_rng(5)
    for step in range(300):
        run.log_metric("loss", math.exp(-step / 100) + random.normal() / 10, step)
        run.log_metrics({"acc": step % 17 / 17, "ünder/score": np.float32(random.random())}, -step * 2**40)
        if not step % 50:
            run.log_metrics({"nan": float("nan" if step else "-inf"), "loss": -0.0})


def reader_of(path: pathlib.Path) -> RunReader:
    (found,) = read_workspace(path / ".whence")
    return found


def check(run: wh.Run, reader: RunReader) -> None:
    theirs = read_histories(reader)
    assert {name for name in theirs if not name.startswith("system/")} == set(KEYS)
    for key in KEYS:
        ours = run.history(key)
        at, step, value = zip(*theirs[key], strict=True)
        assert (list(at), list(step)) == (ours.at.tolist(), ours.step.tolist())
        assert np.array(value).tobytes() == ours.value.tobytes()


def test_points_of_a_run_that_goes_on_are_read_as_we_read_them(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        log(run)
        reader = reader_of(tmp_path)
        check(run, reader)
        assert list(read_packed(reader))
        assert any(read_tail(path) for path in reader.path.glob("points-*"))


def test_points_of_a_run_that_has_ended_are_read_as_we_read_them(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        log(run)
    reader = reader_of(tmp_path)
    reader.check_segments()
    check(run, reader)
    assert not list(reader.path.glob("points-*"))
    (told,) = (public["keys"] for public, _ in reader.find("metrics"))
    names = {public["key"]: body["name"] for public, body in reader.find("metric_key")}
    for key, count, since, until, step, last, least, greatest in told:
        points = read_histories(reader)[names[key]]
        numbers = [value for _, _, value in points if not math.isnan(value)]
        assert (count, since, until, step) == (len(points), points[0][0], points[-1][0], points[-1][1])
        assert np.array_equal(last, points[-1][2], equal_nan=True)
        assert (least, greatest) == (min(numbers), max(numbers))
