"""The signer's memory: what was signed last for a log, so that nothing is signed that doesn't continue it.

    signed/<hex of SHA-256(origin)>     two slots of 512 bytes, written in turn, of which the later one counts
    slot = canonical JSON {"check": text, "origin": text, "root": base64, "size": n, "turn": n}, padded

A slot is one sector, so a cut leaves it as it was or as it is now; `check` is the beginning of the SHA-256 of
the slot without it. It is on the disk before a signature leaves the process: a restored backup or a copy of
the workspace can't make the key contradict itself.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from whence.errors import DamagedError, ForkError, InputError, ProofError, WhenceError
from whence.ledger import Checkpoint, check_consistency
from whence.store.files import explained, sync_data, sync_folder
from whence.store.ledger.locks import locked
from whence.vocab import canonical, digest_bytes

ORIGIN_BYTES = 256

_SLOT_BYTES = 512
_CHECK_DIGITS = 16

Prove = Callable[[int], Sequence[bytes]]
"""Makes the proof that what is to be signed continues the log of a smaller size."""


class Memory:
    """What was signed for one log.

    Args:
        folder: where memories are, which is there.
        origin: the log's.
    """

    def __init__(self, folder: pathlib.Path, origin: str) -> None:
        if len(origin.encode()) > ORIGIN_BYTES:
            raise InputError(f"an origin of more than {ORIGIN_BYTES} bytes: {origin:.60}…")
        self.path = folder / digest_bytes(origin.encode()).hex()
        self.origin = origin

    def last(self) -> Checkpoint | None:
        """Tell what was signed last; None where nothing was.

        Raises:
            ForkError: it can't be read, so anything might contradict it.
        """
        try:
            with explained(self.path):
                data = self.path.read_bytes()
        except LookupError:
            return None
        return self._latest(data)[0]

    @contextlib.contextmanager
    def advancing(self, checkpoint: Checkpoint, prove: Prove) -> Iterator[None]:
        """Remember that a checkpoint is signed, on the disk; whoever signs does so within.

        Raises:
            ForkError: it doesn't continue what was signed last, and nothing is to be signed.
        """
        is_new = not self.path.exists()
        with locked(self.path, mode=0o600) as descriptor, explained(self.path):
            if is_new:
                sync_folder(self.path.parent)
            last, turn = self._latest(os.pread(descriptor, 2 * _SLOT_BYTES, 0))
            if last is not None:
                check_continues(last, checkpoint, prove)
            self._write(descriptor, checkpoint, turn + 1)
            yield

    def _write(self, descriptor: int, checkpoint: Checkpoint, turn: int) -> None:
        said = {
            "origin": self.origin,
            "root": base64.b64encode(checkpoint.root).decode(),
            "size": checkpoint.size,
            "turn": turn,
        }
        slot = canonical({**said, "check": _check_of(said)}).ljust(_SLOT_BYTES - 1) + b"\n"
        count = os.pwrite(descriptor, slot, turn % 2 * _SLOT_BYTES)
        while count < len(slot):
            count += os.pwrite(descriptor, slot[count:], turn % 2 * _SLOT_BYTES + count)
        sync_data(descriptor)

    def _latest(self, data: bytes) -> tuple[Checkpoint | None, int]:
        found = [self._read(data[:_SLOT_BYTES]), self._read(data[_SLOT_BYTES : 2 * _SLOT_BYTES])]
        known = [each for each in found if each is not None]
        if known:
            return max(known, key=lambda each: each[1])
        if data.strip(b"\0"):
            raise ForkError(
                f"{self.path}: what was signed last for {self.origin} can't be read",
                remedy="Nothing more is signed for this log; a new shard is begun.",
            )
        return None, 0

    def _read(self, slot: bytes) -> tuple[Checkpoint, int] | None:
        try:
            said = json.loads(slot)
            check = said.pop("check")
            if check != _check_of(said) or said["origin"] != self.origin:
                return None
            return Checkpoint(self.origin, said["size"], base64.b64decode(said["root"])), said["turn"]
        except (ValueError, KeyError, TypeError, AttributeError, WhenceError):
            return None


def check_continues(last: Checkpoint, checkpoint: Checkpoint, prove: Prove) -> None:
    """Check that a checkpoint continues another one of the same log; raises `ForkError`."""
    where = f"{last.origin}: {last.size} entries with root {last.root.hex()} were signed"
    remedy = "Nothing is signed that contradicts it; a new shard is begun."
    if checkpoint.size < last.size:
        raise ForkError(f"{where}, and now there are {checkpoint.size}", remedy=remedy)
    if checkpoint.size == last.size:
        if checkpoint.root != last.root:
            raise ForkError(f"{where}, and now their root is {checkpoint.root.hex()}", remedy=remedy)
        return
    try:
        proof = prove(last.size)
        check_consistency(
            proof, old_size=last.size, old_root=last.root, size=checkpoint.size, root=checkpoint.root
        )
    except (ProofError, DamagedError) as error:
        raise ForkError(
            f"{where}, and what has {checkpoint.size} now doesn't continue them", remedy=remedy
        ) from error


def _check_of(said: dict[str, object]) -> str:
    return digest_bytes(canonical(said)).hex()[:_CHECK_DIGITS]
