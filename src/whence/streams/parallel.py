"""The engine with workers: the same outputs, in the same order, with the same record, made by many processes.

Lines of the program go to workers piece by piece; what is in no line is done here. Pieces come back in any
order and are taken in theirs: only then is the recorder told what the worker was, and only so many are under
way that memory is bounded. Nothing here depends on how many workers there are, nor on who was first.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from whence.capture import PassRecorder, RelayPass, moved, moved_in, parts_heard, retell
from whence.errors import OpError, UnshippableError, WhenceError
from whence.ops import Asking, Chunk, Decide
from whence.processes import Pool, as_start, dumped_by_value, unpacked_error
from whence.streams.cutting import Cuts, way_down
from whence.streams.evaluation import Evaluation
from whence.streams.hub import Hub, Piece
from whence.streams.lines import Form, Line, find_line
from whence.streams.linescan import Base, LineScan
from whence.streams.plan import Program, op_of
from whence.streams.workers import Workers
from whence.streams.working import Result, Want, Work, packed, unpacked

_LARGEST_STEP_BACK = 65_536


class Counted(Chunk):
    """Outputs that stayed where they were made: only their number is here."""

    __slots__ = ("_count",)

    def __init__(self, count: int) -> None:
        empty = Chunk.empty()
        super().__init__([], empty.ids, empty.origins)
        self._count = count

    def __len__(self) -> int:
        return self._count


class ParallelEvaluation(Evaluation):
    """One evaluation of a program with workers.

    Args:
        program: what to evaluate.
        epoch: the number of the pass.
        recorder: listens.
        workers: who helps.
        want: what is wanted of the outputs of the top.
    """

    def __init__(
        self, program: Program, *, epoch: int, recorder: PassRecorder, workers: Workers, want: Want
    ) -> None:
        super().__init__(program, epoch=epoch, recorder=recorder)
        self._workers = workers
        self._want = want
        self._lines: dict[int, Line | None] = {}
        self._hub = Hub(self._begun, workers.count)
        self._first_size = self._pace.size

    @property
    def has_witnessed(self) -> bool:  # type: ignore[override]  # an answer of the instance, not of the class
        """Whether the outputs were witnessed where they were made."""
        return self._line_at(self._program.top) is not None

    def close(self) -> None:
        """End the workers, and close what was opened."""
        try:
            self._hub.close()
        finally:
            super().close()

    def _scan_anew(self, index: int) -> Iterator[Chunk]:
        line = self._line_at(index)
        if line is None or (self._learning and index in self._again):
            return super()._scan_anew(index)
        return self._scan_line(line, self._want if index == self._program.top else "samples")

    def _beginning(self, first: int) -> int:
        """Where the line of the top can be cut; 0 where its base can only be read from its start."""
        line = self._line_at(self._program.top)
        if line is None:
            return first
        if line.form not in ("rows", "picked"):
            return 0
        outputs = np.arange(max(0, first - _LARGEST_STEP_BACK), first + 1, dtype=np.int64)
        if first == self._size_of(self._program.top):
            outputs = outputs[:-1]
        ways = way_down(self._program, self._mappings_at, outputs, line.base)
        whole = np.flatnonzero(ways[-1] % line.unit == 0)
        if not len(whole):
            return 0
        before = [int(way[whole[-1]]) for way in ways]
        self._starts[line.base] = before[-1]
        for index, inputs in zip(reversed(line.ops), before[1:], strict=True):
            self._contexts[index].first = inputs
        return before[0]

    def _scan_from_first(self) -> Iterator[Chunk]:
        line = self._line_at(self._program.top)
        return super()._scan_from_first() if line is None else self._scan_line(line, self._want)

    def _scan_line(self, line: Line, want: Want) -> Iterator[Chunk]:
        """Make all outputs of a line, in order."""
        if line.form == "portions" and line.base in self._starts:
            line = replace(line, form="samples")  # portions can only be read from the start
        scan = LineScan(self._program, line, want, self._hub, self._first_size, self._deciders_of(line))
        scan.before.update({index: self._contexts[index].first for index in line.ops})
        base = self._base_of(line, scan.size)
        scan.enter()
        try:
            for piece, result in scan.results(base):
                yield from self._taken(scan, piece, result)
        finally:
            scan.leave()
            base.close()

    def _taken(self, scan: LineScan, piece: Piece, result: Result) -> Iterator[Chunk]:
        """Tell what a piece decided, and hand on its outputs."""
        line = scan.line
        cuts = self._cuts if self._is_of_chain(line) else None
        if cuts is not None:
            cuts.note(piece.first)
        first_of = dict(scan.before)
        told = sorted(piece.told + result.told, key=lambda each: each[0])  # lower steps are told of first
        retell(told, self._recorder, lambda index: first_of.get(index, 0))
        if line.form == "portions":
            self._tell_rows(line.base, piece.first + piece.count)
        scan.before.update(dict(zip(line.ops, result.counts, strict=False)))
        if cuts is not None:
            cuts.given.update({below: scan.before[index] for below, index in itertools.pairwise(line.ops)})
        if result.outputs is not None:
            yield unpacked(result.outputs)
        elif result.count:
            yield Counted(result.count)
        if result.failure is not None:
            index, error = result.failure
            raise _in_place(unpacked_error(error), first_of.get(index, 0))

    def _base_of(self, line: Line, size: Callable[[], int]) -> Base:
        """Give out the base of a line in pieces."""
        if line.form == "samples":
            return self._samples_of(line, size)
        if line.form == "portions":
            return self._portions_of(line.base, size)
        return self._rows_of(line, size)

    def _rows_of(self, line: Line, size: Callable[[], int]) -> Base:
        end = self._size_of(line.base)
        start = self._starts.get(line.base, 0)
        while start < end:
            stop = min(start + max(1, size() // line.unit) * line.unit, end)
            yield start, stop - start, (start, stop)
            start = stop

    def _portions_of(self, index: int, size: Callable[[], int]) -> Base:
        row = 0
        with self._open(index) as reader:
            for portion in reader.portions(size):
                yield row, portion.rows, (row, portion.rows, portion.content)
                row += portion.rows
        self._sizes[index] = row

    def _samples_of(self, line: Line, size: Callable[[], int]) -> Base:
        """Read the base here, in pieces of whole units, and not much smaller ones than wanted."""
        waiting: list[Chunk] = []
        position, count = self._starts.get(line.base, 0), 0
        chunks = self._scan(line.base)
        goes_on, failure = True, None
        while goes_on:
            self._pace.size = size()
            try:
                chunk = next(chunks, None)
            except Exception as error:  # what came before it is handed on first
                chunk, failure = None, error
            goes_on = chunk is not None
            if chunk is not None:
                waiting.append(chunk)
                count += len(chunk)
            if not count or (goes_on and count < max(line.unit, size() // 4)):
                continue
            joined = Chunk.joined(waiting)
            end = count // line.unit * line.unit if goes_on or failure is not None else count
            start = 0
            while start < end:
                stop = min(start + max(1, size() // line.unit) * line.unit, end)
                part = joined if stop - start == len(joined) else joined.taken(slice(start, stop))
                yield position, stop - start, packed(part, "samples")
                position += stop - start
                start = stop
            waiting, count = ([joined.taken(slice(end, None))], count - end) if end < count else ([], 0)
        if failure is not None:
            raise failure

    def _is_of_chain(self, line: Line) -> bool:
        """Whether a line is what the program's cuts are of."""
        chain = self._cuts.chain if self._cuts is not None else None
        return chain is not None and (chain.base, chain.ops) == (line.base, line.ops)

    def _followed(self, cuts: Cuts, index: int, made: Iterator[Chunk]) -> Iterator[Chunk]:
        # what is read of the base is on its way to workers, and through when it comes back
        return made if index == cuts.chain.base else super()._followed(cuts, index, made)

    def _deciders_of(self, line: Line) -> dict[int, tuple[RelayPass, Decide]]:
        """Begin to decide for the ops of a line that ask, by their place in it."""
        found = {}
        for place, index in enumerate(line.ops):
            op = op_of(self._program.steps[index])
            if isinstance(op, Asking):
                relay = RelayPass(items_at=-1, with_outputs=False, quick_by_part={})
                context = replace(self._contexts[index], recorder=relay.node(index))
                found[place] = relay, _timed(op.decider(context), relay, index)
        return found

    def _line_at(self, top: int) -> Line | None:
        if top not in self._lines:
            self._lines[top] = find_line(self._program, top, self._shared, self._form_of)
        return self._lines[top]

    def _form_of(self, index: int) -> Form:
        step = self._program.steps[index]
        source = step.node.source
        if source is None:
            is_picked = index not in self._shared and not op_of(step).learns
            is_picked = is_picked and self._is_read_by_position(index) and not self._knows_below(index)
            return "picked" if is_picked else "samples"
        if index in self._shared or (source.gives == "rows" and source.size() is None):
            return "samples"
        return source.gives

    def _knows_below(self, index: int) -> bool:
        """Whether something is learned or kept below a step, which only this process has."""
        step = self._program.steps[index]
        op = step.node.op
        return op is not None and (op.learns or op.keeps or any(map(self._knows_below, step.inputs)))

    def _alike(self, recorder: PassRecorder) -> Evaluation:
        return ParallelEvaluation(
            self._program, epoch=0, recorder=recorder, workers=self._workers, want="samples"
        )

    def _begun(self) -> Pool:
        """Begin the workers, now that they are needed: what was found out so far goes with them."""
        program, recorder = self._program, self._recorder
        heard = {
            index: parts
            for index, step in enumerate(program.steps)
            if step.node.source is not None and (parts := parts_heard(recorder, index)) is not None
        }
        work = Work(
            program=program,
            epoch=self._epoch,
            listens=recorder.listens,
            items_at=program.items_at if recorder.with_digests else -1,
            with_outputs=recorder.with_digests,
            parts_heard=heard,
            prepare=self._workers.prepare,
        )
        try:
            return Pool(work, self._workers.count, start=as_start(self._workers.start))
        except UnshippableError as error:
            raise _refused(program, error) from error


def _timed(decide: Decide, relay: RelayPass, index: int) -> Decide:
    def decided(gists: Any) -> Any:
        began = time.perf_counter_ns()
        verdict = decide(gists)
        relay.node(index).spent(time.perf_counter_ns() - began, 0, 0)
        return verdict

    return decided


def _in_place(error: BaseException, first: int) -> BaseException:
    """Move the positions that an error of a worker names to where they belong."""
    if isinstance(error, WhenceError):
        error.message = moved_in(error.message, first)
        error.args = tuple(moved_in(each, first) if isinstance(each, str) else each for each in error.args)
    if isinstance(error, OpError):
        error.position = moved(error.position, first)
    return error


def _refused(program: Program, error: UnshippableError) -> UnshippableError:
    """Name the step that can't be sent."""
    remedy = "Let its function hold no locks, files or connections, or read the stream with workers=0."
    for step in program.steps:
        try:
            dumped_by_value(step.node.op or step.node.source)
        except UnshippableError as found:
            what = "op" if step.node.op is not None else "source"
            return UnshippableError(
                f"{what} {step.label!r} can't be sent to a worker: {found.message}", remedy=remedy
            )
    return UnshippableError(f"the stream can't be sent to a worker: {error.message}", remedy=remedy)
