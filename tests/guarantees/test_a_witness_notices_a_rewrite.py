"""Promise: an operator who rewrites his ledger and signs it again is found out by a witness.

He has the key, may write every file, and makes everything on his machine agree: tiles, payloads, signatures,
what the signer remembers. The witness has nothing but what it cosigned before.
"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import whence as wh
from tests.rooms.cli.commands import Done, ask
from tests.rooms.trust.witnesses import make_witness, served
from tests.sites import Log
from whence.ledger import Statement, parse_note
from whence.store import KeyRing, Shard, encode_content


@dataclass(frozen=True, slots=True)
class Operator:
    """Who owns the ledger and its key, and a witness that he doesn't own."""

    folder: pathlib.Path
    policy: str

    @property
    def shard(self) -> Shard:
        """His log."""
        (found,) = wh.open(self.folder).ledger.shards
        return found

    def whence(self, *arguments: str) -> Done:
        """Type a command."""
        return ask(*arguments, cwd=self.folder)

    def approve(self, what: str) -> None:
        """Log something."""
        wh.open(self.folder).ledger.append("approval", {"what": what})

    def rewrite(self, change: Callable[[Log], None], *, left: tuple[str, ...] = ()) -> None:
        """Change the log, sign it again, and leave no trace of what it was but what is named."""
        log = Log.read(self.shard)
        change(log)
        log.resign(KeyRing.find().current())
        shutil.rmtree(KeyRing.find().path / "signed")
        if "anchors" not in left:
            shutil.rmtree(self.shard.path / "anchors")


@pytest.fixture
def operator(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
    with wh.start_run("a run", workspace=tmp_path) as run:
        run.log_model("net", b"weights")
    operator = Operator(tmp_path, str(tmp_path / "policy"))
    for what in ("the data", "the model", "the report"):
        operator.approve(what)
    witness = make_witness(tmp_path / "elsewhere", operator.shard.vkey)
    (tmp_path / "policy").write_text(
        f"log {operator.shard.vkey}\nwitness w1 {witness.cosigner.vkey}\nquorum w1\n"
    )
    with served(witness) as server:
        assert operator.whence("witness", "add", server.url, witness.cosigner.vkey).code == 0
        assert operator.whence("witness", "ask").code == 0
        assert operator.whence("verify", "--policy", operator.policy).code == 0
        yield operator


def other(what: str) -> Statement:
    return Statement("approval", 1_790_000_000_000, encode_content({"what": what}))


def replace_one(log: Log) -> None:
    log.replace(len(log.entries) - 2, other("another model"))


def replace_one_and_go_on(log: Log) -> None:
    replace_one(log)
    log.entries.append(other("and more").entry(bytes(16)))
    log.openings.append(None)


def leave_one_out_and_go_on(log: Log) -> None:
    del log.entries[-2], log.openings[-2]
    for number in range(2):
        log.entries.append(other(f"{number}").entry(bytes(16)))
        log.openings.append(None)


def forget_the_last(log: Log) -> None:
    del log.entries[-1], log.openings[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replace_one, "two histories"),
        (replace_one_and_go_on, "two histories"),
        (leave_one_out_and_go_on, "two histories"),
        (forget_the_last, "rolled back"),
    ],
)
def test_who_rewrites_gets_no_cosignature_and_meets_no_policy(
    operator: Operator, change: Callable[[Log], None], said: str
) -> None:
    path = operator.shard.path
    before = parse_note(operator.shard.checkpoint())
    shutil.copytree(path, operator.folder / "whole")
    operator.rewrite(change)
    asked = operator.whence("witness", "ask", "--json")
    assert asked.code == 1
    (found,) = asked.value["asked"]
    assert not found["cosigned"]
    assert said in found["problem"]
    assert operator.whence("verify", "--policy", operator.policy).code == 1

    now = parse_note(operator.shard.checkpoint())  # nor with the cosignature of before under it
    (path / "checkpoint").write_bytes(now.signed(*before.signatures[1:]).encode())
    assert operator.whence("verify", "--policy", operator.policy).code == 1

    shutil.rmtree(path)  # who tells the truth again is believed again
    shutil.copytree(operator.folder / "whole", path)
    operator.approve("that it stays so")
    assert operator.whence("witness", "ask").code == 0
    assert operator.whence("verify", "--policy", operator.policy).code == 0


@pytest.mark.parametrize("change", [replace_one, leave_one_out_and_go_on, forget_the_last])
def test_a_colleague_who_gets_the_folder_notices_it_without_a_server(
    operator: Operator, change: Callable[[Log], None]
) -> None:
    sign = ("witness", "sign", str(operator.shard.path / "checkpoint"), "--log", operator.shard.vkey)
    theirs = ("--key", str(operator.folder / "theirs" / "key.pem"))
    assert operator.whence(*sign, *theirs).code == 0
    operator.rewrite(change)
    refused = operator.whence(*sign, *theirs)
    assert (refused.code, refused.out) == (1, "")
    assert ("rolled back" if change is forget_the_last else "rewritten") in refused.err


def test_without_a_witness_nobody_notices(operator: Operator) -> None:
    """Why witnesses are wanted: nothing on the operator's own machine contradicts him."""
    operator.rewrite(replace_one)
    assert operator.whence("verify").code == 0


def test_who_leaves_the_record_of_the_witness_where_it_is_is_found_out_at_home(operator: Operator) -> None:
    operator.rewrite(replace_one, left=("anchors",))
    verified = operator.whence("verify", "--json")
    assert (verified.code, verified.value["outcome"]) == (1, "forked")
