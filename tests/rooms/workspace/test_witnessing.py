"""Witnesses that are asked by themselves: after each run, within a bounded time, and at no run's cost."""

from __future__ import annotations

import pathlib
import socket
import subprocess
import sys
import warnings

import pytest

import whence as wh
from tests.rooms.cli.commands import environment_of
from tests.rooms.trust.witnesses import make_witness, served
from whence.errors import RecordWarning
from whence.ledger import check_note, parse_vkey
from whence.store import KeyRing, Shard
from whence.trust import Witness, WitnessBook
from whence.workspace import witnessing


@pytest.fixture(autouse=True)
def own_keys(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(witnessing, "_resting", {})


@pytest.fixture
def shard(tmp_path: pathlib.Path) -> Shard:
    train(tmp_path)
    (found,) = wh.open(tmp_path).ledger.shards
    return found


@pytest.fixture
def witness(tmp_path: pathlib.Path, shard: Shard) -> Witness:
    return make_witness(tmp_path / "w", shard.vkey)


@pytest.fixture
def book() -> WitnessBook:
    return WitnessBook(KeyRing.find().path)


def train(folder: pathlib.Path) -> None:
    with wh.start_run(workspace=folder) as run:
        run.log_metric("loss", 0.5)


def is_cosigned(shard: Shard, witness: Witness) -> bool:
    _, signed = check_note(shard.checkpoint(), [witness.cosigner.verifier, parse_vkey(shard.vkey)])
    return witness.cosigner.verifier in signed


def test_a_run_that_ends_is_cosigned_when_that_is_wanted(
    tmp_path: pathlib.Path, shard: Shard, witness: Witness, book: WitnessBook
) -> None:
    with served(witness) as server:
        book.add(server.url, witness.cosigner.vkey)
        train(tmp_path)
        assert not is_cosigned(shard, witness)  # only named, not wanted by itself
        book.add(server.url, witness.cosigner.vkey, is_auto=True)
        for _ in range(2):
            train(tmp_path)
            assert is_cosigned(shard, witness)


def test_a_witness_that_is_away_costs_a_warning_and_is_left_alone_for_a_while(
    tmp_path: pathlib.Path, shard: Shard, witness: Witness, book: WitnessBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnessing, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        book.add(f"http://127.0.0.1:{silent.getsockname()[1]}", witness.cosigner.vkey, is_auto=True)
        with pytest.warns(RecordWarning, match=r"not cosigned: http://127.0.0.1.*no answer"):
            train(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(tmp_path)
    assert [run.status for run in wh.open(tmp_path).runs()] == ["finished"] * 3
    assert wh.open(tmp_path).verify().holds


def test_a_book_that_can_not_be_read_costs_a_warning(
    tmp_path: pathlib.Path, shard: Shard, book: WitnessBook
) -> None:
    book.path.write_text("nonsense\n")
    with pytest.warns(RecordWarning, match="no witness was asked"):
        train(tmp_path)


def test_beginning_and_ending_a_run_opens_no_door_to_the_network(tmp_path: pathlib.Path) -> None:
    code = """
import sys
import whence as wh
with wh.start_run() as run:
    run.log_metric("loss", 1)
print(sorted({"socket", "ssl", "http", "http.client", "http.server", "urllib.request"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment_of(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
