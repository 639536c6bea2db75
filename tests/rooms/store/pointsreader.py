"""A second reader of points, written from docs/reference/format.md: it uses nothing of whence."""

from __future__ import annotations

import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tests.rooms.store.reader import RunReader, read_content

Point = tuple[int, int, float]
"""Time, step, value."""

FLOATS = ("last", "least", "greatest")
WHOLE = ("keys", "counts", "since", "until", "step")


def read_column(data: bytes, count: int) -> list[int]:
    """Read a column of unsigned numbers."""
    if not count:
        assert data == b""
        return []
    form, zeros, noise, zero, base, slope = struct.unpack("<BBBBQQ", data[:20])
    assert zero == 0
    planes: list[bytes] = []
    at = 20
    for plane in range(8):
        if noise >> plane & 1:
            planes.append(data[at : at + count])
            at += count
        else:
            planes.append(bytes(count))
    rest = zlib.decompress(data[at:]) if at < len(data) else b""
    for plane in range(8):
        if not (zeros | noise) >> plane & 1:
            planes[plane], rest = rest[:count], rest[count:]
    assert rest == b""
    found: list[int] = []
    for place in range(count):
        number = int.from_bytes(bytes(plane[place] for plane in planes), "little")
        if form == 0:
            found.append((base + number) % 2**64)
        elif not place:
            assert number == 0
            found.append(base)
        elif form == 1:
            found.append((found[-1] + slope + number) % 2**64)
        else:
            assert form == 2
            found.append(found[-1] ^ number)
    return found


def signed(words: list[int]) -> list[int]:
    return [struct.unpack("<q", struct.pack("<Q", word))[0] for word in words]


def floats(words: list[int]) -> list[float]:
    return [struct.unpack("<d", struct.pack("<Q", word))[0] for word in words]


def read_packed(run: RunReader) -> Iterator[tuple[int, list[list[Any]], dict[int, list[Point]]]]:
    """Read the frames: ordinal of the first point, rows as the event `metrics` has them, points by key."""
    if not (run.path / "segments" / "metrics").exists():
        return
    for kind, payload in run.segment("metrics").frames:
        frame = read_content(payload)
        assert kind == 1
        names = frame["names"]
        columns = {name: signed(read_column(frame[name], names)) for name in WHOLE}
        numbers = {name: floats(read_column(frame[name], names)) for name in FLOATS}
        rows = [list(row) for row in zip(*columns.values(), *numbers.values(), strict=True)]
        keys, counts = list(columns["keys"]), list(columns["counts"])
        points: dict[int, list[Point]] = {}
        for held, *packed in frame["blocks"]:
            sizes, counts = counts[:held], counts[held:]
            step, at = (signed(read_column(data, sum(sizes))) for data in packed[:2])
            whole = list(zip(at, step, floats(read_column(packed[2], sum(sizes))), strict=True))
            for size in sizes:
                points[keys.pop(0)], whole = whole[:size], whole[size:]
        assert (keys, counts, sum(map(len, points.values()))) == ([], [], frame["count"])
        yield frame["first"], rows, points


def read_tail(path: pathlib.Path) -> list[tuple[int, int, Point]]:
    """Read a tail without damage: ordinal, key, point."""
    data = path.read_bytes()
    assert data[:16] == b"whence\x00\x01points\x00\x00"
    found = []
    ordinal = int(path.name.removeprefix("points-"))
    for at in range(16, len(data) - 31, 32):
        time, step, value, key, checksum = struct.unpack("<qqdII", data[at : at + 32])
        assert checksum == zlib.crc32(data[at : at + 28], ordinal % 2**32)
        found.append((ordinal, key % 2**31, (time, step, value)))
        ordinal += 1
    return found


def read_histories(run: RunReader) -> dict[str, list[Point]]:
    """Read all points of a run by name, in the order of their ordinals."""
    names = {public["key"]: body["name"] for public, body in run.find("metric_key")}
    found: dict[str, list[Point]] = {name: [] for name in names.values()}
    end = 0
    for first, rows, points in read_packed(run):
        assert (first, len(rows)) == (end, len(points))
        for key, own in points.items():
            found[names[key]] += own
            end += len(own)
    tails = [point for path in run.path.glob("points-*") for point in read_tail(path)]
    for ordinal, key, point in sorted(tails):
        if ordinal >= end:
            assert ordinal == end
            found[names[key]].append(point)
            end += 1
    return found
