"""Metrics of a run, read: from points, from events as they were once, and without opening what needn't be."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.capture import standing
from whence.errors import NotFoundError
from whence.runs import RunRecord
from whence.store import Folder, RunWriter, scan_frames

RUN = "01JD0000000000000000000000"


def sealed(path: pathlib.Path, *, earlier: int = 0) -> RunRecord:
    writer = RunWriter(Folder(path), RUN)
    writer.append("run_start", {"name": "n"}, {"title": ""})
    for number in range(earlier):
        writer.append("metric", {"key": "loss", "value": number / 2, "step": number})
        writer.append("metric", {"key": "old", "value": math.nan, "step": -number})
    for number in range(earlier, earlier + 5):
        writer.log_points([("loss", number / 2), ("new", -0.0), ("system/cpu", 0.5)], number)
    writer.seal("finished")
    return RunRecord.read(Folder(path), RUN)


def test_points_follow_what_was_logged_as_events(tmp_path: pathlib.Path) -> None:
    record = sealed(tmp_path, earlier=3)
    assert record.metric_keys == ["loss", "old", "new", "system/cpu"]
    assert repr(record.metrics) == "{'loss': 3.5, 'old': nan, 'new': -0.0}"
    loss = record.history("loss")
    assert loss.step.tolist() == list(range(8))
    assert loss.value.tolist() == [number / 2 for number in range(8)]
    assert (np.diff(loss.at) >= 0).all()
    assert loss.is_complete
    assert record.history("old").step.tolist() == [0, -1, -2]
    assert record.history("system/cpu").value.tolist() == [0.5] * 5
    assert [loss.step.dtype, loss.value.dtype, loss.at.dtype] == [np.int64, np.float64, np.int64]


def test_an_unknown_metric_is_refused_with_those_there_are(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFoundError, match="lost") as caught:
        sealed(tmp_path).history("lost")
    assert "loss, new, system/cpu" in str(caught.value)


def test_what_a_run_came_to_is_known_without_its_points(tmp_path: pathlib.Path) -> None:
    record = sealed(tmp_path)
    segment = record.journal.path / "segments" / "metrics"
    segment.unlink()
    record = RunRecord.read(Folder(tmp_path), RUN)
    assert record.metrics == {"loss": 2.0, "new": 0.0}
    segment.mkdir()  # whoever opens it gets an error
    assert RunRecord.read(Folder(tmp_path), RUN).metrics == {"loss": 2.0, "new": 0.0}


def test_points_that_are_gone_are_told(tmp_path: pathlib.Path) -> None:
    record = sealed(tmp_path)
    path = record.journal.path / "segments" / "metrics"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    history = RunRecord.read(Folder(tmp_path), RUN).history("loss")
    assert (len(history.value), history.is_complete) == (0, False)


def test_a_metric_whose_name_was_destroyed_is_a_gap_and_the_others_are_read(tmp_path: pathlib.Path) -> None:
    record = sealed(tmp_path)
    path = record.journal.path / "payloads"
    (event,) = (each for each in record.journal.find("metric_key") if (each.body or {})["name"] == "loss")
    frames = scan_frames(path).frames
    kept = [frame for frame in frames if f"n{chr(event.number)}".encode() not in frame.payload[:4]]
    assert len(kept) == len(frames) - 1
    data = path.read_bytes()
    gone = next(frame for frame in frames if frame not in kept)
    after = frames[frames.index(gone) + 1].offset
    path.write_bytes(data[: gone.offset] + data[after:])
    record = RunRecord.read(Folder(tmp_path), RUN)
    assert record.metrics == {"new": 0.0}
    assert any("metric" in gap for gap in record.gaps)


@pytest.mark.parametrize("value", [True, np.float32(0.5), np.int8(-3), "1.5", 2**70])
def test_what_becomes_a_float_is_a_value(tmp_path: pathlib.Path, value: Any) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        run.log_metric("x", value)
        assert run.metrics == {"x": float(value)}


def test_names_are_texts_whatever_was_given(tmp_path: pathlib.Path) -> None:
    names: list[Any] = ["ü", "\udcff", "", 1, True, "1", "a" * 5000]
    with wh.start_run(workspace=tmp_path) as run:
        for number, name in enumerate(names):
            run.log_metric(name, number)
            run.log_metrics({name: number})
    run = wh.open(tmp_path).run()
    assert run.metrics == {"ü": 0, "\\udcff": 1, "": 2, "1": 5, "True": 4, "a" * 5000: 6}
    assert run.history("1").value.tolist() == [3, 3, 5, 5]


def test_a_step_costs_the_same_after_a_thousand_passes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    real = standing.Counted.__dict__["counted"].fget

    def counted(self: standing.Counted) -> int:
        nonlocal asked
        asked += 1
        return int(real(self))

    monkeypatch.setattr(standing.Counted, "counted", property(counted))
    numbers = wh.from_items([1, 2, 3]).batch(2)
    with wh.start_run(workspace=tmp_path) as run:
        for epoch in range(20):
            for _ in numbers.epoch(epoch):
                run.log_metric("x", 0.0)
        run.log_metric("x", 0.0)
        asked = 0
        run.log_metric("x", 0.0)
        assert asked == 0
        assert run.history("x").step.tolist() == [*range(1, 41), 40, 40]
