"""How a log grows: from the right edge of its tree and new leaf hashes to the new root and the new tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from whence.errors import InputError
from whence.ledger.merkle import root_of, root_over, row_above
from whence.ledger.tiles import TILE_HEIGHT, WIDTH, edge_of, join_tile, split_tile, tile_path, top_of

Read = Callable[[str], bytes]
"""Reads a file of a log by its path."""


@dataclass(frozen=True, slots=True)
class Grower:
    """The right edge of a log's tree: all that is needed to add to it.

    A value: `extend` leaves it as it was, so a growth that couldn't be written is simply forgotten.

    Args:
        size: how many entries the log has.
        edge: for each level of tiles, from 0, the hashes of its partial tile, empty where all are full.

    Raises:
        InputError: that isn't the edge of a log of this size.
    """

    size: int = 0
    edge: Sequence[Sequence[bytes]] = ()
    _peaks: tuple[bytes, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        widths = [name.width for name in edge_of(self.size)]
        given = [len(hashes) for hashes in self.edge]
        if given != widths:
            raise InputError(f"the edge of {self.size} entries is {widths} hashes wide, not {given}")
        if not self._peaks:
            object.__setattr__(self, "_peaks", _peaks_of(self.edge))

    @classmethod
    def read(cls, read: Read, size: int) -> Grower:
        """Take up a log of `size` entries from its files; they aren't checked, but `root` tells.

        Raises:
            DamagedError: a tile doesn't have the bytes that its width needs.
        """
        return cls(size, [split_tile(read(str(name)), name) if name.width else [] for name in edge_of(size)])

    @property
    def root(self) -> bytes:
        """The root of the tree. Cost: one hash for each bit of the size."""
        return root_over(peak for peak in self._peaks if peak)

    def extend(self, leaf_hashes: Sequence[bytes]) -> Growth:
        """Tell what the log is with these leaves behind those it has.

        Cost: two hashes for each leaf, whatever the size.
        """
        size = self.size + len(leaf_hashes)
        peaks = list(self._peaks) + [b""] * (size.bit_length() - len(self._peaks))
        edge: list[Sequence[bytes]] = list(self.edge) + [()] * (top_of(size) - len(self.edge))
        tiles: dict[str, bytes] = {}
        row = list(leaf_hashes)
        for height in range(len(peaks)):
            if not row:
                break
            level, step = divmod(height, TILE_HEIGHT)
            if not step:
                count = (self.size >> height) // WIDTH
                edge[level] = _write_tiles(tiles, level, count, [*edge[level], *row])
            if peaks[height]:
                row.insert(0, peaks[height])
            peaks[height] = row[-1] if len(row) % 2 else b""
            row = row_above(row)
        return Growth(Grower(size, edge, tuple(peaks)), tiles)


@dataclass(frozen=True, slots=True)
class Growth:
    """What a log becomes.

    Args:
        grower: the new right edge, from which it goes on.
        tiles: the bytes by path of each tile that is new or wider; partial tiles of the old size are left.
    """

    grower: Grower
    tiles: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """How many entries the log then has."""
        return self.grower.size

    @property
    def root(self) -> bytes:
        """The root of its tree."""
        return self.grower.root


def _peaks_of(edge: Sequence[Sequence[bytes]]) -> tuple[bytes, ...]:
    """Hash the complete subtrees that a tree consists of, by height; empty where there is none."""
    peaks: list[bytes] = []
    for hashes in edge:
        stop = len(hashes)
        for step in range(TILE_HEIGHT):
            count = len(hashes) & 1 << step
            peaks.append(root_of(hashes[stop - count : stop]) if count else b"")
            stop -= count
    return tuple(peaks)


def _write_tiles(tiles: dict[str, bytes], level: int, index: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
    """Put the tiles of a level from `index` on into `tiles`; the hashes of the partial one come back."""
    full = len(hashes) // WIDTH * WIDTH
    for start in range(0, full, WIDTH):
        tiles[tile_path(level, index + start // WIDTH)] = join_tile(hashes[start : start + WIDTH])
    rest = hashes[full:]
    if rest:
        tiles[tile_path(level, index + full // WIDTH, len(rest))] = join_tile(rest)
    return rest
