"""The step of a metric counts what was delivered before it, over all passes of the run."""

from __future__ import annotations

import pathlib

import whence as wh


def test_steps_go_on_counting_in_the_next_pass(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(6))).batch(2)
    with wh.start_run(workspace=tmp_path) as run:
        for epoch in range(2):
            for _ in stream.epoch(epoch):
                run.log_metric("loss", 1.0)
            run.log_metric("accuracy", 0.5)
        run.log_metric("given", 0.5, step=100)
    assert run.history("loss").step.tolist() == [1, 2, 3, 4, 5, 6]
    assert run.history("accuracy").step.tolist() == [3, 6]
    assert run.history("given").step.tolist() == [100]
