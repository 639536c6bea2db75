"""Payload bundles: what the entries of a shard commit to, beside the log, so that it can be destroyed.

    payload/<N>     <N> as in the path of a bundle of entries, `x001/234`; of up to 256 entries, in order:
                    length:u16 big-endian, then salt:16 and payload; nothing else where it was destroyed

A bundle grows at its end. Destroying overwrites salt and payload with zeros, which is on the disk before the
bundle is replaced by one without them; zeros, where a process died in between, are an opening destroyed.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection, Sequence

from whence.errors import DamagedError, InputError
from whence.ledger import SALT_BYTES, WIDTH, Opening, entries_path
from whence.store.files import explained, explained_reading, sync_data, sync_folder, write_all

PAYLOADS = "payload"
PAYLOAD_BYTES = 0xFFFF - SALT_BYTES

_LENGTH_BYTES = 2


def payload_path(bundle: int) -> str:
    """Name the bundle of openings by its number."""
    return entries_path(bundle).replace("tile/entries/", f"{PAYLOADS}/", 1)


def encode_openings(openings: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write salts and payloads one behind the other.

    Raises:
        InputError: one is longer than a bundle can hold.
    """
    for _, payload in openings:
        if len(payload) > PAYLOAD_BYTES:
            raise InputError(
                f"a payload of {len(payload)} bytes, and at most {PAYLOAD_BYTES} fit",
                remedy="Log it as an artifact, and its digest here.",
            )
    return b"".join(
        [
            part
            for salt, payload in openings
            for part in ((len(salt) + len(payload)).to_bytes(_LENGTH_BYTES), salt, payload)
        ]
    )


def places(data: bytes, count: int) -> list[tuple[int, int]]:
    """Find where each of the first openings of a bundle begins and ends, its length left out.

    Raises:
        DamagedError: it ends before.
    """
    found: list[tuple[int, int]] = []
    at = 0
    for number in range(count):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start])
        if at > len(data) or start > len(data) or 0 < at - start < SALT_BYTES:
            raise DamagedError(f"the bundle of payloads ends within number {number} of {count}")
        found.append((start, at))
    return found


def read_openings(folder: pathlib.Path, bundle: int, count: int) -> list[Opening | None]:
    """Read the first openings of a bundle; None for each that was destroyed.

    Raises:
        DamagedError: the bundle doesn't hold so many.
        NotFoundError, StoreError: it can't be read.
    """
    path = folder / payload_path(bundle)
    with explained_reading(path):
        data = path.read_bytes()
    try:
        return [_opening(data[start:end]) for start, end in places(data, count)]
    except DamagedError as error:
        raise DamagedError(f"{path}: {error.message}", place=str(path)) from error


def destroy_openings(folder: pathlib.Path, indices: Collection[int], size: int) -> None:
    """Destroy what entries commit to; nobody else changes the shard meanwhile.

    Args:
        folder: the shard's.
        indices: of the entries.
        size: how many entries the shard has.

    Raises:
        StoreError, DamagedError: some of it may still be there; it can be tried again.
    """
    for bundle in sorted({index // WIDTH for index in indices}):
        path = folder / payload_path(bundle)
        count = min(WIDTH, size - bundle * WIDTH)
        gone = {index % WIDTH for index in indices if index // WIDTH == bundle}
        with explained(path):
            _destroy(path, gone, count)


def cut_openings(folder: pathlib.Path, size: int) -> None:
    """Take away what is behind the openings of a shard's last bundle."""
    path = folder / payload_path((size - 1) // WIDTH)
    data = path.read_bytes()
    end = places(data, (size - 1) % WIDTH + 1)[-1][1]
    if end < len(data):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _put(descriptor, bytes(len(data) - end), end)
            sync_data(descriptor)
            os.ftruncate(descriptor, end)
        finally:
            os.close(descriptor)


def _destroy(path: pathlib.Path, gone: Collection[int], count: int) -> None:
    temporary = path.with_name(f".{path.name}.replacing")
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        data = bytearray(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        found = places(bytes(data), count)
        for number in gone:
            start, end = found[number]
            data[start:end] = bytes(end - start)
            _put(descriptor, bytes(end - start), start)
        sync_data(descriptor)
    finally:
        os.close(descriptor)
    kept = [b"" if number in gone else bytes(data[start:end]) for number, (start, end) in enumerate(found)]
    content = b"".join([len(each).to_bytes(_LENGTH_BYTES) + each for each in kept])
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(descriptor, content)
        sync_data(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def overwrite(path: pathlib.Path) -> None:
    """Fill a file with zeros, on the disk."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _put(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        sync_data(descriptor)
    finally:
        os.close(descriptor)


def _put(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, at)
        at, view = at + count, view[count:]


def _opening(data: bytes) -> Opening | None:
    if not data.strip(b"\0"):
        return None
    return Opening(data[:SALT_BYTES], data[SALT_BYTES:])
