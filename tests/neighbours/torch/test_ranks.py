"""Ranks of a distributed training read a shard each: together each sample once, each in a run of its own."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

import whence as wh
from tests.neighbours.received import recorded

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")


@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_receive_each_sample_once_and_each_records_its_own(
    tmp_path: pathlib.Path, workers: int
) -> None:
    script = pathlib.Path(__file__).with_name("ranks.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, str(workers)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    received: list[list[list[int]]] = []
    for rank in range(2):
        told = json.loads((tmp_path / f"rank-{rank}.json").read_text())
        run = wh.open(tmp_path).run(told["run"])
        assert run.tags["rank"] == rank
        assert [rows for _, rows in recorded(run)] == told["received"]
        assert [view.epoch for view in run.passes] == [0, 1]
        assert not run.record.has_gaps
        received.append(told["received"])
    for epoch in range(2):
        halves = [len(batches) // 2 for batches in received]
        both = [
            batch
            for batches, half in zip(received, halves, strict=True)
            for batch in (batches[half:] if epoch else batches[:half])
        ]
        assert sorted(number for batch in both for number in batch) == [n for n in range(101) if n % 3]
    impact = wh.open(tmp_path).impact("rows", rows=[7])
    assert impact.count == 2
