"""The points of a run's metrics, written: each call is one write to a tail, and a full tail is packed.

A call waits for no sync: tails have a lock of their own, which is held for a write. Whoever holds it takes no
other one; the lock of the run, under which tails are packed and forced to the disk, comes before it.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
import threading
from collections import deque
from collections.abc import Callable, Sequence

from whence.errors import StoreError
from whence.store.files import explained
from whence.store.folder import Folder
from whence.store.frames import FrameWriter
from whence.store.journal import Journal
from whence.store.metrics import METRICS, PACKED, FoundPoints
from whence.store.metrics_columns import merge_totals, pack_points
from whence.store.metrics_tail import MORE, POINT_BYTES, Tail, scan_tail, spell_point
from whence.store.pages import RunPages
from whence.store.reopening import Found

TAIL_POINTS = 1 << 16
"""How many points make a tail full: 2 MB, whose packing takes 16 ms."""


class RunPoints(RunPages):
    """The points of a run beside its framed files, for its one writer; threads of it may log at once."""

    def __init__(
        self, folder: Folder, path: pathlib.Path, *, now_ns: Callable[[], int], found: Found | None
    ) -> None:
        super().__init__(folder, path, now_ns=now_ns, found=found)
        self._key_numbers: dict[str, int] = {}
        self._next_key = self._next_point = 0
        self._packed = merge_totals([])
        self._tail: Tail | None = None
        self._full: deque[Tail] = deque()
        self._has_all_points = False
        self._is_writing = False
        self._meanwhile: deque[tuple[Sequence[tuple[int, float]], int, int]] = deque()
        self._point_lock = threading.RLock()
        self._key_lock = threading.RLock()

    def _go_on_with_points(self, found: FoundPoints, journal: Journal) -> None:
        told = journal.find("metric_key")
        self._key_numbers = journal.metric_names
        # a power cut may have taken the name of a number and not its points: it isn't given again
        given = [*(event.public["key"] for event in told), *found.totals.keys.tolist()]
        self._next_key = max(given, default=-1) + 1
        self._packed = found.packed
        self._next_point = found.packed_end
        with explained(self.path):
            for tail in found.tails:
                self._full.append(Tail(self.path, tail.first, tail.count))
                self._next_point = tail.end
        if self._full and self._full[-1].count < TAIL_POINTS:
            self._tail = self._full.pop()

    def log_point(self, name: str, value: float, step: int) -> None:
        """Write one point; when this returns and nothing waits it survives the death of the process.

        Raises:
            StoreFullError, StoreReadOnlyError, StoreError: it couldn't be written, and nothing is to wait.

        Cost: 2.5 µs, of which the system's write takes half; all else is left to `log_points`.
        """
        at_ns = self._now_ns()
        key = self._key_numbers.get(name)
        if key is not None and self._outbox.trouble is None and self._is_trusted(at_ns):
            with self._point_lock:
                tail = self._tail
                is_simple = not self._is_writing and not self._meanwhile
                if is_simple and tail is not None and tail.count + 1 < TAIL_POINTS:
                    self._is_writing = True
                    try:
                        tail.add(spell_point(at_ns, step, value, key, tail.ready()), 1)
                    except OSError:
                        pass  # met once more below
                    else:
                        return
                    finally:
                        self._is_writing = False
        self.log_points(((name, value),), step)

    def log_points(self, named: Sequence[tuple[str, float]], step: int) -> None:
        """Write points of one step, all or none; see `log_point`.

        Args:
            named: their keys and values.
            step: the step.
        """
        at_ns = self._now_ns()
        self._check_open()
        number = self._key_numbers.get
        points = [(number(name, -1), value) for name, value in named]
        if any(key < 0 for key, _ in points):
            points = [(self._key_number(name), value) for name, value in named]
        if self._outbox.trouble is None and self._write_at_once(points, step, at_ns):
            return
        act = functools.partial(self._write_points, points, step, at_ns)
        with self._writing():
            if min(points)[0] < 0 or not self._outbox.put(act, len(points) * POINT_BYTES):
                self._lose("point", len(points))

    def _write_at_once(self, points: Sequence[tuple[int, float]], step: int, at_ns: int) -> bool:
        """Write points, and pack a tail that is full; returns whether the disk took them."""
        try:
            is_full = self._write_points(points, step, at_ns)
        except OSError:
            if self._has_all_points or not self._outbox.endures:
                with explained(self.path):
                    raise
            return False
        if is_full:
            self._pack()
        return True

    def _key_number(self, name: str) -> int:
        """Give the number of a key, a new one the next; less than 0 where that is lost."""
        with self._key_lock:
            number = self._key_numbers.get(name)
            if number is None:
                number = self._next_key
                self._next_key = number + 1
                # before any point of it, so that none is without a name
                if self.append("metric_key", {"key": number}, {"name": name}) < 0:
                    return -1
                self._key_numbers[name] = number
            return number

    def _write_points(self, points: Sequence[tuple[int, float]], step: int, at_ns: int) -> bool:
        """Write points, by the numbers of their keys; returns whether a tail is full now."""
        with self._point_lock:
            if self._has_all_points:  # another thread ends the run
                raise StoreError(f"{self.path}: the run has ended", remedy="Start a new run to log more.")
            if self._is_writing:  # a signal's handler logs, and came between
                self._meanwhile.append((points, step, at_ns))
                return False
            self._is_writing = True
            try:
                self._add(points, step, at_ns)
            finally:
                self._is_writing = False
            return self._add_meanwhile()

    def _add(self, points: Sequence[tuple[int, float]], step: int, at_ns: int) -> None:
        tail = self._tail
        if tail is None:
            tail = self._tail = Tail(self.path, self._next_point)
        ordinal, left, spelled = tail.ready(), len(points), b""
        for key, value in points:
            left -= 1
            spelled += spell_point(at_ns, step, value, key | MORE if left else key, ordinal)
            ordinal += 1
        tail.add(spelled, len(points))

    def _add_meanwhile(self) -> bool:
        """Write what came between, and make room where a tail is full; returns whether one was."""
        with contextlib.suppress(OSError):  # the next one meets the same trouble
            while self._meanwhile:
                self._add(*self._meanwhile[0])
                self._meanwhile.popleft()
        if self._tail is None or self._tail.count < TAIL_POINTS:
            return False
        self._roll()
        return True

    def _roll(self) -> None:
        if self._tail is not None:
            self._next_point = self._tail.first + self._tail.count
            self._full.append(self._tail)
            self._tail = None

    def _pack(self) -> None:
        """Pack what is full, and have it taken away; what can't be packed stays as it is."""
        with contextlib.suppress(StoreError), self._writing():
            while self._full:
                tail = self._full[0]
                found = scan_tail(tail.path, tail.first)
                if found is not None and not found.damages and len(found.points):
                    payload, totals = pack_points(found.first, found.points)
                    if self.append_segment(METRICS, PACKED, payload) is None:
                        return
                    self._packed = merge_totals([self._packed, totals])
                    self._outbox.put(functools.partial(self._let_go, tail), 0, is_essential=True)
                else:
                    tail.close()  # it tells by itself what can be known of it
                self._full.popleft()

    def _end_points(self) -> None:
        """Pack everything, and say what it comes to; where some waits for the disk, all stays as it is."""
        if self._outbox.is_empty:
            with self._point_lock:
                self._has_all_points = True
                self._add_meanwhile()
                self._roll()
            self._pack()
            if not self._full and len(self._packed.keys):
                rows = [[key, *total] for key, total in self._packed.by_key().items()]
                self._append("metrics", {"keys": rows})

    def _tails(self) -> list[Tail]:
        """The tails that hold points which aren't packed."""
        with self._point_lock:
            return [*self._full, *([] if self._tail is None else [self._tail])]

    def _close(self) -> None:
        super()._close()
        for tail in self._tails():
            tail.close()

    def _is_trusted(self, at_ns: int) -> bool:
        """Whether it needn't be asked who writes the run."""
        raise NotImplementedError

    def _let_go(self, replaced: FrameWriter | Tail) -> None:
        """Close a file, and take it away once what replaces it is on the disk."""
        raise NotImplementedError
