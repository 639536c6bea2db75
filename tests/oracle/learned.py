"""What operations learn of all samples, told apart from what a sample was made of."""

from __future__ import annotations

import pathlib

from tests.oracle.building import Builder
from tests.oracle.marks import Reader, is_missing
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Done, rows_in, walk
from tests.oracle.readings import Pipeline
from whence.errors import OpError
from whence.query import Impact, Trace

Row = tuple[str, int]
Fit = tuple[str, int, frozenset[Row]]  # the field, of how many samples it was learned, and of which rows


class LearnedOf:
    """Says of which rows each fit of a pipeline was learned: makes its inputs once more, not recorded.

    Args:
        pipeline: whose fits.
        folder: where its sources are.
    """

    def __init__(self, pipeline: Pipeline, folder: pathlib.Path) -> None:
        plan = pipeline.plan
        done = [each for each in walk(plan) if isinstance(each, Done)]
        self._fits = [each for each in done if OPERATIONS[each.op].learns_of]
        self._is_line = max((len(each.inputs) for each in done), default=1) == 1
        is_random = any(OPERATIONS[each.op].hand is None for each in done)
        self._marks = Reader(rows_in(plan))
        self._by_epoch: dict[int, list[Fit]] = {}
        # beside other streams a random one draws otherwise than alone, and some can be read only once
        self._can_tell = (self._is_line or not is_random) and "once:" not in repr(plan)
        if self._fits and self._can_tell:
            builder = Builder(folder)
            try:
                self._by_epoch = {
                    epoch: [self._fit(builder, each, epoch) for each in self._fits]
                    for epoch in set(pipeline.epochs)
                }
            except OpError:  # what there is to learn from needs what couldn't be learned
                self._can_tell = False

    def _fit(self, builder: Builder, done: Done, epoch: int) -> Fit:
        field = OPERATIONS[done.op].learns_of
        samples = builder.build(done.inputs[0]).epoch(epoch)
        known = [sample for sample in samples if not is_missing(sample[field])]
        return field, len(known), frozenset(self._marks.rows_of(known))

    def check_trace(self, trace: Trace, epoch: int) -> None:
        """A trace tells the fits on its way, each with the rows that it was learned of."""
        found = [
            (fit.field, fit.count, frozenset((origin.source, origin.row) for origin in fit.origins))
            for fit in trace.fits
            if fit.direct
        ]
        if not self._can_tell:
            return
        expected = self._by_epoch.get(epoch, [])
        if self._is_line:
            assert sorted(found, key=str) == sorted(expected, key=str)
        assert set(found) <= set(expected)

    def check_impact(self, impact: Impact, row: Row, epochs: set[int]) -> None:
        """An impact tells what was learned of a row in passes that delivered something."""
        if self._can_tell:
            fields = {
                field for epoch in epochs for field, _, rows in self._by_epoch.get(epoch, []) if row in rows
            }
            found = {fit.field for fit in impact.fits if fit.direct and epochs & set(fit.epochs)}
            assert found == fields if self._is_line else found <= fields
        assert impact.absent == (not impact.count and not impact.fits)
