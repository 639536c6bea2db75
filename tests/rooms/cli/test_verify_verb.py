"""whence verify as it is typed: a workspace, a receipt, a backup; what is asked for, and the exit codes."""

from __future__ import annotations

import pathlib
import shutil

import pytest

import whence as wh
from tests.rooms.cli.commands import ask
from whence.store import Shard


@pytest.fixture(autouse=True)
def own_keys(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def shard(tmp_path: pathlib.Path) -> Shard:
    """The log of a small workspace, with a receipt, a backup and the content of a model beside it."""
    with wh.start_run("train", workspace=tmp_path) as run:
        run.log_model("net", b"weights")
    workspace = wh.open(tmp_path)
    (tmp_path / "net.tlog-proof").write_bytes(workspace.prove("net@1"))
    (tmp_path / "net.bin").write_bytes(b"weights")
    workspace.back_up(tmp_path / "backup.tar")
    (found,) = workspace.ledger.shards
    (tmp_path / "policy").write_text(f"log {found.vkey}\nquorum none\n")
    (tmp_path / "saved").write_bytes(found.checkpoint())
    return found


def test_a_workspace_is_named_or_found(shard: Shard, tmp_path: pathlib.Path) -> None:
    for arguments in ([], [str(tmp_path)], [str(tmp_path / ".whence")], ["-w", str(tmp_path)]):
        done = ask("verify", *arguments, cwd=tmp_path)
        assert (done.code, "The record holds: unanchored" in done.out) == (0, True)
        assert "an own key" in done.out
        assert "nobody else vouches for it" in done.out


def test_what_is_told_to_programs(shard: Shard, tmp_path: pathlib.Path) -> None:
    value = ask("verify", "--policy", "policy", "--since", "saved", "--json", cwd=tmp_path).value
    assert value["workspace"] == str(tmp_path / ".whence")
    assert (value["holds"], value["outcome"], value["findings"], value["notes"]) == (
        True,
        "unanchored",
        [],
        [],
    )
    assert (value["checked"]["runs"], value["checked"]["entries"], value["checked"]["openings"]) == (1, 3, 3)
    assert value["policy"] == {"logs": [shard.origin], "witnesses": [], "quorum": "none", "met": True}
    (log,) = value["logs"]
    assert (log["key_from"], log["size"], log["root"]) == ("policy", 3, shard.root.hex())


def test_a_receipt_needs_nothing_else(shard: Shard, tmp_path: pathlib.Path) -> None:
    receipt, thing = tmp_path / "net.tlog-proof", tmp_path / "net.bin"
    vkey = shard.vkey
    for name in (".whence", "keys"):
        shutil.rmtree(tmp_path / name)
    assert ask("verify", str(receipt), cwd=tmp_path).code == 1
    done = ask("verify", str(receipt), "--key", vkey, "--object", str(thing), cwd=tmp_path)
    assert done.code == 0
    assert "what was logged, as entry 2" in done.out
    value = ask("verify", str(receipt), "--policy", "policy", "--json", cwd=tmp_path).value
    assert (value["receipt"], value["statement"]["name"]) == (str(receipt), "net")
    thing.write_bytes(b"others")
    done = ask("verify", str(receipt), "--key", vkey, "--object", str(thing), cwd=tmp_path)
    assert (done.code, "its digest is another one" in done.out) == (1, True)
    assert not (tmp_path / "keys").exists()
    assert not (tmp_path / ".whence").exists()


def test_a_backup_is_verified_where_it_lies(shard: Shard, tmp_path: pathlib.Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    value = ask("verify", "backup.tar", "--policy", "policy", "--json", cwd=tmp_path).value
    assert (value["backup"], value["holds"], value["checked"]["runs"]) == ("backup.tar", True, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_is_asked_for_and_not_met_is_said_so(shard: Shard, tmp_path: pathlib.Path) -> None:
    (tmp_path / "nothing").write_text("quorum none\n")
    done = ask("verify", "--policy", "nothing", cwd=tmp_path)
    assert (done.code, "what is asked for isn't met" in done.out) == (1, True)


def test_a_log_in_the_place_of_another_does_not_pass_for_it(shard: Shard, tmp_path: pathlib.Path) -> None:
    origin = shard.origin
    shutil.rmtree(tmp_path / ".whence")
    shutil.rmtree(tmp_path / "keys" / "signed")
    with wh.start_run("another history", workspace=tmp_path) as run:
        run.log_note("x")
    done = ask("verify", "--since", "saved", cwd=tmp_path)
    assert done.code == 1
    assert f"the checkpoint that was saved names the log {origin}, which isn't here" in done.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["absent"], 3),
        (["net.bin"], 2),
        (["net.tlog-proof", "-w", "."], 2),
        (["--object", "net.bin"], 2),
        (["net.tlog-proof", "--sources"], 2),
        (["--policy", "net.bin"], 2),
        (["--policy", "absent"], 3),
        (["--key", "nonsense"], 2),
        (["--since", "net.bin"], 2),
        (["--trust", "net.bin"], 2),
    ],
)
def test_what_cannot_be_read_is_told(
    shard: Shard, tmp_path: pathlib.Path, arguments: list[str], code: int
) -> None:
    done = ask("verify", *arguments, cwd=tmp_path)
    assert done.code == code, done
    assert "Traceback" not in done.err
