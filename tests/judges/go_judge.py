"""The judge who is built from Go's own packages: questions go in as JSON lines, answers come out."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "judges" / "go"
PACKAGES = ("golang-go", "golang-golang-x-mod-dev")
GOPATH = pathlib.Path("/usr/share/gocode")
BUILD_S = 300
ASK_S = 300


@dataclass(frozen=True)
class Answer:
    """What the judge says: why it doesn't hold, empty where it does; and proofs of his own for a log."""

    error: str
    records: list[list[bytes]]
    trees: list[list[bytes]]


@dataclass(frozen=True)
class Judge:
    """A program that stands for other people's verifiers."""

    program: pathlib.Path

    def ask(self, questions: list[dict[str, Any]]) -> list[Answer]:
        """Ask many questions at once."""
        lines = "".join(f"{json.dumps(_spelled(question))}\n" for question in questions)
        done = subprocess.run(
            [self.program], input=lines.encode(), stdout=subprocess.PIPE, check=True, timeout=ASK_S
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(questions)
        return [
            Answer(given["error"], _proofs(given["records"]), _proofs(given["trees"])) for given in answers
        ]


def build_judge(folder: pathlib.Path) -> Judge:
    """Build the judge into a folder, or skip what needs him, aloud."""
    go = shutil.which("go")
    if go is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip(f"the judge did not sit: no Go with sumdb; apt-get install {' '.join(PACKAGES)}")
    program = folder / "judge"
    # Debian's packages lie in a GOPATH. The network isn't asked, and nothing is written outside this tree.
    surroundings: Mapping[str, str] = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GO111MODULE": "off",
        "GOCACHE": str(ROOT / ".cache" / "go-build"),
        "GOFLAGS": "",
        "GOPATH": str(GOPATH),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
    }
    subprocess.run(
        [go, "build", "-o", program, "."], cwd=SOURCE, env=surroundings, check=True, timeout=BUILD_S
    )
    return Judge(program)


def _spelled(question: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _spell(value) for name, value in question.items()}


def _spell(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case list() | tuple():
            return [_spell(each) for each in value]
        case pathlib.Path():
            return str(value)
        case _:
            return value


def _proofs(given: list[list[str]] | None) -> list[list[bytes]]:
    return [[base64.b64decode(each) for each in proof or []] for proof in given or []]
