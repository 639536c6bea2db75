"""What `whence key` tells of keys, and what it does with them; no private part leaves its file."""

from __future__ import annotations

import json
import pathlib

import pytest

import whence as wh
from whence.cli import main
from whence.ledger import check_note, parse_vkey
from whence.store import Folder, KeyRing, Ledger


@pytest.fixture
def workspace(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / ".whence"))
    return tmp_path


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def begin(workspace: pathlib.Path) -> Ledger:
    ledger = Ledger(Folder(workspace / ".whence"))
    ledger.rotate()
    with wh.start_run("t") as run:
        run.log_note("hello")
    return ledger


def test_before_anything_is_logged_no_key_is_made(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No key yet." in asked(capsys, "key")
    assert json.loads(asked(capsys, "key", "--json"))["keys"] == []
    assert not (workspace / "keys").exists()


def test_it_shows_the_key_that_verifies_each_shard_and_never_a_private_one(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = begin(workspace).current()
    assert shard is not None
    told = asked(capsys, "key")
    assert shard.vkey in told
    assert "written here" in told
    value = json.loads(asked(capsys, "key", "--json"))
    assert value["folder"] == str(workspace / "keys")
    assert [each["signs"] for each in value["keys"]] == [True]
    (said,) = value["shards"]
    assert (said["ours"], said["signs"], said["current"]) == (True, True, True)
    check_note(shard.checkpoint(), [parse_vkey(said["vkey"])])
    pem = (workspace / "keys" / "key-1.pem").read_text().splitlines()[1]
    assert pem not in told + json.dumps(value) + asked(capsys, "key", "export")


def test_export_prints_what_policies_take(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = begin(workspace).current()
    assert shard is not None
    assert asked(capsys, "key", "export") == f"{shard.vkey}\n"


def test_rotate_closes_the_shard_and_says_which_one_is_begun(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = begin(workspace)
    old = ledger.current()
    assert old is not None
    told = asked(capsys, "key", "rotate")
    new = Ledger(Folder(workspace / ".whence")).current()
    assert new is not None
    assert new.name != old.name
    assert new.vkey in told
    assert str(workspace / "keys" / "key-2.pem") in told
    assert old.end() is not None
    assert {
        each["shard"]: each["signs"] for each in json.loads(asked(capsys, "key", "--json"))["shards"]
    } == {
        old.name: False,
        new.name: True,
    }
    assert len(KeyRing(workspace / "keys").keys()) == 2


def test_keys_that_cannot_be_used_are_an_error_of_the_store(
    workspace: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(workspace)
    (workspace / "keys" / "key-1.pem").chmod(0o644)
    assert main(["key"]) == 4
    told = capsys.readouterr().err
    assert "others than its owner may open it" in told
    assert "chmod 600" in told
