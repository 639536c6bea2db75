"""The audit of a whole log: every entry, every tile and the root hashed again, in constant memory.

The walk goes from the root down, so that of two parts which contradict each other the one is believed that
the checkpoint vouches for. A tile that doesn't lead to the root is made again from what lies below it; where
that leads to the root, the tile alone is at fault and the hashes that differ are named.

What an entry says, and who signed the checkpoint, are judged elsewhere; files that are no part of the log in
`strays`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from whence.errors import DamagedError, NotFoundError, WhenceError
from whence.ledger.checkpoints import Checkpoint
from whence.ledger.findings import Finding, FindingKind, name_places
from whence.ledger.growing import Grower, Read
from whence.ledger.merkle import leaf_hashes, root_of
from whence.ledger.strays import find_strays
from whence.ledger.tiles import WIDTH, TileName, decode_bundle, edge_of, split_tile

Each: TypeAlias = Callable[[int, bytes], object]
Hashes: TypeAlias = Sequence[bytes]

CHECKPOINT_PATH = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found.

    Args:
        size: how many entries the checkpoint covers.
        entries: how many of them were read and lead to its root; `each` was given these and no others.
        findings: every file that isn't as it must be.
    """

    size: int
    entries: int
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every entry leads to the root and every file is as it must be."""
        return not self.findings and self.entries == self.size


def audit(
    read: Read, checkpoint: Checkpoint, *, each: Each | None = None, listing: Iterable[str] = ()
) -> Audit:
    """Read a whole log and hash all of it again.

    Args:
        read: reads a file of the log by its path; raises `NotFoundError` where there is none.
        checkpoint: what the log must lead to.
        each: is given every entry that leads to the root, ascending, with its index.
        listing: the paths of all files there are; those that are none of this log's are found.

    Returns:
        An `Audit`: damage is listed and never raised.

    Cost: some 2 µs an entry; memory for a tile of each level.
    """
    walk = _Walk(read, checkpoint, each)
    walk.run()
    strays = find_strays(read, checkpoint.size, listing, lost=walk.lost)
    return Audit(size=checkpoint.size, entries=walk.entries, findings=(*walk.findings.values(), *strays))


class _Walk:
    """One audit under way."""

    def __init__(self, read: Read, checkpoint: Checkpoint, each: Each | None) -> None:
        self.entries = 0
        self.findings: dict[tuple[str, FindingKind], Finding] = {}
        self.lost: dict[bytes, TileName] = {}
        self._read = read
        self._size = checkpoint.size
        self._root = checkpoint.root
        self._each = each

    def run(self) -> None:
        """Walk down from the tiles of the right edge, from the first entry to the last."""
        edge, is_sure = self._judge_edge()
        for name, hashes in reversed(list(zip(edge_of(self._size), edge, strict=True))):
            if name.width:
                self._descend(name, hashes, is_sure)

    def _judge_edge(self) -> tuple[Sequence[Hashes | None], bool]:
        """Read the partial tiles; only together do they lead to the root.

        Returns:
            their hashes, as they must be if that can be found out, and whether they lead to the root.
        """
        names = edge_of(self._size)
        stored = [self._stored(name) if name.width else () for name in names]
        if self._leads_to_root(stored):
            return stored, True
        remade = [self._remade(name, hashes) for name, hashes in zip(names, stored, strict=True)]
        for choice in product(*zip(stored, remade, strict=True)):
            if self._leads_to_root(choice):
                for name, given, right in zip(names, stored, choice, strict=True):
                    self._blame_tile(name, given, right or ())
                return choice, True
        self._blame(
            CHECKPOINT_PATH, "root", f"the right edge of the log doesn't lead to the root {self._root.hex()}"
        )
        return stored, False

    def _leads_to_root(self, edge: Sequence[Hashes | None]) -> bool:
        known = [hashes for hashes in edge if hashes is not None]
        return len(known) == len(edge) and Grower(self._size, known).root == self._root

    def _descend(self, name: TileName, hashes: Hashes | None, is_sure: bool) -> None:
        """Go on from a tile to all that lies below it; its hashes are sure if they lead to the root."""
        if name.level == 0:
            self._judge_bundle(TileName(None, name.index, name.width), hashes, is_sure)
            return
        for place, child in enumerate(_children(name)):
            if hashes is not None and is_sure:
                self._descend(child, *self._judge(child, hashes[place], siblings=hashes))
                continue
            stored = self._stored(child)
            if stored is None and child.level:
                continue  # a size that somebody made up must not keep us looking for its files
            if hashes is not None and stored is not None and root_of(stored) != hashes[place]:
                self._blame(
                    str(child), "hash", f"it doesn't hash to what {name} says, which is itself in doubt"
                )
            self._descend(child, stored, False)

    def _judge(self, name: TileName, wanted: bytes, *, siblings: Hashes) -> tuple[Hashes | None, bool]:
        """Read a full tile, which must hash to what a sure tile above it says.

        Returns:
            its hashes, as they must be if that can be found out, and whether they lead to the root.
        """
        stored = self._stored(name)
        found = b"" if stored is None else root_of(stored)
        if found == wanted:
            return stored, True
        remade = self._remade(name, stored)
        is_sure = remade is not None and root_of(remade) == wanted
        if stored is None:
            self.lost[wanted] = name
            if remade is not None and not is_sure:
                below = name if name.level else TileName(None, name.index)
                self._blame(str(below), "hash", f"what is left below {name} doesn't lead to the root")
        elif found in siblings:
            other = TileName(name.level, name.index // WIDTH * WIDTH + siblings.index(found))
            self._blame(str(name), "hash", f"it holds what {other} must hold")
        elif is_sure:
            self._blame_tile(name, stored, remade or ())
        else:
            self._blame(
                str(name), "hash", f"it hashes to {found.hex()}, not to {wanted.hex()} as the tile above says"
            )
        return (remade, True) if is_sure else (stored, False)

    def _judge_bundle(self, name: TileName, leaves: Hashes | None, is_sure: bool) -> None:
        """Read a bundle, whose entries must hash to these leaves, and hand on those that are vouched for."""
        entries = self._entries(name)
        if leaves is None:
            return
        if entries is None:
            self.lost[root_of(leaves)] = name
            return
        wrong = _differing(leaf_hashes(entries), leaves)
        if wrong:
            self._blame(
                str(name), "leaf", f"entries that don't hash to their leaves: {name_places(wrong)}", wrong
            )
        if is_sure:
            self.entries += len(entries) - len(wrong)
            if self._each is not None:
                for place, entry in enumerate(entries):
                    if place not in wrong:
                        self._each(name.index * WIDTH + place, entry)

    def _remade(self, name: TileName, stored: Hashes | None) -> Hashes | None:
        """Make a tile from what lies below it; where that is in two minds, as the stored tile says."""
        if name.level == 0:
            entries = self._entries(TileName(None, name.index, name.width)) if name.width else []
            return None if entries is None else leaf_hashes(entries)
        hashes: list[bytes] = []
        for place, child in enumerate(_children(name)):
            said = b"" if stored is None else stored[place]
            below = self._stored(child)
            if below is None or root_of(below) != said:
                deeper = self._remade(child, below)
                if deeper is not None and (below is None or root_of(deeper) == said):
                    below = deeper
            if below is None:
                return None
            hashes.append(root_of(below))
        return hashes

    def _stored(self, name: TileName) -> Hashes | None:
        data = self.bytes_of(name)
        try:
            return None if data is None else split_tile(data, name)
        except DamagedError as error:
            self._blame(str(name), "form", error.message)
            return None

    def _entries(self, name: TileName) -> list[bytes] | None:
        data = self.bytes_of(name)
        try:
            return None if data is None else decode_bundle(data, name.width)
        except DamagedError as error:
            self._blame(str(name), "form", error.message)
            return None

    def bytes_of(self, name: TileName) -> bytes | None:
        """Read a file that must be there."""
        try:
            return self._read(str(name))
        except NotFoundError:
            self._blame(str(name), "missing", "it isn't there")
        except WhenceError as error:
            self._blame(str(name), "unreadable", error.message)
        return None

    def _blame_tile(self, name: TileName, stored: Hashes | None, right: Hashes) -> None:
        """Say where a stored tile isn't what it must be; remember where one that is lost must be."""
        if stored is None:
            self.lost[root_of(right)] = name
            return
        wrong = _differing(stored, right)
        if wrong:
            self._blame(
                str(name),
                "child",
                f"hashes that aren't those of what lies below: {name_places(wrong)}",
                wrong,
            )

    def _blame(self, path: str, kind: FindingKind, message: str, places: Sequence[int] = ()) -> None:
        self.findings.setdefault(
            (path, kind), Finding(path=path, kind=kind, message=message, places=tuple(places))
        )


def _children(name: TileName) -> Iterator[TileName]:
    """Name the full tiles below a tile."""
    level = (name.level or 0) - 1
    return (TileName(level, name.index * WIDTH + place) for place in range(name.width))


def _differing(found: Hashes, wanted: Hashes) -> list[int]:
    if found == wanted:
        return []
    return [place for place, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1]]
