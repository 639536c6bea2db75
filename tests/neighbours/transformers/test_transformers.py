"""The trainer of Transformers trains on a stream, and the run records what its step was given, in order."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import whence as wh
from tests.neighbours.received import Received, recorded, rows, shaken
from whence.errors import InputError

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
transformers: Any = pytest.importorskip("transformers", reason="run by `make test-neighbours`")
pytest.importorskip("accelerate", reason="run by `make test-neighbours`")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own


def sized() -> wh.Stream:
    return rows().shuffle(seed=3).map(shaken)


def unsized() -> wh.Stream:
    return rows().filter(lambda row: row["n"] % 3 != 0, name="kept").shuffle(seed=3).map(shaken)


STREAMS = {"sized": sized, "unsized": unsized}


class Model(torch.nn.Module):  # type: ignore[misc]  # torch isn't there where types are checked
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x: Any, n: Any) -> Any:
        return {"loss": self.layer(x).square().mean()}


def train(folder: pathlib.Path, dataset: Any, received: Received, resume: Any = None, **options: Any) -> None:
    from whence.integrations.transformers import WhenceCallback  # noqa: PLC0415 - only where it is installed

    class Trainer(transformers.Trainer):  # type: ignore[misc]  # nor is transformers
        def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
            received.note(dict(inputs))
            return super().training_step(model, inputs, *rest)

    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=8,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        **({"save_strategy": "no"} | options),
    )
    trainer = Trainer(
        model=Model(), args=arguments, train_dataset=dataset, callbacks=[WhenceCallback(dataset)]
    )
    trainer.train(resume_from_checkpoint=resume)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("kind", "options"), [
    ("sized", {"num_train_epochs": 2}),
    ("sized", {"num_train_epochs": 2, "gradient_accumulation_steps": 4}),
    ("sized", {"max_steps": 5, "gradient_accumulation_steps": 3}),
    ("sized", {"max_steps": 7, "gradient_accumulation_steps": 2, "dataloader_drop_last": True}),
    ("unsized", {"max_steps": 12}),
    ("unsized", {"max_steps": 5, "gradient_accumulation_steps": 4}),
])  # fmt: skip
def test_what_the_step_receives_is_recorded(
    tmp_path: pathlib.Path, kind: str, workers: int, options: dict[str, Any]
) -> None:
    received = Received()
    with wh.start_run(workspace=tmp_path) as run:
        train(tmp_path, STREAMS[kind]().to_torch(), received, dataloader_num_workers=workers, **options)
        assert recorded(run) == received
    assert len(received) >= 12
    assert recorded(run) == received
    assert [view.epoch for view in run.passes] == list(range(len(run.passes)))


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize(("kind", "skips"), [("sized", True), ("sized", False), ("unsized", False)])
def test_a_training_goes_on_where_its_checkpoint_was(
    tmp_path: pathlib.Path, kind: str, skips: bool, accumulated: int
) -> None:
    stream = STREAMS[kind]
    whole, first, second = Received(), Received(), Received()
    options = {"gradient_accumulation_steps": accumulated, "max_steps": 6 if accumulated > 1 else 18}
    train(tmp_path, stream().to_torch(), whole, **options)
    train(tmp_path, stream().to_torch(), first, save_strategy="steps", save_steps=2, **options)
    checkpoint = str(tmp_path / "out" / "checkpoint-2")
    with wh.start_run(workspace=tmp_path) as run:
        train(
            tmp_path, stream().to_torch(), second, checkpoint, ignore_data_skip=not skips,
            dataloader_num_workers=2, **options,
        )  # fmt: skip
    assert first == whole
    assert recorded(run) == second
    assert run.passes[0].first == 2 * accumulated
    alike = len(second) if skips else 7
    assert second[:alike] == whole[2 * accumulated :][:alike]


def test_a_checkpoint_at_the_end_of_an_epoch_is_followed_by_the_next(tmp_path: pathlib.Path) -> None:
    whole, first, second = Received(), Received(), Received()
    train(tmp_path, sized().to_torch(), whole, num_train_epochs=2)
    train(tmp_path, sized().to_torch(), first, num_train_epochs=1, save_strategy="epoch")
    with wh.start_run(workspace=tmp_path) as run:
        checkpoint = str(tmp_path / "out" / "checkpoint-13")
        train(tmp_path, sized().to_torch(), second, checkpoint, num_train_epochs=2)
    assert first + second == whole
    assert recorded(run) == second


def test_a_checkpoint_that_says_too_little_is_refused(tmp_path: pathlib.Path) -> None:
    train(tmp_path, unsized().to_torch(), Received(), max_steps=2, save_strategy="steps", save_steps=2)
    checkpoint = tmp_path / "out" / "checkpoint-2"
    with pytest.raises(InputError, match="unknown length"):
        train(tmp_path, unsized().to_torch(), Received(), str(checkpoint), max_steps=4)
    told = checkpoint / "trainer_state.json"
    told.write_text(told.read_text().replace("WhenceCallback", "AnotherCallback"))
    with pytest.raises(InputError, match="doesn't say"):
        train(tmp_path, sized().to_torch(), Received(), str(checkpoint), max_steps=4)


@pytest.mark.parametrize("dispatched", [False, True])
def test_a_loop_of_accelerate_says_itself_how_far_it_is(tmp_path: pathlib.Path, dispatched: bool) -> None:
    accelerate = pytest.importorskip("accelerate")
    settings = accelerate.utils.DataLoaderConfiguration(dispatch_batches=dispatched)
    accelerator = accelerate.Accelerator(cpu=True, dataloader_config=settings)
    received, ahead = Received(), 0
    dataset = sized().to_torch()
    dataset.hold()
    with wh.start_run(workspace=tmp_path) as run:
        loader = accelerator.prepare(torch.utils.data.DataLoader(dataset, batch_size=8, num_workers=2))
        for _ in range(2):
            for batch in loader:
                ahead = max(ahead, dataset.waiting)
                dataset.took()
                received.note(dict(batch))
                assert recorded(run) == received
    assert ahead == 2
    assert len(received) == 26
    assert [(view.epoch, view.is_complete) for view in run.passes] == [(0, True), (1, True)]
