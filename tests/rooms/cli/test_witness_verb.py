"""whence witness as both sides type it: the owner of a ledger, and whoever cosigns for him."""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import whence as wh
from tests.rooms.cli.commands import Done, ask, environment_of
from whence.ledger import check_note, parse_vkey
from whence.store import Shard


@pytest.fixture(autouse=True)
def own_keys(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is named here is named for other tests."""
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def shard(tmp_path: pathlib.Path) -> Shard:
    """The ledger of a small workspace."""
    train(tmp_path)
    (found,) = wh.open(tmp_path).ledger.shards
    return found


def train(folder: pathlib.Path) -> None:
    with wh.start_run("a run", workspace=folder) as run:
        run.log_metric("loss", 0.5)


def witness(folder: pathlib.Path, *arguments: str) -> Done:
    return ask("witness", *arguments, cwd=folder)


@contextlib.contextmanager
def serving(folder: pathlib.Path, *arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """Run a witness as a process; what it says when it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "whence", "witness", "serve", "--json", "--port", "0", *arguments],
        cwd=folder, env=environment_of(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def mode_of(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_ledger_is_cosigned_from_end_to_end(tmp_path: pathlib.Path, shard: Shard) -> None:
    with serving(tmp_path, "--log", shard.vkey, "--name", "witness.example/w1") as (said, process):
        assert said["logs"] == [shard.origin]
        assert witness(tmp_path, "add", said["url"], said["vkey"]).code == 0
        first = witness(tmp_path, "ask", "--json")
        assert first.code == 0, first.err
        (found,) = first.value["asked"]
        assert (found["cosigned"], found["was_there"], found["size"]) == (True, False, shard.size)
        again = witness(tmp_path, "ask", "--json").value["asked"][0]
        assert (again["cosigned"], again["was_there"], again["at"]) == (True, True, found["at"])
        train(tmp_path)
        (later,) = witness(tmp_path, "ask", "--json").value["asked"]
        assert (later["cosigned"], later["was_there"]) == (True, False)
        assert later["size"] > found["size"]
        page = witness(tmp_path, "ask")
        assert "✓ witness.example/w1  had cosigned" in page.out
    assert process.returncode == 0
    check_note(shard.checkpoint(), [parse_vkey(said["vkey"])])
    policy = tmp_path / "policy"
    policy.write_text(f"log {shard.vkey}\nwitness w1 {said['vkey']}\nquorum w1\n")
    assert ask("verify", "--policy", str(policy), cwd=tmp_path).code == 0
    train(tmp_path)  # a newer checkpoint, which nobody has cosigned yet
    verified = ask("verify", "--policy", str(policy), "--json", cwd=tmp_path)
    assert verified.code == 1
    (log,) = verified.value["logs"]
    assert log["vouched_size"] == later["size"] < log["size"]  # what it said of the one before still counts
    assert log["vouchers"] == ["witness: the witness witness.example/w1"]


def test_a_quorum_is_met_only_by_enough_witnesses(tmp_path: pathlib.Path, shard: Shard) -> None:
    lines = []
    for number in range(3):
        at = ("--key", str(tmp_path / f"w{number}" / "key.pem"))
        vkey = witness(tmp_path, "key", *at, "--json").value["vkey"]
        lines.append(f"witness w{number} {vkey}")
        assert witness(tmp_path, "add", "http://localhost:1", vkey, "--name", f"w{number}").code == 0
        if number < 2:
            out = ("--out", str(tmp_path / "line"))
            sign = ("sign", str(shard.path / "checkpoint"), "--log", shard.vkey)
            assert witness(tmp_path, *sign, *at, *out).code == 0
            assert witness(tmp_path, "take", "line").code == 0
    for least, code in ((2, 0), (3, 1)):
        group = (f"group most {least} w0 w1 w2", "quorum most")
        (tmp_path / "policy").write_text("\n".join([f"log {shard.vkey}", *lines, *group]) + "\n")
        assert ask("verify", "--policy", "policy", cwd=tmp_path).code == code


def test_a_folder_is_cosigned_without_a_server(
    tmp_path: pathlib.Path, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = str(shard.path / "checkpoint")
    at = ("--key", str(tmp_path / "theirs" / "key.pem"))
    key = witness(tmp_path, "key", *at, "--name", "colleague.example", "--json").value
    assert key["name"] == "colleague.example"
    signed = witness(tmp_path, "sign", checkpoint, "--log", shard.vkey, *at)
    assert signed.code == 0
    assert signed.out.startswith("\u2014 colleague.example ")
    assert "is your own: what you cosign convinces nobody else" in signed.err
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "theirs"))
    assert "is your own" not in witness(tmp_path, "sign", checkpoint, "--log", shard.vkey, *at).err
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
    (tmp_path / "line").write_text(signed.out)
    assert witness(tmp_path, "take", "line").code == 2  # nobody knows whose it is
    assert witness(tmp_path, "add", "http://localhost:1", key["vkey"]).code == 0
    taken = witness(tmp_path, "take", "line", "--json")
    assert [(each["witness"], each["cosigned"]) for each in taken.value["asked"]] == [
        ("colleague.example", True)
    ]
    check_note(shard.checkpoint(), [parse_vkey(key["vkey"])])
    train(tmp_path)
    assert witness(tmp_path, "take", "line").code == 1  # of another checkpoint
    out = ("--out", str(tmp_path / "line"))
    assert witness(tmp_path, "sign", checkpoint, "--log", shard.vkey, *at, *out).out == ""
    assert witness(tmp_path, "take", "line").code == 0


def test_a_line_finds_the_log_that_it_is_of(
    tmp_path: pathlib.Path, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENCE_LEDGER_PROJECT", "another")
    train(tmp_path)
    logs = witness(tmp_path, "logs", "--all").out
    assert logs.count("log whence.invalid/") == 2
    assert shard.vkey not in witness(tmp_path, "logs").out  # that one isn't written now
    (tmp_path / "logs").write_text(logs)
    key = witness(tmp_path, "key", "--json").value
    witness(tmp_path, "add", "http://localhost:1", key["vkey"], "--name", "w")
    signed = witness(tmp_path, "sign", str(shard.path / "checkpoint"), "--logs", "logs")
    (tmp_path / "line").write_text(signed.out)
    (taken,) = witness(tmp_path, "take", "line", "--json").value["asked"]
    assert taken["shard"] == shard.name


def test_keys_and_names_are_kept(tmp_path: pathlib.Path) -> None:
    first = witness(tmp_path, "key", "--json").value
    assert first["name"].startswith("whence.invalid/witness-")
    key = pathlib.Path(first["key"])
    assert (mode_of(key), mode_of(key.parent)) == (0o600, 0o700)
    assert key.is_relative_to(tmp_path / "keys")
    assert witness(tmp_path, "key", "--json").value == first
    assert witness(tmp_path, "key", "--name", "another.example").code == 2
    assert witness(tmp_path, "key", "--algorithm", "ml-dsa-44").code == 2
    other = ("--key", str(tmp_path / "pq" / "key.pem"), "--name", "pq.example", "--algorithm", "ml-dsa-44")
    second = witness(tmp_path, "key", *other, "--json").value
    assert parse_vkey(second["vkey"]).algorithm == 6
    assert witness(tmp_path, "key", *other[:2], "--json").value == second
    key.chmod(0o644)
    assert witness(tmp_path, "key").code == 4


def test_who_is_asked_is_listed_changed_and_forgotten(tmp_path: pathlib.Path) -> None:
    vkey = witness(tmp_path, "key", "--name", "w.example", "--json").value["vkey"]
    assert "whence witness add" in witness(tmp_path, "list").out
    added = witness(tmp_path, "add", "https://w.example/", vkey, "--name", "friend", "--auto", "--json").value
    assert added["witnesses"] == [{"name": "friend", "url": "https://w.example/", "vkey": vkey, "auto": True}]
    assert witness(tmp_path, "add", "https://elsewhere.example", vkey).code == 0  # it has moved
    (found,) = witness(tmp_path, "list", "--json").value["witnesses"]
    assert (found["name"], found["url"], found["auto"]) == ("w.example", "https://elsewhere.example", False)
    text = pathlib.Path(added["path"]).read_text()
    assert text == f"witness w.example {vkey} https://elsewhere.example\nquorum none\n"
    assert witness(tmp_path, "remove", "stranger").code == 3
    assert witness(tmp_path, "remove", "w.example").code == 0
    assert witness(tmp_path, "list", "--json").value["witnesses"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("nothing",), 2),
        (("ask",), 2),
        (("add", "ftp://x", "VKEY"), 2),
        (("add", "https://x y", "VKEY"), 2),
        (("add", "https://x", "nonsense"), 2),
        (("add", "https://x", "VKEY", "--name", "auto"), 2),
        (("add", "https://x", "VKEY", "--name", "two words"), 2),
        (("serve",), 2),
        (("serve", "--log", "nonsense"), 2),
        (("serve", "--log", "VKEY"), 2),  # a key of a witness is none of a log
        (("serve", "--logs", "nowhere"), 3),
        (("serve", "--logs", "logs", "--port", "99999"), 2),
        (("sign", "nowhere", "--log", "VKEY"), 3),
        (("ask", "--timeout", "0"), 2),
        (("ask", "--timeout", "nan"), 2),
    ],
)
def test_what_can_not_be_is_said(tmp_path: pathlib.Path, arguments: tuple[str, ...], code: int) -> None:
    vkey = witness(tmp_path, "key", "--json").value["vkey"]
    done = witness(tmp_path, *(vkey if each == "VKEY" else each for each in arguments))
    assert done.code == code, done.err
    assert done.err.startswith("whence: ")


def test_asking_seals_what_waits_and_names_an_unknown_witness(tmp_path: pathlib.Path, shard: Shard) -> None:
    vkey = witness(tmp_path, "key", "--json").value["vkey"]
    witness(tmp_path, "add", "http://127.0.0.1:1", vkey, "--name", "away")
    assert witness(tmp_path, "ask", "stranger").code == 3
    done = witness(tmp_path, "ask", "away", "--timeout", "2")
    assert done.code == 4
    assert "✗ away" in done.out
