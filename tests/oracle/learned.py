"""What operations learn of all samples, told apart from what a sample was made of."""

from __future__ import annotations

import pathlib
from collections import Counter
from typing import Any, NamedTuple

from tests.oracle.building import Builder
from tests.oracle.marks import Reader, is_missing, marks_of
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Done, ops_of, rows_in, walk
from tests.oracle.readings import Pipeline
from whence.capture import NullPass
from whence.errors import OpError, PlanError
from whence.ops import Fit
from whence.query import Fit as ToldFit
from whence.query import Impact, Origin, Trace
from whence.streams import Evaluation, Program, compiled

Row = tuple[str, int]


class Learned(NamedTuple):
    """What was learned of a field in a pass: for which operation, of how many samples, of which rows."""

    op: str
    field: str
    size: int
    rows: frozenset[Row]


class LearnedOf:
    """Says of which rows each fit of a pipeline was learned: makes its inputs once more, not recorded.

    Samples that go on from an operation that learns may be stamped with its label. One that carries the stamp
    was made with what was learned, and one that doesn't was not: a trace must say the same.

    Args:
        pipeline: whose fits.
        folder: where its sources are.
    """

    def __init__(self, pipeline: Pipeline, folder: pathlib.Path) -> None:
        self._plan = pipeline.plan
        self._folder = folder
        self._marks = Reader(rows_in(self._plan))
        done = [each for each in walk(self._plan) if isinstance(each, Done)]
        self._is_line = max((len(each.inputs) for each in done), default=1) == 1
        # what was filled with another sample's value came of what that one was made with, too
        self._are_apart = not ops_of(self._plan) & {"fill_forward", "interpolate"}
        self._by_epoch: dict[int, dict[str, list[Learned]]] = {}
        self._told: dict[int, set[Learned]] = {}
        if any(OPERATIONS[each.op].learns for each in done):
            for epoch in set(pipeline.epochs):
                self._learn(epoch)

    def _learn(self, epoch: int) -> None:
        """Find what is learned in an epoch, by stamp; nothing where some of it can't be made."""
        found: dict[str, list[Learned]] = {}
        try:
            for index in _fits_in(self._program()):
                stamp, learned = self._learned_at(index, epoch)
                found.setdefault(stamp, []).extend(learned)
            self._check_alone(epoch, [each for learned in found.values() for each in learned])
        except (OpError, PlanError):
            return
        self._by_epoch[epoch] = found

    def _check_alone(self, epoch: int, found: list[Learned]) -> None:
        """What is learned of another stream is learned of what that stream gives by itself."""
        if "cache" in ops_of(self._plan):  # below one it is always the first epoch
            return
        for each in walk(self._plan):
            if isinstance(each, Done) and OPERATIONS[each.op].learns and len(each.inputs) > 1:
                samples = list(Builder(self._folder).build(each.inputs[1]).epoch(epoch))
                assert any(
                    self._of(learned.field, samples) == (learned.size, learned.rows) for learned in found
                )

    def _of(self, field: str, samples: list[Any]) -> tuple[int, frozenset[Row]]:
        known = [sample for sample in samples if not is_missing(sample.get(field))]
        return len(known), frozenset(self._marks.rows_of(known))

    def _program(self) -> Program:
        """The program, made anew: some sources can be read only once."""
        return compiled(Builder(self._folder).build(self._plan))

    def _learned_at(self, index: int, epoch: int) -> tuple[str, list[Learned]]:
        program = self._program()
        evaluation = Evaluation(program, epoch=epoch, recorder=NullPass())
        step = program.steps[index]
        samples = [value for chunk in evaluation._scan(step.inputs[0]) for value in chunk.values]
        evaluation.close()
        # two, where another stream that is learned of is a part of this one, which stands in another order
        users = [number for number, each in enumerate(program.steps) if index in each.inputs]
        labels = {each.label for each in program.steps if set(users) & set(each.inputs)}
        stamp = next((label for label in labels if label.startswith("stamp")), "")
        assert isinstance(step.node.op, Fit)
        (label,) = {program.steps[user].label for user in users}
        return stamp, [Learned(label, field, *self._of(field, samples)) for field in step.node.op.statistics]

    def check_trace(self, trace: Trace, epoch: int, value: Any) -> None:
        """A trace tells the fits that had a part in a sample, each with the rows that it was learned of."""
        if epoch not in self._by_epoch:
            return
        by_stamp = self._by_epoch[epoch]
        expected = Counter(each for learned in by_stamp.values() for each in learned)
        direct = [_told(fit) for fit in trace.fits if fit.direct]
        indirect = [_told(fit) for fit in trace.fits if not fit.direct]
        assert expected.keys() >= {*direct, *indirect}
        if self._is_line:
            assert Counter(direct) == expected
        self._told.setdefault(epoch, set()).update(direct)
        stamps = {mark[1:] for mark in marks_of(value) if mark[0] == "&"}
        assert all(set(by_stamp[stamp]) & set(direct) for stamp in stamps)
        if self._are_apart:
            told = {each for stamp in {"", *stamps} for each in by_stamp.get(stamp, [])}
            assert told.issuperset(direct)

    def check_impact(self, impact: Impact, row: Row) -> None:
        """An impact tells what was learned of a row: all that traces tell, and nothing that wasn't learned.

        What no sample needed may not have been learned, though the pass is complete.
        """
        for epoch, by_stamp in self._by_epoch.items():
            every = {each for learned in by_stamp.values() for each in learned}
            told, known = (
                {(each.op, each.field, each.size) for each in some if row in each.rows}
                for some in (self._told.get(epoch, set()), every)
            )
            found = {
                (fit.op, fit.field, fit.count) for fit in impact.fits if fit.direct and epoch in fit.epochs
            }
            assert told <= found <= known
        assert impact.absent == (not impact.count and not impact.fits)


def _told(fit: ToldFit[Origin]) -> Learned:
    rows = frozenset((origin.source, origin.row) for origin in fit.origins)
    return Learned(fit.op, fit.field, fit.count, rows)


def _fits_in(program: Program) -> list[int]:
    return [index for index, step in enumerate(program.steps) if step.node.op and step.node.op.learns]
