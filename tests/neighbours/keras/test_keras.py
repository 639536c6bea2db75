"""Keras fits a model on a stream, and the run records what its training step was given, in order."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np
import pytest

import whence as wh
from tests.neighbours.received import Received, recorded, rows
from whence.vocab import sample_digest

os.environ["KERAS_BACKEND"] = "torch"

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
keras: Any = pytest.importorskip("keras", reason="run by `make test-neighbours`")
data = torch.utils.data

pytestmark = pytest.mark.filterwarnings("ignore")  # its own


def paired(row: dict[str, Any], *, rng: Any) -> Any:
    x = np.concatenate([row["x"] + np.float32(rng.random()), [row["n"]]]).astype(np.float32)
    return x, np.array([row["n"]], np.float32)


def sized() -> wh.Stream:
    return rows().shuffle(seed=3).map(paired)


def unsized() -> wh.Stream:
    return rows().filter(lambda row: row["n"] % 3 != 0, name="kept").shuffle(seed=3).map(paired)


STREAMS = {"sized": sized, "unsized": unsized}


def model(received: Received) -> Any:
    class Model(keras.Model):  # type: ignore[misc]  # keras isn't there where types are checked
        def __init__(self) -> None:
            super().__init__()
            self.layer = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.layer(x)

        def train_step(self, batch: Any) -> Any:
            x, y = batch
            received.append((sample_digest([x, y]), y.reshape(-1).int().tolist()))
            return super().train_step(batch)

    made = Model()
    made.compile(optimizer="sgd", loss="mse", jit_compile=False)
    return made


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("kind", "options"), [
    ("sized", {"epochs": 2}),
    ("sized", {"epochs": 3, "steps_per_epoch": 5}),
    ("unsized", {"epochs": 2}),
])  # fmt: skip
def test_what_the_step_receives_is_recorded(
    tmp_path: pathlib.Path, kind: str, workers: int, options: dict[str, Any]
) -> None:
    from whence.integrations.keras import WhenceCallback  # noqa: PLC0415 - only where keras is

    received = Received()
    with wh.start_run(workspace=tmp_path) as run:
        loader = data.DataLoader(STREAMS[kind]().to_torch(), batch_size=8, num_workers=workers)
        model(received).fit(loader, callbacks=[WhenceCallback(loader)], verbose=0, **options)
    assert recorded(run) == received
    assert len(received) >= 13
    assert (run.passes[0].epoch, run.passes[0].repeat) == (0, 0)
    if "steps_per_epoch" not in options:
        assert [(view.epoch, view.is_complete) for view in run.passes] == [(0, True), (1, True)]


def test_a_model_that_is_built_is_not_looked_into(tmp_path: pathlib.Path) -> None:
    from whence.integrations.keras import WhenceCallback  # noqa: PLC0415 - only where keras is

    received = Received()
    fitted = model(received)
    with wh.start_run(workspace=tmp_path) as run:
        dataset = sized().to_torch()
        loader = data.DataLoader(dataset, batch_size=8)
        for _ in range(2):
            fitted.fit(loader, callbacks=[WhenceCallback(dataset)], verbose=0)
        list(loader)
    assert recorded(run)[:26] == received
    assert [(view.epoch, view.delivered) for view in run.passes] == [(0, 13), (1, 13), (2, 13)]
