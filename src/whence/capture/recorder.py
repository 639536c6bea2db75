"""The recorder's face: what operations and engines say to it, and the one that listens to nobody.

An op never asks whether it is recorded; it speaks, once per chunk, and the null recorder ignores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from whence.capture.fields import NO_WATCH, FieldWatch
from whence.capture.standing import AT_THE_START, Start
from whence.capture.witness import NullWitness, SourceWitness
from whence.vocab import Columns

BoolArray = NDArray[np.bool_]
Int64Array = NDArray[np.int64]
UInt64Array = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A sample that an op failed on, set aside instead of stopping the pass.

    Args:
        position: its position in the op's input.
        origin: where it came from, in words.
        kind: the error's type.
        message: the error's message.
    """

    position: int
    origin: str
    kind: str
    message: str


class NodeRecorder(Protocol):
    """Listens to one node of a plan during one pass."""

    def selected(self, kept: BoolArray | None, count: int) -> None:
        """Of the next `count` input samples those with True went on; None: all."""

    def duplicated(self, witnesses: Int64Array) -> None:
        """Each sample just dropped repeats the one at this input position (dedup)."""

    def expanded(self, counts: Int64Array) -> None:
        """The next input samples gave so many outputs each."""

    def related(self, number: int, counts: Int64Array, positions: Int64Array) -> None:
        """The next outputs came from these positions of one input.

        Args:
            number: which input; an op tells of each of its inputs for the same outputs.
            counts: of how many positions each output was made, shape (n,).
            positions: output by output, ascending and without repeats for each, shape (sum of counts,).
        """

    def fitted(self, found: Sequence[Mapping[str, Any]]) -> None:
        """This was learned of the samples that were selected: for each output field, count and values."""

    def noticed(self, what: str, count: int) -> None:
        """Of so many more samples this is to be told."""

    def drew(self, generators: Sequence[str]) -> None:
        """While it worked somebody drew from these generators, which aren't a sample's own."""

    def watch(self, part: str = "fn") -> FieldWatch:
        """What watches the fields of the first samples of a function of its; of none, with no listener."""

    def saw(self, part: str, fields: Mapping[str, Any]) -> None:
        """This was seen of the fields of a function's samples in another process."""

    def found_rows(self, count: int) -> None:
        """So many more rows are there at the source of this node."""

    def set_aside(self, samples: Sequence[SetAside]) -> None:
        """These samples failed and were set aside."""

    def gathered(
        self,
        items: Sequence[Any] | Columns,
        sizes: Sequence[int],
        *,
        at: tuple[Int64Array, Int64Array] | None = None,
    ) -> None:
        """These items reach the consumer, in groups of these sizes.

        Args:
            items: group by group, as rows or as columns.
            sizes: of the groups.
            at: the groups' positions, and those of their first items; None: they follow the ones before.
        """

    def witnessed(
        self, digests: UInt64Array, sizes: Sequence[int], at: tuple[Int64Array, Int64Array] | None
    ) -> None:
        """Items with these digests reach the consumer: what `gathered` says where another process says it."""

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        """Time spent in the op's own loop, and what went in and out."""


class PassRecorder(Protocol):
    """Listens to one pass over a stream."""

    @property
    def listens(self) -> bool:
        """Whether anything it is told is kept."""

    @property
    def with_digests(self) -> bool:
        """Whether the digests of what is delivered are kept."""

    def node(self, index: int) -> NodeRecorder:
        """The listener for one node of the plan."""

    def witness(self, index: int) -> SourceWitness:
        """A listener for one reading of the source at a node of the plan."""

    def skipped(self, items: int, batches: int, outputs: int) -> None:
        """So many items, batches and outputs of functions come before those that will be told of."""

    def begun(self, counts: Mapping[int, tuple[int, int]]) -> None:
        """It begins in the middle: which of so many inputs of a node gave so many outputs isn't told."""

    def made(self, values: list[Any] | Columns) -> None:
        """The next outputs aren't the batches that were gathered: functions made them of those."""

    def made_as(self, digests: UInt64Array) -> None:
        """The same of outputs with these digests."""

    @property
    def place(self) -> Start | None:
        """Where the consumer of the pass stands; None where nothing is kept."""

    def deliver(self, values: Iterator[Any]) -> Iterator[Any]:
        """Make the record of these outputs safe, then hand them out one by one."""

    def offer(self, count: int) -> None:
        """Make the record of the next outputs safe: they are about to be handed out together."""

    def took(self) -> None:
        """What was offered was taken."""

    def end(self, *, complete: bool) -> None:
        """The pass is over; `complete` when the stream was read to its end."""


class RunRecorder(Protocol):
    """Listens to a run: makes a listener for each pass in it."""

    @property
    def place(self) -> Start | None:
        """Where the consumer of a pass stands that hasn't begun; None where nothing is kept."""

    def begin_pass(
        self, plan: RecordedPlan, epoch: int, start: Start = AT_THE_START, decided: int = -1
    ) -> PassRecorder:
        """A stream begins to be read; what was decided below its top, a pass may have decided before."""

    def received(self, plan: RecordedPlan, epoch: int) -> tuple[int, int] | None:
        """The last pass over an epoch of a stream, and up to which output; None where nothing is kept."""

    def used(self, kind: str, body: Mapping[str, Any]) -> None:
        """What a run kept is read: the kind of the event, and what it says."""


class RecordedPlan(Protocol):
    """What a recorder wants to know of a compiled plan."""

    @property
    def name(self) -> str:
        """What the record calls the stream; empty where the user gave no name."""

    @property
    def top(self) -> int:
        """The node whose outputs are delivered, the last one."""

    @property
    def items_at(self) -> int:
        """The node at which items are counted: the last batch op, or the top."""

    def describe_nodes(self) -> list[dict[str, Any]]:
        """Describe each node: kind, name, inputs, params, key, size; JSON-able."""

    def functions_of(self, index: int) -> dict[str, Any]:
        """The user's functions in a node, by the parameter that holds them."""

    def source_at(self, index: int) -> Any:
        """The source at a node; None at an op."""


class NullNode:
    """Listens to nobody: a node of a pass outside a run."""

    __slots__ = ()

    def selected(self, kept: BoolArray | None, count: int) -> None:
        pass

    def duplicated(self, witnesses: Int64Array) -> None:
        pass

    def expanded(self, counts: Int64Array) -> None:
        pass

    def related(self, number: int, counts: Int64Array, positions: Int64Array) -> None:
        pass

    def fitted(self, found: Sequence[Mapping[str, Any]]) -> None:
        pass

    def noticed(self, what: str, count: int) -> None:
        pass

    def drew(self, generators: Sequence[str]) -> None:
        pass

    def watch(self, part: str = "fn") -> FieldWatch:
        return NO_WATCH

    def saw(self, part: str, fields: Mapping[str, Any]) -> None:
        pass

    def found_rows(self, count: int) -> None:
        pass

    def set_aside(self, samples: Sequence[SetAside]) -> None:
        pass

    def gathered(
        self,
        items: Sequence[Any] | Columns,
        sizes: Sequence[int],
        *,
        at: tuple[Int64Array, Int64Array] | None = None,
    ) -> None:
        pass

    def witnessed(
        self, digests: UInt64Array, sizes: Sequence[int], at: tuple[Int64Array, Int64Array] | None
    ) -> None:
        pass

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        pass


class NullPass:
    """Listens to nobody: a pass outside a run, or with the record off."""

    __slots__ = ()

    listens = False
    with_digests = False

    _node = NullNode()
    _witness = NullWitness()

    def node(self, index: int) -> NodeRecorder:
        """The listener that ignores everything."""
        return self._node

    def witness(self, index: int) -> SourceWitness:
        """The witness that ignores everything."""
        return self._witness

    def skipped(self, items: int, batches: int, outputs: int) -> None:
        """Ignore it."""

    def begun(self, counts: Mapping[int, tuple[int, int]]) -> None:
        """Ignore it."""

    def made(self, values: list[Any] | Columns) -> None:
        """Ignore it."""

    def made_as(self, digests: UInt64Array) -> None:
        """Ignore it."""

    @property
    def place(self) -> Start | None:
        """Nowhere."""
        return None

    def deliver(self, values: Iterator[Any]) -> Iterator[Any]:
        """Hand out the values."""
        return values

    def offer(self, count: int) -> None:
        """Ignore it."""

    def took(self) -> None:
        """Ignore it."""

    def end(self, *, complete: bool) -> None:
        """Ignore it."""


class NullRun:
    """No run is going on."""

    __slots__ = ()

    @property
    def place(self) -> Start | None:
        """Nowhere."""
        return None

    def begin_pass(
        self, plan: RecordedPlan, epoch: int, start: Start = AT_THE_START, decided: int = -1
    ) -> PassRecorder:
        """A pass that nobody listens to."""
        return NullPass()

    def received(self, plan: RecordedPlan, epoch: int) -> tuple[int, int] | None:
        """Nothing is kept."""
        return None

    def used(self, kind: str, body: Mapping[str, Any]) -> None:
        """Nothing is kept."""


_NULL_RUN = NullRun()
_current: list[RunRecorder] = []


def current_recorder() -> RunRecorder:
    """The recorder of the run begun last and not yet ended; the null recorder outside a run."""
    return _current[-1] if _current else _NULL_RUN


def enter_run(recorder: RunRecorder) -> None:
    """Make a run's recorder the current one, for all threads of this process."""
    _current.append(recorder)


def leave_run(recorder: RunRecorder) -> None:
    """Take a run's recorder away again."""
    if recorder in _current:
        _current.remove(recorder)
