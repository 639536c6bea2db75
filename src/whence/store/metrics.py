"""The points of a run's metrics, read: those that were packed and those in tails are one history.

    runs/<run>/points-<n>          the latest points, as `metrics_tail` says
    runs/<run>/segments/metrics    frames of kind 1: points packed as `metrics_columns` says, oldest first

Points are numbered in the order in which they were logged, from 0: their *ordinals*. A full tail becomes a
frame, and goes when that is on the disk; a crash in between leaves both, and the ordinals tell that they
are the same points. So none is lost, and none is there twice.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from whence.errors import DamagedError
from whence.store.files import sync_data
from whence.store.frames import Damage, iterate_frames
from whence.store.metrics_columns import (
    Columns,
    PackedPoints,
    Points,
    Totals,
    merge_totals,
    total_points,
)
from whence.store.metrics_tail import TailScan, check_tail, find_tails, ordinals_in, read_tail

METRICS = "metrics"
PACKED = 1


class FoundPoints:
    """The points of a run, as they were found.

    Args:
        frames: what was packed, by ordinals.
        tails: what wasn't, or not all of it, by ordinals.
        damages: what doesn't check, and what is missing.
    """

    def __init__(self, frames: list[PackedPoints], tails: list[TailScan], damages: list[Damage]) -> None:
        self._frames = frames
        self.tails = tails
        self.damages = damages

    @property
    def packed_end(self) -> int:
        """The ordinal after the last one that was packed."""
        return max((frame.end for frame in self._frames), default=0)

    @functools.cached_property
    def packed(self) -> Totals:
        """What those points come to that were packed."""
        return merge_totals([frame.totals for frame in self._frames])

    @functools.cached_property
    def totals(self) -> Totals:
        """What all points come to."""
        parts = [(frame.first, frame.totals) for frame in self._frames]
        parts += [(first, total_points(points)[0]) for first, points in self.loose if len(points)]
        return merge_totals([totals for _, totals in sorted(parts, key=_ordinal)])

    def read(self, keys: Iterable[int]) -> dict[int, Columns]:
        """Give the points of keys, in the order of their ordinals; of a key without any, none.

        Raises:
            DamagedError: a frame doesn't hold what it says.

        Cost: 35 ns for each point in the blocks that hold the keys.
        """
        wanted = np.unique(np.fromiter(keys, np.int64))
        totals = self.totals.by_key()
        counts = {key: totals[key].points if key in totals else 0 for key in wanted.tolist()}
        found = {
            key: Columns(np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64))
            for key, count in counts.items()
        }
        filled = dict.fromkeys(found, 0)
        parts = [(frame.first, frame.of(wanted)) for frame in self._frames]
        parts += [(first, _of(points, wanted)) for first, points in self.loose]
        for _, part in sorted(parts, key=_ordinal):
            for key, columns in part:
                start, filled[key] = filled[key], filled[key] + len(columns.step)
                for whole, column in zip(found[key], columns, strict=True):
                    whole[start : filled[key]] = column
        return found

    @functools.cached_property
    def loose(self) -> list[tuple[int, Points]]:
        """The points that only the tails have, each tail's with the ordinal of its first."""
        found = []
        for tail in self.tails:
            is_packed = np.zeros(len(tail.ordinals), bool)
            for frame in self._frames:
                if frame.first < tail.end and tail.first < frame.end:
                    is_packed |= (tail.ordinals >= frame.first) & (tail.ordinals < frame.end)
            found.append((tail.first, tail.points[~is_packed]))
        return found


def _of(points: Points, keys: NDArray[np.int64]) -> Iterator[tuple[int, Columns]]:
    for key in np.intersect1d(points["key"], keys).tolist():
        own = points[points["key"] == key]
        yield key, Columns(own["step"], own["value"], own["at"])


def _ordinal(part: tuple[int, object]) -> int:
    return part[0]


def read_points(path: pathlib.Path) -> FoundPoints:
    """Read the points of a run, all of them checked; damage is listed, never raised.

    Args:
        path: the run's folder.

    Raises:
        StoreVersionError: a newer whence wrote it.
        StoreError: it can't be read.
    """
    # tails first: what is packed meanwhile is then in the segment, which is read after them
    found = [(first, tail, read_tail(tail)) for first, tail in find_tails(path)]
    segment = path / "segments" / METRICS
    damages: list[Damage] = []
    frames: list[PackedPoints] = []
    for item in _packed(segment):
        if isinstance(item, Damage):
            damages.append(item)
        else:
            frames.append(item)
    tails = [
        check_tail(tail, first, data)
        for first, tail, data in found
        if data is not None and not _are_packed(ordinals_in(data, first), frames)
    ]
    damages += [damage for tail in tails for damage in tail.damages]
    spans = [(frame.first, frame.end, segment) for frame in frames]
    spans += [(tail.first, tail.end, tail.path) for tail in tails]
    end = 0
    for first, following, place in sorted(spans):
        if first > end:
            damages.append(_damage(place, 0, f"points {end} to {first - 1} of its metrics are missing"))
        end = max(end, following)
    return FoundPoints(frames, tails, damages)


def _are_packed(ordinals: range, frames: list[PackedPoints]) -> bool:
    return any(frame.first <= ordinals.start and ordinals.stop <= frame.end for frame in frames)


def _packed(segment: pathlib.Path) -> Iterator[PackedPoints | Damage]:
    if not segment.exists():
        return
    for item in iterate_frames(segment):
        if isinstance(item, Damage):
            if item.problem != "torn":
                yield item
        elif item.kind == PACKED:
            try:
                yield PackedPoints(item.payload)
            except DamagedError as error:
                yield _damage(segment, item.offset, error.message)


def check_points(path: pathlib.Path, *, are_packed: bool) -> list[Damage]:
    """Check the points of a run.

    Args:
        path: the run's folder.
        are_packed: whether the run says that all of them were packed.
    """
    found = read_points(path)
    left = [
        _damage(tail.path, 0, "the run ended without the points in it")
        for tail, (_, points) in zip(found.tails, found.loose, strict=True)
        if are_packed and len(points) and not tail.damages
    ]
    return [*found.damages, *left]


def cut_tails(path: pathlib.Path) -> FoundPoints:
    """Cut tails to what is whole in them, take those away that were packed, and force the others to the disk.

    Args:
        path: the folder of a run that nobody writes, and of which nothing is damaged.
    """
    found = read_points(path)
    kept = [tail for tail in found.tails if tail.count and tail.end > found.packed_end]
    for _, each in find_tails(path):
        if each not in {tail.path for tail in kept}:
            each.unlink()
    for tail in kept:
        descriptor = os.open(tail.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if tail.torn_bytes:
                os.ftruncate(descriptor, tail.sound_bytes)
            sync_data(descriptor)
        finally:
            os.close(descriptor)
    found.tails = kept
    return found


def put_tails_back(path: pathlib.Path, found: FoundPoints) -> None:
    """Leave the tails of a run as `cut_tails` left them."""
    sizes = {tail.path: tail.sound_bytes for tail in found.tails}
    for _, tail in find_tails(path):
        with contextlib.suppress(OSError):
            if tail in sizes:
                os.truncate(tail, sizes[tail])
            else:
                tail.unlink()


def _damage(path: pathlib.Path, offset: int, problem: str) -> Damage:
    return Damage(path=str(path), offset=offset, length=0, problem=problem)
