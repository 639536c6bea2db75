"""What `whence anchor` and `whence anchors` do, by real repositories and a calendar on the loopback."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
from typing import Any

import pytest

import whence as wh
from tests.rooms.trust.answering import answering
from tests.rooms.trust.calendars import Calendar
from tests.rooms.trust.test_gits import git, make_repository
from whence.cli import main
from whence.store import Folder, Ledger
from whence.trust import KINDS


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the repository's own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A repository with a workspace of one run, in which the user stands."""
    folder = make_repository(tmp_path / "project")
    monkeypatch.chdir(folder)
    record()
    return folder


def record() -> None:
    with wh.start_run("t", workspace=".whence") as run:
        run.log_metric("loss", 0.5)


def whence(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    done = capsys.readouterr()
    return done.out if code in (0, 1) else done.err


def value_of(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    return json.loads(whence(capsys, *words, "--json", code=code))


def trusting(folder: pathlib.Path, text: str) -> str:
    (folder / "trust.toml").write_text(text)
    return str(folder / "trust.toml")


BRANCH = '[git]\nrepositories = "."\nrefs = "refs/heads/anchors"\n'


def test_what_is_not_logged_is_logged_first_and_then_attested(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("whence.runs.sealing.log_waiting", lambda *given, **named: None)
        record()
    (made,) = value_of(capsys, "anchor", "git")["anchors"]
    assert (made["size"], made["new"], made["problem"]) == (3, True, "")
    assert pathlib.Path(made["path"]).exists()
    assert b"whence: 3 entries of" in git(place, "tag", "-n1", "--list")
    (again,) = value_of(capsys, "anchor", "git")["anchors"]
    assert (again["new"], again["path"]) == (False, made["path"])
    assert "was attested on" in whence(capsys, "anchor", "git")


def test_all_shards_are_attested_where_that_is_asked_for(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(Folder.find(".whence")).rotate()
    first, second = sorted(each.name for each in wh.open(".whence").ledger.shards)
    (made,) = value_of(capsys, "anchor", "git")["anchors"]
    current = wh.open(".whence").ledger.current
    assert current is not None
    assert made["shard"] == current.name
    made = value_of(capsys, "anchor", "git", "--all")["anchors"]
    assert sorted(each["shard"] for each in made) == [first, second]
    assert [each["new"] for each in made].count(True) == 1
    assert len(value_of(capsys, "anchors")["anchors"]) == 2


def test_the_list_says_what_each_covers_and_how_far_it_is_believed(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whence(capsys, "anchor", "git", "--branch", "anchors")
    record()
    whence(capsys, "anchor", "git", "--branch", "anchors")
    found = value_of(capsys, "anchors")["anchors"]
    assert [(each["size"], each["runs"], each["state"], each["trusted"]) for each in found] == [
        (2, 1, "holds", False),
        (3, 2, "holds", False),
    ]
    trust = trusting(place, BRANCH)
    found = value_of(capsys, "anchors", "--trust", trust)["anchors"]
    assert [each["trusted"] for each in found] == [True, True]
    page = whence(capsys, "anchors")
    assert "not by one you trust" in page
    assert "no repository was named" in page


def test_check_wants_all_to_hold_and_one_to_be_trusted(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = trusting(place, BRANCH)
    assert "Nobody outside" in whence(capsys, "anchors", "--check", "--trust", trust, code=1)
    (made,) = value_of(capsys, "anchor", "git", "--branch", "anchors")["anchors"]
    whence(capsys, "anchors", "--check", code=1)
    whence(capsys, "anchors", "--check", "--trust", trust)
    path = pathlib.Path(made["path"])
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"at":1', b'"at":2'))
    page = whence(capsys, "anchors", "--check", "--trust", trust, code=1)
    assert "damaged" in page
    assert "anchor again" in page
    assert whence(capsys, "anchors")
    path.write_bytes(data)
    whence(capsys, "anchors", "--check", "--trust", trust)


def test_a_rolled_back_ledger_is_named(place: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files of the ledger as they were before the last run, and the anchor of after it."""
    (shard,) = (place / ".whence/ledger").glob("20*")
    before = {path: path.read_bytes() for path in shard.rglob("*") if path.is_file()}
    record()
    whence(capsys, "anchor", "git", "--branch", "anchors")
    for path, data in before.items():
        path.write_bytes(data)
    (found,) = value_of(capsys, "anchors", "--check", code=1)["anchors"]
    assert (found["state"], found["trusted"]) == ("ahead", False)
    assert "had 3 entries then, and has 2 now" in whence(capsys, "anchors")


def test_evidence_is_exported_as_others_read_it(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = value_of(capsys, "anchor", "git")["anchors"]
    exported = value_of(capsys, "anchors", "--export", "out")["exported"]
    name = pathlib.Path(made["path"]).name
    assert sorted(exported) == [f"out/{name}/checkpoint", f"out/{name}/checkpoint.tag"]
    (shard,) = wh.open(".whence").ledger.shards
    assert (place / exported[0]).read_bytes() == shard.checkpoint()
    command = ["git", "hash-object", "-t", "tag", "--stdin"]
    said = subprocess.run(command, input=(place / exported[1]).read_bytes(), capture_output=True, check=True)
    assert said.stdout == git(place, "for-each-ref", "--format=%(objectname)", "refs/tags")


def test_a_promise_is_made_final_later(place: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    calendar = Calendar()
    with answering(calendar.respond) as server:
        calendar.address = server.address
        words = ("anchor", "opentimestamps", "--calendar", server.address, "--explorer", server.address)
        assert "attested" in whence(capsys, *words)
        (found,) = value_of(capsys, "anchors")["anchors"]
        assert (found["state"], found["when"]) == ("pending", None)
        assert "not yet final" in whence(capsys, *words, "--upgrade")
        calendar.is_confirmed = True
        assert "final now" in whence(capsys, *words, "--upgrade")
        assert "awaits" in whence(capsys, *words, "--upgrade")
    trust = trusting(place, "[opentimestamps]\nwork_bits = 12\n")
    (found,) = value_of(capsys, "anchors", "--check", "--trust", trust)["anchors"]
    assert (found["state"], found["trusted"]) == ("holds", True)
    assert found["when"].startswith("2023-11-14T22:13:20")


def test_a_calendar_that_fails_is_told_and_leaves_nothing(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(lambda *asked: (500, b"")) as server:
        said = whence(capsys, "anchor", "opentimestamps", "--calendar", server.address, code=4)
    assert "status 500" in said
    assert value_of(capsys, "anchors")["anchors"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("anchor",), "KIND"),
        (("anchor", "moonrock"), "moonrock"),
        (("anchor", "git", "--url", "x"), "--url: no option of the kind git"),
        (("anchor", "rekor"), "needs --url"),
        (("anchor", "git", "--upgrade"), "final at once"),
        (("anchor", "git", "--confirm"), "nobody to be asked again"),
        (("anchor", "git", "--upgrade", "--confirm"), "not allowed with"),
        (("anchor", "git", "--repository", "nowhere"), "No such file"),
        (("anchors", "--trust", "train.py"), "not TOML|no kind"),
    ],
)
def test_what_cannot_be_asked_is_an_input_error(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert re.search(said, whence(capsys, *words, code=2))


def test_a_workspace_without_a_ledger_has_nothing_to_anchor(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_repository(tmp_path / "empty"))
    assert "nothing is logged" in whence(capsys, "anchor", "git", code=3)
    assert value_of(capsys, "anchors")["anchors"] == []


def test_the_help_names_every_kind_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(whence(capsys, "anchor", "--help").split())
    for kind, row in KINDS.items():
        assert row.summary in said
        for option in row.options:
            assert f"--{option.name}" in said
            assert f"{kind}: {option.help}" in said
