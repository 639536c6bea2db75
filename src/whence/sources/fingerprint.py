"""Fingerprints: what a source looked like, so that a pass isn't continued over other data.

Of files their paths and sizes count, never the folder they are below; where they hold little, all their
bytes, else the times at which they were last changed. Of data in memory the samples count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from whence.sources.disk import unreadable
from whence.sources.finding import join
from whence.sources.source import SILENT, Source
from whence.vocab import fast128, sample_digests

ALL_BYTES = 16 * 1024 * 1024
"""Files that hold no more than this together are compared byte by byte."""
WRITTEN_AGAIN = " were written again since"
"""How the words end that say so of large files of unchanged sizes."""
_SAMPLES = 65_536
_IN_MEMORY = ("items", "arrays", "table")


def fingerprint(source: Source) -> dict[str, Any]:
    """Take the fingerprint of a source, a small JSON value.

    Raises:
        SourceError: a file is missing or unreadable.

    Cost: a stat of each file, and a reading of up to 16 MiB; in memory the digests of up to 65,536 samples.
    """
    if source.kind in _IN_MEMORY:
        return _of_memory(source)
    return _of_files(source)


def find_change(before: Mapping[str, Any], now: Mapping[str, Any], *, with_times: bool = True) -> str | None:
    """Say in words how a source differs from what it was; None where it doesn't.

    Args:
        before: its fingerprint then.
        now: its fingerprint.
        with_times: whether large files that were written again, with as many bytes, count as other ones.
    """
    name = now["name"]
    if before.get("kind") != now["kind"]:
        return f"{name} reads {now['kind']} now, {before.get('kind')} then"
    for what, words in (("parts", "files"), ("rows", "rows"), ("bytes", "bytes")):
        if before.get(what) != now.get(what):
            return f"{name} has {now.get(what):,} {words} now, {before.get(what):,} then"
    if before.get("paths") != now.get("paths"):
        return f"{name} reads other files now, or in another order"
    if before.get("sizes") != now.get("sizes"):
        return f"the sizes of files of {name} have changed"
    if "content" in before or "content" in now:
        return None if before.get("content") == now.get("content") else f"the content of {name} has changed"
    if with_times and before.get("times") != now.get("times"):
        return f"files of {name}{WRITTEN_AGAIN}"
    return None


def _of_files(source: Source) -> dict[str, Any]:
    listing = source.listing()
    places = [join(listing.root, path) for path in listing.paths]
    stats = [_stat(place) for place in places]
    sizes = np.array([stat.st_size for stat in stats], "<u8")
    total = int(sizes.sum())
    found: dict[str, Any] = {
        "name": source.name,
        "kind": source.kind,
        "parts": len(places),
        "bytes": total,
        "paths": _digest("\0".join(listing.paths).encode("utf-8", "surrogateescape")),
        "sizes": _digest(sizes.tobytes()),
    }
    if total <= ALL_BYTES:
        return found | {"content": _digest(b"".join(fast128(_content(place)) for place in places))}
    times = np.array([stat.st_mtime_ns for stat in stats], "<i8")
    return found | {"times": _digest(times.tobytes())}


def _of_memory(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = {"name": source.name, "kind": source.kind}
    size = source.size()
    if size is None:
        return found  # what can be read once only leaves nothing to compare
    positions = np.unique(np.linspace(0, size - 1, min(size, _SAMPLES)).astype(np.int64))
    with source.open(SILENT) as reader:
        samples = reader.fetch(positions)
    return found | {"rows": size, "content": _digest(sample_digests(samples).astype("<u8").tobytes())}


def _stat(place: str) -> os.stat_result:
    try:
        return os.stat(place)
    except OSError as error:
        raise unreadable(place, error) from error


def _content(place: str) -> bytes:
    try:
        with open(place, "rb") as handle:
            return handle.read()
    except OSError as error:
        raise unreadable(place, error) from error


def _digest(data: bytes) -> str:
    return fast128(data).hex()
