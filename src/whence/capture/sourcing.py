"""What a run remembers of a source: its parts, and the digest of each as it was read.

A part that is read again is digested again and compared, so that a file which changes while it is
used is noticed; only what is new is written.
"""

from __future__ import annotations

import os
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from whence.capture.secrets import redact_by_form, redact_paths
from whence.capture.witness import Buffer
from whence.store import RunWriter
from whence.vocab import Hasher, digest_bytes, digest_value, fast64, fast128, sample_digests

SHA256 = "sha256"
XXH3 = "xxh3-128"

_OF_FILES = frozenset({"files", "text", "csv", "jsonl", "parquet"})
_BLOCKS_AT_ONCE = 256
_DIGEST_BYTES = 16
_SMALL_BYTES = 16 * 1024
_WAITING_AT_MOST = 1024
_NO_NUMBER = -1
_PART, _CONTENT = itemgetter(0), itemgetter(1)


class Told:
    """What the journal says of a source's content: the latest digest of each part and block, and of all."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.blocks: dict[tuple[int, int], bytes] = {}
        self.snapshot: bytes | None = None

    def add(self, body: Mapping[str, Any]) -> None:
        """Take what an event told."""
        parts, digests = body["parts"], body["digests"]
        width = len(digests) // len(parts)
        found = [digests[at : at + width] for at in range(0, len(digests), width)]
        if body["algorithm"] == SHA256:
            self.parts.update(zip(parts, found, strict=True))
        else:
            self.blocks.update(zip(zip(parts, body["first_rows"], strict=True), found, strict=True))


class SourceRecord:
    """What all passes of a run know of one source."""

    def __init__(
        self,
        number: int,
        identity: bytes,
        outline: dict[str, Any],
        part_count: int,
        writer: RunWriter,
        *,
        is_held: bool = False,
    ) -> None:
        self.number = number
        self.identity = identity
        self.waiting: list[tuple[int, bytes]] = []
        self._outline = outline
        self._writer = writer
        self._is_held = is_held
        self._quick = np.zeros(part_count, np.uint64)  # 0: not read yet, or read again for nothing
        self._has_changed = False
        self._parts: dict[int, bytes] = {}
        self._blocks = _Blocks()
        self._new_parts = _Columns()
        self._new_blocks = _Columns()
        self._snapped: bytes | None = None

    @classmethod
    def of(cls, source: Any, writer: RunWriter) -> SourceRecord:
        """Describe a source for the record."""
        listing = source.listing()
        paths = "\0".join(listing.paths).encode("utf-8", "surrogateescape")
        outline = {
            "kind": listing.kind,
            "name": listing.name,
            "root": listing.root,
            "layout": listing.layout,
            "description": source.describe(),
        }
        # without the rows: some sources know them only when they have been read
        identity = digest_value([outline, digest_bytes(paths)])
        shown = redact_paths(listing.paths)
        if shown is not listing.paths:
            paths = "\0".join(shown).encode("utf-8", "surrogateescape")
        outline = redact_by_form(outline)
        outline |= {"rows": listing.rows, "paths": zlib.compress(paths, 1), "identity": identity}
        is_held = source.known_by == "content"
        return cls(_NO_NUMBER, identity, outline, len(listing.paths), writer, is_held=is_held)

    @property
    def name(self) -> str:
        """What origins call it."""
        return str(self._outline["name"])

    @property
    def rows(self) -> list[int] | None:
        """How many rows each part has, as far as that was known before reading."""
        rows: list[int] | None = self._outline["rows"]
        return rows

    def told_files(self) -> Iterator[str]:
        """List the files whose content was told, by their paths as they were given."""
        if self._outline["kind"] in _OF_FILES and self._parts:
            root = self._outline["root"]
            paths = zlib.decompress(self._outline["paths"]).decode("utf-8", "surrogateescape").split("\0")
            yield from (os.path.join(root, paths[part]) for part in sorted(self._parts))

    def go_on(self, number: int, name: str, told: Told) -> None:
        """Be the source that the run had under this number before; nothing is told twice."""
        self.number, self._outline["name"] = number, name
        self._parts, self._snapped = told.parts, told.snapshot
        for (part, first_row), digest in sorted(told.blocks.items()):
            self._blocks.has_changed(part, first_row, digest)

    def begin(self, number: int, name: str) -> None:
        """Write what the source is, under a name that no other source of the run has."""
        self.number = number
        self._outline["name"] = name
        self._writer.append("source", {"source": self.number}, self._outline)

    def quick_by_part(self) -> dict[int, int]:
        """The fast digests of the parts that were read whole, as this run last read them."""
        if self.waiting:
            self.digest_waiting()
        parts = np.flatnonzero(self._quick)
        return dict(zip(parts.tolist(), self._quick[parts].tolist(), strict=True))

    def tell_part(self, part: int, rows: int, size: int, digest: bytes) -> None:
        """Take the SHA-256 of a part that was read whole; `rows` is -1 where they weren't counted."""
        if self._parts.get(part) != digest:
            self._has_changed = True
            self._parts[part] = digest
            self._new_parts.add(part, size, digest)
            if rows >= 0:
                self._new_parts.rows[str(part)] = rows

    def tell_block(self, part: int, first_row: int, size: int, digest: bytes) -> None:
        """Take the XXH3-128 of rows in memory."""
        if self._blocks.has_changed(part, first_row, digest):
            self._has_changed = True
            self._new_blocks.add(part, size, digest)
            self._new_blocks.first_rows.append(first_row)

    def is_news(self, part: int, quick: int) -> bool:
        """Take the fast digest of a part that was read whole; tells whether it was another one before."""
        if self.waiting:
            self.digest_waiting()
        before, self._quick[part] = int(self._quick[part]), quick
        return before != quick

    def digest_waiting(self) -> None:
        """Digest the small parts that were read; together they cost less than between a decoder's calls."""
        waiting, self.waiting = self.waiting, []
        parts = np.fromiter(map(_PART, waiting), np.int64, len(waiting))
        digests = list(map(fast64, map(_CONTENT, waiting)))
        quick = np.array(digests, np.uint64)
        before = self._quick[parts]
        if (quick == before).all():
            return
        known = dict(zip(parts.tolist(), before.tolist(), strict=True))
        new: list[int] = []
        contents: list[bytes] = []
        for (part, data), digest in zip(waiting, digests, strict=True):
            if known[part] != digest:  # one may be read twice, and have changed in between
                known[part] = digest
                new.append(part)
                contents.append(data)
        self._quick[parts] = np.fromiter(map(known.__getitem__, parts.tolist()), np.uint64, len(parts))
        whole = list(map(digest_bytes, contents))
        if self._parts.keys().isdisjoint(new):
            self._has_changed = True
            self._parts.update(zip(new, whole, strict=True))
            self._new_parts.extend(new, map(len, contents), whole)
        else:  # they have changed; or an earlier process told them, and they needn't be told again
            for number, data, found in zip(new, contents, whole, strict=True):
                self.tell_part(number, -1, len(data), found)

    @property
    def is_due(self) -> bool:
        """Whether digests wait to be written: at once what the source is known by when the run is resumed."""
        new_blocks = self._new_blocks.parts
        return bool(self._new_parts.parts) or len(new_blocks) >= (1 if self._is_held else _BLOCKS_AT_ONCE)

    def flush(self, pass_number: int) -> None:
        """Write the digests that are new since the last time."""
        public = {"source": self.number, "pass": pass_number}
        for algorithm, new in ((SHA256, self._new_parts), (XXH3, self._new_blocks)):
            if new.parts:
                self._writer.append("source_parts", public, new.body(algorithm))
        self._new_parts, self._new_blocks = _Columns(), _Columns()

    def snapshot(self) -> None:
        """Write one digest for all that has been read of the source, if it isn't the one written last."""
        if not self._has_changed:
            return
        self._has_changed = False
        parts = sorted(self._parts)
        places, digests = self._blocks.spell()
        whole = np.array(parts, "<u8").tobytes(), places, *map(self._parts.__getitem__, parts), digests
        digest = digest_bytes(b"".join(whole))
        if digest != self._snapped:
            self._snapped = digest
            public = {"source": self.number, "digests": len(parts) + len(self._blocks)}
            self._writer.append("snapshot", public, {"digest": digest})


class _Blocks:
    """The digests of rows in memory, by part and first row.

    There is no object for each: among samples that are let go of together it would keep a page of memory.
    """

    __slots__ = ("_by_part",)

    def __init__(self) -> None:
        self._by_part: dict[int, tuple[array[int], bytearray]] = {}

    def __len__(self) -> int:
        return sum(len(rows) for rows, _ in self._by_part.values())

    def has_changed(self, part: int, first_row: int, digest: bytes) -> bool:
        """Take a digest; tells whether there was none or another one before."""
        rows, digests = self._by_part.setdefault(part, (array("q"), bytearray()))
        place = bisect_left(rows, first_row)
        begin, end = place * _DIGEST_BYTES, (place + 1) * _DIGEST_BYTES
        if place == len(rows) or rows[place] != first_row:
            rows.insert(place, first_row)
            digests[begin:begin] = digest
            return True
        has_changed = digests[begin:end] != digest
        digests[begin:end] = digest
        return has_changed

    def spell(self) -> tuple[bytes, bytes]:
        """All parts with their first rows, in order, and the digests in the same order."""
        places, digests = [], []
        for part in sorted(self._by_part):
            rows, spelled = self._by_part[part]
            places.append(np.column_stack((np.full(len(rows), part), rows)).astype("<u8").tobytes())
            digests.append(spelled)
        return b"".join(places), b"".join(digests)


class _Columns:
    """Digests on their way to the journal, a column for each of their fields."""

    __slots__ = ("digests", "first_rows", "parts", "rows", "sizes")

    def __init__(self) -> None:
        self.parts = array("q")
        self.sizes = array("q")
        self.digests = bytearray()
        self.rows: dict[str, int] = {}
        self.first_rows = array("q")

    def add(self, part: int, size: int, digest: bytes) -> None:
        """Take one more."""
        self.parts.append(part)
        self.sizes.append(size)
        self.digests += digest

    def extend(self, parts: list[int], sizes: Iterable[int], digests: list[bytes]) -> None:
        """Take several more."""
        self.parts.extend(parts)
        self.sizes.extend(sizes)
        self.digests += b"".join(digests)

    def body(self, algorithm: str) -> dict[str, Any]:
        """The body of an event that tells them."""
        body: dict[str, Any] = {
            "algorithm": algorithm,
            "parts": self.parts.tolist(),
            "sizes": self.sizes.tolist(),
            "digests": bytes(self.digests),
        }
        if self.rows:
            body["rows"] = self.rows
        if self.first_rows:
            body["first_rows"] = self.first_rows.tolist()
        return body


class ReadingWitness:
    """Witnesses one reading of a source: a part that it leaves half-read is no part of the next reading."""

    __slots__ = ("_hashers", "_record")

    def __init__(self, record: SourceRecord) -> None:
        self._record = record
        self._hashers: dict[int, Hasher] = {}

    def whole(self, part: int, data: Buffer) -> None:
        """Digest the complete content of a part: small ones together, before the next delivery.

        A part whose fast digest is what it was when this run last read it isn't digested again.
        """
        record = self._record
        if type(data) is bytes and len(data) <= _SMALL_BYTES:  # a view may be closed by then
            record.waiting.append((part, data))
            if len(record.waiting) >= _WAITING_AT_MOST:
                record.digest_waiting()
        elif record.is_news(part, fast64(data)):
            record.tell_part(part, -1, len(data), digest_bytes(data))

    @staticmethod
    def is_small(data: bytes) -> bool:
        """Whether the content of a part may wait to be digested with others."""
        return len(data) <= _SMALL_BYTES

    @property
    def quick_by_part(self) -> Mapping[int, int]:
        """The fast digests of the parts that were read whole, as this run last read them."""
        return self._record.quick_by_part()

    def hear(self, what: str, words: tuple[Any, ...]) -> None:
        """Take the digests of what a worker has read: a whole part, a part read in pieces, or a block."""
        if what == "whole":
            part, quick, size, digest = words
            if self._record.is_news(part, quick):
                self._record.tell_part(part, -1, size, digest)
        elif what == "part":
            self._record.tell_part(*words)
        else:
            self._record.tell_block(*words)

    def piece(self, part: int, data: Buffer) -> None:
        """Digest the next piece of a part."""
        hasher = self._hashers.get(part)
        if hasher is None:
            hasher = self._hashers[part] = Hasher()
        hasher.update(data)

    def end(self, part: int, rows: int) -> None:
        """Digest a part that was read piece by piece."""
        hasher = self._hashers.pop(part, None) or Hasher()
        self._record.tell_part(part, rows, hasher.size, hasher.digest())

    def memory(self, part: int, first_row: int, data: Buffer) -> None:
        """Digest rows in memory."""
        self._record.tell_block(part, first_row, len(data), fast128(data))

    def objects(self, part: int, first_row: int, values: Sequence[Any], *, block_rows: int = 0) -> None:
        """Digest rows that are Python objects."""
        for row, size, digest in object_blocks(first_row, values, block_rows):
            self._record.tell_block(part, row, size, digest)


def object_blocks(first_row: int, values: Sequence[Any], block_rows: int) -> Iterator[tuple[int, int, bytes]]:
    """Digest rows that are Python objects, all together, since that costs the least.

    Args:
        first_row: the number of the first one.
        values: the rows.
        block_rows: how many are a block; 0: all of them.

    Returns:
        For each block its first row, its size in bytes and its XXH3-128.
    """
    content = sample_digests(values).astype("<u8", copy=False)
    count = max(1, len(content))
    for start in range(0, count, block_rows or count):
        block = content[start : start + (block_rows or count)]
        yield first_row + start, block.nbytes, fast128(block.data)
