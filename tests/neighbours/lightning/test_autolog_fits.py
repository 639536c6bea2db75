"""Lightning's trainer, recorded without a word in it: the record has what its loggers are given."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from tests.neighbours.received import recorded, rows

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
lightning: Any = pytest.importorskip("lightning.pytorch", reason="run by `make test-neighbours`")
data = torch.utils.data

pytestmark = pytest.mark.filterwarnings("ignore")  # its own


@pytest.fixture(autouse=True)
def _home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    torch.manual_seed(3)
    yield
    wh.autolog(False)


class Model(lightning.LightningModule):  # type: ignore[misc]  # lightning isn't there where types are checked
    def __init__(self, rate: float = 0.1, fails: type[BaseException] | None = None) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["fails"])
        self.fails = fails
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return self.layer(x)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.fails is not None and self.global_step == 4:
            raise self.fails
        x = batch["x"] if isinstance(batch, dict) else batch[0]
        loss = self(x).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        self.log_dict({"half": loss / 2, "double": loss * 2})
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self(batch[0]).abs().mean())

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", self(batch[0]).abs().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.rate)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]


class Told(lightning.loggers.logger.DummyLogger):  # type: ignore[misc]  # nor here
    """A logger of the user's, which notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, float]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert step is not None
        self.seen += [(name, step, value) for name, value in metrics.items()]


def loader(count: int = 40) -> Any:
    return data.DataLoader(data.TensorDataset(torch.randn(count, 3)), batch_size=8)


def trainer(folder: pathlib.Path, **options: Any) -> Any:
    settings = {"logger": False, "enable_checkpointing": False, "max_epochs": 2, "log_every_n_steps": 2}
    return lightning.Trainer(
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **(settings | options),
    )


def check_told(run: wh.Run, told: Told) -> None:
    """The record of a run has what a logger was given, in the same order."""
    names = {name for name, _, _ in told.seen}
    assert set(run.metrics) - {"lr"} == names
    for name in names:
        found = run.history(name)
        seen = [(step, value) for each, step, value in told.seen if each == name]
        assert list(zip(found.step.tolist(), found.value.tolist(), strict=True)) == seen


def only_run() -> wh.Run:
    (row,) = wh.open().runs()
    return wh.open().run(row["id"] if isinstance(row, dict) else row.id)


@pytest.mark.parametrize("options", [
    {},
    {"accumulate_grad_batches": 2, "log_every_n_steps": 1},
    {"val_check_interval": 2},
])  # fmt: skip
def test_what_loggers_are_given_is_recorded(tmp_path: pathlib.Path, options: dict[str, Any]) -> None:
    wh.autolog()
    told = Told()
    with wh.start_run("mine") as run:
        trainer(tmp_path, logger=told, **options).fit(Model(), loader(), loader(16))
    check_told(run, told)
    assert {"loss_step", "loss_epoch", "half", "val_loss", "epoch"} <= set(run.metrics)
    assert run.history("lr").value.tolist() == [0.1, 0.05]
    assert run.params["hparams.rate"] == 0.1
    assert run.params["max_epochs"] == 2
    assert run.params["optimizer"] == "SGD"
    assert run.params["scheduler"] == "StepLR"
    assert run.params["model.parameters"] == 4
    (fit,) = run.fits  # and no loop of PyTorch's beside it
    assert (fit["title"], fit["status"], fit["epochs"]) == ("Model", "finished", 2)


def test_without_a_logger_the_same_is_recorded(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    told = Told()
    runs = []
    for logger in (told, False):
        torch.manual_seed(5)
        batches = loader()
        with wh.start_run() as run:
            trainer(tmp_path, logger=logger).fit(Model(), batches, batches)
        runs.append(run)
    check_told(runs[0], told)
    check_told(runs[1], told)


def test_outside_of_a_run_a_fit_has_one_of_its_own_and_a_test_goes_there(tmp_path: pathlib.Path) -> None:
    wh.autolog("lightning")
    told = Told()
    model, used = Model(), trainer(tmp_path, logger=told)
    used.fit(model, loader())
    (scores,) = used.test(model, loader(16), verbose=False)
    run = only_run()
    assert run.title == "Model"
    assert run.metrics["test_loss"] == scores["test_loss"]
    check_told(run, told)


def test_stopping_early_and_the_best_checkpoint_are_told(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    stopping = lightning.callbacks.EarlyStopping("val_loss", patience=1)
    saving = lightning.callbacks.ModelCheckpoint(tmp_path / "saved", monitor="val_loss")
    model = Model(rate=5.0)
    with wh.start_run() as run:
        used = trainer(tmp_path, max_epochs=30, callbacks=[stopping, saving], enable_checkpointing=True)
        used.fit(model, loader(), loader(16))
    assert used.current_epoch < 30
    (fit,) = run.fits
    assert fit["early_stopping"]["stopped_epoch"] == stopping.stopped_epoch
    assert fit["checkpoint"]["best_model_path"] == saving.best_model_path
    assert fit["checkpoint"]["best_model_score"] == pytest.approx(saving.best_model_score.item())
    assert [type(each) for each in used.callbacks] == [type(stopping), type(saving)]


def test_the_trained_weights_are_kept(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    model = Model()
    with wh.start_run() as run:
        trainer(tmp_path).fit(model, loader())
    (kept,) = run.models
    content = run.record.read_object(bytes.fromhex(kept["digest"].removeprefix("sha256:")))
    found = torch.load(io.BytesIO(content), weights_only=True)
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())
    assert kept["signature"]["inputs"] == [{"name": "x", "dtype": "float32", "shape": [8, 3]}]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_was_logged_before_an_error_is_kept(tmp_path: pathlib.Path, error: type[BaseException]) -> None:
    wh.autolog()
    told = Told()
    used = trainer(tmp_path, logger=told)
    with pytest.raises((error, SystemExit)):  # it makes an end of the program of an interruption
        used.fit(Model(fails=error), loader())
    run = only_run()
    assert run.status == "failed"
    check_told(run, told)
    assert run.fits[0]["status"] == "failed"
    assert not used.callbacks
    assert len(run.models) == 1


def test_two_fits_of_one_run_are_told_apart(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    with wh.start_run() as run:
        for _ in range(2):
            trainer(tmp_path).fit(Model(), loader())
    assert [fit["number"] for fit in run.fits] == [1, 2]
    assert run.history("loss_step").step.tolist() == run.history("fit2.loss_step").step.tolist()


def test_a_stream_with_its_callback_is_recorded_once(tmp_path: pathlib.Path) -> None:
    from whence.integrations.lightning import WhenceCallback  # noqa: PLC0415 - only where lightning is

    wh.autolog()
    dataset = rows().to_torch()
    with wh.start_run() as run:
        batches = data.DataLoader(dataset, batch_size=10, num_workers=2)
        trainer(tmp_path, callbacks=[WhenceCallback(dataset)]).fit(Model(), batches)
    assert len(recorded(run)) == 20
    assert [fit["title"] for fit in run.fits] == ["Model"]


def test_the_same_is_trained_with_it_and_without_and_off_means_off(tmp_path: pathlib.Path) -> None:
    connector = lightning.trainer.connectors.logger_connector.logger_connector._LoggerConnector

    def places() -> list[Any]:
        found = lightning.Trainer
        return [found.fit, found.validate, found.test, connector.log_metrics]

    def trained() -> tuple[list[Any], Any]:
        torch.manual_seed(5)
        told, model = Told(), Model()
        trainer(tmp_path, logger=told).fit(model, loader(), loader(16))
        return told.seen, {name: value.numpy() for name, value in model.state_dict().items()}

    before = places()
    plain, weights = trained()
    wh.autolog()
    assert all(now is not then for now, then in zip(places(), before, strict=True))
    told, same = trained()
    assert told == plain
    assert all(np.array_equal(same[name], weights[name]) for name in weights)
    wh.autolog(False)
    assert places() == before
    with wh.start_run() as run:
        trained()
    assert (run.metrics, run.fits) == ({}, [])
