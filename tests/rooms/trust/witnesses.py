"""Witnesses as tests need them: in this process, behind a real server, or in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import pathlib
import threading
from collections.abc import Iterator

from tests.rooms.trust.logs import MadeLog
from whence.ledger import (
    AddCheckpoint,
    Cosigner,
    SigningKey,
    consistency_proof,
    encode_add_checkpoint,
    parse_checkpoint,
    parse_note,
)
from whence.trust.witness import Reply, Witness
from whence.trust.witness_logs import Logs
from whence.trust.witness_server import PATH, Limits, WitnessServer

NAME = "witness.example/w1"


def make_witness(
    folder: pathlib.Path, *vkeys: str, seed: int = 9, name: str = NAME, algorithm: str = "ed25519"
) -> Witness:
    """Make a witness with its key and its state below a folder; its clock ticks once a cosignature."""
    return Witness(
        cosigner=Cosigner(SigningKey(bytes([seed]) * 32, algorithm), name),  # type: ignore[arg-type]  # a word
        logs=Logs(vkeys),
        state=folder / "state",
        beside=folder / "key.pem.memory",
        now_s=itertools.count(1_700_000_000).__next__,
    )


def request(log: MadeLog, old_size: int, checkpoint: bytes | None = None) -> bytes:
    """Ask for a checkpoint of a log, the newest by default, with the proof from an old size."""
    asked = checkpoint or log.checkpoint()
    size = parse_checkpoint(parse_note(asked).text).size
    proof = tuple(consistency_proof(log.read, old_size, size)) if old_size <= size <= log.size else ()
    return encode_add_checkpoint(AddCheckpoint(old_size, proof, asked))


@contextlib.contextmanager
def served(witness: Witness, *, limits: Limits | None = None) -> Iterator[WitnessServer]:
    """Serve a witness on the loopback."""
    server = WitnessServer(witness.answer, limits=limits)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def post(server: WitnessServer, body: bytes, path: str = PATH, method: str = "POST") -> Reply:
    """Send a request."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return Reply(
            status=answer.status, body=answer.read(), media_type=answer.getheader("Content-Type") or ""
        )
    finally:
        connection.close()
