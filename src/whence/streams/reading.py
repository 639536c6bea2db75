"""Reading a stream: passes, their iterators, and what happens when one is left half-way."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal

from whence.capture import AT_THE_START, NullPass, PassRecorder, Start, current_recorder
from whence.errors import PlanError, StateError, UnknownLengthError
from whence.ops import Chunk
from whence.streams.cutting import Cut
from whence.streams.evaluation import Evaluation
from whence.streams.plan import Program
from whence.streams.state import PlanFacts
from whence.streams.witnessing import OutputWitness
from whence.streams.workers import NONE, Workers

Want = Literal["samples", "columns", "count"]


class Epoch:
    """One pass over a stream, ready to be read; each reading of it is a pass of its own.

    Args:
        program: the compiled stream.
        number: which epoch.
        workers: the processes that it is read with.
        start: where in the epoch it begins.
    """

    __slots__ = ("_number", "_program", "_start", "_workers")

    def __init__(
        self, program: Program, number: int, workers: Workers = NONE, start: Start = AT_THE_START
    ) -> None:
        self._program = program
        self._number = number
        self._workers = workers
        self._start = start

    @property
    def number(self) -> int:
        """Which epoch it is."""
        return self._number

    def __iter__(self) -> StreamIterator:
        return StreamIterator(self._program, self._number, self._workers, self._start)

    def held(self) -> HeldIterator:
        """Read it for a consumer that takes samples before it uses them, and says which it has come to."""
        return HeldIterator(self._program, self._number, self._workers, self._start)

    def rehearsed(self) -> HeldIterator:
        """The same for one that leaves out by itself what was received before: that is handed out too."""
        return HeldIterator(self._program, self._number, self._workers, self._start, left_out=0)

    def __len__(self) -> int:
        size = self._program.steps[-1].node.known_size()
        if size is None:
            raise UnknownLengthError(
                "the length of this stream isn't known without reading it",
                remedy="Use stream.count(), which reads it.",
            )
        return max(0, size - self._start.first)


class StreamIterator(Iterator[Any]):
    """Hands out the samples of a pass; leaving it half-way ends the pass in the record."""

    __slots__ = ("_epoch", "_facts", "_place", "_samples")

    def __init__(
        self, program: Program, epoch: int, workers: Workers = NONE, start: Start = AT_THE_START
    ) -> None:
        self._epoch = epoch
        self._facts = PlanFacts(program)
        self._place = _Place(start, program.steps[-1].node.known_size())
        self._samples = _delivered(program, epoch, workers, "samples", self._place)

    def __iter__(self) -> Iterator[Any]:
        # a for loop takes the generator itself: one call less for each sample
        return self._samples

    def __next__(self) -> Any:
        return next(self._samples)

    @property
    def is_over(self) -> bool:
        """Whether all was handed out; of a length that only reading tells, once more was asked for."""
        return self._place.is_over

    def state(self) -> dict[str, Any]:
        """Say where the pass stands, as a small JSON value: `stream.resume(state)` goes on exactly there.

        All that was handed out counts as received; so take it between two steps of a training.

        Raises:
            SourceError: a file that is read is missing or unreadable.

        Cost: the first time a stat of each file read and the digests of the code; then microseconds.
        """
        return self._facts.state(self._epoch, self._place.delivered, self._place.recorded, self._place.cut)

    def close(self) -> None:
        """End the pass now."""
        self._samples.close()


class HeldIterator(Iterator[Any]):
    """Hands out the samples of a pass, of which each counts as received when the consumer says so.

    For a loop that takes some samples ahead: `took()` says that it goes on to the next of those it has.
    The record and `state()` know of no other.
    """

    __slots__ = ("_epoch", "_facts", "_hold", "_samples")

    def __init__(
        self,
        program: Program,
        epoch: int,
        workers: Workers = NONE,
        start: Start = AT_THE_START,
        left_out: int | None = None,
    ) -> None:
        self._epoch = epoch
        self._facts = PlanFacts(program)
        left_out = start.first if left_out is None else left_out
        self._hold = _Hold(start, program.steps[-1].node.known_size(), left_out)
        self._samples = _delivered(program, epoch, workers, "samples", self._hold)

    def __next__(self) -> Any:
        return self._hold.next_again() if self._hold.again else next(self._samples)

    @property
    def waiting(self) -> int:
        """How many were handed out, and the consumer hasn't come to them."""
        return len(self._hold.waiting)

    @property
    def is_untouched(self) -> bool:
        """Whether the consumer has come to none."""
        return not self._hold.count

    @property
    def is_over(self) -> bool:
        """Whether the consumer has come to all that there are."""
        return self._hold.is_over

    def took(self, count: int = 1) -> None:
        """Say that the consumer goes on to the next of those that were handed out.

        Args:
            count: it uses so many together.

        Raises:
            PlanError: no so many were handed out.
        """
        self._hold.take(count)

    def restart(self) -> None:
        """Hand out again what was handed out and not come to."""
        self._hold.restart()

    def state(self) -> dict[str, Any]:
        """Say where the consumer stands; see `StreamIterator.state`."""
        return self._facts.state(self._epoch, self._hold.delivered, self._hold.recorded, self._hold.cut)

    def close(self) -> None:
        """End the pass now: what the consumer didn't come to was not delivered."""
        self._samples.close()
        self._hold.close()


class _Standing:
    """Where the consumer of a pass stands.

    Args:
        start: where the pass begins.
        left_out: how many outputs aren't handed out: those before its first, or none where the consumer
            leaves them out.
    """

    __slots__ = ("cut_before", "left_out", "start")

    def __init__(self, start: Start, left_out: int) -> None:
        self.start = start
        self.left_out = left_out
        self.cut_before: Callable[[int], Cut | None] = lambda _: start.cut or None

    @property
    def delivered(self) -> int:
        """Up to which output it was given them, from the start of the epoch."""
        raise NotImplementedError

    @property
    def cut(self) -> Cut | None:
        """Where to cut, so that what comes next can be made without what was given."""
        return self.cut_before(self.delivered)


class _Place(_Standing):
    """How far the consumer of a pass is, at no cost for each sample."""

    __slots__ = ("_end", "_handed", "_is_whole", "_recorder", "_size")

    def __init__(self, start: Start, size: int | None) -> None:
        super().__init__(start, start.first)
        self._size = size
        self._is_whole = False
        self._recorder: PassRecorder | None = None
        self._handed: Iterator[Any] = iter(())
        self._end = start.first

    @property
    def delivered(self) -> int:
        """How many outputs were handed out, from the start of the epoch."""
        return self._end - operator.length_hint(self._handed)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._is_whole or self.delivered == self._size

    @property
    def recorded(self) -> Start | None:
        """Where it stands in the run that records it; before its first sample, where that goes on from."""
        if self._recorder is None:
            return self.start if self.start.run else current_recorder().place
        return self._recorder.place

    def hand_out(self, recorder: PassRecorder, chunk: Chunk) -> Iterator[Any]:
        """Hand out the samples of a chunk one by one."""
        self._recorder = recorder
        self._handed = iter(chunk.values)
        self._end += len(chunk)
        return recorder.deliver(self._handed)

    def end(self, recorder: PassRecorder, complete: bool) -> None:
        """Nothing more is handed out; a loop that knows the length doesn't ask for the end."""
        self._is_whole = complete or self.is_over
        recorder.end(complete=self._is_whole)


class _Hold(_Standing):
    """What was handed out, and how much of it the consumer has come to."""

    __slots__ = ("_before", "_is_whole", "_recorder", "_size", "again", "count", "waiting")

    def __init__(self, start: Start, size: int | None, left_out: int) -> None:
        super().__init__(start, left_out)
        self._before = start.first - left_out
        self._size = size
        self.count = 0
        self.waiting: deque[Any] = deque()
        self.again: deque[Any] = deque()
        self._recorder: PassRecorder = NullPass()
        self._is_whole = False

    @property
    def delivered(self) -> int:
        """Up to which output the consumer has come, from the start of the epoch."""
        return self.start.first + self.count

    @property
    def recorded(self) -> Start | None:
        """Where it stands in the run that records it; before its first sample, where that goes on from."""
        return self._recorder.place or (self.start if self.start.run else current_recorder().place)

    @property
    def is_over(self) -> bool:
        """Whether the consumer has come to all."""
        return self.delivered == self._size or (self._is_whole and not self.waiting and not self.again)

    def hand_out(self, recorder: PassRecorder, chunk: Chunk) -> Iterator[Any]:
        """Hand out the samples of a chunk, and keep them until the consumer comes to them."""
        self._recorder = recorder
        recorder.offer(0)
        for value in chunk.values:
            if self._before:
                self._before -= 1
            else:
                self.waiting.append(value)
            yield value

    def next_again(self) -> Any:
        """Hand out one that was handed out before."""
        self.waiting.append(self.again.popleft())
        return self.waiting[-1]

    def restart(self) -> None:
        """Begin again with the first that waits."""
        self.again.extendleft(reversed(self.waiting))
        self.waiting.clear()

    def take(self, count: int) -> None:
        """The consumer comes to the next."""
        if not 0 <= count <= len(self.waiting):
            raise PlanError(
                f"took({count}): {len(self.waiting)} samples were handed out and not yet come to",
                remedy="Say took() once for each sample or batch that the loop begins to use.",
            )
        for _ in range(count):
            self.waiting.popleft()
        self._recorder.took()
        self._recorder.offer(count)
        self.count += count
        if self.is_over:
            self._recorder.end(complete=True)

    def end(self, recorder: PassRecorder, complete: bool) -> None:
        """Nothing more is handed out, and perhaps some of it waits."""
        self._recorder = recorder
        self._is_whole = complete
        if self.is_over or not complete:
            recorder.end(complete=self.is_over)

    def close(self) -> None:
        """The consumer comes to nothing more."""
        self._recorder.end(complete=False)


def deliver_chunks(
    program: Program, epoch: int, workers: Workers = NONE, want: Want = "columns"
) -> Generator[Chunk, None, None]:
    """Hand out a pass chunk by chunk; recorded as if sample by sample.

    Args:
        program: the compiled stream.
        epoch: which epoch.
        workers: the processes that it is read with.
        want: whether the columns of the outputs are wanted, as for a table, or only their number.
    """
    return _delivered(program, epoch, workers, want, _Together(AT_THE_START, 0))


class _Together(_Standing):
    """Hands out chunks as they are, from the start of the epoch."""

    __slots__ = ()

    def hand_out(self, recorder: PassRecorder, chunk: Chunk) -> Iterator[Chunk]:
        """Hand out the samples of a chunk together."""
        recorder.offer(len(chunk))
        yield chunk
        recorder.took()

    def end(self, recorder: PassRecorder, complete: bool) -> None:
        """Nothing more is handed out."""
        recorder.end(complete=complete)


def _delivered(
    program: Program, epoch: int, workers: Workers, want: Want, way: _Place | _Hold | _Together
) -> Generator[Any, None, None]:
    start, left_out = way.start, way.left_out
    recorder = current_recorder().begin_pass(program, epoch, start)
    complete = False
    evaluation = None
    try:
        evaluation = _evaluation_of(program, epoch, recorder, workers, want)
        witness = OutputWitness(program, recorder)
        made = evaluation.begin_at(start if left_out else AT_THE_START)
        way.cut_before = evaluation.cut_before
        for chunk in evaluation.scan():
            if not evaluation.has_witnessed:
                witness.tell(chunk)
            made += len(chunk)
            if made > left_out:
                late = left_out - (made - len(chunk))
                yield from way.hand_out(recorder, chunk if late <= 0 else chunk.taken(slice(late, None)))
            else:
                recorder.offer(0)  # received earlier: only what was decided is written
        if made < start.first:
            raise StateError(
                f"the state stands at output {start.first:,}, and the stream gives only {made:,}",
                remedy="Check that it reads the data that it read then.",
            )
        complete = True
    finally:
        try:
            if evaluation is not None:
                evaluation.close()
        finally:
            way.end(recorder, complete)


def count_outputs(program: Program, workers: Workers = NONE) -> int:
    """Read epoch 0 through and count its outputs.

    Nothing is delivered to anyone, so it is no pass of a run: a record of it would only take the
    address of the pass that does deliver.
    """
    evaluation = _evaluation_of(program, 0, NullPass(), workers, "count")
    try:
        return sum(len(chunk) for chunk in evaluation.scan())
    finally:
        evaluation.close()


def _evaluation_of(
    program: Program, epoch: int, recorder: PassRecorder, workers: Workers, want: Want
) -> Evaluation:
    if not workers.count:
        return Evaluation(program, epoch=epoch, recorder=recorder)
    from whence.streams.parallel import ParallelEvaluation  # noqa: PLC0415 - processes are loaded on first use

    return ParallelEvaluation(program, epoch=epoch, recorder=recorder, workers=workers, want=want)
