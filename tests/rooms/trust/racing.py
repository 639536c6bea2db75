"""A process that has one witness key cosign a growing log, as fast as it can, and says what was granted.

Usage: python -m tests.rooms.trust.racing LOG WITNESS SEED

Each line of standard output is a grant, `old new`, written when the cosignature has left the witness.
"""

from __future__ import annotations

import pathlib
import random
import sys

from tests.rooms.trust.logs import MadeLog
from tests.rooms.trust.witnesses import make_witness
from whence.ledger import (
    AddCheckpoint,
    HashReader,
    consistency_proof,
    encode_add_checkpoint,
    parse_checkpoint,
)
from whence.ledger import parse_note as parse


def prepare(folder: pathlib.Path, count: int) -> MadeLog:
    """Make a log, and beside it its checkpoint of each size from 1 to `count`."""
    folder.mkdir(parents=True)
    log = MadeLog(folder)
    for size in range(1, count + 1):
        (folder / f"checkpoint-{size}").write_bytes(log.grow(f"entry {size}"))
    return log


def ask(log_path: pathlib.Path, old_size: int, size: int) -> bytes:
    """Ask for the checkpoint of one size of a prepared log."""
    newest = parse_checkpoint(parse((log_path / "checkpoint").read_bytes()).text)
    read = HashReader(lambda path: (log_path / path).read_bytes(), size=newest.size, root=newest.root)
    proof = tuple(consistency_proof(read, old_size, size))
    return encode_add_checkpoint(
        AddCheckpoint(old_size, proof, (log_path / f"checkpoint-{size}").read_bytes())
    )


def race(log_path: pathlib.Path, witness_path: pathlib.Path, seed: int) -> None:
    """Ask for larger and larger sizes, from what the witness says that it has, until the log's end."""
    chance = random.Random(seed)
    log = MadeLog(log_path)
    witness = make_witness(witness_path, log.vkey)
    last = len(list(log_path.glob("checkpoint-*")))
    known = 0
    while known < last:
        size = min(known + chance.randint(1, 3), last)
        reply = witness.answer(ask(log_path, known, size))
        if reply.status == 200:
            print(known, size, flush=True)
            known = size
        elif reply.status == 409:
            known = int(reply.body)
        else:
            raise AssertionError(reply)


if __name__ == "__main__":
    race(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]))
