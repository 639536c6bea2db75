"""What a run recorded of its sources: whether that agrees with itself, and with what is there now."""

from __future__ import annotations

import os
import pathlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from whence.runs.sources import SourceView
from whence.store import Damage, Journal
from whence.vocab import Hasher, digest_bytes

_WHOLE = "sha256"
_BLOCK_BYTES = 1 << 20

Found = Literal["same", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that was read, as it is now.

    Args:
        path: where it was.
        found: `same`; `changed`: its content is another one; `moved`: nothing can be read there.
    """

    path: str
    found: Found


def check_snapshots(journal: Journal) -> list[Damage]:
    """Make the digest of each snapshot anew from the digests that were told before it, and compare.

    Where some of them were destroyed nothing can be compared.
    """
    whole: dict[int, dict[int, bytes]] = {}
    blocks: dict[int, dict[tuple[int, int], bytes]] = {}
    destroyed: set[int] = set()
    damages = []
    for event in journal.events:
        if event.kind not in ("source_parts", "snapshot"):
            continue
        source, body = event.public["source"], event.body
        if body is None:
            destroyed |= {source} if event.kind == "source_parts" else set()
        elif event.kind == "source_parts":
            parts, digests = body["parts"], body["digests"]
            width = len(digests) // len(parts)
            told = [digests[at : at + width] for at in range(0, len(digests), width)]
            if body["algorithm"] == _WHOLE:
                whole.setdefault(source, {}).update(zip(parts, told, strict=True))
            else:
                places = zip(parts, body["first_rows"], strict=True)
                blocks.setdefault(source, {}).update(zip(places, told, strict=True))
        elif source not in destroyed and body["digest"] != _digest_of(
            whole.get(source, {}), blocks.get(source, {})
        ):
            problem = (
                f"the snapshot of source {source} (event {event.number}) isn't that of the digests before it"
            )
            damages.append(Damage(path=str(journal.path / "journal"), offset=0, length=0, problem=problem))
    return damages


def compare_files(source: SourceView, *, beside: pathlib.Path) -> Iterator[SourceFile]:
    """Compare the files of a source that were read whole with what lies in their places now.

    Args:
        source: the source.
        beside: the folder in which paths are looked for that aren't absolute, where they aren't below the
            working directory.
    """
    for (part, _), (algorithm, size, digest) in sorted(source.digests.items()):
        if algorithm == _WHOLE and part < len(source.paths) and source.layout == "rows":
            path = os.path.join(source.root, source.paths[part])
            found = _compare(path, size, digest)
            if found == "moved" and not os.path.isabs(path):
                found = _compare(os.path.join(beside, path), size, digest)
            yield SourceFile(path=path, found=found)


def _compare(path: str, size: int, digest: bytes) -> Found:
    hasher, count = Hasher(), 0
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                hasher.update(block)
                count += len(block)
    except (OSError, ValueError):
        return "moved"
    return "same" if (count, hasher.digest()) == (size, digest) else "changed"


def _digest_of(whole: dict[int, bytes], blocks: dict[tuple[int, int], bytes]) -> bytes:
    """One digest for all that was told: places first, then digests, files before blocks."""
    parts, places = sorted(whole), sorted(blocks)
    numbers = [*parts, *(number for place in places for number in place)]
    spelled = struct.pack(f"<{len(numbers)}Q", *numbers)
    return digest_bytes(b"".join((spelled, *map(whole.__getitem__, parts), *map(blocks.__getitem__, places))))
