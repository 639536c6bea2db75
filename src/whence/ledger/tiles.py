"""The files of a log as `tlog-tiles` lays them out: their names, tiles of hashes, bundles of entries.

Every file has one spelling: of its name, and of its content. Reading refuses any other.

Source: C2SP tlog-tiles, "Merkle Tree", "Partial Tiles", "Log entries".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whence.errors import DamagedError, InputError
from whence.vocab import DIGEST_BYTES

WIDTH = 256
TILE_HEIGHT = 8
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 0xFFFF

_NAME = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class TileName:
    """The name of one file of a log.

    Args:
        level: of its hashes: 0 are leaf hashes, each of a level above is the hash of a full tile below;
            None for a bundle of entries.
        index: its place within the level, from 0.
        width: how many hashes or entries it has; 256 makes it full.
    """

    level: int | None
    index: int
    width: int = WIDTH

    def __str__(self) -> str:
        room = "entries" if self.level is None else self.level
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[place : place + 3] for place in range(0, len(digits), 3)]
        number = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
        return f"tile/{room}/{number}" + ("" if self.width == WIDTH else f".p/{self.width}")


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Name a tile of hashes by its place: `tile/0/x001/234`, or `tile/0/x001/234.p/7` if it isn't full."""
    return str(TileName(level, index, width))


def entries_path(index: int, width: int = WIDTH) -> str:
    """Name a bundle of entries by its place: `tile/entries/x001/234`."""
    return str(TileName(None, index, width))


def parse_path(path: str) -> TileName:
    """Read the name of a file of a log.

    Raises:
        InputError: no file of a log is called this, or it has another, shorter spelling.
    """
    match = _NAME.fullmatch(path)
    if match is None:
        raise InputError(f"no file of a log is called {path!r}")
    room, number, width = match.groups()
    name = TileName(
        None if room == "entries" else int(room),
        int(number.replace("x", "").replace("/", "")),
        WIDTH if width is None else int(width),
    )
    if name.level is not None and name.level > MAX_LEVEL:
        raise InputError(f"{path}: levels go from 0 to {MAX_LEVEL}")
    if width is not None and not 0 < name.width < WIDTH:
        raise InputError(f"{path}: a partial tile is 1 to {WIDTH - 1} wide")
    if str(name) != path:
        raise InputError(f"{path}: that file's name is written {name}")
    return name


def width_at(level: int, index: int, size: int) -> int:
    """Tell how wide the tile at this place is in a log of `size` entries; 0 where there is none."""
    return max(0, min(WIDTH, (size >> TILE_HEIGHT * level) - WIDTH * index))


def names_of(size: int) -> Iterator[TileName]:
    """Name every tile and bundle of a log of `size` entries: hashes level by level, then the entries."""
    for level in range(top_of(size)):
        yield from _names_of(level, size >> TILE_HEIGHT * level)
    yield from _names_of(None, size)


def paths_of(size: int) -> Iterator[str]:
    """Name every tile and bundle of a log of `size` entries, as paths; `checkpoint` stands beside them."""
    return map(str, names_of(size))


def edge_of(size: int) -> list[TileName]:
    """Name the partial tile of each level of a log of `size` entries; of width 0 where all tiles are full."""
    return [TileName(level, *divmod(size >> TILE_HEIGHT * level, WIDTH)) for level in range(top_of(size))]


def top_of(size: int) -> int:
    """Count the levels of tiles in a log of `size` entries."""
    return -(-size.bit_length() // TILE_HEIGHT)


def join_tile(hashes: Sequence[bytes]) -> bytes:
    """Write the hashes of a tile as its bytes."""
    return b"".join(hashes)


def split_tile(data: bytes, name: TileName) -> list[bytes]:
    """Read the hashes of a tile.

    Raises:
        DamagedError: it doesn't have as many bytes as its name says.
    """
    if len(data) != name.width * DIGEST_BYTES:
        raise DamagedError(
            f"{name}: {name.width} hashes are {name.width * DIGEST_BYTES} bytes, and here are {len(data)}",
            place=str(name),
        )
    return [data[place : place + DIGEST_BYTES] for place in range(0, len(data), DIGEST_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Write entries as a bundle: each behind its length in two bytes, the higher one first.

    Raises:
        InputError: there are none or more than 256, or one is longer than a bundle can hold.
    """
    if not 0 < len(entries) <= WIDTH:
        raise InputError(f"a bundle has 1 to {WIDTH} entries, not {len(entries)}")
    for place, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY_BYTES:
            raise InputError(f"entry {place} has {len(entry)} bytes, and at most {MAX_ENTRY_BYTES} fit")
    return b"".join([part for entry in entries for part in (len(entry).to_bytes(2), entry)])


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Read the entries of a bundle that has `width` of them.

    Raises:
        DamagedError: it ends within an entry, or goes on behind the last.
    """
    entries: list[bytes] = []
    start = 0
    for place in range(width):
        stop = start + 2 + int.from_bytes(data[start : start + 2])
        if stop > len(data):
            raise DamagedError(f"the bundle ends within entry {place} of {width}", place=str(place))
        entries.append(data[start + 2 : stop])
        start = stop
    if start < len(data):
        raise DamagedError(f"{len(data) - start} bytes follow the last of {width} entries", place=str(width))
    return entries


def _names_of(level: int | None, count: int) -> Iterator[TileName]:
    for index in range(count // WIDTH):
        yield TileName(level, index)
    if count % WIDTH:
        yield TileName(level, count // WIDTH, count % WIDTH)
