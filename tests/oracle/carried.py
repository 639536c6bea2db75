"""What the delivered samples say of themselves, and what the record says of them: these must be equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.oracle.learned import LearnedOf
from tests.oracle.marks import Reader, draws_of
from tests.oracle.operations import OPERATIONS
from tests.oracle.operations.groups import taken_apart
from tests.oracle.plans import Done, Plan, rows_in, walk
from tests.oracle.readings import Pipeline, Reading
from whence.errors import NotFoundError
from whence.query import Address, Impact, Trace, find_impact, trace_address
from whence.runs import RunRecord

Row = tuple[str, int]
Place = tuple[int, int, int | None, int]  # epoch, repeat, batch, item


def batch_below(plan: Plan) -> Done | None:
    """Find the batch whose items have addresses: the last one, if each output still is one of its batches."""
    while isinstance(plan, Done):
        if plan.op.startswith("batch_"):
            return plan
        if not OPERATIONS[plan.op].makes_one_of_one:
            return None
        plan = plan.inputs[0]
    return None


def items_of(output: Any, plan: Plan, batch: Done) -> list[Any] | None:
    """Take a delivered batch apart, where its items are still to be seen in it."""
    while plan is not batch:
        assert isinstance(plan, Done)
        if not OPERATIONS[plan.op].hands_on:
            return None
        plan = plan.inputs[0]
    return None if batch.op == "batch_together" else taken_apart(output)


def address_of(record: RunRecord, reading: Reading, output: int, item: int | None = None) -> Address:
    """The address of an output, or of an item in it."""
    return Address(run=record.name, epoch=reading.epoch, repeat=reading.repeat, batch=output, item=item)


def traced_rows(trace: Trace) -> set[Row]:
    """The rows that a trace found."""
    found = [(origin.source, origin.row) for origin in trace.origins]
    assert len(found) == len(set(found)), "a row is named once"
    return set(found)


def traced_draws(trace: Trace) -> set[str]:
    """The declared values that a trace drew again."""
    return {
        f"#{step.op}.{name}={value}"
        for step in trace.steps
        if step.params.get("label")
        for name in ("dx", "flip")
        for value in (step.random[name] if isinstance(step.random[name], list) else [step.random[name]])
    }


class Carried:
    """Compares what the samples of a run carry with what is recorded of it."""

    def __init__(
        self, pipeline: Pipeline, readings: list[Reading], record: RunRecord, learned: LearnedOf
    ) -> None:
        self._plan = pipeline.plan
        self._batch = batch_below(pipeline.plan)
        self._readings = readings
        self._record = record
        self._done = [each for each in walk(pipeline.plan) if isinstance(each, Done)]
        self._reads_all = not any(
            OPERATIONS[each.op].can_stop or (each.op, each.args) == ("repeat", (0,)) for each in self._done
        )
        self._rows = rows_in(pipeline.plan)
        self._marks = Reader(self._rows)
        self._places: dict[Row, set[Place]] = {}
        self._learned = learned

    def check(self) -> int:
        """Check every delivered sample, every item of every batch, every source row; count deliveries."""
        self._places.clear()
        count = sum(
            self._check_output(reading, output, value)
            for reading in self._readings
            for output, value in enumerate(reading.got)
        )
        for row in self._rows:
            self._check_row(row)
        return count

    def places_of(self, source: str) -> set[Place]:
        """Where any row of a source was delivered."""
        return set().union(*(places for row, places in self._places.items() if row[0] == source))

    def _trace(self, reading: Reading, output: int, item: int | None = None) -> Trace:
        trace = trace_address(self._record, address_of(self._record, reading, output, item))
        assert trace.complete
        assert not trace.in_flight
        return trace

    def _check_output(self, reading: Reading, output: int, value: Any) -> int:
        whole = self._trace(reading, output)
        rows = self._marks.rows_of(value)
        assert traced_rows(whole) == rows
        assert traced_draws(whole) == draws_of(value)
        self._learned.check_trace(whole, reading.epoch, value)
        if self._batch is None:
            for row in rows:
                self._places.setdefault(row, set()).add((reading.epoch, reading.repeat, None, output))
            return 1
        items = items_of(value, self._plan, self._batch)
        found = list(self._item_traces(reading, output))
        for number, trace in enumerate(found):
            if items is not None:
                assert traced_rows(trace) == self._marks.rows_of(items[number])
                assert traced_draws(trace) >= draws_of(items[number])
                self._learned.check_trace(trace, reading.epoch, items[number])
            for row in traced_rows(trace):
                self._places.setdefault(row, set()).add((reading.epoch, reading.repeat, output, number))
        assert items is None or len(items) == len(found)
        assert set().union(*map(traced_rows, found)) == rows
        return 1 + len(found)

    def _item_traces(self, reading: Reading, output: int) -> Iterator[Trace]:
        for item in range(1_000):
            try:
                yield self._trace(reading, output, item)
            except NotFoundError:
                return

    def _check_row(self, row: Row) -> None:
        impact = find_impact([self._record], row[0], rows=[row[1]])
        expected = self._places.get(row, set())
        found = [(each.epoch, each.repeat, each.batch, each.item) for each in impact.exposures]
        assert len(found) == len(set(found)), "a delivery is named once"
        assert set(found) == expected
        assert impact.count == len(expected)
        self._learned.check_impact(impact, row)
        assert not impact.gaps
        self._check_fate(row, impact)

    def _check_fate(self, row: Row, impact: Impact) -> None:
        """Nothing is dropped silently, and nothing is called dropped that wasn't."""
        assert all(drop.reason for drop in impact.drops)
        learns_apart = any(OPERATIONS[each.op].learns and len(each.inputs) > 1 for each in self._done)
        finished = [reading for reading in self._readings if reading.is_complete]
        if self._reads_all:
            for reading in finished:
                came = any(epoch == reading.epoch for epoch, *_ in self._places.get(row, set()))
                dropped = any(reading.epoch in drop.epochs for drop in impact.drops)
                learned = any(reading.epoch in fit.epochs for fit in impact.fits)
                assert came or dropped or learned or (learns_apart and impact.unreached)
        elif not impact.count and finished and finished == self._readings:
            assert impact.drops or impact.fits or impact.unreached
        drops_last = any(each.op.startswith("batch_") and each.args[1] for each in self._done)
        can_drop = any(OPERATIONS[each.op].can_drop for each in self._done)
        if not (drops_last or learns_apart or can_drop):
            assert not impact.drops
