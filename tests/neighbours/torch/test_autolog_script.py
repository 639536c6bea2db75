"""The script of the examples: a plain PyTorch loop is recorded by two lines, and prints what it printed."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

import whence as wh

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")

ROOT = pathlib.Path(__file__).parents[3]
SCRIPT = (ROOT / "examples" / "torch_script.py").read_text()
LINES = ("import whence as wh\n", "wh.autolog()\n")
TABLE = ROOT / "tests" / "data" / "penguins.csv"


def printed(folder: pathlib.Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder of its own."""
    folder.mkdir()
    (folder / "script.py").write_text(script)
    environment = {name: value for name, value in os.environ.items() if name != "WHENCE_HOME"}
    return subprocess.run(
        [sys.executable, "-W", "error", "script.py", str(TABLE)],
        cwd=folder, env=environment | more, capture_output=True, text=True, check=False,
    )  # fmt: skip


def only_run(folder: pathlib.Path) -> wh.Run:
    workspace = wh.open(folder / ".whence")
    (row,) = workspace.runs()
    return workspace.run(row["id"] if isinstance(row, dict) else row.id)


def test_two_lines_record_a_script_that_prints_what_it_printed(tmp_path: pathlib.Path) -> None:
    assert all(SCRIPT.count(line) == 1 for line in LINES)
    without = SCRIPT.replace(LINES[0], "").replace(LINES[1], "")
    assert "wh." not in without
    plain = printed(tmp_path / "without", without)
    told = printed(tmp_path / "with", SCRIPT)
    assert (told.returncode, told.stderr) == (plain.returncode, plain.stderr) == (0, "")
    assert told.stdout == plain.stdout
    assert not (tmp_path / "without" / ".whence").exists()

    run = only_run(tmp_path / "with")
    assert (run.title, run.status) == ("Classifier", "finished")
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in told.stdout.splitlines()]
    steps, sizes = 9, [32] * 8 + [1]
    assert run.params["train_loader.dataset_length"] == sum(sizes)
    found = run.history("loss")
    assert found.step.tolist() == list(range(1, 8 * steps + 1))
    by_epoch = found.value.reshape(8, steps) @ sizes / sum(sizes)
    assert by_epoch.tolist() == pytest.approx(losses, abs=5e-5)
    assert run.history("epoch").step.tolist() == list(range(1, 8 * steps, steps))
    assert len(run.history("grad_norm").step) == 8 * steps
    assert len(run.history("lr").step) == 8
    wanted = {
        "optimizer": "AdamW",
        "optimizer.weight_decay": 0.01,
        "scheduler": "CosineAnnealingLR",
        "scheduler.T_max": 8,
        "torch.seed": 7,
        "model": "Classifier",
        "train_loader.batch_size": 32,
        "eval_loader.batch_size": 64,
    }
    assert {name: run.params[name] for name in wanted} == wanted
    assert str(TABLE) in {each.path for each in run.inputs}  # read before the run was begun


def test_the_model_of_the_script_can_be_loaded_again(tmp_path: pathlib.Path) -> None:
    assert printed(tmp_path / "with", SCRIPT).returncode == 0
    workspace = wh.open(tmp_path / "with" / ".whence")
    state = torch.load(io.BytesIO(workspace.model("Classifier@1").load_bytes()), weights_only=True)
    assert {name: list(each.shape) for name, each in state.items()} == {
        "body.0.weight": [16, 4],
        "body.0.bias": [16],
        "head.weight": [3, 16],
        "head.bias": [3],
    }


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ZeroDivisionError"])
def test_a_script_that_dies_of_an_error_leaves_a_failed_run(tmp_path: pathlib.Path, error: str) -> None:
    script = SCRIPT.replace(
        "        scheduler.step()\n", f"        if epoch == 3:\n            raise {error}\n"
    )
    assert script != SCRIPT
    died = printed(tmp_path / "with", script)
    assert error in died.stderr
    assert died.returncode != 0
    run = only_run(tmp_path / "with")
    assert run.status == "failed"
    assert len(run.history("loss").step) == 4 * 9
    assert run.fits[0]["error"] == error
    assert [each["name"] for each in run.models] == ["Classifier"]


def test_of_several_ranks_the_first_begins_the_run(tmp_path: pathlib.Path) -> None:
    joined = f"""
    rank = int(sys.argv[2])
    where = "file://{tmp_path}/meet"
    torch.distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=2)
    torch.manual_seed(7)
"""
    script = SCRIPT.replace("\n    torch.manual_seed(7)\n", joined)
    shared = "    model = torch.nn.parallel.DistributedDataParallel(Classifier(hidden=16))\n"
    script = script.replace("    model = Classifier(hidden=16)\n", shared)
    script = script.replace("main()\n", "main()\n    torch.distributed.destroy_process_group()\n")
    (tmp_path / "script.py").write_text(script)
    environment = {name: value for name, value in os.environ.items() if name != "WHENCE_HOME"}
    ranks = [
        subprocess.Popen([sys.executable, "script.py", str(TABLE), rank], cwd=tmp_path, env=environment)
        for rank in "01"
    ]
    assert [rank.wait() for rank in ranks] == [0, 0]
    run = only_run(tmp_path)
    assert (run.title, run.status) == ("Classifier", "finished")
    assert len(run.history("loss").step) == 8 * 9
    state = torch.load(io.BytesIO(wh.open(tmp_path / ".whence").model("Classifier@1").load_bytes()))
    assert "body.0.weight" in state  # and no "module." before it, of what distributes it
