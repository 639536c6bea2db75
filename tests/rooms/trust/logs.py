"""A log on disk with a key of its own, as anchors are judged by it."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field

from whence.ledger import EMPTY_ROOT, Checkpoint, Grower, Note, SigningKey, leaf_hashes
from whence.store import explained_reading


@dataclass
class MadeLog:
    """A shard's folder: `grow` adds entries and signs."""

    path: pathlib.Path
    origin: str = "whence.invalid/2026-abcdefghij"
    seed: bytes = bytes(32)
    grower: Grower = field(default_factory=Grower)

    @property
    def vkey(self) -> str:
        """The key that signs it."""
        return SigningKey(self.seed).signer(self.origin).vkey

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.grower.size

    def checkpoint(self) -> bytes:
        """Read the newest signed checkpoint."""
        return (self.path / "checkpoint").read_bytes()

    def read(self, path: str) -> bytes:
        """Read a tile."""
        with explained_reading(self.path / path):
            return (self.path / path).read_bytes()

    def grow(self, *entries: str) -> bytes:
        """Add entries, sign, and give the checkpoint."""
        growth = self.grower.extend(leaf_hashes([entry.encode() for entry in entries]))
        for path, data in growth.tiles.items():
            (self.path / path).parent.mkdir(parents=True, exist_ok=True)
            (self.path / path).write_bytes(data)
        self.grower = growth.grower
        (self.path / "checkpoint").write_bytes(self.signed(self.size, growth.root))
        return self.checkpoint()

    def signed(self, size: int, root: bytes) -> bytes:
        """Sign a checkpoint, true or not."""
        note = Note(Checkpoint(self.origin, size, root).text)
        return note.signed(SigningKey(self.seed).signer(self.origin).sign(note.text)).encode()


def make_log(path: pathlib.Path, *, entries: int = 3, origin: str = MadeLog.origin, seed: int = 0) -> MadeLog:
    """Make a log with some entries."""
    path.mkdir(parents=True)
    log = MadeLog(path, origin, bytes([seed]) * 32)
    if entries:
        log.grow(*(f"entry {number}" for number in range(entries)))
    else:
        (path / "checkpoint").write_bytes(log.signed(0, EMPTY_ROOT))
    return log
