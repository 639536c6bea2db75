"""The hub: gives pieces of lines to workers, hears what they say, and notices when one of them is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from whence.capture import Told
from whence.errors import UnshippableError, WorkerError
from whence.processes import GoneError, Pool
from whence.streams.lines import Line
from whence.streams.working import Result, Want

_AT_ONCE = 3


@dataclass(slots=True, kw_only=True)
class Piece:
    """A piece that is under way.

    Args:
        number: counts the pieces of a scan.
        first: the position of its first output of the base.
        count: how many outputs of the base it has.
        body: what the worker is given.
    """

    number: int
    first: int
    count: int
    body: Any
    worker: int = -1
    gists: dict[int, Any] = field(default_factory=dict)
    told: Told = field(default_factory=list)
    result: Result | None = None


class Scan(Protocol):
    """One reading of a line."""

    line: Line
    want: Want

    def take(self, number: int, result: Result | UnshippableError) -> None:
        """A piece is done."""

    def take_gists(self, number: int, place: int, gists: Any) -> None:
        """An op asks about a piece."""

    def named(self, stretches: Sequence[str]) -> str:
        """Say what lies at some stretches of the base, for a message."""


class Hub:
    """Gives pieces to workers, which begin with the first of them, and hands on what they say."""

    def __init__(self, begin: Callable[[], Pool], count: int) -> None:
        self._begin = begin
        self.count = count
        self._pool: Pool | None = None
        self._scans: dict[int, Scan] = {}
        self._numbers = 0
        self._busy: list[dict[tuple[int, int], Piece]] = [{} for _ in range(count)]

    def enter(self, scan: Scan) -> int:
        """Number a scan that begins, and tell all workers of its line."""
        if self._pool is None:
            self._pool = self._begin()
            for worker in range(self.count):
                self._send(worker, ("number", worker))
        self._numbers += 1
        self._scans[self._numbers] = scan
        for worker in range(self.count):
            self._send(worker, ("line", self._numbers, scan.want), scan.line)
        return self._numbers

    def leave(self, number: int) -> None:
        """A scan is over, or nobody reads on: what is under way of it is dropped."""
        self._scans.pop(number, None)
        if self._pool is None:
            return
        for worker, busy in enumerate(self._busy):
            if any(scan == number for scan, _ in busy):
                with contextlib.suppress(WorkerError):  # it is dropped either way
                    self._send(worker, ("drop", number))
            self._busy[worker] = {key: piece for key, piece in busy.items() if key[0] != number}

    def free(self) -> int | None:
        """The worker with the least to do; None where all have enough."""
        worker = min(range(self.count), key=lambda each: len(self._busy[each]))
        return worker if len(self._busy[worker]) < _AT_ONCE else None

    def give(self, number: int, piece: Piece, worker: int | None) -> None:
        """Give a piece to a worker; None gives it to one that has enough already."""
        if worker is None:
            worker = min(range(self.count), key=lambda each: len(self._busy[each]))
        piece.worker = worker
        self._busy[worker][number, piece.number] = piece
        self._send(worker, ("piece", number, piece.number), piece.body)
        piece.body = None

    def answer(self, number: int, piece: Piece, verdict: Any) -> None:
        """Send the verdict on a piece."""
        self._send(piece.worker, ("verdict", number, piece.number), verdict)

    def listen(self) -> None:
        """Wait until workers have said something, and hand it on."""
        if self._pool is None:
            raise AssertionError("nobody was given anything")
        try:
            received = self._pool.receive(wait=True)
        except GoneError as error:
            raise self._lost(error) from error
        for worker, head, body in received:
            if head[0] == "unloadable":
                raise UnshippableError(
                    f"worker {worker} can't be given the stream: {body}",
                    remedy="Let the modules that it needs be importable there, or read it with workers=0.",
                )
            kind, number, piece, *words = head
            scan = self._scans.get(number)
            if kind == "done":
                self._busy[worker].pop((number, piece), None)
            if scan is None:
                continue  # it was dropped meanwhile
            if kind == "done":
                scan.take(piece, body)
            else:
                scan.take_gists(piece, words[0], body)

    def close(self) -> None:
        """End the workers."""
        self._scans.clear()
        if self._pool is not None:
            self._pool.close()

    def _send(self, worker: int, head: tuple[Any, ...], body: Any = None) -> None:
        if self._pool is None:
            raise AssertionError("workers begin with the first scan")
        try:
            self._pool.send(worker, head, body)
        except GoneError as error:
            raise self._lost(error) from error

    def _lost(self, error: GoneError) -> WorkerError:
        busy = self._busy[error.worker]
        pieces = [(self._scans[scan], piece) for (scan, _), piece in busy.items() if scan in self._scans]
        doing = f" while it worked on {_places(pieces)}" if pieces else ""
        return WorkerError(
            f"worker {error.worker} {error.how}{doing}",
            remedy="If memory ran out, use fewer workers or smaller samples; workers=0 does the same here.",
        )


def _places(pieces: list[tuple[Scan, Piece]]) -> str:
    """Say which samples some pieces hold, as the scan of the first of them counts."""
    scan = pieces[0][0]
    held = [(piece.first, piece.first + piece.count - 1) for each, piece in pieces if each is scan]
    return scan.named([f"{first:,} to {last:,}" for first, last in held])
