"""What the machine uses is recorded at a low rate beside a run's metrics, and not among them."""

from __future__ import annotations

import pathlib
import time

import pytest

import whence as wh

MEMORY = "system/process_memory_bytes"


def sampled(run: wh.Run, key: str) -> None:
    """Wait until a gauge was read and recorded."""
    until = time.monotonic() + 30
    while key not in run.record.metric_keys:
        assert time.monotonic() < until, "nothing was sampled"


def test_gauges_are_read_while_a_run_goes_on(tmp_path: pathlib.Path) -> None:
    with wh.config(sample_every_s=0.1), wh.start_run(workspace=tmp_path) as run:
        run.log_metric("loss", 1.0)
        sampled(run, MEMORY)
    assert run.metrics == {"loss": 1.0}
    history = run.history(MEMORY)
    assert len(history.value) >= 2, "the last reading is at the end"
    assert (history.value > 1_000_000).all()
    assert "system/cpu_cores" in run.record.metric_keys


def test_a_short_run_is_not_sampled(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        pass
    assert run.record.metric_keys == []
    assert run.totals["peak_memory_bytes"] > 0


def test_sampling_can_be_left_out(tmp_path: pathlib.Path) -> None:
    with wh.config(sample_every_s=0):
        run = wh.start_run(workspace=tmp_path)
    run.finish()
    assert run.record.metric_keys == []


def test_programs_begun_in_a_run_know_it_and_others_do_not(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHENCE_RUN", raising=False)
    with wh.start_run(workspace=tmp_path) as outer, wh.start_run(workspace=tmp_path) as inner:
        pass
    with wh.start_run(workspace=tmp_path) as later:
        pass
    assert (outer.record.begun_in, inner.record.begun_in, later.record.begun_in) == (None, outer.id, None)


def test_a_rank_knows_its_group(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "a",
        "TORCHELASTIC_RUN_ID": "x",
    }.items():
        monkeypatch.setenv(name, value)
    with wh.start_run(workspace=tmp_path) as run:
        pass
    group = run.record.group
    assert group is not None
    assert (group["by"], group["rank"], group["size"]) == ("torchrun", 1, 2)
