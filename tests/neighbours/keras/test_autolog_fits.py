"""Keras' `fit` and `evaluate`, recorded without a word in them: the record has what Keras reports."""

from __future__ import annotations

import io
import os
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from tests.neighbours.received import recorded, rows

os.environ["KERAS_BACKEND"] = "torch"

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
keras: Any = pytest.importorskip("keras", reason="run by `make test-neighbours`")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own


@pytest.fixture(autouse=True)
def _home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    keras.utils.set_random_seed(3)
    yield
    wh.autolog(False)


def samples(count: int = 40) -> tuple[Any, Any]:
    x = np.random.default_rng(0).random((count, 4), np.float32)
    return x, x.sum(1, keepdims=True)


def model(rate: float = 0.01, dropout: float = 0.0) -> Any:
    layers = keras.layers
    made = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, "relu"), layers.Dropout(dropout), layers.Dense(1)]
    )
    made.compile(optimizer=keras.optimizers.Adam(rate), loss="mse", metrics=["mae"])
    return made


class Batches(keras.callbacks.Callback):  # type: ignore[misc]  # keras isn't there where types are checked
    """What Keras tells a callback of the user's after each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(dict(logs))


def history(run: wh.Run, key: str) -> list[tuple[int, float]]:
    found = run.history(key)
    return list(zip(found.step.tolist(), found.value.tolist(), strict=True))


def only_run() -> wh.Run:
    (row,) = wh.open().runs()
    return wh.open().run(row["id"] if isinstance(row, dict) else row.id)


def check_history(run: wh.Run, told: Any, prefix: str = "") -> None:
    """The record of a run has the history that Keras returned, value by value."""
    for key, values in told.history.items():
        assert history(run, f"{prefix}{key}") == list(zip(told.epoch, values, strict=True))


def test_the_history_and_the_batches_are_recorded_as_keras_reports_them() -> None:
    wh.autolog()
    seen = Batches()
    made = model()
    with wh.start_run("mine") as run:
        told = made.fit(*samples(), epochs=3, batch_size=8, validation_split=0.2, verbose=0, callbacks=[seen])
    assert set(told.history) == {"loss", "mae", "val_loss", "val_mae"}
    check_history(run, told)
    for key in ("loss", "mae"):
        assert history(run, f"batch_{key}") == list(enumerate(each[key] for each in seen.seen))
    assert run.history("learning_rate").value.tolist() == pytest.approx([0.01] * 3)
    assert len(seen.seen) == 12
    wanted = {"epochs": 3, "batch_size": 8, "validation_split": 0.2, "loss": "mse", "metrics": ["mae"]}
    assert {key: run.params[key] for key in wanted} == wanted
    assert run.params["optimizer"] == "Adam"
    assert run.params["optimizer.learning_rate"] == pytest.approx(0.01)
    assert run.params["model.parameters"] == made.count_params()
    assert (run.fits[0]["title"], run.fits[0]["status"]) == ("Sequential", "finished")
    (text,) = [each for each in run.artifacts if each["name"] == "model.txt"]
    assert b"Total params" in run.record.read_object(bytes.fromhex(text["digest"][7:]))


def test_outside_of_a_run_a_fit_has_one_of_its_own_and_an_evaluation_goes_there() -> None:
    wh.autolog("keras")
    made = model()
    told = made.fit(*samples(), epochs=2, verbose=0)
    scores = made.evaluate(*samples(16), verbose=0)
    run = only_run()
    assert run.title == "Sequential"
    check_history(run, told)
    assert [run.metrics["evaluate_loss"], run.metrics["evaluate_mae"]] == scores


def test_a_training_that_ends_early_says_so_and_which_epoch_was_the_best() -> None:
    wh.autolog()
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    reducing = keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5)
    with wh.start_run() as run:
        told = model(rate=0.5).fit(
            *samples(), epochs=40, validation_split=0.5, verbose=0, callbacks=[stopping, reducing]
        )
    assert 2 < len(told.epoch) < 40
    assert "learning_rate" in told.history
    check_history(run, told)
    found = run.fits[0]["early_stopping"]
    assert found == {
        "monitor": "val_loss",
        "patience": 2,
        "stopped_epoch": stopping.stopped_epoch,
        "best_epoch": stopping.best_epoch,
        "best": stopping.best,
        "restored_best_weights": True,
    }
    assert found["stopped_epoch"] == told.epoch[-1]


def test_the_trained_model_is_kept_as_keras_writes_it(tmp_path: pathlib.Path) -> None:
    wh.autolog()
    made = model()
    with wh.start_run() as run:
        made.fit(*samples(), verbose=0)
    (kept,) = run.models
    assert (kept["name"], kept["format"]) == ("Sequential", "keras")
    content = run.record.read_object(bytes.fromhex(kept["digest"].removeprefix("sha256:")))
    assert "model.weights.h5" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    path = tmp_path / "again.keras"
    path.write_bytes(content)
    again = keras.models.load_model(path)
    assert all(map(np.array_equal, again.get_weights(), made.get_weights()))
    (given,) = kept["signature"]["inputs"]
    assert (given["dtype"], given["shape"]) == ("float32", [None, 4])
    wh.autolog(model_bytes=100)
    with wh.start_run() as run:
        made.fit(*samples(), verbose=0)
    assert run.models == []
    assert run.fits[0]["models_left_out"]


def test_two_fits_of_one_run_are_told_apart() -> None:
    wh.autolog()
    made = model()
    with wh.start_run() as run:
        first = made.fit(*samples(), epochs=2, verbose=0)
        second = made.fit(*samples(), epochs=5, initial_epoch=2, verbose=0)
    assert second.epoch == [2, 3, 4]
    check_history(run, first)
    check_history(run, second, prefix="fit2.")
    assert len(run.fits) == len(run.models) == 2


def test_a_list_of_callbacks_that_keras_made_is_given_back_as_it_was() -> None:
    wh.autolog()
    made = model()
    given = keras.callbacks.CallbackList([Batches()], add_history=True, model=made)
    before = list(given.callbacks)
    with wh.start_run() as run:
        told = made.fit(*samples(), epochs=2, verbose=0, callbacks=given)
    assert given.callbacks == before
    check_history(run, told)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_was_reported_before_an_error_is_kept(error: type[BaseException]) -> None:
    class Fails(keras.callbacks.Callback):  # type: ignore[misc]  # keras isn't there where types are checked
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise error

    wh.autolog()
    with pytest.raises(error):
        model().fit(*samples(), epochs=5, verbose=0, callbacks=[Fails()])
    run = only_run()
    assert run.status == "failed"
    assert run.history("loss").step.tolist() == [0, 1]
    assert (run.fits[0]["status"], run.fits[0]["error"]) == ("failed", error.__name__)


def test_the_data_and_the_classes_are_described() -> None:
    wh.autolog()
    x, _ = samples(30)
    y = np.repeat([0, 1, 2], [5, 10, 15])
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy")
    with wh.start_run() as run:
        made.fit(x, y, verbose=0)
        made.fit(x, y, verbose=0)
    first, second = (fit["data"] for fit in run.fits)
    assert (first["X"]["rows"], first["X"]["columns"], first["X"]["dtype"]) == (30, 4, "float32")
    assert first["y"]["classes"] == {"0": 5, "1": 10, "2": 15}
    assert first["X"]["digest"] == second["X"]["digest"]


def test_a_model_of_the_users_own_making_is_recorded_as_well() -> None:
    class Own(keras.Model):  # type: ignore[misc]  # keras isn't there where types are checked
        def __init__(self) -> None:
            super().__init__()
            self.layer = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.layer(x)

    wh.autolog()
    made = Own()
    made.compile(optimizer="sgd", loss=keras.losses.MeanSquaredError())
    with wh.start_run() as run:
        told = made.fit(*samples(), epochs=2, verbose=0)
    check_history(run, told)
    assert run.params["loss"] == "mean_squared_error"
    assert run.params["model"] == "Own"
    assert len(run.models) == 1


def test_a_stream_with_its_callback_is_recorded_once(tmp_path: pathlib.Path) -> None:
    from whence.integrations.keras import WhenceCallback  # noqa: PLC0415 - only where keras is

    wh.autolog()
    stream = rows().map(lambda row: (np.append(row["x"], np.float32(1)), row["x"][:1]))
    made = model()
    with wh.start_run() as run:
        loader = torch.utils.data.DataLoader(stream.to_torch(), batch_size=10)
        told = made.fit(loader, epochs=2, verbose=0, callbacks=[WhenceCallback(loader)])
    assert len(recorded(run)) == 20
    check_history(run, told)
    assert run.history("batch_loss").step.tolist() == list(range(20))
    assert [fit["title"] for fit in run.fits] == ["Sequential"]  # and no loop of PyTorch's beside it


def test_the_same_is_trained_with_it_and_without_and_off_means_off() -> None:
    def trained() -> tuple[Any, Any]:
        keras.utils.set_random_seed(5)
        made = model(dropout=0.2)
        return made.fit(*samples(), epochs=2, verbose=0).history, made.get_weights()

    owners = [each for each in keras.Model.__mro__ if {"fit", "evaluate"} & set(vars(each))]
    before = [dict(vars(each)) for each in owners]
    plain, weights = trained()
    wh.autolog()
    told, same = trained()
    assert told == plain
    assert all(map(np.array_equal, same, weights))
    assert [dict(vars(each)) for each in owners] != before
    wh.autolog(False)
    assert [dict(vars(each)) for each in owners] == before
    with wh.start_run() as run:
        trained()
    assert (run.metrics, run.fits) == ({}, [])
