"""Whole logs in memory, as files by path."""

from __future__ import annotations

from collections.abc import Sequence

from whence.errors import NotFoundError
from whence.ledger import Checkpoint, Grower, encode_bundle, entries_path, leaf_hashes
from whence.ledger.tiles import WIDTH


class Files(dict[str, bytes]):
    """The files of a log; a missing one is refused as the store refuses it."""

    def __missing__(self, path: str) -> bytes:
        raise NotFoundError(f"{path} isn't there")

    def read(self, path: str) -> bytes:
        return self[path]

    def copy(self) -> Files:
        return Files(self)


def files_of(entries: Sequence[bytes]) -> Files:
    """Every file of a log with these entries, but for the checkpoint."""
    files = Files(Grower().extend(leaf_hashes(entries)).tiles)
    for start in range(0, len(entries), WIDTH):
        bundle = entries[start : start + WIDTH]
        files[entries_path(start // WIDTH, len(bundle))] = encode_bundle(bundle)
    return files


def checkpoint_of(entries: Sequence[bytes]) -> Checkpoint:
    return Checkpoint("log.example/tests", len(entries), Grower().extend(leaf_hashes(entries)).root)
