"""The trainer of Transformers, recorded without a word in it: the record has the trainer's own history."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

import whence as wh
from tests.neighbours.received import recorded, rows

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
transformers: Any = pytest.importorskip("transformers", reason="run by `make test-neighbours`")
pytest.importorskip("accelerate", reason="run by `make test-neighbours`")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own


@pytest.fixture(autouse=True)
def _home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    torch.manual_seed(3)
    yield
    wh.autolog(False)


def sentences(count: int = 32) -> list[dict[str, Any]]:
    made = torch.Generator().manual_seed(1)
    return [
        {"input_ids": torch.randint(0, 50, (7,), generator=made), "labels": torch.tensor(number % 2)}
        for number in range(count)
    ]


def model() -> Any:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(4)
    return transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=50, **sizes))


class Plain(torch.nn.Module):  # type: ignore[misc]  # torch isn't there where types are checked
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x: Any, n: Any) -> Any:
        return {"loss": self.layer(x).square().mean()}


def trainer(folder: pathlib.Path, trained: Any = None, callbacks: Any = None, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "per_device_train_batch_size": 8,
        "num_train_epochs": 3,
        "logging_steps": 2,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    data = options.pop("data", None) or sentences()
    return transformers.Trainer(
        model() if trained is None else trained,
        transformers.TrainingArguments(output_dir=str(folder / "out"), **(settings | options)),
        train_dataset=data,
        eval_dataset=None if trained is not None else sentences(8),
        callbacks=callbacks,
    )


def only_run() -> wh.Run:
    (row,) = wh.open().runs()
    return wh.open().run(row["id"] if isinstance(row, dict) else row.id)


def check_told(run: wh.Run, used: Any, prefix: str = "") -> None:
    """The record of a run has the trainer's history, name by name and step by step."""
    names = {name for each in used.state.log_history for name in each} - {"step"}
    assert {"loss", "grad_norm", "learning_rate", "epoch", "train_loss", "total_flos"} <= names
    for name in names:
        found = run.history(f"{prefix}{name}")
        seen = [(each["step"], each[name]) for each in used.state.log_history if name in each]
        assert list(zip(found.step.tolist(), found.value.tolist(), strict=True)) == seen


@pytest.mark.parametrize("options", [
    {},
    {"gradient_accumulation_steps": 2, "logging_steps": 1},
    {"eval_strategy": "epoch"},
])  # fmt: skip
def test_the_history_of_a_trainer_is_recorded(tmp_path: pathlib.Path, options: dict[str, Any]) -> None:
    wh.autolog()
    used = trainer(tmp_path, **options)
    with wh.start_run("mine", params={"learning_rate": "as I said"}) as run:
        used.train()
    check_told(run, used)
    assert run.params["learning_rate"] == "as I said"
    assert run.params["fit1.learning_rate"] == used.args.learning_rate
    assert run.params["per_device_train_batch_size"] == 8
    assert run.params["optimizer"] == "AdamW"
    assert run.params["model.parameters"] == sum(each.numel() for each in used.model.parameters())
    (fit,) = run.fits  # and no loop of PyTorch's beside it
    assert (fit["title"], fit["status"]) == ("BertForSequenceClassification", "finished")
    assert fit["steps"] == used.state.global_step
    assert fit["data"]["rows"] == 32
    assert {"config.json", "model.txt"} <= {each["name"] for each in run.artifacts}


def test_outside_of_a_run_a_training_has_one_of_its_own_and_an_evaluation_goes_there(
    tmp_path: pathlib.Path,
) -> None:
    wh.autolog("transformers")
    used = trainer(tmp_path)
    used.train()
    scores = used.evaluate()
    run = only_run()
    assert run.title == "BertForSequenceClassification"
    assert run.metrics["eval_loss"] == scores["eval_loss"]
    check_told(run, used)


def test_the_best_checkpoint_and_stopping_early_are_told(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    stopping = transformers.EarlyStoppingCallback(early_stopping_patience=1)
    used = trainer(
        tmp_path, callbacks=[stopping], eval_strategy="steps", eval_steps=2, save_steps=2, learning_rate=3.0,
        save_strategy="steps", num_train_epochs=20, load_best_model_at_end=True,
    )  # fmt: skip
    with wh.start_run() as run:
        used.train()
    assert used.state.global_step < 80
    (fit,) = run.fits
    assert fit["early_stopping"]["stopped_step"] == used.state.global_step
    assert fit["best"]["checkpoint"] == used.state.best_model_checkpoint
    assert fit["best"]["value"] == used.state.best_metric
    assert math.isfinite(fit["best"]["value"])
    assert f"{used.args.output_dir}/checkpoint-2" in fit["checkpoints"]


def test_the_trained_model_is_kept_as_transformers_writes_it(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    used = trainer(tmp_path)
    used.train()
    plainly = capfd.readouterr().err
    wh.autolog()
    used = trainer(tmp_path)
    with wh.start_run() as run:
        used.train()
    assert capfd.readouterr().err == plainly
    (kept,) = run.models
    assert kept["name"] == "BertForSequenceClassification"
    found = wh.open().model("BertForSequenceClassification@1")
    found.save_to(tmp_path / "again")
    again = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "again")
    for name, value in used.model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    wh.autolog(model_bytes=100)
    with wh.start_run() as run:
        trainer(tmp_path).train()
    assert run.models == []
    assert run.fits[0]["models_left_out"]


def test_a_model_made_from_another_names_its_parent(tmp_path: pathlib.Path) -> None:
    model().save_pretrained(tmp_path / "parent")
    wh.autolog()
    tuned = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "parent")
    used = trainer(tmp_path, tuned)
    with wh.start_run() as run:
        used.train()
    assert run.fits[0]["parent"] == str(tmp_path / "parent")
    (kept,) = run.models
    assert str(tmp_path / "parent") in str(kept["parents"])


def test_a_model_of_pytorch_alone_is_kept_by_its_weights(tmp_path: pathlib.Path) -> None:
    from safetensors.torch import load  # noqa: PLC0415 - only where transformers is

    wh.autolog()
    data = [{"x": torch.randn(3), "n": torch.tensor(number)} for number in range(16)]
    used = trainer(tmp_path, Plain(), data=data)
    with wh.start_run() as run:
        used.train()
    check_told(run, used)
    (kept,) = run.models
    assert (kept["name"], kept["format"]) == ("Plain", "safetensors")
    content = run.record.read_object(bytes.fromhex(kept["digest"].removeprefix("sha256:")))
    found = load(content)
    assert all(torch.equal(found[name], value) for name, value in used.model.state_dict().items())
    assert {each["name"] for each in kept["signature"]["inputs"]} == {"x", "n"}


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_was_logged_before_an_error_is_kept(tmp_path: pathlib.Path, error: type[BaseException]) -> None:
    class Fails(transformers.TrainerCallback):  # type: ignore[misc]  # not there where types are checked
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 5:
                raise error

    wh.autolog()
    used = trainer(tmp_path, callbacks=[Fails()])
    before = list(used.callback_handler.callbacks)
    with pytest.raises(error):
        used.train()
    run = only_run()
    assert run.status == "failed"
    assert run.history("loss").step.tolist() == [2, 4]
    assert run.fits[0]["status"] == "failed"
    assert used.callback_handler.callbacks == before
    assert len(run.models) == 1


def test_two_trainings_of_one_run_are_told_apart(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    first, second = trainer(tmp_path), trainer(tmp_path, logging_steps=3)
    with wh.start_run() as run:
        first.train()
        second.train()
    check_told(run, first)
    check_told(run, second, prefix="fit2.")


def test_a_stream_with_its_callback_is_recorded_once(tmp_path: pathlib.Path) -> None:
    from whence.integrations.transformers import WhenceCallback  # noqa: PLC0415 - only where it is installed

    wh.autolog()
    dataset = rows().to_torch()
    used = trainer(tmp_path, Plain(), [WhenceCallback(dataset)], data=dataset, num_train_epochs=2)
    with wh.start_run() as run:
        used.train()
    assert len(recorded(run)) == 26
    assert [fit["title"] for fit in run.fits] == ["Plain"]
    check_told(run, used)


def test_the_same_is_trained_with_it_and_without_and_off_means_off(tmp_path: pathlib.Path) -> None:
    passing = {"train_runtime", "train_samples_per_second", "train_steps_per_second"}

    def trained() -> tuple[list[Any], Any]:
        used = trainer(tmp_path)
        used.train()
        told = [{key: each[key] for key in each if key not in passing} for each in used.state.log_history]
        return told, used.model.state_dict()

    def places() -> list[Any]:
        return [transformers.Trainer.train, transformers.Trainer.evaluate]

    before = places()
    plain, weights = trained()
    wh.autolog()
    assert all(now is not then for now, then in zip(places(), before, strict=True))
    told, same = trained()
    assert told == plain
    assert all(torch.equal(same[name], weights[name]) for name in weights)
    wh.autolog(False)
    assert places() == before
    with wh.start_run() as run:
        trained()
    assert (run.metrics, run.fits) == ({}, [])
