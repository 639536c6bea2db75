"""Reading a stream: passes, their iterators, and what happens when one is left half-way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal

from whence.capture import NullPass, PassRecorder, current_recorder
from whence.errors import UnknownLengthError
from whence.ops import Chunk
from whence.streams.evaluation import Evaluation
from whence.streams.plan import Program
from whence.streams.witnessing import OutputWitness
from whence.streams.workers import NONE, Workers

Want = Literal["samples", "columns", "count"]


class Epoch:
    """One pass over a stream, ready to be read; each reading of it is a pass of its own.

    Args:
        program: the compiled stream.
        number: which epoch.
        workers: the processes that it is read with.
    """

    __slots__ = ("_number", "_program", "_workers")

    def __init__(self, program: Program, number: int, workers: Workers = NONE) -> None:
        self._program = program
        self._number = number
        self._workers = workers

    def __iter__(self) -> StreamIterator:
        return StreamIterator(self._program, self._number, self._workers)

    def __len__(self) -> int:
        size = self._program.steps[-1].node.known_size()
        if size is None:
            raise UnknownLengthError(
                "the length of this stream isn't known without reading it",
                remedy="Use stream.count(), which reads it.",
            )
        return size


class StreamIterator(Iterator[Any]):
    """Hands out the samples of a pass; leaving it half-way ends the pass in the record."""

    __slots__ = ("_samples",)

    def __init__(self, program: Program, epoch: int, workers: Workers = NONE) -> None:
        self._samples = _delivered(program, epoch, workers, "samples", _one_by_one)

    def __iter__(self) -> Iterator[Any]:
        # a for loop takes the generator itself: one call less for each sample
        return self._samples

    def __next__(self) -> Any:
        return next(self._samples)

    def close(self) -> None:
        """End the pass now."""
        self._samples.close()


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
    return _delivered(program, epoch, workers, want, _together)


def _one_by_one(recorder: PassRecorder, chunk: Chunk) -> Iterator[Any]:
    return recorder.deliver(chunk.values)


def _together(recorder: PassRecorder, chunk: Chunk) -> Iterator[Chunk]:
    recorder.offer(len(chunk))
    yield chunk
    recorder.took()


def _delivered(
    program: Program,
    epoch: int,
    workers: Workers,
    want: Want,
    hand_out: Callable[[PassRecorder, Chunk], Iterator[Any]],
) -> Generator[Any, None, None]:
    recorder = current_recorder().begin_pass(program, epoch)
    complete = False
    evaluation = None
    try:
        evaluation = _evaluation_of(program, epoch, recorder, workers, want)
        witness = OutputWitness(program, recorder)
        for chunk in evaluation.scan():
            if not evaluation.has_witnessed:
                witness.tell(chunk)
            yield from hand_out(recorder, chunk)
        complete = True
    finally:
        _finish(evaluation, recorder, complete)


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


def _finish(evaluation: Evaluation | None, recorder: PassRecorder, complete: bool) -> None:
    try:
        if evaluation is not None:
            evaluation.close()
    finally:
        recorder.end(complete=complete)
