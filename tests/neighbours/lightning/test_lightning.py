"""Lightning trains on a stream, and the run records what the training step was given, in order."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import whence as wh
from tests.neighbours.received import Received, recorded, rows, shaken
from whence.errors import InputError

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
lightning: Any = pytest.importorskip("lightning.pytorch", reason="run by `make test-neighbours`")
data = torch.utils.data

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # its own, which are many: of cores, of lengths, of loggers
]


def sized() -> wh.Stream:
    return rows().shuffle(seed=3).map(shaken).named("train")


def unsized() -> wh.Stream:
    return (
        rows().filter(lambda row: row["n"] % 3 != 0, name="kept").shuffle(seed=3).map(shaken).named("train")
    )


STREAMS = {"sized": sized, "unsized": unsized}


def model(received: Received, fails_at: int = -1) -> Any:
    class Model(lightning.LightningModule):  # type: ignore[misc]  # lightning isn't there where types are checked
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if len(received) == fails_at:
                raise KeyboardInterrupt
            received.note(batch)
            return self.layer(batch["x"]).square().mean()

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.layer(batch["x"])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Model()


def trainer(folder: pathlib.Path, callback: Any, **options: Any) -> Any:
    return lightning.Trainer(
        accelerator="cpu",
        logger=False,
        callbacks=[callback, *options.pop("callbacks", [])],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **({"enable_checkpointing": False} | options),
    )


def callback_of(dataset: Any) -> Any:
    from whence.integrations.lightning import WhenceCallback  # noqa: PLC0415 - only where lightning is

    return WhenceCallback(dataset)


@pytest.mark.parametrize("kind", ["sized", "unsized"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("options", [
    {"max_epochs": 2},
    {"max_steps": 13},
    {"max_epochs": 2, "accumulate_grad_batches": 3},
    {"max_epochs": 3, "limit_train_batches": 4},
])  # fmt: skip
def test_what_the_step_receives_is_recorded(
    tmp_path: pathlib.Path, kind: str, workers: int, options: dict[str, Any]
) -> None:
    received = Received()
    dataset = STREAMS[kind]().to_torch()
    with wh.start_run(workspace=tmp_path) as run:
        loader = data.DataLoader(dataset, batch_size=8, num_workers=workers)
        trainer(tmp_path, callback_of(dataset), **options).fit(model(received), loader)
        assert recorded(run) == received
    assert len(received) > 4
    epochs = [view.epoch for view in run.passes]
    assert epochs == list(range(len(epochs)))
    assert recorded(run) == received
    if options == {"max_epochs": 2}:
        assert all(view.is_complete for view in run.passes)


def test_a_validation_is_recorded_beside_it(tmp_path: pathlib.Path) -> None:
    received = Received()
    dataset = unsized().to_torch()
    with wh.start_run(workspace=tmp_path) as run:
        valid = data.DataLoader(rows().named("valid").to_torch(), batch_size=25)
        loader = data.DataLoader(dataset, batch_size=8)
        trainer(tmp_path, callback_of(loader), max_epochs=2, num_sanity_val_steps=1).fit(
            model(received), loader, valid
        )
    by_stream: dict[str, list[int]] = {"train": [], "valid": []}
    for view in run.passes:
        by_stream[run.streams[view.stream].name].append(view.delivered)
    assert by_stream["train"] == [9, 9]
    assert by_stream["valid"][-2:] == [4, 4]


@pytest.mark.parametrize("kind", ["sized", "unsized"])
def test_a_step_that_fails_is_the_last_that_received(tmp_path: pathlib.Path, kind: str) -> None:
    received = Received()
    dataset = STREAMS[kind]().to_torch()
    with wh.start_run(workspace=tmp_path) as run:
        loader = data.DataLoader(dataset, batch_size=8, num_workers=2)
        with pytest.raises(BaseException):  # noqa: B017, PT011 - Lightning makes its own of it
            trainer(tmp_path, callback_of(dataset), max_epochs=2).fit(model(received, fails_at=5), loader)
    # the batch of the step that failed was given to it, before it could note it
    assert recorded(run)[:-1] == received
    assert len(recorded(run)) == 6
    assert len(list(data.DataLoader(dataset, batch_size=8))) > 8  # held no more


@pytest.mark.parametrize("kind", ["sized", "unsized"])
@pytest.mark.parametrize("steps", [5, 9, 13, 14])
def test_a_training_goes_on_where_its_checkpoint_was(tmp_path: pathlib.Path, kind: str, steps: int) -> None:
    whole, first, second = Received(), Received(), Received()
    stream = STREAMS[kind]
    dataset = stream().to_torch()
    trainer(tmp_path, callback_of(dataset), max_steps=22).fit(
        model(whole), data.DataLoader(dataset, batch_size=8)
    )
    saves = lightning.callbacks.ModelCheckpoint(dirpath=tmp_path, every_n_train_steps=steps, filename="last")
    dataset = stream().to_torch()
    trainer(
        tmp_path, callback_of(dataset), max_steps=steps, callbacks=[saves], enable_checkpointing=True
    ).fit(model(first), data.DataLoader(dataset, batch_size=8, num_workers=2))
    assert first == whole[:steps]
    with wh.start_run(workspace=tmp_path) as run:
        dataset = stream().to_torch()
        trainer(tmp_path, callback_of(dataset), max_steps=22).fit(
            model(second), data.DataLoader(dataset, batch_size=8), ckpt_path=tmp_path / "last.ckpt"
        )
    assert first + second == whole
    assert recorded(run) == second


def test_a_callback_needs_a_dataset_of_a_stream() -> None:
    with pytest.raises(InputError, match="WhenceCallback"):
        callback_of([1, 2])
    with pytest.raises(InputError, match="WhenceCallback"):
        callback_of(data.DataLoader(data.TensorDataset(torch.arange(3))))
