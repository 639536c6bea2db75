"""A stream as a dataset of PyTorch: which epoch an iteration gives, where it stands, how far the loop is.

The record must say what the training loop received, and only the place where a `DataLoader` hands out batches
knows that. So importing this file lets loaders over these datasets, and no others, read by way of
`loading.LoaderIterator`; the dataset says what is read, and keeps the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from whence.errors import PlanError, StateError
from whence.ops import Batch, Map, Op, check_count, name_of
from whence.streams.loading import read_loaders_of
from whence.streams.plan import Program
from whence.streams.reading import Epoch, HeldIterator, StreamIterator
from whence.streams.state import PlanFacts
from whence.streams.tensors import as_tensors, collated, converted, torch
from whence.streams.workers import NONE, Workers

FORMAT = 1


class Readable(Protocol):
    """What a dataset needs of a stream."""

    def shard(self, index: int, count: int) -> Readable:
        """Keep every `count`-th sample."""

    def pipe(self, op: Op) -> Readable:
        """Chain an operation."""

    def _compiled(self) -> Program:
        """The program that it stands for."""


class StreamDataset(torch.utils.data.IterableDataset):  # type: ignore[misc]  # torch is untyped here
    """The samples of a stream, arrays as tensors, epoch after epoch.

    Each iteration gives the epoch after the last one's, unless `set_epoch` says which; one of which nothing
    was received doesn't count.

    Args:
        stream: what is read.
        workers: the processes that it is read with, where the loader names none.
        epoch: the first iteration's.
    """

    def __init__(self, stream: Readable, *, workers: Workers, epoch: int) -> None:
        super().__init__()
        self._stream = stream
        self._workers = workers
        self._next = check_count(epoch, "to_torch(epoch)")
        self._is_chosen = True
        self._is_holding = self._is_rehearsing = False
        self._place: Mapping[str, Any] | None = None
        self._reading: StreamIterator | HeldIterator | None = None
        self._read: tuple[Program, int] | None = None
        self._piped: dict[tuple[Any, ...], tuple[Readable, Any]] = {}

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch the next iteration gives; a state that was loaded for another is forgotten."""
        chosen = check_count(epoch, "set_epoch(epoch)")
        if chosen != self._next:
            self._place = None
        self._next = chosen
        self._is_chosen = True

    def __iter__(self) -> Iterator[Any]:
        info = torch.utils.data.get_worker_info()
        if info is None:
            return map(as_tensors, self._outputs(self._stream, self._workers))
        part = self._stream.shard(info.id, info.num_workers)  # torch takes from its processes in turns
        return map(as_tensors, self._outputs(part, NONE))

    # what a loader reads

    def batches(
        self, size: int, *, drop_last: bool, collate: Callable[..., Any], workers: Workers | None
    ) -> Iterator[Any]:
        """Give the batches of the next epoch, made by the stream's engine."""
        op = Batch(label=f"batch({size})", size=size, drop_last=drop_last, collate=partial(collated, collate))
        stream = self._with(("batch", size, drop_last), collate, op)
        return self._outputs(stream, self._workers if workers is None else workers)

    def samples(self, convert: Callable[..., Any], *, workers: Workers | None) -> Iterator[Any]:
        """Give the samples of the next epoch, each as a function makes it."""
        used = self._workers if workers is None else workers
        if convert is torch.utils.data.default_convert:
            return map(convert, map(as_tensors, self._outputs(self._stream, used)))
        op = Map(label=name_of(convert), fn=partial(converted, convert))
        return self._outputs(self._with(("map",), convert, op), used)

    # where it stands

    def state_dict(self) -> dict[str, Any]:
        """Say where the loop stands, as a small JSON value: what it received, not what was prepared ahead.

        Raises:
            SourceError: a file that is read is missing or unreadable.
        """
        place, reading = self._place, self._reading
        if not self._is_chosen and reading is not None and not reading.is_over:
            place = reading.state()
        return {"format": FORMAT, "epoch": self._next if place is None else place["epoch"], "place": place}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on where a state was taken; it must be read as then: batches or samples.

        Raises:
            StateError: it isn't a state of a dataset; one of another stream is refused when it is read.
        """
        found = state if isinstance(state, Mapping) else {}
        epoch, place = found.get("epoch"), found.get("place")
        is_place = place is None or (isinstance(place, Mapping) and place.get("epoch") == epoch)
        if found.get("format") != FORMAT or type(epoch) is not int or epoch < 0 or not is_place:
            raise StateError(
                "load_state_dict: this isn't the state of a dataset",
                remedy="Give what state_dict() of such a dataset gave, or what JSON made of it.",
            )
        self._forget()
        self._next, self._place, self._is_chosen = epoch, place, True

    # for loops that take batches ahead

    def hold(self) -> None:
        """From the next iteration on, count a batch as received when `took()` says that the loop uses it."""
        self._is_holding = True

    def release(self) -> None:
        """Count batches as received when they are handed out, again; what waits was not received."""
        self._is_holding = False
        if isinstance(self._reading, HeldIterator):
            self._reading.close()
            self._read = None  # what is closed isn't begun again

    def rehearse(self) -> None:
        """Hand out what was received before a state, too: the loop leaves it out by itself."""
        self._is_rehearsing = True

    @property
    def waiting(self) -> int:
        """How many batches were handed out and not come to."""
        return self._reading.waiting if isinstance(self._reading, HeldIterator) else 0

    def took(self, count: int = 1) -> None:
        """Say that the loop goes on to the next batch of those that were handed out.

        Raises:
            PlanError: no so many were, or the dataset doesn't `hold()`.
        """
        if not isinstance(self._reading, HeldIterator):
            raise PlanError(
                "took(): nothing was handed out to be held", remedy="Say hold() before it is read."
            )
        self._reading.took(count)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "_reading": None,
            "_read": None,
            "_piped": {},
        }  # a pass stays where it is read

    def _outputs(self, stream: Readable, workers: Workers) -> Iterator[Any]:
        reading = self._begin(stream._compiled(), workers)
        if isinstance(reading, HeldIterator):
            for value in reading:  # noqa: UP028 - it stays open: another iteration may go on with it
                yield value
        else:
            yield from reading

    def _begin(self, program: Program, workers: Workers) -> StreamIterator | HeldIterator:
        """Begin a pass, or begin again with one that was only looked into."""
        held = self._reading
        if isinstance(held, HeldIterator) and self._is_again(held, program):
            held.restart()
        else:
            place = self._place
            number, start = (self._next, None) if place is None else PlanFacts(program).start_from(place)
            self._forget()
            epoch = (
                Epoch(program, number, workers) if start is None else Epoch(program, number, workers, start)
            )
            self._reading = self._opened(epoch)
            self._read = program, number
        if self._reading is None or self._read is None:
            raise AssertionError("a pass was begun")
        self._next, self._is_chosen = self._read[1] + 1, False
        return self._reading

    def _opened(self, epoch: Epoch) -> StreamIterator | HeldIterator:
        is_rehearsing, self._is_rehearsing = self._is_rehearsing, False
        if not self._is_holding:
            return iter(epoch)
        return epoch.rehearsed() if is_rehearsing else epoch.held()

    def _is_again(self, held: HeldIterator, program: Program) -> bool:
        if self._read is None or not self._is_holding or self._place is not None:
            return False
        begun, number = self._read
        return held.is_untouched and begun is program and self._next == number + (not self._is_chosen)

    def _forget(self) -> None:
        """Leave what is being read, and where it was to go on."""
        if isinstance(self._reading, HeldIterator):
            self._reading.close()
        self._reading = self._read = self._place = None

    def _with(self, how: tuple[Any, ...], function: Any, op: Op) -> Readable:
        """Chain an op once: one program is one stream of the record."""
        key = (*how, id(function))
        if key not in self._piped:
            self._piped[key] = self._stream.pipe(op), function  # kept, so its id isn't given again
        return self._piped[key][0]


class SizedStreamDataset(StreamDataset):
    """One of a stream whose length is known; PyTorch asks for none where a dataset has no such method."""

    def __len__(self) -> int:
        return len(Epoch(self._stream._compiled(), 0))


def as_dataset(stream: Readable, *, workers: Workers, epoch: int) -> StreamDataset:
    """Make a dataset of a stream."""
    is_sized = stream._compiled().steps[-1].node.known_size() is not None
    return (SizedStreamDataset if is_sized else StreamDataset)(stream, workers=workers, epoch=epoch)


read_loaders_of(StreamDataset)
