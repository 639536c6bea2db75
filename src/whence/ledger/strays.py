"""Files beside those of a log: forgotten, misnamed, of a larger log, or of another history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from whence.errors import DamagedError, InputError, WhenceError
from whence.ledger.findings import Finding
from whence.ledger.growing import Read
from whence.ledger.merkle import leaf_hashes, root_of
from whence.ledger.tiles import TileName, decode_bundle, parse_path, split_tile, width_at

_BESIDE = ("checkpoint",)


def find_strays(
    read: Read, size: int, listing: Iterable[str], *, lost: Mapping[bytes, TileName]
) -> Iterator[Finding]:
    """Find the files that aren't those of a log of `size` entries.

    Partial tiles and bundles of earlier sizes may stay, if the present ones begin with them.

    Args:
        read: reads a file by its path.
        size: how many entries the checkpoint covers.
        listing: the paths of all files there are.
        lost: the files that are missing, by the root of their hashes, to know them under another name.
    """
    for path in listing:
        if path in _BESIDE:
            continue
        try:
            name = parse_path(path)
        except InputError:
            yield _stray(read, path, lost, "no file of a log is called this")
            continue
        width = width_at(name.level or 0, name.index, size)
        if name.width > width:
            yield _stray(
                read, path, lost, f"the checkpoint covers {size} entries, and this is for more", is_ahead=True
            )
        elif name.width < width:
            finding = _earlier(read, name, TileName(name.level, name.index, width))
            if finding is not None:
                yield finding


def _stray(
    read: Read, path: str, lost: Mapping[bytes, TileName], message: str, *, is_ahead: bool = False
) -> Finding:
    for root in _roots(read, path, lost.values()):
        if root in lost:
            return Finding(path=path, kind="renamed", message=f"it holds what {lost[root]} must hold")
    return Finding(path=path, kind="ahead" if is_ahead else "stray", message=message)


def _roots(read: Read, path: str, lost: Iterable[TileName]) -> Iterator[bytes]:
    """Hash a file as each kind of those that are lost."""
    try:
        data = read(path)
    except WhenceError:
        return
    for is_bundle, width in {(name.level is None, name.width) for name in lost}:
        try:
            if is_bundle:
                yield root_of(leaf_hashes(decode_bundle(data, width)))
            else:
                yield root_of(split_tile(data, TileName(0, 0, width)))
        except DamagedError:
            continue


def _earlier(read: Read, earlier: TileName, present: TileName) -> Finding | None:
    try:
        data = read(str(earlier))
    except WhenceError as error:
        return Finding(path=str(earlier), kind="unreadable", message=error.message)
    try:
        whole = read(str(present))
    except WhenceError:
        whole = b""
    try:
        if earlier.level is None:
            decode_bundle(data, earlier.width)
        else:
            split_tile(data, earlier)
    except DamagedError as error:
        return Finding(path=str(earlier), kind="form", message=error.message)
    if not whole.startswith(data):
        return Finding(path=str(earlier), kind="earlier", message=f"{present} doesn't begin with it")
    return None
