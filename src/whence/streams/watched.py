"""Watching: what somebody else's loader hands out of a stream's samples, recorded by the ids they carry."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.capture import PassRecorder, current_recorder
from whence.errors import CanonicalError, InputError, PlanError
from whence.ops import Batch, Watched, WithIds, check_count
from whence.streams.plan import Node, Program
from whence.streams.stream import Stream
from whence.vocab import is_tensor, tensor_content

Int64Array = NDArray[np.int64]


def watch(batches: Iterable[Any], stream: Stream, *, epoch: int = 0) -> Iterator[Any]:
    """Hand on the batches of any loader, and record which samples of a stream each is made of.

    The samples were read in this run and went to the loader with their ids: `stream.with_ids()`. What is
    handed on is the loader's, without the field of ids.

    Args:
        batches: dicts of columns, of one size but for the last; what a `DataLoader` over dict samples gives.
        stream: the one that gave the samples; its last operation is `with_ids`.
        epoch: which epoch of it.

    Raises:
        PlanError: the stream has no ids.
        InputError: a batch has no ids, or other ones; batches differ in size; the stream wasn't read.

    Cost: some microseconds a batch.
    """
    op = stream._node.op
    if not isinstance(op, WithIds):
        raise PlanError(
            "watch: the samples of this stream carry no ids",
            remedy="Give the loader what stream.with_ids() gives, and that stream to wh.watch.",
        )
    return _watched(batches, stream, op.field, check_count(epoch, "watch(epoch)"))


def _watched(batches: Iterable[Any], stream: Stream, field: str, epoch: int) -> Iterator[Any]:
    watching: _Watching | None = None
    complete = False
    try:
        for number, batch in enumerate(batches):
            ids = _ids_of(batch, field, number)
            if watching is None:
                watching = _Watching(stream, epoch, len(ids))
            watching.tell(ids, number)
            yield from watching.recorder.deliver(iter((_without(batch, field),)))
        complete = True
    finally:
        if watching is not None:
            watching.recorder.end(complete=complete)


class _Watching:
    """The recording of one iteration.

    Args:
        stream: whose samples they are.
        epoch: which epoch of it.
        size: of a batch.
    """

    def __init__(self, stream: Stream, epoch: int, size: int) -> None:
        watched = Node(op=Watched(label="watched"), inputs=(stream._node,))
        batch = Node(op=Batch(label=f"batch({size})", size=size, collate=list), inputs=(watched,))
        below = stream._compiled()
        program = Program(batch, name=f"{below.name or 'stream'}-watched", seed=below.seed)
        run = current_recorder()
        received = run.received(below, epoch)
        decided, self._end = (-1, -1) if received is None else received
        self.recorder: PassRecorder = run.begin_pass(program, epoch, decided=decided)
        self._node = self.recorder.node(program.top - 1)
        self._size = size
        self._is_last = False

    def tell(self, ids: Int64Array, number: int) -> None:
        """Record the next batch."""
        if self._is_last or len(ids) > self._size:
            raise InputError(
                f"watch: batch {number - self._is_last} isn't of {self._size} samples as those before",
                remedy="Give the loader one batch_size; only its last batch may be smaller.",
            )
        self._is_last = len(ids) < self._size
        if self._end >= 0 and (ids.min() < 0 or ids.max() >= self._end):
            raise InputError(
                f"watch: batch {number} has an id {ids.min() if ids.min() < 0 else ids.max()}, "
                f"and {self._end} samples of the stream were read",
                remedy="Watch the stream that gave the loader its samples.",
            )
        self._node.related(0, np.ones(len(ids), np.int64), ids)


def _ids_of(batch: Any, field: str, number: int) -> Int64Array:
    if not isinstance(batch, Mapping) or field not in batch:
        found = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else f"a {type(batch).__name__}"
        raise InputError(
            f"watch: batch {number} has no field {field!r}: it has {found:.200}",
            remedy="Let the loader's collate function keep the field that with_ids added.",
        )
    found = batch[field]
    try:
        ids = np.asarray(tensor_content(found) if is_tensor(found) else found)
    except (CanonicalError, ValueError) as error:
        raise _no_ids(field, number, type(found).__name__) from error
    if ids.dtype.kind not in "iu" or not ids.size:
        raise _no_ids(field, number, f"{ids.size} values of {ids.dtype}")
    return ids.reshape(-1).astype(np.int64)


def _no_ids(field: str, number: int, found: str) -> InputError:
    return InputError(
        f"watch: field {field!r} of batch {number} holds no ids: {found}",
        remedy="Let the loader's collate function keep the integers that with_ids added.",
    )


def _without(batch: Any, field: str) -> Any:
    handed = copy.copy(batch)
    del handed[field]
    return handed
