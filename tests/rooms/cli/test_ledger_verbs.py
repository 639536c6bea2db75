"""What `whence seal`, `whence log` and `whence prove` write."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

import whence as wh
from whence.cli import main
from whence.ledger import SealedRun, parse_extra, parse_receipt, subject_of


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    workspace = wh.open(tmp_path / ".whence")
    with wh.start_run("t", workspace=workspace) as run:
        run.log_model("digits", b"weights")
        run.log_text("words", "notes.txt")
    return workspace


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_seal_says_what_was_logged_and_where(
    workspace: wh.Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("whence.runs.sealing.log_waiting", lambda *given, **named: None)
        later = wh.start_run("t", workspace=workspace)
        later.finish()
    goes_on = wh.start_run("t", workspace=workspace)
    try:
        value = json.loads(asked(capsys, "seal", "--json", "-w", str(workspace.path)))
        (shard,) = workspace.ledger.shards
        assert value["logged"] == [{"what": later.id, "lost": False, "places": [f"{shard.name}:4"]}]
        assert [each["what"] for each in value["left"]] == [goes_on.id]
        assert value["shards"] == [{"shard": shard.name, "origin": shard.origin, "size": 5}]
        page = asked(capsys, "seal", "-w", str(workspace.path))
        assert "Nothing was left to log." in page
        assert goes_on.id in page
    finally:
        goes_on.finish()


def test_log_lists_the_entries_the_newest_first(
    workspace: wh.Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    value = json.loads(asked(capsys, "log", "--json", "-w", str(workspace.path)))
    assert [each["kind"] for each in value["entries"]] == ["artifact", "model", "run", "shard"]
    assert value["size"] == 4
    model = value["entries"][1]
    assert (model["name"], model["version"], model["redacted"]) == ("digits", 1, False)
    page = asked(capsys, "log", "-w", str(workspace.path), "--kind", "model")
    assert "digits@1" in page
    assert "notes.txt" not in page
    assert "1 of 4 entries" in page


@pytest.mark.parametrize(("option", "value"), [("--kind", "walk"), ("--limit", "0")])
def test_log_refuses_what_no_entry_has(
    workspace: wh.Workspace, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert main(["log", "-w", str(workspace.path), option, value]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_prove_writes_the_receipt_byte_by_byte_whatever_the_terminal_can_show(
    workspace: wh.Workspace, locale: str
) -> None:
    environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "whence", "prove", "digits@1", "-w", str(workspace.path)],
        capture_output=True, check=True, env=environment,
    )  # fmt: skip
    assert done.stdout == workspace.prove("digits@1")
    receipt = parse_receipt(done.stdout)
    statement, salt = parse_extra(receipt.extra)
    receipt.check_entry(statement.entry(salt))


def test_prove_writes_a_file_and_never_over_one(
    workspace: wh.Workspace, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    run = workspace.run()
    path = tmp_path / "run.tlog-proof"
    asked(capsys, "prove", run.name, "-w", str(workspace.path), "--out", str(path))
    statement, _ = parse_extra(parse_receipt(path.read_bytes()).extra)
    subject = subject_of(statement.kind, statement.payload)
    assert isinstance(subject, SealedRun)
    assert subject.run_id == run.id
    before = path.read_bytes()
    assert main(["prove", "digits@1", "-w", str(workspace.path), "--out", str(path)]) == 2
    assert path.read_bytes() == before


def test_prove_as_json_has_the_same_receipt(
    workspace: wh.Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"{workspace.run().name}/notes.txt"
    value = json.loads(asked(capsys, "prove", name, "--json", "-w", str(workspace.path)))
    assert value["receipt"].encode() == workspace.prove(name)


def test_prove_says_what_is_not_there_and_what_is_not_logged(
    workspace: wh.Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", "nothing", "-w", str(workspace.path)]) == 3
    goes_on = wh.start_run("t", workspace=workspace)
    try:
        assert main(["prove", goes_on.name, "-w", str(workspace.path)]) == 3
        assert "whence seal" in capsys.readouterr().err
    finally:
        goes_on.finish()
