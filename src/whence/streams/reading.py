"""Reading a stream: passes, their iterators, and what happens when one is left half-way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from whence.capture import NullPass, PassRecorder, current_recorder
from whence.errors import UnknownLengthError
from whence.ops import Chunk
from whence.streams.evaluation import Evaluation
from whence.streams.plan import Program


class Epoch:
    """One pass over a stream, ready to be read; each reading of it is a pass of its own.

    Args:
        program: the compiled stream.
        number: which epoch.
    """

    __slots__ = ("_number", "_program")

    def __init__(self, program: Program, number: int) -> None:
        self._program = program
        self._number = number

    def __iter__(self) -> StreamIterator:
        return StreamIterator(self._program, self._number)

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

    def __init__(self, program: Program, epoch: int) -> None:
        self._samples = _deliver(program, epoch)

    def __iter__(self) -> Iterator[Any]:
        # a for loop takes the generator itself: one call less for each sample
        return self._samples

    def __next__(self) -> Any:
        return next(self._samples)

    def close(self) -> None:
        """End the pass now."""
        self._samples.close()


def deliver_chunks(program: Program, epoch: int) -> Generator[Chunk, None, None]:
    """Hand out a pass chunk by chunk, for who wants columns; recorded as if sample by sample."""
    return _delivered(program, epoch, _together)


def _deliver(program: Program, epoch: int) -> Generator[Any, None, None]:
    return _delivered(program, epoch, _one_by_one)


def _one_by_one(recorder: PassRecorder, chunk: Chunk) -> Iterator[Any]:
    return recorder.deliver(chunk.values)


def _together(recorder: PassRecorder, chunk: Chunk) -> Iterator[Chunk]:
    recorder.offer(len(chunk))
    yield chunk
    recorder.took()


def _delivered(
    program: Program, epoch: int, hand_out: Callable[[PassRecorder, Chunk], Iterator[Any]]
) -> Generator[Any, None, None]:
    recorder = current_recorder().begin_pass(program, epoch)
    evaluation = Evaluation(program, epoch=epoch, recorder=recorder)
    top = recorder.node(program.top)
    counts_items_here = program.items_at == program.top and not _is_batch(program)
    delivers_items = program.delivers_items
    complete = False
    try:
        for chunk in evaluation.scan():
            if not delivers_items:
                recorder.made(chunk.content)
            if counts_items_here:
                top.gathered(chunk.content, [len(chunk)])
            yield from hand_out(recorder, chunk)
        complete = True
    finally:
        _finish(evaluation, recorder, complete)


def count_outputs(program: Program) -> int:
    """Read epoch 0 through and count its outputs.

    Nothing is delivered to anyone, so it is no pass of a run: a record of it would only take the
    address of the pass that does deliver.
    """
    evaluation = Evaluation(program, epoch=0, recorder=NullPass())
    try:
        return sum(len(chunk) for chunk in evaluation.scan())
    finally:
        evaluation.close()


def _is_batch(program: Program) -> bool:
    op = program.steps[program.items_at].node.op
    return op is not None and op.kind == "batch"


def _finish(evaluation: Evaluation, recorder: PassRecorder, complete: bool) -> None:
    try:
        evaluation.close()
    finally:
        recorder.end(complete=complete)
