"""What a run remembers of a source: its parts, and the digest of each as it was read.

A part that is read again is digested again and compared, so that a file which changes while it is
used is noticed; only what is new is written.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from whence.capture.witness import Buffer
from whence.store import RunWriter
from whence.vocab import Hasher, digest_bytes, digest_value, fast64, fast128, sample_digests

SHA256 = "sha256"
XXH3 = "xxh3-128"

_MEMORY_DIGESTS_AT_ONCE = 256
_SMALL_BYTES = 16 * 1024
_WAITING_AT_MOST = 1024

_encode = msgspec.msgpack.Encoder().encode


class SourceRecord:
    """What all passes of a run know of one source."""

    def __init__(self, number: int, identity: bytes, outline: dict[str, Any], writer: RunWriter) -> None:
        self.number = number
        self.identity = identity
        self.told: list[tuple[int, int, int, int, str, bytes]] = []
        self._outline = outline
        self._writer = writer
        self._known: dict[tuple[int, int], bytes] = {}
        self._snapped_count = 0
        self._seen: dict[int, int] = {}
        self.waiting: list[tuple[int, bytes]] = []

    @classmethod
    def of(cls, source: Any, number: int, writer: RunWriter) -> SourceRecord:
        """Describe a source for the record."""
        listing = source.listing()
        paths = "\0".join(listing.paths).encode("utf-8", "surrogateescape")
        outline = {
            "kind": listing.kind,
            "name": listing.name,
            "root": listing.root,
            "layout": listing.layout,
            "rows": listing.rows,
            "description": source.describe(),
        }
        identity = digest_value([outline, digest_bytes(paths), _memory_of(source)])
        outline["paths"] = zlib.compress(paths, 1)
        return cls(number, identity, outline, writer)

    def begin(self) -> None:
        """Write what the source is."""
        self._writer.append("source", {"source": self.number}, self._outline)

    def tell(self, part: int, first_row: int, rows: int, size: int, algorithm: str, digest: bytes) -> None:
        """Take the digest of what was read; kept for writing if it is new."""
        if self._known.get((part, first_row)) != digest:
            self._known[part, first_row] = digest
            self.told.append((part, first_row, rows, size, algorithm, digest))

    def digest_waiting(self) -> None:
        """Digest the small parts that were read.

        One after another they cost less than between the calls of an image decoder, which leave the caches
        cold; and a part whose fast digest is what it was in this process isn't digested again.
        """
        waiting, self.waiting = self.waiting, []
        seen = self._seen
        for part, data in waiting:
            quick = fast64(data)
            if seen.get(part) != quick:
                seen[part] = quick
                self.tell(part, 0, -1, len(data), SHA256, digest_bytes(data))

    @property
    def is_due(self) -> bool:
        """Whether digests wait to be written: files at once, memory by and by, since it dies with us."""
        return bool(self.told) and (self.told[-1][4] == SHA256 or len(self.told) >= _MEMORY_DIGESTS_AT_ONCE)

    def flush(self, pass_number: int) -> None:
        """Write the digests that are new since the last time."""
        told, self.told = self.told, []
        body = {"parts": [list(entry) for entry in told]}
        self._writer.append("source_parts", {"source": self.number, "pass": pass_number}, body)

    def snapshot(self) -> None:
        """Write one digest for all that has been read of the source, if more has been since the last one."""
        if len(self._known) == self._snapped_count:
            return
        self._snapped_count = len(self._known)
        content = b"".join(
            part.to_bytes(8, "little") + row.to_bytes(8, "little") + digest
            for (part, row), digest in sorted(self._known.items())
        )
        public = {"source": self.number, "digests": len(self._known)}
        self._writer.append("snapshot", public, {"digest": digest_bytes(content)})


class PassWitness:
    """Witnesses one source during one pass: a part that a pass leaves half-read is no part of the next."""

    __slots__ = ("_hashers", "_record")

    def __init__(self, record: SourceRecord) -> None:
        self._record = record
        self._hashers: dict[int, Hasher] = {}

    def whole(self, part: int, data: Buffer) -> None:
        """Digest the complete content of a part: small ones together, before the next delivery."""
        if len(data) > _SMALL_BYTES or type(data) is not bytes:  # a view may be closed by then
            self._record.tell(part, 0, -1, len(data), SHA256, digest_bytes(data))
            return
        self._record.waiting.append((part, data))
        if len(self._record.waiting) >= _WAITING_AT_MOST:
            self._record.digest_waiting()

    def piece(self, part: int, data: Buffer) -> None:
        """Digest the next piece of a part."""
        hasher = self._hashers.get(part)
        if hasher is None:
            hasher = self._hashers[part] = Hasher()
        hasher.update(data)

    def end(self, part: int, rows: int) -> None:
        """Digest a part that was read piece by piece."""
        hasher = self._hashers.pop(part, None) or Hasher()
        self._record.tell(part, 0, rows, hasher.size, SHA256, hasher.digest())

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        """Digest rows in memory."""
        self._record.tell(part, first_row, -1, len(data), XXH3, fast128(data))

    def objects(self, part: int, first_row: int, values: Sequence[Any]) -> None:
        """Digest rows that are Python objects."""
        content = sample_digests(values).astype("<u8", copy=False).tobytes()
        self._record.tell(part, first_row, -1, len(content), XXH3, fast128(content))


def _memory_of(source: Any) -> int:
    """Tell sources in memory apart: equal descriptions don't make their contents equal."""
    return id(source) if source.kind in ("items", "arrays", "table") else 0
