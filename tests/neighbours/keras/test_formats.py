"""What Keras saves is known by its content, and Python code in it is told."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import pytest

import whence as wh

os.environ["KERAS_BACKEND"] = "torch"

keras: Any = pytest.importorskip("keras", reason="run by `make test-neighbours`")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own


@pytest.mark.parametrize("with_code", [False, True])
def test_a_keras_archive_is_known_and_code_in_it_is_unsafe(tmp_path: pathlib.Path, with_code: bool) -> None:
    layer = keras.layers.Lambda(lambda x: x * 2) if with_code else keras.layers.Dense(2)
    keras.Sequential([keras.layers.Input((3,)), layer]).save(tmp_path / "model.keras")
    with wh.start_run(workspace=tmp_path) as run:
        run.log_model("net", tmp_path / "model.keras")
    model = wh.open(tmp_path).model("net")
    assert (model.format, model.is_unsafe) == ("keras", with_code)
    assert ("safe_mode=True" in model.remedy) is with_code
