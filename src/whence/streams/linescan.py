"""One reading of a line by workers: what was given out, and what has come back, in order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from whence.capture import RelayPass
from whence.errors import UnshippableError
from whence.ops import Decide
from whence.streams.hub import Hub, Piece
from whence.streams.lines import Line
from whence.streams.pacing import adapted
from whence.streams.plan import Program
from whence.streams.working import Result, Want

_UNDER_WAY_BYTES = 256 * 1024 * 1024

Base = Generator[tuple[int, int, Any], None, None]
"""Pieces of a base: the position of the first output, how many there are, and what a worker is given."""


class LineScan:
    """One reading of a line: what is given out, and what has come back, by number."""

    def __init__(
        self,
        program: Program,
        line: Line,
        want: Want,
        hub: Hub,
        size: int,
        deciders: dict[int, tuple[RelayPass, Decide]],
    ) -> None:
        self.line = line
        self.want = want
        self.before: Counter[int] = Counter()
        self._program = program
        self._hub = hub
        self._size = size
        self._deciders = deciders
        self._turn: Counter[int] = Counter()
        self._number = 0
        self._count = 0
        self._pieces: deque[Piece] = deque()
        self._by_number: dict[int, Piece] = {}
        self._made_bytes = 0
        self._late: BaseException | None = None
        self._is_given_out = False

    def enter(self) -> None:
        """Let workers know of it."""
        self._number = self._hub.enter(self)

    def leave(self) -> None:
        """Let them forget it."""
        self._hub.leave(self._number)

    def size(self) -> int:
        """How many outputs of the base the next piece should have."""
        return self._size

    def results(self, base: Base) -> Iterator[tuple[Piece, Result]]:
        """Give out all of the base, and say what came of each piece, in order."""
        while True:
            self._give(base)
            if not self._pieces:
                break
            head = self._pieces[0]
            while head.result is None:
                # what was asked while another scan listened is answered before anything is waited for
                if not self._decide():
                    self._hub.listen()
                self._give(base)
            self._pieces.popleft()
            del self._by_number[head.number]
            yield head, head.result
        if self._late is not None:
            raise self._late

    def take(self, number: int, result: Result | UnshippableError) -> None:
        """Keep what came of a piece until its turn."""
        piece = self._by_number[number]
        if isinstance(result, UnshippableError):
            label = self._program.steps[self.line.top].label
            raise UnshippableError(
                f"what op {label!r} made in a worker can't be made again here: {result.message}",
                remedy="Let samples be numbers, text, arrays or dicts of these there, or use workers=0.",
            )
        piece.result = result
        made_bytes = max(1, result.made_bytes)
        size = adapted(piece.count, result.took_ns, made_bytes, 1)
        # pieces of one size come back together: only the first of them changes it
        self._size = max(self._size, size) if size > piece.count else min(self._size, size)
        self._made_bytes = max(made_bytes, self._made_bytes // 2)

    def take_gists(self, number: int, place: int, gists: Any) -> None:
        """Keep what an op asks about a piece until its turn."""
        self._by_number[number].gists[place] = gists

    def named(self, stretches: Sequence[str]) -> str:
        """Say what lies at some stretches of the base."""
        label = self._program.steps[self.line.base].label
        ops = [repr(self._program.steps[index].label) for index in self.line.ops]
        by = f" (ops {' to '.join(dict.fromkeys((ops[0], ops[-1])))})" if ops else ""
        return f"samples {' and '.join(stretches)} of {label!r}{by}"

    def _decide(self) -> bool:
        """Answer what is asked in order; tells whether there was anything to answer."""
        is_answered = False
        for place, (relay, decide) in self._deciders.items():
            while (piece := self._by_number.get(self._turn[place])) is not None and place in piece.gists:
                verdict = decide(piece.gists.pop(place))
                piece.told += relay.take()
                self._turn[place] += 1
                self._hub.answer(self._number, piece, verdict)
                is_answered = True
        return is_answered

    def _give(self, base: Base) -> None:
        """Give out pieces while a worker has room, and one in any case."""
        while not self._is_given_out and len(self._pieces) < self._most():
            worker = self._hub.free()
            if worker is None and self._pieces:
                return
            try:
                found = next(base, None)
                if found is not None:
                    self._give_one(worker, *found)
            except Exception as error:
                self._late = error  # what was given out before it comes first
                found = None
            self._is_given_out = found is None

    def _give_one(self, worker: int | None, first: int, count: int, body: Any) -> None:
        piece = Piece(number=self._count, first=first, count=count, body=body)
        try:
            self._hub.give(self._number, piece, worker)
        except UnshippableError as error:
            raise UnshippableError(
                f"{self.named([f'{first:,} to {first + count - 1:,}'])} can't be sent to a worker: "
                f"{error.message}",
                remedy="Let samples be numbers, text, arrays or dicts of these there, or use workers=0.",
            ) from error
        self._count += 1
        self._pieces.append(piece)
        self._by_number[piece.number] = piece

    def _most(self) -> int:
        """How many pieces may be under way: enough that no worker waits, unless they are large."""
        most = 4 * self._hub.count
        if self._made_bytes:
            most = min(most, _UNDER_WAY_BYTES // self._made_bytes)
        return max(self._hub.count + 1, most)
