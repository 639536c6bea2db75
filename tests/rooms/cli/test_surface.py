"""What others rely on is documented: every verb, every option, every exit and error code, every key."""

from __future__ import annotations

import argparse
import importlib
import pathlib
import re

import pytest

from tests.rooms.cli.commands import Place
from whence import errors
from whence.cli.entry import BUG, INTERRUPTED, PIPE_CLOSED
from whence.cli.verbs import VERBS

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text()
ROOM = pathlib.Path(__file__).parents[3] / "src" / "whence" / "cli"


def section(verb: str) -> str:
    """The page's section on a verb."""
    return PAGE.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", [verb.name for verb in VERBS])
def test_every_verb_has_its_section_with_every_option(name: str) -> None:
    text = section(name)
    assert f"whence {name}" in text
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"whence.cli.{name}").add_arguments(parser)
    for option in re.findall(r"--[a-z]+", parser.format_help()):
        if option != "--json":
            assert option in text, option


def test_the_page_has_no_verb_that_does_not_exist() -> None:
    sections = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    assert sections == [verb.name for verb in VERBS]


def test_every_verb_is_one_file() -> None:
    assert all((ROOM / f"{verb.name}.py").exists() for verb in VERBS)


def test_every_error_code_and_exit_code_is_listed() -> None:
    tree = [errors.WhenceError]
    for kind in tree:
        tree += kind.__subclasses__()
    for kind in tree[1:]:
        assert f"`{kind.code}`" in PAGE
        assert f"| {kind.exit_code} |" in PAGE
    for code in (0, BUG, INTERRUPTED, PIPE_CLOSED):
        assert f"| {code} |" in PAGE


@pytest.mark.parametrize(
    "verb", ["doctor", "status", "runs", "show", "trace", "impact", "replay", "diff", "verify"]
)
def test_every_key_of_an_answer_is_listed(place: Place, verb: str) -> None:
    address = f"{place.names[0]}@0:0.0"
    arguments = {"trace": [address], "replay": [address], "impact": ["digits"], "show": [place.names[0]]}
    arguments["diff"] = [*place.names[:2]]
    value = place.ask(verb, *arguments.get(verb, []), "--json").value
    for key in value:
        assert f'"{key}"' in section(verb), key
