"""Promise: what the tutorial shows is what happens, code, output and commands."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

import whence as wh
from whence.demo.images import prepare

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of block"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, list[str]]:
    """The demo's folder, where the page's Python was run as one file, and what each block printed."""
    folder = tmp_path_factory.mktemp("demo")
    prepare(folder)
    wh.open(folder / ".whence").make()
    code = "".join(f"{text}\nprint({END!r})\n" for kind, text in blocks() if kind == "python")
    (folder / "tutorial.py").write_text(code)
    done = run([sys.executable, "tutorial.py"], folder)
    return folder, done.stdout.split(END + "\n")[:-1]


def test_each_block_prints_what_stands_below_it(ran: tuple[pathlib.Path, list[str]]) -> None:
    _, printed = ran
    shown = [
        following[1] if following[0] == "text" else ""
        for (kind, _), following in zip(blocks(), [*blocks()[1:], ("", "")], strict=True)
        if kind == "python"
    ]
    assert len(shown) >= 6
    assert printed == shown


def test_each_command_works(ran: tuple[pathlib.Path, list[str]]) -> None:
    folder, _ = ran
    commands = [
        line
        for kind, text in blocks()
        if kind == "bash"
        for line in text.splitlines()
        if line.startswith("whence ") and not line.startswith("whence demo ")
    ]
    assert len(commands) >= 6
    listed = run([sys.executable, "-m", "whence", "runs"], folder).stdout
    (name,) = re.findall(r"^[a-z]+-[a-z]+-\d+", listed, re.MULTILINE)
    for command in commands:
        words = re.sub(r"[a-z]+-[a-z]+-\d+(/train)?", name, command).split()
        assert run([sys.executable, "-m", *words], folder).stdout


def blocks() -> list[tuple[str, str]]:
    """The page's blocks of code and output, in order."""
    return [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text())]


def run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder; it must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done
