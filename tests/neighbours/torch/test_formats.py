"""What PyTorch saves is known by its content: archives that hold pickles, programs, and exported graphs."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import whence as wh

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")

pytestmark = pytest.mark.filterwarnings("ignore")  # its own

LAYER = torch.nn.Linear(3, 2)


def write_script(path: pathlib.Path) -> None:
    torch.jit.trace(LAYER, torch.zeros(1, 3)).save(path)


def write_export(path: pathlib.Path) -> None:
    torch.export.save(torch.export.export(LAYER, (torch.zeros(1, 3),)), path)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: torch.save(LAYER.state_dict(), path), ("torch", True)),
        (lambda path: torch.save(LAYER, path), ("torch", True)),
        (
            lambda path: torch.save(LAYER.state_dict(), path, _use_new_zipfile_serialization=False),
            ("pickle", True),
        ),
        (write_script, ("torchscript", True)),
        (write_export, ("torch-export", False)),
    ],
)
def test_a_format_is_found_by_its_content(
    tmp_path: pathlib.Path, write: Callable[[Any], object], expected: tuple[str, bool]
) -> None:
    path = tmp_path / "model.pt2"
    write(path)
    with wh.start_run(workspace=tmp_path) as run:
        run.log_model("layer", path)
    model = wh.open(tmp_path).model("layer")
    assert (model.format, model.is_unsafe) == expected
    if model.format == "torch":
        assert "weights_only=True" in model.remedy


def test_weights_are_loaded_from_the_workspace_and_make_a_child(tmp_path: pathlib.Path) -> None:
    torch.save(LAYER.state_dict(), tmp_path / "base.pt")
    with wh.start_run(workspace=tmp_path) as run:
        run.log_model("base", tmp_path / "base.pt")
    workspace = wh.open(tmp_path)
    with wh.start_run(workspace=tmp_path) as run:
        tuned = torch.nn.Linear(3, 2)
        with workspace.model("base@latest").open() as file:
            tuned.load_state_dict(torch.load(file, weights_only=True))
        torch.save(tuned.state_dict(), tmp_path / "tuned.pt")
        run.log_model("tuned", tmp_path / "tuned.pt")
    assert torch.equal(tuned.weight, LAYER.weight)
    assert [each.model for each in workspace.model("tuned").parents] == [workspace.model("base")]
