"""Earlier records, and bad input beside them: an error that says where and what to do, and nothing lost."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

import whence as wh
from whence.errors import WhenceError
from whence.query import parse_address
from whence.store import files

SOURCE = pathlib.Path(files.__file__).parents[2]
COUNT = 40


def last_digit(line: str) -> int:
    return int(line) % 10


class Earlier:
    """A workspace with a finished run, and what was known of it.

    Args:
        folder: where the workspace is made.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.lines = folder / "lines.txt"
        self.lines.write_text("".join(f"{number}\n" for number in range(COUNT)))
        stream = wh.from_text(self.lines, name="lines").map(last_digit).shuffle(seed=3).batch(8)
        with wh.start_run("earlier", params={"lr": 0.5}, workspace=folder) as run:
            for batch in stream:
                run.log_metric("sum", int(batch.sum()))
            run.log_model("m", bytes(100_000))
        self.id = run.id
        self._known = self._answers()

    def check(self) -> None:
        """Ask everything again: the answers are the same, and the record holds."""
        assert self._answers() == self._known
        verdict = wh.open(self.folder).verify()
        assert not any(self.id in finding.where for finding in verdict.findings), verdict

    def refuses(self, kind: type[WhenceError], act: Callable[[], object], *places: object) -> WhenceError:
        """Do something that must be refused: by an error of ours that names place and remedy.

        Returns:
            The error.
        """
        with pytest.raises(kind) as caught:
            act()
        error = caught.value
        assert type(error) is kind
        for place in places:
            assert str(place) in error.message
        assert error.remedy
        assert len(str(error)) < 3_000
        self.check()
        return error

    def _answers(self) -> list[object]:
        workspace = wh.open(self.folder)
        run = workspace.run(self.id)
        replayer = run.replayer()
        return [
            (run.title, run.status, run.params, run.metrics),
            run.history("sum").value.tolist(),
            [run.trace(0, batch).to_json() for batch in range(5)],
            [replayer.replay(parse_address(f"{run.name}@0:{batch}")).equal for batch in range(5)],
            [
                exposure.address
                for exposure in workspace.impact("lines:7").exposures
                if exposure.run == run.name
            ],
            workspace.model("m").load_bytes(),
        ]


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
