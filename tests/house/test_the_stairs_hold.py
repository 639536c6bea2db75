"""The contracts in pyproject.toml have their attacks: a house of empty rooms with one wrong import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = Path(sys.executable).with_name("lint-imports")


def declared_layers() -> list[list[str]]:
    """Read the stairs from pyproject.toml, from the top down, each line as its rooms."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    stairs = next(contract for contract in contracts if contract["id"] == "stairs")
    return [re.findall(r"\w+", layer) for layer in stairs["layers"]]


def lint(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Check a house in `folder` that has all declared rooms, empty but for `changes`."""
    package = folder / "whence"
    package.mkdir()
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    folders = {"vocab", "sources"}
    rooms = {room: "" for layer in declared_layers() for room in layer if room not in folders}
    inits = {f"{folder}/__init__": "" for folder in folders}
    files = {"__init__": "", "vocab/digests": "import hashlib\n", "sources/csv": "", "sources/rows": ""}
    for name, text in {**rooms, **inits, **files, **changes}.items():
        path = package / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    command = [str(LINT), "--no-logo", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_house_of_empty_rooms_keeps_every_contract(tmp_path: Path) -> None:
    done = lint(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "contract"),
    [
        pytest.param("store", "import whence.capture\n", "Imports go down the stairs only", id="upward"),
        pytest.param("ops", "import whence.sources\n", "Imports go down the stairs only", id="beside"),
        pytest.param(
            "vocab/digests",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import whence.runs\n",
            "Imports go down the stairs only",
            id="upward, for typing",
        ),
        pytest.param(
            "vocab",
            "def f():\n    import whence.runs\n",
            "Imports go down the stairs only",
            id="in a function",
        ),
        pytest.param("attic", "", "Imports go down the stairs only", id="an undeclared room"),
        pytest.param("runs", "import hashlib\n", "Every digest comes from vocab", id="a second door"),
        pytest.param("runs", "import xxhash\n", "Every digest comes from vocab", id="a second fast door"),
        pytest.param(
            "sources/rows",
            "import socket\n",
            "Only witnesses and anchors reach for the network",
            id="network",
        ),
    ],
)
def test_a_wrong_import_breaks_its_contract(tmp_path: Path, name: str, text: str, contract: str) -> None:
    done = lint(tmp_path, **{name: text})
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(line.startswith(contract) and " BROKEN" in line for line in done.stdout.splitlines())


def test_a_circle_inside_a_room_breaks_its_contract(tmp_path: Path) -> None:
    circle = {"sources/csv": "import whence.sources.rows\n", "sources/rows": "import whence.sources.csv\n"}
    done = lint(tmp_path, **circle)
    assert "No circles, neither between rooms nor inside one BROKEN" in done.stdout


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/explanation/architecture.md"])
def test_the_pages_show_the_stairs_that_are_enforced(page: str) -> None:
    text = (ROOT / page).read_text()
    blocks = [
        [re.findall(r"\w+", re.split(r"\s{2,}", line)[0]) for line in block.strip().splitlines()]
        for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    ]
    assert [layer for layer in declared_layers() if layer != ["__main__"]] in blocks
