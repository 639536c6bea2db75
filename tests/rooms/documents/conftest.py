"""A run over files with planted defects, as every test of the page needs one."""

from __future__ import annotations

import pathlib

import pytest

import whence as wh
from tests.rooms.documents import pipelines


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> wh.Run:
    """Three epochs over 20 numbers: one broken, some odd, one duplicate; 10 different even ones are left."""
    home = tmp_path_factory.mktemp("home")
    data = home / "data"
    data.mkdir()
    for number in range(18):
        (data / f"n{number:02}.txt").write_text(str(number))
    (data / "x1.txt").write_text("broken one")
    (data / "x2.txt").write_text("4")
    stream = pipelines.digits(str(data))
    with wh.start_run("count digits", params={"lr": 0.1}, tags={"kind": "test"}, workspace=home) as run:
        for epoch in range(3):
            for number, _ in enumerate(stream.epoch(epoch)):
                run.log_metric("loss", 1 / (1 + number + 3 * epoch))
            run.log_metric("accuracy", 0.5 + epoch / 10)
        run.log_model("digits", b"weights", metadata={"classes": 10})
        run.log_dict({"a": 1}, "config.json")
    return run


@pytest.fixture
def target(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where a page goes."""
    return tmp_path / "report.html"
