"""Proofs made from the tiles of a log, each tile checked on its way in against the root of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

from whence.errors import InputError, PositionError, ProofError
from whence.ledger.growing import Grower, Read
from whence.ledger.merkle import consistency_ranges, inclusion_ranges, root_of, root_over
from whence.ledger.tiles import TILE_HEIGHT, WIDTH, TileName, join_tile, parse_path, split_tile, width_at


class HashReader:
    """Reads tiles of a log and lets none pass that doesn't belong to the root of its checkpoint.

    Asked for a partial tile of an earlier size it gives the beginning of the tile that is there now.

    Args:
        read: reads a file of the log by its path.
        size: how many entries the checkpoint covers.
        root: the root that it names.

    Cost: kept in memory are the tiles above the leaves, 1/256 of those touched, and the last one of leaves.
    """

    __slots__ = ("_edge", "_last", "_read", "_tiles", "root", "size")

    def __init__(self, read: Read, *, size: int, root: bytes) -> None:
        self.size = size
        self.root = root
        self._read = read
        self._edge: Grower | None = None
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._last: tuple[int, list[bytes]] = (-1, [])

    def __call__(self, path: str) -> bytes:
        """Read a tile of hashes.

        Raises:
            InputError: that path is no tile's.
            PositionError: the log isn't that large.
            DamagedError: the tile doesn't have the bytes that its width needs.
            ProofError: its hashes don't lead to the root.
        """
        name = parse_path(path)
        if name.level is None:
            raise InputError(f"{path} holds entries, and a proof is made of hashes")
        if name.width > width_at(name.level, name.index, self.size):
            raise PositionError(f"a log of {self.size} entries has no {path}")
        return join_tile(self.tile(name.level, name.index)[: name.width])

    @property
    def edge(self) -> Grower:
        """The right edge of the log, from which it can be extended; raises as a call does."""
        if self._edge is None:
            edge = Grower.read(self._read, self.size)
            if edge.root != self.root:
                raise ProofError(
                    f"the right edge of the {self.size} entries hashes to {edge.root.hex()}, "
                    f"not to the root {self.root.hex()}"
                )
            self._edge = edge
        return self._edge

    def tile(self, level: int, index: int) -> list[bytes]:
        """Read the hashes of the tile at a place of this log; raises as a call does."""
        name = TileName(level, index, width_at(level, index, self.size))
        if name.width < WIDTH:
            return list(self.edge.edge[level])
        if level == 0 and self._last[0] == index:
            return self._last[1]
        known = self._tiles.get((level, index))
        if known is not None:
            return known
        hashes = split_tile(self._read(str(name)), name)
        wanted = self.tile(level + 1, index // WIDTH)[index % WIDTH]
        found = root_of(hashes)
        if found != wanted:
            raise ProofError(f"{name} hashes to {found.hex()}, and the tile above it says {wanted.hex()}")
        if level:
            self._tiles[level, index] = hashes
        else:
            self._last = (index, hashes)
        return hashes


def inclusion_proof(read: Read, index: int, size: int) -> list[bytes]:
    """Make the proof that entry `index` is in the tree of the first `size` entries of a log.

    Args:
        read: reads a tile of the log; a `HashReader` lets only those pass that belong to its checkpoint.
        index: the entry's place, from 0.
        size: the count of entries in the tree.

    Raises:
        PositionError: there is no such entry in such a tree.

    Cost: a tile read for each 8 levels, and each of these hashed once.
    """
    if not 0 <= index < size:
        raise PositionError(f"there is no entry {index} among {size}")
    return _hashes(read, inclusion_ranges(index, size), size)


def consistency_proof(read: Read, old_size: int, size: int) -> list[bytes]:
    """Make the proof that the tree of the first `size` entries continues that of the first `old_size`.

    Args:
        read: reads a tile of the log, as for `inclusion_proof`.
        old_size: the count of entries in the earlier tree; the proof for 0 is empty, as for an equal size.
        size: the count of entries in the later tree.

    Raises:
        PositionError: the later tree is the smaller one.

    Cost: as for `inclusion_proof`.
    """
    if not 0 <= old_size <= size:
        raise PositionError(f"a log of {size} entries doesn't continue one of {old_size}")
    return _hashes(read, consistency_ranges(old_size, size), size)


def _hashes(read: Read, ranges: Iterable[tuple[int, int]], size: int) -> list[bytes]:
    """Hash ranges of leaves, each a node of the tree of `size`: complete, or ending at the right edge."""
    tiles: dict[TileName, list[bytes]] = {}
    return [root_over([_node(read, tiles, *part, size) for part in _parts(*each)]) for each in ranges]


def _parts(start: int, stop: int) -> Iterable[tuple[int, int]]:
    """Part a node's leaves into complete subtrees (first leaf, height), the smallest first."""
    count = stop - start
    while count:
        height = (count & -count).bit_length() - 1
        count -= 1 << height
        yield start + count, height


def _node(read: Read, tiles: dict[TileName, list[bytes]], start: int, height: int, size: int) -> bytes:
    """Hash the complete subtree of 2**height leaves from `start` on."""
    level, step = divmod(height, TILE_HEIGHT)
    index, place = divmod(start >> TILE_HEIGHT * level, WIDTH)
    name = TileName(level, index, width_at(level, index, size))
    if name not in tiles:
        tiles[name] = split_tile(read(str(name)), name)
    return root_of(tiles[name][place : place + (1 << step)])
