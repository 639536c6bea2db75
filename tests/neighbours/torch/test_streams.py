"""PyTorch reads a stream as a dataset: each sample once, in order, and recorded where that can be."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import whence as wh

torch = pytest.importorskip("torch", reason="run by `make test-neighbours`")


def scaled(row: dict[str, Any]) -> dict[str, Any]:
    return {"x": row["x"].astype(np.float32) / 10, "n": row["n"]}


def stream() -> wh.Stream:
    columns = {"x": np.arange(300).reshape(100, 3), "n": np.arange(100)}
    return wh.from_arrays(name="rows", **columns).map(scaled).filter(lambda row: row["n"] % 3 != 0)


EXPECTED = [number for number in range(100) if number % 3]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gets_each_sample_once_and_the_run_records_it(tmp_path: pathlib.Path, workers: int) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        loader = torch.utils.data.DataLoader(stream().to_torch(workers=workers), batch_size=8)
        batches = list(loader)
    assert torch.cat([batch["n"] for batch in batches]).tolist() == EXPECTED
    assert batches[0]["x"].dtype == torch.float32
    (view,) = run.record.passes
    assert (view.delivered, view.is_complete) == (len(EXPECTED), True)
    assert not run.record.has_gaps


@pytest.mark.parametrize("shuffled", [False, True])
def test_processes_of_torch_give_each_sample_once_and_in_order(shuffled: bool) -> None:
    source = stream().shuffle(seed=3) if shuffled else stream()
    loader = torch.utils.data.DataLoader(source.to_torch(), batch_size=None, num_workers=2)
    alone = [int(row["n"]) for row in source]
    assert [int(row["n"]) for row in loader] == alone
    assert sorted(alone) == EXPECTED


def test_what_processes_of_torch_read_is_a_gap_in_the_record(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        list(torch.utils.data.DataLoader(stream().to_torch(), batch_size=None, num_workers=2))
    assert run.record.passes == []
    assert run.record.has_gaps


def test_batches_of_the_stream_come_as_tensors() -> None:
    batches = list(stream().batch(16).to_torch(workers=2))
    assert all(isinstance(batch["x"], torch.Tensor) for batch in batches)
    assert torch.cat([batch["n"] for batch in batches]).tolist() == EXPECTED


def test_an_epoch_is_chosen_as_for_samplers() -> None:
    shuffled = stream().shuffle(seed=3)
    dataset = shuffled.to_torch()
    dataset.set_epoch(2)
    assert [int(row["n"]) for row in dataset] == [int(row["n"]) for row in shuffled.epoch(2)]


def test_arrays_that_cannot_be_written_become_tensors_that_can() -> None:
    frozen = np.arange(4)[::-1]
    frozen.flags.writeable = False
    (row,) = wh.from_items([{"x": frozen, "text": "a", "names": np.array(["b"])}]).to_torch()
    row["x"][0] = 7
    assert frozen[0] == 3
    assert row["text"] == "a"
    assert row["names"].tolist() == ["b"]
