"""The `ots` command, which everybody uses, on what `whence anchors --export` writes."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from tests.rooms.trust.answering import answering
from tests.rooms.trust.calendars import HEIGHT, Calendar, mine, sha256
from tests.rooms.trust.logs import make_log
from whence.trust.opentimestamps import OpenTimestamps

OTS = pathlib.Path(sys.executable).with_name("ots")

pytestmark = pytest.mark.skipif(not OTS.exists(), reason="run by `make test-neighbours`")


class Node:
    """A node of Bitcoin that has the blocks of an explorer, as its JSON-RPC tells them."""

    def __init__(self, headers: dict[int, bytes]) -> None:
        self._headers = headers

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        call = json.loads(body)
        answer = {"result": self._result(call["method"], call["params"]), "error": None, "id": call["id"]}
        return 200, json.dumps(answer).encode()

    def _result(self, method: str, parameters: list[Any]) -> Any:
        if method == "getblockcount":
            return HEIGHT
        if method == "getblockhash":
            return sha256(sha256(self._headers[parameters[0]]))[::-1].hex()
        assert method == "getblockheader"
        by_name = {sha256(sha256(header))[::-1].hex(): header for header in self._headers.values()}
        return by_name[parameters[0]].hex()


@pytest.fixture
def calendar() -> Any:
    made = Calendar()
    with answering(made.respond) as server:
        made.address = server.address
        yield made


def ots(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(OTS), "--no-cache", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def exported(calendar: Calendar, folder: pathlib.Path) -> pathlib.Path:
    """A checkpoint and its proof as files beside each other."""
    log = make_log(folder / "log")
    evidence = calendar.client().anchor(log.checkpoint())
    calendar.is_confirmed = True
    upgraded = calendar.client().upgrade(evidence, log.checkpoint())
    assert upgraded is not None
    (folder / "checkpoint").write_bytes(log.checkpoint())
    (folder / "checkpoint.ots").write_bytes(OpenTimestamps.export(upgraded)[".ots"])
    return folder


def test_it_reads_the_proof(calendar: Calendar, tmp_path: pathlib.Path) -> None:
    folder = exported(calendar, tmp_path)
    done = ots(folder, "info", "checkpoint.ots")
    assert done.returncode == 0, done.stderr
    assert f"File sha256 hash: {sha256((folder / 'checkpoint').read_bytes()).hex()}" in done.stdout
    assert f"BitcoinBlockHeaderAttestation({HEIGHT})" in done.stdout


def test_it_verifies_the_checkpoint_against_a_node_that_has_the_block(
    calendar: Calendar, tmp_path: pathlib.Path
) -> None:
    folder = exported(calendar, tmp_path)
    with answering(Node(calendar.headers).respond) as node:
        address = node.address.replace("//", "//user:word@")
        done = ots(folder, "--bitcoin-node", address, "verify", "checkpoint.ots")
        assert done.returncode == 0, done.stderr
        assert f"Success! Bitcoin block {HEIGHT} attests existence as of" in done.stderr
        (folder / "checkpoint").write_bytes((folder / "checkpoint").read_bytes() + b"x")
        assert ots(folder, "--bitcoin-node", address, "verify", "checkpoint.ots").returncode != 0


def test_it_refuses_where_the_node_has_another_block(calendar: Calendar, tmp_path: pathlib.Path) -> None:
    folder = exported(calendar, tmp_path)
    with answering(Node({HEIGHT: mine(bytes(32))}).respond) as node:
        address = node.address.replace("//", "//user:word@")
        assert ots(folder, "--bitcoin-node", address, "verify", "checkpoint.ots").returncode != 0
