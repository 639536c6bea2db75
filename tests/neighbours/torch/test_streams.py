"""PyTorch reads a stream through a plain `DataLoader`, and the run records what the loop was given."""

from __future__ import annotations

import os
import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

import whence as wh
from tests.neighbours.received import Received, recorded
from whence.errors import PlanError
from whence.vocab import sample_digest

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
data = torch.utils.data

# torch counts the cores, and says that four are too many where there are two
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")


def scaled(row: dict[str, Any]) -> dict[str, Any]:
    return {"x": row["x"].astype(np.float32) / 10, "n": row["n"]}


def shaken(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return {"x": row["x"] + np.float32(rng.random()), "n": row["n"]}


def is_kept(row: dict[str, Any]) -> bool:
    return bool(row["n"] % 3)


def rows() -> wh.Stream:
    columns = {"x": np.arange(300).reshape(100, 3), "n": np.arange(100)}
    return wh.from_arrays(name="rows", **columns).map(scaled)


def stream() -> wh.Stream:
    return rows().filter(is_kept)


EXPECTED = [number for number in range(100) if number % 3]


def numbers(batches: Any) -> list[int]:
    return [int(number) for batch in batches for number in batch["n"].reshape(-1)]


def as_torch_reads(loader: Any) -> list[Any]:
    """What torch's own iterator gives."""
    return list(data.dataloader._SingleProcessDataLoaderIter(loader))


@pytest.mark.parametrize("workers", [0, 2, 4])
@pytest.mark.parametrize("chain", ["closed", "filtered"])
def test_what_a_step_receives_is_recorded_in_order(tmp_path: pathlib.Path, workers: int, chain: str) -> None:
    chosen = rows() if chain == "closed" else stream()
    received = Received()
    with wh.start_run(workspace=tmp_path) as run:
        loader = data.DataLoader(
            chosen.shuffle(seed=3).map(shaken).to_torch(), batch_size=8, num_workers=workers
        )
        for _ in range(2):
            for batch in loader:
                received.note(batch)
    assert recorded(run) == received
    assert [(view.epoch, view.is_complete) for view in run.passes] == [(0, True), (1, True)]
    assert not run.record.has_gaps


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_is_recorded_when_the_loop_takes_it(tmp_path: pathlib.Path, workers: int) -> None:
    received = Received()
    with wh.start_run(workspace=tmp_path) as run:
        for batch in data.DataLoader(stream().to_torch(), batch_size=8, num_workers=workers):
            received.note(batch)
            assert recorded(run) == received
            if len(received) == 3:
                break
        (view,) = run.passes
        assert (view.delivered, view.taken, view.is_complete) == (3, 3, False)


def test_a_batch_is_replayed_as_it_was_received(tmp_path: pathlib.Path) -> None:
    (tmp_path / "n.txt").write_text("".join(f"{number}\n" for number in range(20)))
    lines = wh.from_text(tmp_path / "n.txt").map(float).map(np.float32)
    with wh.start_run(workspace=tmp_path) as run:
        batches = list(data.DataLoader(lines.to_torch(), batch_size=8, num_workers=2))
    again = wh.open(tmp_path).run(run.name).replay(0, 2)
    assert torch.equal(again, batches[2])
    assert again.dtype == torch.float32


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("options", [
    {"batch_size": 8},
    {"batch_size": 8, "drop_last": True},
    {"batch_size": None},
    {},
    {"batch_size": 8, "collate_fn": list},
    {"batch_size": 8, "collate_fn": lambda samples: {"n": [sample["n"] for sample in samples]}},
    {"batch_size": None, "collate_fn": lambda sample: {"n": sample["x"][1:] * 2}},
])  # fmt: skip
def test_results_are_those_of_torch(workers: int, options: dict[str, Any]) -> None:
    alone = as_torch_reads(data.DataLoader(stream().to_torch(), **options))
    batches = list(data.DataLoader(stream().to_torch(), num_workers=workers, **options))
    assert list(map(sample_digest, batches)) == list(map(sample_digest, alone))
    assert list(map(repr, batches)) == list(map(repr, alone))


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_of_any_form_come_as_torch_collates_them(workers: int) -> None:
    samples = [
        (number, {"s": str(number), "f": number / 2, "b": number > 3}, [np.full(2, number)], torch.ones(2))
        for number in range(10)
    ]
    loader = data.DataLoader(wh.from_items(samples).to_torch(), batch_size=4, num_workers=workers)
    alone = as_torch_reads(data.DataLoader(wh.from_items(samples).to_torch(), batch_size=4))
    assert repr(list(loader)) == repr(alone)


def test_other_loaders_are_left_alone() -> None:
    stream().to_torch()
    tensors = data.TensorDataset(torch.arange(4))
    assert type(iter(data.DataLoader(tensors))) is data.dataloader._SingleProcessDataLoaderIter
    workers = iter(data.DataLoader(tensors, num_workers=1))
    assert type(workers) is data.dataloader._MultiProcessingDataLoaderIter
    assert [int(each) for (each,) in workers] == [0, 1, 2, 3]
    assert data.DataLoader.__iter__.__name__ == "__iter__"


def test_tensors_that_functions_make_come_from_workers_as_they_are() -> None:
    made = rows().map(lambda row: {"t": torch.tensor(row["x"]).bfloat16(), "v": torch.ones(3).expand(2, 3)})
    for workers in (0, 2):
        first, *_ = data.DataLoader(made.to_torch(), batch_size=50, num_workers=workers)
        assert first["t"].dtype == torch.bfloat16
        assert first["v"].shape == (50, 2, 3)
        first["v"][0, 0, 0] = 7  # it is the loop's own


# what else a loader may wish


def test_what_a_loader_wishes_and_a_stream_lacks_is_refused_or_said() -> None:
    dataset = stream().to_torch()
    with pytest.raises(PlanError, match="timeout"):
        iter(data.DataLoader(dataset, num_workers=1, timeout=5))
    with pytest.raises(PlanError, match="forkserver"):
        iter(data.DataLoader(dataset, num_workers=1, multiprocessing_context="forkserver"))
    with pytest.warns(UserWarning, match="persistent_workers"):
        iter(data.DataLoader(dataset, num_workers=1, persistent_workers=True))
    with pytest.warns(UserWarning, match="prefetch_factor"):
        iter(data.DataLoader(dataset, num_workers=1, prefetch_factor=4))
    with pytest.raises(ValueError, match="shuffle"):
        data.DataLoader(dataset, shuffle=True)


def test_memory_is_pinned_as_torch_does() -> None:
    if torch.accelerator.is_available():
        (batch, *_) = data.DataLoader(stream().to_torch(), batch_size=8, pin_memory=True)
        assert batch["x"].is_pinned()
        return
    with pytest.warns(UserWarning, match="no accelerator is found"):
        batches = list(data.DataLoader(stream().to_torch(), batch_size=8, pin_memory=True))
    assert numbers(batches) == EXPECTED


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_begin_as_the_loader_says(start: str) -> None:
    pytest.importorskip("cloudpickle")
    loader = data.DataLoader(stream().to_torch(), batch_size=8, num_workers=2, multiprocessing_context=start)
    assert numbers(loader) == EXPECTED


def test_workers_are_prepared_and_seeded_as_torch_does() -> None:
    def prepare(number: int) -> None:
        os.environ["PREPARED"] = str(number)

    told = (
        rows()
        .repeat(5)
        .map(
            lambda row: {
                "n": int(os.environ["PREPARED"]),
                "seed": torch.initial_seed(),
                "at": np.random.random(),
            }
        )
    )
    generator = torch.Generator().manual_seed(5)
    base = torch.empty((), dtype=torch.int64).random_(generator=torch.Generator().manual_seed(5)).item()
    loader = data.DataLoader(
        told.to_torch(), batch_size=None, num_workers=2, worker_init_fn=prepare, generator=generator
    )
    assert {(row["n"], row["seed"]) for row in loader} == {(0, base), (1, base + 1)}
    assert "PREPARED" not in os.environ


def test_a_worker_that_cannot_be_prepared_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(number: int) -> None:
        raise OSError("no such device")

    loader = data.DataLoader(stream().to_torch(), num_workers=1, worker_init_fn=fail)
    with pytest.raises(wh.errors.WorkerError):
        list(loader)
    assert "no such device" in capfd.readouterr().err


@pytest.mark.parametrize("workers", [0, 2])
def test_torchs_own_generator_goes_on_as_with_any_loader(workers: int) -> None:
    torch.manual_seed(1)
    list(data.DataLoader(data.TensorDataset(torch.arange(4)), num_workers=0))
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(data.DataLoader(stream().to_torch(), num_workers=workers))
    assert torch.equal(torch.rand(3), expected)


def test_torch_in_a_worker_does_not_wait_for_threads_that_are_elsewhere() -> None:
    torch.ones(800, 800) @ torch.ones(800, 800)  # its threads have begun here
    product = rows().map(lambda row: {"n": (torch.ones(400, 400) @ torch.ones(400, 400)).sum().item()})
    assert len(list(data.DataLoader(product.to_torch(), batch_size=10, num_workers=2))) == 10


def test_an_op_that_fails_in_a_worker_names_itself() -> None:
    def fails(row: dict[str, Any]) -> Any:
        if row["n"] == 40:
            raise ValueError("not this one")
        return row

    loader = data.DataLoader(rows().map(fails).to_torch(), batch_size=8, num_workers=2)
    with pytest.raises(wh.errors.OpError, match=r"'fails'.*sample 40"):
        list(loader)


# lengths and epochs


def test_a_loader_knows_its_length_where_the_stream_does() -> None:
    loader = data.DataLoader(rows().to_torch(), batch_size=8)
    assert (len(loader), len(list(loader))) == (13, 13)
    assert len(data.DataLoader(rows().to_torch(), batch_size=8, drop_last=True)) == 12
    with pytest.raises(TypeError):
        len(data.DataLoader(stream().to_torch(), batch_size=8))


@pytest.mark.parametrize("is_recorded", [False, True])
def test_each_iteration_gives_the_next_epoch_unless_it_is_chosen(
    tmp_path: pathlib.Path, is_recorded: bool
) -> None:
    shuffled = stream().shuffle(seed=3)
    dataset = shuffled.to_torch()
    loader = data.DataLoader(dataset, batch_size=8)

    def epochs() -> list[int]:
        orders = {tuple(int(row["n"]) for row in shuffled.epoch(k)): k for k in range(8)}
        iter(loader)  # of which nothing is taken
        found = [orders[tuple(numbers(loader))], orders[tuple(numbers(loader))]]
        next(iter(loader))
        found.append(orders[tuple(numbers(loader))])
        dataset.set_epoch(6)
        found += [orders[tuple(numbers(loader))], orders[tuple(numbers(loader))]]
        return found

    with wh.start_run(workspace=tmp_path), wh.config(record="full" if is_recorded else "off"):
        assert epochs() == [0, 1, 3, 6, 7]


def test_a_dataset_may_begin_with_any_epoch() -> None:
    shuffled = stream().shuffle(seed=3)
    assert [row["n"] for row in shuffled.to_torch(epoch=2)] == [int(row["n"]) for row in shuffled.epoch(2)]
    with pytest.raises(PlanError, match="epoch"):
        shuffled.to_torch(epoch=-1)
    with pytest.raises(PlanError, match="set_epoch"):
        shuffled.to_torch().set_epoch(-1)


# without a loader


def test_a_dataset_can_be_read_by_itself(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        found = list(stream().to_torch(workers=2))
    assert [row["n"] for row in found] == EXPECTED
    assert isinstance(found[0]["x"], torch.Tensor)
    assert run.passes[0].delivered == len(EXPECTED)


def test_a_dataset_goes_to_another_process() -> None:
    dataset = stream().to_torch(workers=2)
    list(data.DataLoader(dataset, batch_size=8))
    again = pickle.loads(pickle.dumps(dataset))
    assert numbers(data.DataLoader(again, batch_size=8)) == EXPECTED


def test_processes_that_torch_begins_itself_share_the_samples_and_leave_a_gap(tmp_path: pathlib.Path) -> None:
    shuffled = stream().shuffle(seed=3)
    with wh.start_run(workspace=tmp_path) as run:
        loader = data.DataLoader(shuffled.to_torch(), batch_size=None, num_workers=2)
        found = list(data.dataloader._MultiProcessingDataLoaderIter(loader))
    assert [int(row["n"]) for row in found] == [int(row["n"]) for row in shuffled]
    assert run.passes == []
    assert run.record.has_gaps


def test_batches_of_the_stream_come_as_tensors() -> None:
    batches = list(data.DataLoader(stream().batch(16).to_torch(workers=2), batch_size=None))
    assert all(isinstance(batch["x"], torch.Tensor) for batch in batches)
    assert numbers(batches) == EXPECTED


def test_arrays_that_cannot_be_written_become_tensors_that_can() -> None:
    frozen = np.arange(4)[::-1]
    frozen.flags.writeable = False
    (row,) = wh.from_items([{"x": frozen, "text": "a", "names": np.array(["b"])}]).to_torch()
    row["x"][0] = 7
    assert frozen[0] == 3
    assert row["text"] == "a"
    assert row["names"].tolist() == ["b"]


def test_a_tensor_is_witnessed_as_the_array_that_it_holds() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    assert sample_digest(values) == sample_digest(values.numpy())
    assert sample_digest(values.T.clone(memory_format=torch.contiguous_format)) == sample_digest(values.T)
    short = values.bfloat16()
    assert sample_digest(short) not in (0, sample_digest(values), sample_digest(short.reshape(3, 2)))
    assert sample_digest(short.T) == sample_digest(short.T.contiguous())
    assert sample_digest(values.to_sparse()) == 0
    assert sample_digest(torch.nn.Parameter(values)) == sample_digest(values)


def test_a_loader_over_other_datasets_is_watched(tmp_path: pathlib.Path) -> None:
    chosen = rows().filter(is_kept).with_ids()
    received: list[list[int]] = []
    with wh.start_run(workspace=tmp_path) as run:
        samples = list(chosen.to_torch())
        loader = data.DataLoader(samples, batch_size=8, shuffle=True, num_workers=2)
        for _ in range(2):
            for batch in wh.watch(loader, chosen):
                assert list(batch) == ["x", "n"]
                received.append(batch["n"].tolist())
    points = [point for point in run.exposures() if point.stream == "stream-watched"]
    traced = [
        run.trace(0, point.batch, point.item, repeat=point.repeat, stream=point.stream).origins[0].row
        for point in points
    ]
    assert traced == [number for batch in received for number in batch]
    assert sorted(traced) == sorted(EXPECTED * 2)
