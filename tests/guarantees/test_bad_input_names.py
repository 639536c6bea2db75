"""Bad input, what is asked for: a name that isn't there is not found, and those that are there are named."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import whence as wh
from tests.earlier import Earlier
from whence.cli import main
from whence.errors import InputError, NotFoundError, WhenceError


def test_an_unknown_run_is_not_found_and_the_newest_are_named(earlier: Earlier) -> None:
    workspace = wh.open(earlier.folder)
    error = earlier.refuses(NotFoundError, lambda: workspace.run("nobody-knows-99"), "nobody-knows-99")
    assert workspace.run().name in error.remedy


ASKED: list[tuple[type[WhenceError], Callable[[wh.Workspace], object]]] = [
    (NotFoundError, lambda workspace: workspace.model("nothing")),
    (NotFoundError, lambda workspace: workspace.model("m@7")),
    (NotFoundError, lambda workspace: workspace.trace("nobody@0:0")),
    (InputError, lambda workspace: workspace.trace("nonsense")),
    (NotFoundError, lambda workspace: workspace.run().trace(9)),
    (NotFoundError, lambda workspace: workspace.run().trace(0, 99)),
    (NotFoundError, lambda workspace: workspace.run().trace(0, 0, 99)),
    (NotFoundError, lambda workspace: workspace.run().history("nothing")),
    (NotFoundError, lambda workspace: workspace.run().read_artifact("nothing")),
    (NotFoundError, lambda workspace: workspace.run().replay(0, 99)),
]


@pytest.mark.parametrize(("kind", "ask"), ASKED)
def test_what_is_not_there_is_said_with_what_there_is(
    earlier: Earlier, kind: type[WhenceError], ask: Callable[[wh.Workspace], object]
) -> None:
    workspace = wh.open(earlier.folder)
    earlier.refuses(kind, lambda: ask(workspace))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "nobody-knows-99"], 3),
        (["trace", "nobody-knows-99@0:0"], 3),
        (["trace", "nonsense"], 2),
        (["trace"], 2),
        (["nonsense"], 2),
        (["runs", "--nonsense"], 2),
    ],
)
def test_the_command_line_says_it_in_words_and_by_its_exit_code(
    earlier: Earlier, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert main([*arguments, "-w", str(earlier.folder)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("whence: ")
    assert "Traceback" not in said.err
    assert main([*arguments, "-w", str(earlier.folder), "--json"]) == code
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["message"]
    assert told["remedy"]
    earlier.check()
