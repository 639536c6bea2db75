"""A shard: one log in a folder of its own, as it is read; whoever may read the folder needs no key."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from whence.errors import DamagedError, NotFoundError, PositionError
from whence.ledger import (
    WIDTH,
    Checkpoint,
    HashReader,
    Opening,
    Receipt,
    Statement,
    decode_bundle,
    entries_path,
    inclusion_proof,
    parse_checkpoint,
    parse_entry,
    parse_note,
    parse_path,
    tile_path,
)
from whence.store.files import explained_reading
from whence.store.ledger.payloads import read_openings
from whence.vocab import DIGEST_BYTES

CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True, order=True)
class LoggedAt:
    """Where an entry is: the shard's name, and its index in it."""

    shard: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What the first entry of a shard says.

    Args:
        vkey: the key that signs it, as verifiers take it.
        why: why it was begun: `first`, `year`, `project`, `rotation`, `rolled-back`, `damaged`, `other-key`.
        project: whose it is; empty for none.
        before: the shard before as `shard`, `origin`, `size` and `root`; None where there was none.
        at_ms: when.
    """

    vkey: str
    why: str
    project: str
    before: Mapping[str, Any] | None
    at_ms: int


class Shard:
    """One log of a ledger.

    Args:
        path: its folder.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._said: tuple[bytes, Checkpoint] | None = None

    def __repr__(self) -> str:
        return f"Shard({str(self.path)!r})"

    @property
    def name(self) -> str:
        """Its name, that of its folder."""
        return self.path.name.removeprefix(".")  # one that is on its way is hidden

    def checkpoint(self) -> bytes:
        """Read its newest checkpoint, a signed note.

        Raises:
            NotFoundError: it has none.
        """
        path = self.path / CHECKPOINT
        with explained_reading(path):
            return path.read_bytes()

    @property
    def tree(self) -> Checkpoint:
        """What the newest checkpoint says; whether its signature holds isn't asked here.

        Raises:
            NotFoundError: it has none.
            SignatureError: it is no checkpoint.
        """
        data = self.checkpoint()
        if self._said is None or self._said[0] != data:
            self._said = (data, parse_checkpoint(parse_note(data).text))
        return self._said[1]

    @property
    def origin(self) -> str:
        """The log's name for the rest of the world."""
        return self.tree.origin

    @property
    def size(self) -> int:
        """How many entries its newest checkpoint covers."""
        return self.tree.size

    @property
    def root(self) -> bytes:
        """The root that its newest checkpoint names."""
        return self.tree.root

    @cached_property
    def beginning(self) -> Beginning:
        """What its first entry says; raises as `begun_as` does."""
        return self.begun_as(self.size)

    def begun_as(self, size: int) -> Beginning:
        """Tell what its first entry says, if it has so many entries.

        Raises:
            DamagedError: it says nothing of that kind.
            NotFoundError: it isn't there.
        """
        said = parse_entry(self._entry(0, size))
        public = said.public or {}
        if said.kind != "shard" or not isinstance(public.get("vkey"), str):
            raise DamagedError(f"{self.path}: the first entry doesn't begin a shard", place=str(self.path))
        before = public.get("before")
        return Beginning(
            vkey=public["vkey"],
            why=str(public.get("why", "")),
            project=str(public.get("project", "")),
            before=before if isinstance(before, dict) else None,
            at_ms=said.at_ms,
        )

    @property
    def vkey(self) -> str:
        """The key that signs it, as its first entry says."""
        return self.beginning.vkey

    def end(self) -> Mapping[str, Any] | None:
        """Tell what its last entry says where it was left on purpose: `next` and `why`; else None."""
        size = self.size
        if size < 2:
            return None
        last = parse_entry(self.entry(size - 1))
        return (last.public or {}) if last.kind == "end" else None

    def read(self, path: str) -> bytes:
        """Read one of the log's files: `checkpoint`, or a tile or bundle; of a partial one that isn't there
        any more the full one gives the beginning.

        Raises:
            NotFoundError: it isn't there.
            InputError: no file of a log is called this.
        """
        if path == CHECKPOINT:
            return self.checkpoint()
        name = parse_path(path)
        try:
            return self._content(path)
        except NotFoundError:
            if name.width == WIDTH:
                raise
        whole = self._content(path.partition(".p/")[0])
        if name.level is not None:
            return whole[: name.width * DIGEST_BYTES]
        entries = decode_bundle(whole, WIDTH)[: name.width]
        return whole[: sum(2 + len(entry) for entry in entries)]

    def hashes(self) -> HashReader:
        """Read tiles of hashes, each checked against the newest checkpoint."""
        tree = self.tree
        return HashReader(self.read, size=tree.size, root=tree.root)

    def entry(self, index: int) -> bytes:
        """Read an entry; whether it is the one that was logged tells a proof.

        Raises:
            PositionError: there is no such entry.
            DamagedError: its bundle isn't whole.
        """
        size = self.size
        self._check_index(index, size)
        return self._entry(index, size)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Read entries in order, each with its index."""
        size = self.size
        stop = size if stop is None else min(stop, size)
        for bundle in range(start // WIDTH, -(-stop // WIDTH)):
            first = bundle * WIDTH
            for place, entry in enumerate(self._bundle(bundle, size)):
                if start <= first + place < stop:
                    yield first + place, entry

    def opening(self, index: int) -> Opening | None:
        """Read what an entry commits to; None where it was destroyed.

        Raises:
            PositionError: there is no such entry.
            DamagedError: the bundle of payloads isn't whole.
        """
        self._check_index(index, self.size)
        return self.openings(index // WIDTH)[index % WIDTH]

    def openings(self, bundle: int) -> list[Opening | None]:
        """Read what the entries of a bundle commit to; raises as `opening` does."""
        return read_openings(self.path, bundle, min(WIDTH, self.size - bundle * WIDTH))

    def prove(self, index: int) -> Receipt:
        """Make the receipt of an entry: that it is in the log of the newest checkpoint.

        Its extra is empty where the payload was destroyed.

        Raises:
            PositionError: there is no such entry.
            ProofError, DamagedError: a tile isn't the one of the checkpoint, or the entry not the one logged.
        """
        data = self.checkpoint()
        tree = parse_checkpoint(parse_note(data).text)
        hashes = HashReader(self.read, size=tree.size, root=tree.root)
        proof = inclusion_proof(hashes, index, tree.size)
        entry = self._entry(index, tree.size)
        opening, extra = self.opening(index), b""
        if opening is not None:
            said = parse_entry(entry)
            said.check_opening(opening)
            extra = Statement(said.kind, said.at_ms, opening.payload, said.public).extra(opening.salt)
        receipt = Receipt(extra, index, tuple(proof), data)
        receipt.check_entry(entry)
        return receipt

    def find_leaf(self, leaf: bytes, start: int) -> int | None:
        """Find where a leaf hash is from some index on; None where it isn't."""
        size = self.size
        for tile in range(start // WIDTH, -(-size // WIDTH)):
            data = self.read(tile_path(0, tile, min(WIDTH, size - tile * WIDTH)))
            at = data.find(leaf)
            while at >= 0:
                if at % DIGEST_BYTES == 0 and tile * WIDTH + at // DIGEST_BYTES >= start:
                    return tile * WIDTH + at // DIGEST_BYTES
                at = data.find(leaf, at + 1)
        return None

    def _bundle(self, bundle: int, size: int | None = None) -> list[bytes]:
        width = min(WIDTH, (self.size if size is None else size) - bundle * WIDTH)
        path = entries_path(bundle, width)
        try:
            return decode_bundle(self.read(path), width)
        except DamagedError as error:
            raise DamagedError(f"{self.path / path}: {error.message}", place=str(self.path / path)) from error

    def _entry(self, index: int, size: int) -> bytes:
        """Read an entry, passing over those before it in its bundle."""
        path = entries_path(index // WIDTH, min(WIDTH, size - index // WIDTH * WIDTH))
        data, start = self.read(path), 0
        for _ in range(index % WIDTH):
            start += 2 + int.from_bytes(data[start : start + 2])
        stop = start + 2 + int.from_bytes(data[start : start + 2])
        if not start + 2 <= stop <= len(data):
            raise DamagedError(
                f"{self.path / path}: it ends before entry {index}", place=str(self.path / path)
            )
        return data[start + 2 : stop]

    def _check_index(self, index: int, size: int) -> None:
        if not 0 <= index < size:
            raise PositionError(f"{self.path}: there is no entry {index} among {size}")

    def _content(self, path: str) -> bytes:
        with explained_reading(self.path / path):
            return (self.path / path).read_bytes()
