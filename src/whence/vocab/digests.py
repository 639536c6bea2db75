"""The one door for identity: every digest and every key comes from here.

SHA-256 names what must withstand an attacker: files, segments, journals, code, plans. XXH3 witnesses
what only must be told apart quickly: samples in memory. Nobody else calls a hash to name something.
"""

from __future__ import annotations

import hashlib
from typing import Any

from whence.vocab.canonical import canonical

Buffer = bytes | bytearray | memoryview

DIGEST_BYTES = 32


def digest_bytes(data: Buffer) -> bytes:
    """Digest bytes with SHA-256, 32 bytes raw."""
    return hashlib.sha256(data).digest()


def digest_value(value: Any) -> bytes:
    """Digest a value by its canonical bytes, 32 bytes raw; raises `CanonicalError`."""
    return hashlib.sha256(canonical(value)).digest()


def digest_text(raw: bytes) -> str:
    """Write a raw SHA-256 digest as people and JSON read it: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{raw.hex()}"


def key64(*parts: str | int | bytes) -> int:
    """Make a 64-bit key from parts; never by adding, so that neighbours have nothing in common.

    Returns:
        The first 8 bytes, little-endian, of the SHA-256 of the parts' canonical bytes.
    """
    return int.from_bytes(digest_value(list(parts))[:8], "little")


class Hasher:
    """SHA-256 of content that comes in pieces."""

    __slots__ = ("_state", "size")

    def __init__(self) -> None:
        self._state = hashlib.sha256()
        self.size = 0

    def update(self, data: Buffer) -> None:
        """Take the next piece."""
        self._state.update(data)
        self.size += data.nbytes if isinstance(data, memoryview) else len(data)

    def digest(self) -> bytes:
        """Return the digest of everything so far, 32 bytes raw."""
        return self._state.digest()
