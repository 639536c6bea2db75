"""How a log grows on disk: written, forced to the disk, read back, hashed again, and only then signed.

Nothing that a checkpoint covers is changed: tiles and bundles are new files, a partial one stays until the
full one is there. The bundle of payloads grows at its end. What a process leaves that dies here is covered
by no checkpoint, and is written over by whoever logs next.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from whence.errors import DamagedError
from whence.ledger import (
    WIDTH,
    Grower,
    Growth,
    decode_bundle,
    encode_bundle,
    entries_path,
    leaf_hashes,
    parse_path,
    root_of,
    tile_path,
)
from whence.store.files import explained, explained_reading, make_folder, sync_data, sync_folder, write_all
from whence.store.ledger.payloads import encode_openings, payload_path, places
from whence.store.ledger.staging import Addition
from whence.vocab import DIGEST_BYTES

_Piece = TypeVar("_Piece")

_TOGETHER = 16
"""How many files are forced to the disk at once where there are many: it takes them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What is added to a log: its new files by path, and what is put behind a bundle of payloads, and where.

    Args:
        old: the log as it was.
        growth: what it becomes.
        files: tiles and bundles.
        payloads: by path, where the new openings begin, and their bytes.
    """

    old: Grower
    growth: Growth
    files: Mapping[str, bytes]
    payloads: Mapping[str, tuple[int, bytes]]


def plan_extension(folder: pathlib.Path, old: Grower, additions: Sequence[Addition]) -> Extension:
    """Work out what a log becomes with more entries.

    Raises:
        DamagedError, NotFoundError: its last bundles aren't there whole.
    """
    growth = old.extend(leaf_hashes([each.entry for each in additions]))
    files, payloads = dict(growth.tiles), {}
    start, at = old.size, 0
    while at < len(additions):
        bundle, width = divmod(start + at, WIDTH)
        some = additions[at : at + WIDTH - width]
        at += len(some)
        before = _content(folder / entries_path(bundle, width)) if width else b""
        files[entries_path(bundle, width + len(some))] = before + encode_bundle([each.entry for each in some])
        path = payload_path(bundle)
        end = places(_content(folder / path), width)[-1][1] if width else 0
        payloads[path] = (end, encode_openings([each[1:] for each in some]))
    return Extension(old=old, growth=growth, files=files, payloads=payloads)


def write_extension(folder: pathlib.Path, extension: Extension) -> None:
    """Write what is new, force it to the disk, and check that this is what the disk has.

    Raises:
        StoreError: it couldn't be written; what was is taken away again.
        DamagedError: the disk has something else.
    """
    writes: list[tuple[pathlib.Path, int, bytes]] = [
        (folder / path, 0, data) for path, data in extension.files.items()
    ]
    writes += [(folder / path, at, data) for path, (at, data) in extension.payloads.items()]
    try:
        with explained(folder):
            parents = {path.parent for path, _, _ in writes}
            for parent in sorted(parents):
                make_folder(parent)
            _for_each(_write, writes)
            changed = {path.parent for path, at, _ in writes if not at}
            _for_each(sync_folder, sorted(changed))
        check_extension(folder, extension.old.size, extension.growth.grower)
        for path, (at, data) in extension.payloads.items():
            if _content(folder / path)[at:] != data:
                raise DamagedError(f"{folder / path}: not what was written", place=str(folder / path))
    except BaseException:
        for path in extension.files:
            with contextlib.suppress(OSError):
                (folder / path).unlink(missing_ok=True)
        raise


def check_extension(folder: pathlib.Path, old_size: int, new: Grower) -> None:
    """Check by what is on the disk that the entries from some size on are those of a log's new root.

    Raises:
        DamagedError: they aren't.
        NotFoundError: a file isn't there.
    """

    def read(path: str) -> bytes:
        return _content(folder / path)

    for bundle in range(old_size // WIDTH, -(-new.size // WIDTH)):
        width = min(WIDTH, new.size - bundle * WIDTH)
        hashes = leaf_hashes(decode_bundle(read(entries_path(bundle, width)), width))
        _check(folder, tile_path(0, bundle, width), b"".join(hashes) == read(tile_path(0, bundle, width)))
    level, old_count, count = 0, old_size, new.size
    while count >= WIDTH:
        old_count, count = old_count // WIDTH, count // WIDTH
        above: dict[str, bytes] = {}
        for index in range(old_count, count):
            tile, place = divmod(index, WIDTH)
            path = tile_path(level + 1, tile, min(WIDTH, count - tile * WIDTH))
            data = above.get(path)
            if data is None:
                above = {path: (data := read(path))}
            below = tile_path(level, index)
            hashed = root_of(_split(read(below)))
            _check(folder, below, hashed == data[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES])
        level += 1
    found = Grower.read(read, new.size)
    _check(folder, "tile", found == new and found.root == new.root)


def check_edge(folder: pathlib.Path, grower: Grower) -> None:
    """Check that what new entries are put behind is whole: the last bundles of entries and of payloads.

    Raises:
        DamagedError, NotFoundError: it isn't.
    """
    bundle, width = divmod(grower.size, WIDTH)
    if width:
        path = entries_path(bundle, width)
        hashes = leaf_hashes(decode_bundle(_content(folder / path), width))
        if hashes != list(grower.edge[0]):
            raise DamagedError(f"{folder / path}: not the entries that were signed", place=str(folder / path))
        places(_content(folder / payload_path(bundle)), width)


def drop_partials(folder: pathlib.Path, extension: Extension) -> None:
    """Take away partial tiles and bundles of which the full one is there now; that may fail."""
    for path in extension.files:
        if parse_path(path).width == WIDTH:
            shutil.rmtree(folder / f"{path}.p", ignore_errors=True)


def _write(piece: tuple[pathlib.Path, int, bytes]) -> None:
    path, at, data = piece
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if at else os.O_TRUNC)
    descriptor = os.open(path, flags, 0o644)
    try:
        if at:
            os.ftruncate(descriptor, at)  # what lies behind was left by a process that died
            os.lseek(descriptor, at, os.SEEK_SET)
        write_all(descriptor, data)
        sync_data(descriptor)
    finally:
        os.close(descriptor)


def _for_each(act: Callable[[_Piece], None], pieces: Sequence[_Piece]) -> None:
    if len(pieces) < _TOGETHER:
        for piece in pieces:
            act(piece)
        return
    with ThreadPoolExecutor(_TOGETHER) as pool:
        for _ in pool.map(act, pieces):
            pass


def _content(path: pathlib.Path) -> bytes:
    """Read a file from the disk, not from what the system remembers of it, where it can be told to."""
    with explained_reading(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if hasattr(os, "posix_fadvise"):
                with contextlib.suppress(OSError):
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            size = os.fstat(descriptor).st_size
            return os.pread(descriptor, size, 0) if size else b""
        finally:
            os.close(descriptor)


def _split(data: bytes) -> list[bytes]:
    return [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]


def _check(folder: pathlib.Path, path: str, holds: bool) -> None:
    if not holds:
        raise DamagedError(
            f"{folder / path}: the disk doesn't have what was written; nothing was signed",
            place=str(folder / path),
            remedy="Check the disk. What was staged is still there, and is logged with the next commit.",
        )
