"""Runs the command line as users do: in a process of its own, in a pipe or on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import pty
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from whence.cli import main

SOURCE = pathlib.Path(__file__).parents[3] / "src"

TRAIN = '''
"""Trains nothing, but reads as a training does."""
import sys

import numpy as np

import whence as wh


def load(file):
    value = int(file.read())
    if value == 13:
        raise ValueError("unlucky")
    return {"v": value, "x": np.full((4, 6), value / 100, np.float32)}


def is_even(sample):
    return sample["v"] % 2 == 0


def dim(sample, *, rng, most):
    return {**sample, "x": sample["x"] * np.float32(rng.uniform(0, most))}


def turn(sample, *, flip):
    return {**sample, "x": sample["x"][:, ::-1] if flip else sample["x"]}


def main():
    digits = (
        wh.from_files("data", name="digits")
        .map(load, on_error="quarantine")
        .filter(is_even, reason="odd")
        .dedup(key="v")
        .map(dim, most=2)
        .map(turn, draw={"flip": wh.draw.coin()})
        .shuffle(seed=7)
        .batch(8)
    )
    for number, title in enumerate(["first try", "second try"]):
        with wh.start_run(title, params={"lr": 0.1 * (number + 1)}, tags={"fold": str(number)}) as run:
            for epoch in range(2):
                for count, _ in enumerate(digits.epoch(epoch)):
                    run.log_metric("loss", 1 / (1 + count + number))
            run.log_model("net", b"weights" * (number + 1), metadata={"layers": 3})
            run.log_text("said", "words.txt")
    with wh.start_run("broken", params={"lr": 0.1}):
        raise RuntimeError("boom")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError:
        sys.exit(0)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What it wrote as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder with files, and the workspace of the runs that read them.

    Args:
        folder: where the runs were started.
        names: the runs' names, oldest first.
    """

    folder: pathlib.Path
    names: tuple[str, ...]

    def ask(self, *arguments: str) -> Done:
        """Run `whence` in this process, from the folder."""
        return ask(*arguments, cwd=self.folder)

    def whence(self, *arguments: str) -> Done:
        """Run `whence` in a process of its own, in a pipe, from the folder."""
        return whence(*arguments, cwd=self.folder)


def environment_of(**variables: str) -> dict[str, str]:
    """The variables of a command: ours without what changes answers, and those given."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("WHENCE_HOME", "NO_COLOR", "COLUMNS", "TERM", "PYTHONPATH")
    }
    return kept | {"PYTHONPATH": str(SOURCE), "PYTHONUTF8": "1"} | variables


def ask(*arguments: str, cwd: pathlib.Path) -> Done:
    """Run `whence` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


def whence(*arguments: str, cwd: pathlib.Path, **variables: str) -> Done:
    """Run `whence` in a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "whence", *arguments],
        cwd=cwd, env=environment_of(**variables), capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def on_terminal(*arguments: str, cwd: pathlib.Path, columns: int = 80, **variables: str) -> str:
    """Run `whence` on a terminal; what it showed there."""
    ours, theirs = pty.openpty()
    settings = environment_of(TERM="xterm-256color", COLUMNS=str(columns), **variables)
    with subprocess.Popen(
        [sys.executable, "-m", "whence", *arguments],
        cwd=cwd, env=settings, stdout=theirs, stderr=subprocess.DEVNULL,
    ):  # fmt: skip
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the command has ended
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def make_place(folder: pathlib.Path) -> Place:
    """Write files, and run a training over them in a process of its own."""
    (folder / "data").mkdir()
    for number in range(120):
        (folder / "data" / f"f{number:03}.txt").write_text(str(number % 50))
    (folder / "train.py").write_text(TRAIN)
    subprocess.run([sys.executable, "train.py"], cwd=folder, env=environment_of(), check=True)
    runs = whence("runs", "--json", cwd=folder).value["runs"]
    return Place(folder=folder, names=tuple(run["name"] for run in reversed(runs)))
