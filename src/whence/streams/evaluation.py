"""The engine: makes the outputs of a program, by scanning or by picking.

Pull-based and chunked: a step asks the one below for its next chunk, works on it in one tight loop,
and tells the recorder once per chunk what it decided. Chunks begin small, so that the first sample
comes soon, and grow while they are quick, those of columns much further than those of rows; what the
samples are never depends on their sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.capture import PassRecorder, Start, at_work, begin_work, end_work
from whence.errors import ReplayError
from whence.lineage import Mapping as Relation
from whence.ops import Chunk, Context, Input, Kept, Shuffle
from whence.sources import Reader
from whence.streams.caching import CachedStep
from whence.streams.cutting import (
    Chain,
    Cut,
    Cuts,
    MappingsOf,
    check_cut,
    find_chain,
    leave_room,
    skipped_before,
    without_first,
)
from whence.streams.pacing import Pace
from whence.streams.plan import SOURCE_BITS, Program, Step, op_of
from whence.streams.rereading import TimeRecorder, read_again
from whence.vocab import Columns

Int64Array = NDArray[np.int64]

_ROW_MASK = (1 << SOURCE_BITS) - 1


class Evaluation:
    """One evaluation of a program: a pass, or the making of single samples again.

    Args:
        program: what to evaluate.
        epoch: the number of the pass.
        recorder: listens.
        mappings_of: for a replay, each step's mappings as they were recorded; by default those of
            closed forms are computed and others can't be picked.
    """

    has_witnessed = False
    """Whether the outputs of the top were witnessed where they were made, by another process."""

    def __init__(
        self, program: Program, *, epoch: int, recorder: PassRecorder, mappings_of: MappingsOf | None = None
    ) -> None:
        self._program = program
        self._epoch = epoch
        self._recorder = recorder
        self._recorded_mappings = mappings_of
        self._readers: dict[int, Reader] = {}
        self._sizes: dict[int, int] = {}
        self._mappings: dict[int, Sequence[Relation]] = {}
        self._draw_numbers = program.draw_numbers()
        self._frozen = program.frozen()
        self._contexts = [self._context_of(index, step) for index, step in enumerate(program.steps)]
        self._pace = Pace()
        self._told: dict[int, int] = {}
        self._shared = {index for index, count in enumerate(program.readings()) if count > 1}
        self._again = read_again(program, self._shared)
        self._kept: dict[int, Kept] = {}
        self._whole: set[int] = set()
        self._cached: dict[int, CachedStep] = {}
        self._learned: dict[int, Chunk] = {}
        self._learning = 0
        self._first = 0
        chain = find_chain(program) if mappings_of is None else None
        self._cuts = Cuts(chain) if chain is not None and self._is_picked(chain.base) else None
        self._starts: dict[int, int] = {}
        self._left_out = 0

    def begin_at(self, start: Start) -> int:
        """Choose where a scan begins, before it does: outputs before the start aren't wanted.

        Returns:
            The output with which it will begin: the one wanted, or one before it, where the outputs at any
            positions can be made at once, or the start says where else to cut; else 0.

        Raises:
            StateError: the cut isn't one of this program.
        """
        if start.first and self._can_begin_anywhere():
            self._first = self._beginning(min(start.first, self._size_of(self._program.top)))
            if self._first and self._first < self._size_of(self._program.top):
                self._recorder.skipped(*skipped_before(self._program, self._mappings_at, self._first))
            return self._first
        if start.first and start.cut and self._cuts is not None:
            self._begin_at_cut(self._cuts.chain, start)
            return start.first
        return 0

    def cut_before(self, output: int) -> Cut | None:
        """Where to cut so that a scan can begin with an output; None where it can't."""
        if self._cuts is None:
            return None
        return self._cuts.before(self._cuts.chain.item_of(self._program, output))

    def scan(self) -> Iterator[Chunk]:
        """Make all outputs of the top, in order, from the one at which it was begun."""
        for index, step in enumerate(self._program.steps):
            # before anything is read: positions follow from the sizes, of what is never reached too
            if step.node.source is not None:
                self._tell_rows(index, step.node.source.size())
        for chunk in self._pace.weighed(
            self._scan_from_first() if self._first else self._scan(self._program.top)
        ):
            yield from self._pace.handed_out(chunk)

    def pick(self, index: int, positions: Int64Array) -> Chunk:
        """Make the outputs of a step at some positions, in the order asked for."""
        if not self._recorder.listens:
            return self._pick(index, positions)
        begin_work(self._recorder.node(index))
        try:
            return self._pick(index, positions)
        finally:
            end_work()

    def _pick(self, index: int, positions: Int64Array) -> Chunk:
        step = self._program.steps[index]
        if step.node.source is not None:
            values = self._reader(index).fetch(positions)
            return self._chunk_of(index, values, positions)
        if op_of(step).learns:
            return self._learned_at(index).taken(positions)
        if op_of(step).keeps and self._recorded_mappings is None:
            return self._cached_at(index).pick(positions)

        def fetch(number: int, below: Int64Array) -> Chunk:
            return self.pick(step.inputs[number], below)

        return op_of(step).pick(positions, self._mappings_at(index), fetch, self._context_at(index))

    def close(self) -> None:
        """Close what was opened."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        for kept in self._kept.values():
            kept.close()
        self._kept.clear()
        for cached in self._cached.values():
            cached.close()
        self._cached.clear()

    def _scan(self, index: int) -> Iterator[Chunk]:
        made = self._begun_scan(index)
        made = at_work(made, self._recorder.node(index)) if self._recorder.listens else made
        return made if self._cuts is None else self._followed(self._cuts, index, made)

    def _followed(self, cuts: Cuts, index: int, made: Iterator[Chunk]) -> Iterator[Chunk]:
        """Count what a step of the chain gives, and leave out what was received before."""
        if index == cuts.chain.base:
            return cuts.over_base(made, self._starts.get(index, 0))
        if index not in cuts.given:
            return made
        made = cuts.over_op(index, made)
        return without_first(made, self._left_out) if index == cuts.chain.ops[-1] else made

    def _begun_scan(self, index: int) -> Iterator[Chunk]:
        if index in self._starts:
            return self._scan_by_position(index, self._starts[index])
        step = self._program.steps[index]
        if self._is_read_twice(index):
            return self._scan_kept(index)
        if step.node.op is not None and step.node.op.learns:
            return iter([self._learned_at(index)])
        return self._scan_anew(index)

    def _scan_anew(self, index: int) -> Iterator[Chunk]:
        step = self._program.steps[index]
        if step.node.source is not None:
            return self._pace.paced(self._read_source(index))
        if op_of(step).keeps:
            return self._cached_at(index).scan()
        if self._is_read_by_position(index):
            return self._scan_by_position(index)
        inputs = [self._input_of(number) for number in step.inputs]
        return op_of(step).scan(inputs, self._context_at(index))

    def _is_read_twice(self, index: int) -> bool:
        """Whether a step is read by a fit and by what uses it, and only its first reading can make it."""
        return index in self._shared and not self._program.steps[index].node.is_indexable

    def _scan_kept(self, index: int) -> Iterator[Chunk]:
        """Make the outputs once, for the fit, which reads all of them; and give them again."""
        kept = self._kept.get(index)
        if kept is None:
            kept = Kept(label=self._program.steps[index].label, name_origin=self._name_origin)
            self._kept[index] = kept
            for chunk in self._scan_anew(index):
                kept.add(chunk)
                yield chunk
            kept.finish()
            self._whole.add(index)
        elif index not in self._whole:
            raise AssertionError("a step is read again before the fit has read all of it")
        else:
            yield from kept.scan()

    def _cached_at(self, index: int) -> CachedStep:
        """The cache at a step; what lies below it is the same in all epochs."""
        found = self._cached.get(index)
        if found is None:
            found = self._cached[index] = CachedStep(
                self._program,
                index,
                recorder=self._recorder,
                tell_rows=self._tell_rows,
                below=lambda recorder: self._below(index, recorder),
                name_origin=self._name_origin,
            )
        return found

    def _alike(self, recorder: PassRecorder) -> Evaluation:
        """An evaluation of the same program as epoch 0, for another listener."""
        return Evaluation(self._program, epoch=0, recorder=recorder)

    def _below(self, index: int, recorder: PassRecorder) -> Iterator[Chunk]:
        """Make what lies below a cache, as if it were epoch 0 and all there is."""
        evaluation = self._alike(recorder)
        try:
            yield from evaluation._pace.paced(evaluation._scan(self._program.steps[index].inputs[0]))
        finally:
            evaluation.close()

    def _learned_at(self, index: int) -> Chunk:
        """What the fit at a step has learned: of all it reads, the first time it is asked."""
        found = self._learned.get(index)
        if found is None:
            step = self._program.steps[index]
            below = self._input_of(step.inputs[0])
            weighed = replace(below, scan=lambda: self._pace.weighed(below.scan()))
            self._learning += 1
            try:
                found = Chunk.joined(list(op_of(step).scan([weighed], self._contexts[index])))
            finally:
                self._learning -= 1
            self._learned[index] = found
        return found

    def _context_at(self, index: int) -> Context:
        context = self._contexts[index]
        if self._learning and index in self._again:
            return replace(context, recorder=TimeRecorder(context.recorder))
        return context

    def _is_read_by_position(self, index: int) -> bool:
        """Whether a scan of an op picks positions of its inputs."""
        step = self._program.steps[index]
        op = op_of(step)
        if not op.reads_by_position or not all(each.is_indexable for each in step.node.inputs):
            return False
        if isinstance(op, Shuffle) and op.window is None:
            return True
        known = all(each.known_size() is not None for each in step.node.inputs)
        # all that a cache keeps is made before the first of it is picked: too much for a few from its start
        return known and all(self._cached_at(cache).is_filled for cache in self._program.caches_below(index))

    def _can_begin_anywhere(self) -> bool:
        """Whether the outputs of the top can be picked at any position, with nothing made before them."""
        ops = [step.node.op for step in self._program.steps if step.node.op is not None]
        return self._program.steps[self._program.top].node.is_indexable and not any(
            op.learns or op.keeps for op in ops
        )

    def _is_picked(self, index: int) -> bool:
        """Whether it is a source, or another step, that is read at any position."""
        source = self._program.steps[index].node.source
        return source.indexable if source is not None else self._is_read_by_position(index)

    def _begin_at_cut(self, chain: Chain, start: Start) -> None:
        item = chain.item_of(self._program, start.first)
        counts = start.cut
        check_cut(counts, chain, item, self._size_of(chain.base))
        self._cuts = Cuts(chain, counts)
        self._starts[chain.base] = counts[0]
        self._left_out = item - counts[-1]
        for index, (inputs, outputs) in zip(chain.ops, itertools.pairwise(counts), strict=True):
            self._contexts[index].first = inputs
            leave_room(self._recorder.node(index), op_of(self._program.steps[index]), inputs, outputs)
        for index in chain.above:
            self._contexts[index].first = start.first
        if chain.batch >= 0:
            self._contexts[chain.batch].first = item
        batches = start.first if chain.batch >= 0 else 0
        self._recorder.skipped(item, batches, 0 if self._program.delivers_items else start.first)
        self._recorder.begun(dict(zip(chain.ops, itertools.pairwise(counts), strict=True)))

    def _beginning(self, first: int) -> int:
        """The output nearest before `first`, or it, with which a scan can begin."""
        return first

    def _scan_from_first(self) -> Iterator[Chunk]:
        return self._scan_by_position(self._program.top, self._first)

    def _read_source(self, index: int) -> Iterator[Chunk]:
        row = 0
        with self._open(index) as reader:  # of its own: another scan of the source may be left half-way
            for values in reader.chunks(lambda: self._pace.size):
                rows = np.arange(row, row + len(values), dtype=np.int64)
                row += len(values)
                self._tell_rows(index, row)
                yield self._chunk_of(index, values, rows)
        self._sizes[index] = row

    def _chunk_of(self, index: int, samples: list[Any] | Columns, rows: Int64Array) -> Chunk:
        """Name rows of the source at a step: by the draw ids and the origins that they have."""
        draw, source = self._draw_numbers[index], self._program.steps[index].source_number
        origins = rows | (source << SOURCE_BITS) if source else rows
        ids = None if draw == source else (rows | (draw << SOURCE_BITS)).view(np.uint64)
        if isinstance(samples, Columns):
            return Chunk.of_columns(samples, ids, origins)
        self._pace.reads_rows = True
        return Chunk(samples, ids, origins)

    def _scan_by_position(self, index: int, start: int = 0) -> Iterator[Chunk]:
        return self._pace.paced(self._picked(index, start))

    def _picked(self, index: int, start: int) -> Iterator[Chunk]:
        size = self._size_of(index)
        while start < size:
            end = min(start + self._pace.size, size)
            yield self.pick(index, np.arange(start, end, dtype=np.int64))
            start = end

    def _input_of(self, index: int) -> Input:
        node = self._program.steps[index].node
        return Input(scan=lambda: self._scan(index), size=node.known_size(), is_indexable=node.is_indexable)

    def _tell_rows(self, index: int, count: int | None) -> None:
        """Tell the recorder of a source's rows, each once however often they are read."""
        new = (count or 0) - self._told.get(index, 0)
        if new > 0:
            self._told[index] = count or 0
            self._recorder.node(index).found_rows(new)

    def _size_of(self, index: int) -> int:
        known = self._sizes.get(index)
        if known is None:
            step = self._program.steps[index]
            if step.node.op is not None and step.node.op.learns:
                known = step.node.op.out_size([])
            elif step.node.op is not None and step.node.op.keeps:
                known = self._cached_at(index).size()
            elif step.node.source is not None:
                known = step.node.source.rows(self._recorder.witness(index))
                self._tell_rows(index, known)
            else:
                sizes = [self._size_of(number) for number in step.inputs]
                op_of(step).check_sizes(sizes)
                known = op_of(step).out_size(sizes)
            self._sizes[index] = known
        return known

    def _mappings_at(self, index: int) -> Sequence[Relation]:
        found = self._mappings.get(index)
        if found is None:
            if self._recorded_mappings is not None:
                found = self._recorded_mappings(index)
            else:
                step = self._program.steps[index]
                sizes = [self._size_of(number) for number in step.inputs]
                found = op_of(step).mappings(sizes, None, step.key, self._contexts[index].epoch)
            if not all(mapping.known for mapping in found):
                raise ReplayError(
                    f"op {self._program.steps[index].label!r}: which inputs its outputs came from is unknown",
                    remedy="Only ops whose mapping is recorded can be followed back.",
                )
            self._mappings[index] = found
        return found

    def _reader(self, index: int) -> Reader:
        reader = self._readers.get(index)
        if reader is None:
            reader = self._readers[index] = self._open(index)
        return reader

    def _open(self, index: int) -> Reader:
        source = self._program.steps[index].node.source
        if source is None:
            raise AssertionError("only a source is read")
        return source.open(self._recorder.witness(index))

    def _context_of(self, index: int, step: Step) -> Context:
        return Context(
            recorder=self._recorder.node(index),
            key=step.key,
            epoch=0 if self._frozen[index] else self._epoch,
            name_origin=self._name_origin,
            sources_before=0 if step.node.op is None else self._draw_numbers[index],
        )

    def _name_origin(self, origin: int) -> str:
        number, row = origin >> SOURCE_BITS, origin & _ROW_MASK
        source = self._program.sources[number].node.source
        if source is None:
            raise AssertionError("sources are steps with a source")
        if source.kind == "files":
            listing = source.listing()
            if 0 <= row < len(listing.paths):
                return "/".join(part for part in (listing.root.rstrip("/"), listing.paths[row]) if part)
        return f"{source.name}, row {row}"
