"""What a worker does: its steps of a line, piece after piece, and what it says of them.

It is given pieces of a base and answers each with what came out and with what the recorder would have been
told. Where an op asks, it puts the piece aside until the verdict comes, and begins others meanwhile.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from whence.capture import MARK, NullPass, PassRecorder, RelayPass, Told, at_work, begin_work, end_work
from whence.errors import UnshippableError
from whence.ops import Asking, Chunk, Context, Input
from whence.processes import Channel, packed_error
from whence.streams.evaluation import Evaluation
from whence.streams.lines import Line
from whence.streams.pacing import bytes_made
from whence.streams.plan import Program, Step, op_of
from whence.streams.witnessing import OutputWitness
from whence.vocab import Columns

Want = Literal["samples", "columns", "count"]
"""What is wanted of the outputs: all of them; for a table, their columns; or only how many they are."""

Packed = tuple[list[Any] | None, Columns | None, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a worker says of a piece.

    Args:
        counts: how many samples went into each op of the line.
        told: what a recorder would have been told.
        count: how many outputs there are.
        outputs: the outputs, as wanted.
        failure: the step that failed and its error, where one did; the outputs are those before it.
        took_ns: how long it took.
        made_bytes: about how much memory the outputs take.
    """

    counts: tuple[int, ...]
    told: Told
    count: int
    outputs: Packed | None
    failure: tuple[int, tuple[Any, ...]] | None
    took_ns: int
    made_bytes: int


@dataclass(slots=True, kw_only=True)
class _Piece:
    scan: int
    number: int
    line: Line
    want: Want
    place: int = 0
    chunks: list[Chunk] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    told: Told = field(default_factory=list)
    failed: int = -1
    error: BaseException | None = None
    took_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a worker is for: runs until the other side hangs up.

    Args:
        program: whose lines it works on.
        epoch: the number of the pass.
        listens: whether anybody wants to know what it tells.
        items_at: the step whose items are digested; -1 for none.
        with_outputs: whether outputs that functions made are digested.
        parts_heard: of each source that is witnessed, by its step, the digests of parts known already.
        prepare: what it does when it is told its number.
    """

    program: Program
    epoch: int
    listens: bool
    items_at: int
    with_outputs: bool
    parts_heard: Mapping[int, Mapping[int, int]]
    prepare: Callable[[int], None] | None = None

    def __call__(self, channel: Channel) -> None:
        """Do pieces as they are given; those that were decided on before those not begun."""
        _Worker(self, channel).run()


class _Worker:
    def __init__(self, work: Work, channel: Channel) -> None:
        self._program = work.program
        self._prepare = work.prepare
        self._channel = channel
        self._relay = RelayPass(
            items_at=work.items_at, with_outputs=work.with_outputs, quick_by_part=work.parts_heard
        )
        recorder: PassRecorder = self._relay if work.listens else NullPass()
        self._outputs = OutputWitness(work.program, recorder)
        self._evaluation = _PieceEvaluation(work.program, epoch=work.epoch, recorder=recorder)
        self._lines: dict[int, tuple[Line, Want]] = {}
        self._waiting: dict[tuple[int, int], _Piece] = {}
        self._given: deque[tuple[_Piece, Any]] = deque()
        self._decided: deque[tuple[_Piece, Any]] = deque()

    def run(self) -> None:
        while True:
            while self._channel.poll() or not (self._given or self._decided):
                self._take(*self._channel.receive())
            if self._decided:
                self._do(self._settle, *self._decided.popleft())
            else:
                self._do(self._begin, *self._given.popleft())

    def _take(self, head: tuple[Any, ...], body: Any) -> None:
        kind, scan, *words = head
        if kind == "line":
            self._lines[scan] = (body, words[0])
        elif kind == "piece":
            line, want = self._lines[scan]
            self._given.append((_Piece(scan=scan, number=words[0], line=line, want=want), body))
        elif kind == "verdict":
            self._decided.append((self._waiting.pop((scan, words[0])), body))
        elif kind == "number":
            if self._prepare is not None:
                self._prepare(scan)
        elif kind == "drop":
            self._lines.pop(scan, None)
            self._given = deque(each for each in self._given if each[0].scan != scan)
            self._decided = deque(each for each in self._decided if each[0].scan != scan)
            self._waiting = {key: piece for key, piece in self._waiting.items() if piece.scan != scan}

    def _do(self, step: Callable[[_Piece, Any], None], piece: _Piece, body: Any) -> None:
        began = time.perf_counter_ns()
        self._relay.watches = piece.number == 0
        step(piece, body)
        while piece.place < len(piece.line.ops):
            index = piece.line.ops[piece.place]
            op = op_of(self._program.steps[index])
            if isinstance(op, Asking):
                self._ask(piece, index, op, began)
                return
            piece.counts.append(sum(map(len, piece.chunks)))
            self._gather(piece, index, self._evaluation.through(index, piece.chunks, piece.error))
            piece.place += 1
        piece.took_ns += time.perf_counter_ns() - began
        self._finish(piece)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what the user's functions print; a worker ends without warning

    def _begin(self, piece: _Piece, body: Any) -> None:
        if isinstance(body, UnshippableError):
            piece.error, piece.failed = body, piece.line.base
            return
        self._gather(piece, piece.line.base, self._evaluation.begun(piece.line, body))

    def _gather(self, piece: _Piece, index: int, chunks: Iterator[Chunk]) -> None:
        """Make all that a step makes of a piece, up to the sample that it fails on."""
        made: list[Chunk] = []
        try:
            for chunk in chunks:
                made.append(chunk)
        except BaseException as error:
            if error is not piece.error:
                piece.error, piece.failed = error, index
        piece.chunks = made

    def _ask(self, piece: _Piece, index: int, op: Asking, began: int) -> None:
        chunk = Chunk.joined(piece.chunks)
        context = self._evaluation.context_at(index)
        asked = time.perf_counter_ns()
        begin_work(context.recorder)
        try:
            gists, count, error = op.gists(chunk, context.first, context)
        finally:
            end_work()
        if error is not None:
            piece.error, piece.failed = error, index
            chunk = chunk.taken(slice(count))
        context.recorder.spent(time.perf_counter_ns() - asked, count, 0)
        piece.chunks = [chunk]
        piece.counts.append(count)
        piece.told += self._told()
        piece.took_ns += time.perf_counter_ns() - began
        self._waiting[piece.scan, piece.number] = piece
        self._channel.send(("ask", piece.scan, piece.number, piece.place), gists)

    def _settle(self, piece: _Piece, verdict: Any) -> None:
        index = piece.line.ops[piece.place]
        op = op_of(self._program.steps[index])
        if not isinstance(op, Asking):
            raise AssertionError("only ops that ask are answered")
        began = time.perf_counter_ns()
        settled = op.settled(piece.chunks[0], verdict)
        context = self._evaluation.context_at(index)
        context.recorder.spent(time.perf_counter_ns() - began, 0, len(settled))
        piece.chunks = [settled] if len(settled) else []
        piece.place += 1

    def _finish(self, piece: _Piece) -> None:
        if piece.line.top == self._program.top:
            for chunk in piece.chunks:
                self._outputs.tell(chunk)
        chunk = Chunk.joined(piece.chunks)
        result = Result(
            counts=tuple(piece.counts),
            told=piece.told + self._told(),
            count=len(chunk),
            outputs=packed(chunk, piece.want) if len(chunk) else None,
            failure=None if piece.error is None else (piece.failed, packed_error(piece.error)),
            took_ns=piece.took_ns,
            made_bytes=bytes_made(chunk) if len(chunk) else 0,
        )
        head = ("done", piece.scan, piece.number)
        try:
            self._channel.send(head, result)
        except UnshippableError as error:
            label = self._program.steps[piece.line.top].label
            refused = UnshippableError(
                f"what op {label!r} made can't be sent from a worker: {error.message}",
                remedy="Let samples be numbers, text, arrays or dicts of these there, or use workers=0.",
            )
            self._channel.send(head, _without_outputs(result, (piece.line.top, packed_error(refused))))

    def _told(self) -> Told:
        return self._relay.take()


class _PieceEvaluation(Evaluation):
    """Makes pieces of a line; positions in them count from the mark."""

    def context_at(self, index: int) -> Context:
        """The context of a step."""
        return self._contexts[index]

    def begun(self, line: Line, body: Any) -> Iterator[Chunk]:
        """Make the outputs of the base that a piece says."""
        if line.form == "samples":
            yield unpacked(body)
            return
        if line.form == "portions":
            first, count, content = body
            source = self._program.steps[line.base].node.source
            if source is None:
                raise AssertionError("portions are a source's")
            rows = np.arange(first, first + count, dtype=np.int64)
            yield self._chunk_of(line.base, source.unfold(content), rows)
            return
        start, stop = body
        yield self.pick(line.base, np.arange(start, stop, dtype=np.int64))

    def through(self, index: int, chunks: Sequence[Chunk], error: BaseException | None) -> Iterator[Chunk]:
        """Scan an op over a piece; an error below comes when its sample's turn comes."""

        def below() -> Iterator[Chunk]:
            yield from chunks
            if error is not None:
                raise error

        upstream = Input(scan=below, size=None, is_indexable=False)
        made = op_of(self._program.steps[index]).scan([upstream], self._contexts[index])
        return at_work(made, self._recorder.node(index)) if self._recorder.listens else made

    def _context_of(self, index: int, step: Step) -> Context:
        context = super()._context_of(index, step)
        context.first = MARK
        return context


def packed(chunk: Chunk, want: Want) -> Packed | None:
    """Make a chunk something that is sent cheaply: as columns where these are arrays."""
    if want == "count":
        return None
    columns = chunk.columns
    if columns is None and want == "columns":
        from whence.streams.tables import as_columns  # noqa: PLC0415 - pyarrow is loaded on first use

        columns = as_columns(chunk)
    elif columns is None and type(chunk.values[0]) is dict:
        columns = _columns_of(chunk.values)
    if columns is not None:
        return None, columns, chunk.ids, chunk.origins
    return chunk.values, None, chunk.ids, chunk.origins


def unpacked(packed: Packed) -> Chunk:
    """Make the chunk again."""
    values, columns, ids, origins = packed
    if columns is not None:
        return Chunk.of_columns(columns, ids, origins)
    return Chunk([] if values is None else values, ids, origins)


def _columns_of(values: list[Any]) -> Columns | None:
    """Columns of dict samples in which arrays or numbers are found; one array is sent, rather than many."""
    kinds = [type(value) for value in values[0].values()]
    if not kinds or not all(issubclass(kind, _AS_ARRAYS) for kind in kinds):
        return None
    return Columns.of_rows(values)


_AS_ARRAYS = (bool, int, float, np.ndarray, np.generic)


def _without_outputs(result: Result, failure: tuple[int, tuple[Any, ...]]) -> Result:
    return Result(
        counts=result.counts,
        told=[],
        count=0,
        outputs=None,
        failure=failure,
        took_ns=result.took_ns,
        made_bytes=0,
    )
