"""Whence and whither are exact: for pipelines of any operations, the record says what the samples say.

Every sample carries the marks of the source rows it was made of (`tests.oracle`); nothing in
`whence` reads them. `trace` must find the same rows, and `impact` must be the inverse of that.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import whence as wh
from tests.oracle import (
    CAN_DROP,
    CAN_STOP,
    RANDOM,
    Builder,
    Done,
    Plan,
    alike,
    by_hand,
    draws_of,
    ops_of,
    rows_of,
    sources_of,
    walk,
)
from tests.strategies import Pipeline, pipelines
from whence.errors import NotFoundError, OpError, PlanError
from whence.query import Address, Impact, Trace, find_impact, trace_address
from whence.runs import RunRecord
from whence.streams import Stream, evaluation

Row = tuple[str, int]
Place = tuple[int, int, int | None, int]  # epoch, repeat, batch, item


@dataclass
class Reading:
    """One pass as its consumer saw it."""

    epoch: int
    repeat: int
    got: list[Any] = field(default_factory=list)
    is_complete: bool = False


@contextmanager
def chunks_of(first: int, largest: int) -> Iterator[None]:
    """Let the engine move samples in chunks of other sizes: nothing may depend on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "_FIRST_CHUNK", first)
        patch.setattr(evaluation, "_LARGEST_CHUNK", largest)
        patch.setattr(evaluation, "_LARGEST_QUICK_CHUNK", largest, raising=False)
        yield


def read_all(stream: Stream, pipeline: Pipeline) -> list[Reading]:
    """Read the passes of a pipeline, leaving each where it says."""
    readings: list[Reading] = []
    for epoch, stop in zip(pipeline.epochs, pipeline.stops, strict=True):
        samples = iter(stream.epoch(epoch))
        if stop == 0:
            samples.close()  # nothing was asked for: no pass began
            continue
        reading = Reading(epoch, sum(each.epoch == epoch for each in readings))
        readings.append(reading)
        try:
            while stop is None or len(reading.got) < stop:
                reading.got.append(next(samples))
        except StopIteration:
            reading.is_complete = True
        except (OpError, PlanError):
            # two inputs of a zip were of one length in epoch 0 only: what was delivered before still counts
            if not ops_of(pipeline.plan) & {"zip", "zip_pair"}:
                raise
        samples.close()
    return readings


def run_recorded(pipeline: Pipeline, folder: pathlib.Path) -> tuple[Stream, list[Reading], RunRecord]:
    """Read a pipeline inside a run, and the record of that."""
    stream = Builder(folder).build(pipeline.plan)
    sizes = chunks_of(pipeline.first_chunk, pipeline.largest_chunk)
    with sizes, wh.start_run("oracle", workspace=folder / "ws") as run:
        readings = read_all(stream, pipeline)
    return stream, readings, run.record


def batch_below(plan: Plan) -> Done | None:
    """Find the batch whose items have addresses: the last one, unless batches were taken apart again."""
    while isinstance(plan, Done) and len(plan.inputs) == 1:
        if plan.op.startswith("batch_"):
            return plan
        if plan.op in ("copies", "litter", "unbatch"):
            return None
        (plan,) = plan.inputs
    return None


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


def items_of(output: Any, plan: Plan, batch: Done) -> list[Any] | None:
    """Take a delivered batch apart, where its items are still to be seen in it."""
    while plan is not batch:
        assert isinstance(plan, Done)
        if plan.op in ("fold", "grow", "grow_inside", "jitter", "drawn", "fragile", "frail", "ranked"):
            return None
        (plan,) = plan.inputs
    if batch.op == "batch_together":
        return None
    if batch.op == "batch_stack" and isinstance(output, dict):
        return [{"v": v, "h": h} for v, h in zip(output["v"], output["h"], strict=True)]
    return list(output)


class Carried:
    """What the delivered samples say, and what the record says of them; checks that these are equal."""

    def __init__(self, pipeline: Pipeline, readings: list[Reading], record: RunRecord) -> None:
        self._plan = pipeline.plan
        self._batch = batch_below(pipeline.plan)
        self._readings = readings
        self._record = record
        self._ops = [each for each in walk(pipeline.plan) if isinstance(each, Done)]
        self._places: dict[Row, set[Place]] = {}

    def check_traces(self) -> int:
        """Check every delivered sample and every item of every batch; returns how many."""
        return sum(
            self._check_output(reading, output, value)
            for reading in self._readings
            for output, value in enumerate(reading.got)
        )

    def _trace(self, reading: Reading, output: int, item: int | None = None) -> Trace:
        address = Address(
            run=self._record.name, epoch=reading.epoch, repeat=reading.repeat, batch=output, item=item
        )
        trace = trace_address(self._record, address)
        assert trace.complete
        assert not trace.in_flight
        return trace

    def _check_output(self, reading: Reading, output: int, value: Any) -> int:
        whole = self._trace(reading, output)
        assert traced_rows(whole) == rows_of(value)
        assert traced_draws(whole) == draws_of(value)
        if self._batch is None:
            for row in rows_of(value):
                self._places.setdefault(row, set()).add((reading.epoch, reading.repeat, None, output))
            return 1
        items = items_of(value, self._plan, self._batch)
        found = list(self._item_traces(reading, output))
        for number, trace in enumerate(found):
            if items is not None:
                assert traced_rows(trace) == rows_of(items[number])
                assert traced_draws(trace) >= draws_of(items[number])
            for row in traced_rows(trace):
                self._places.setdefault(row, set()).add((reading.epoch, reading.repeat, output, number))
        assert items is None or len(items) == len(found)
        assert set().union(*map(traced_rows, found)) == rows_of(value)
        return 1 + len(found)

    def _item_traces(self, reading: Reading, output: int) -> Iterator[Trace]:
        for item in range(1_000):
            try:
                yield self._trace(reading, output, item)
            except NotFoundError:
                return

    def check_impacts(self) -> None:
        """Check every row of every source."""
        for name, given_rows in sources_of(self._plan).items():
            for row in range(len(given_rows.values)):
                self._check_row((name, row))

    def _check_row(self, row: Row) -> None:
        impact = find_impact([self._record], row[0], rows=[row[1]])
        expected = self._places.get(row, set())
        found = [(each.epoch, each.repeat, each.batch, each.item) for each in impact.exposures]
        assert len(found) == len(set(found)), "a delivery is named once"
        assert set(found) == expected
        assert impact.count == len(expected)
        assert impact.absent == (not expected)
        assert not impact.gaps
        self._check_fate(row, impact)

    def _check_fate(self, row: Row, impact: Impact) -> None:
        """Nothing is dropped silently, and nothing is called dropped that wasn't."""
        ops = ops_of(self._plan)
        assert all(drop.reason for drop in impact.drops)
        finished = [reading for reading in self._readings if reading.is_complete]
        reads_all = not any(
            each.op in CAN_STOP or (each.op, each.args) == ("repeat", (0,)) for each in self._ops
        )
        if reads_all:
            for reading in finished:
                came = any(epoch == reading.epoch for epoch, *_ in self._places.get(row, set()))
                assert came or any(reading.epoch in drop.epochs for drop in impact.drops)
        elif not impact.count and finished and finished == self._readings:
            assert impact.drops or impact.unreached
        drops_last = any(each.op.startswith("batch_") and each.args[1] for each in self._ops)
        if not ops & CAN_DROP and not drops_last:
            assert not impact.drops


def check_pipeline(pipeline: Pipeline) -> int:
    """Run a pipeline and check all that was recorded of it; returns how many samples were delivered."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        _, readings, record = run_recorded(pipeline, folder)
        carried = Carried(pipeline, readings, record)
        count = carried.check_traces()
        carried.check_impacts()
        return count


def count_pipelines(check: Callable[[Pipeline], int], wanted: int, **kinds: Any) -> Counter[str]:
    """Check so many generated pipelines, and count what was in them."""
    seen: Counter[str] = Counter()

    @settings(max_examples=wanted, suppress_health_check=list(HealthCheck), deadline=None)
    @given(pipeline=pipelines(**kinds))
    def each(pipeline: Pipeline) -> None:
        seen.update(ops_of(pipeline.plan))
        seen.update({f"from {source.kind}" for source in sources_of(pipeline.plan).values()})
        delivered = check(pipeline)
        seen.update({"pipelines": 1, "samples": delivered, "pipelines that deliver": delivered > 0})

    each()
    assert seen["pipelines"] >= wanted, "none was skipped"
    return seen


def check_by_hand(pipeline: Pipeline) -> int:
    """Compare what a pipeline gives with the plain reading of its plan."""
    expected = by_hand(pipeline.plan)
    with tempfile.TemporaryDirectory() as name, chunks_of(pipeline.first_chunk, pipeline.largest_chunk):
        got = Builder(pathlib.Path(name)).build(pipeline.plan).collect()
    assert len(got) == len(expected)
    assert all(map(alike, got, expected))
    return len(got)


def test_every_sample_of_sixty_pipelines_is_traced_and_every_row_is_followed() -> None:
    seen = count_pipelines(check_pipeline, 60)
    assert seen["pipelines that deliver"] > 10, "they are no empty cases"


def test_sixty_pipelines_give_what_lists_give() -> None:
    assert not count_pipelines(check_by_hand, 60, random=False).keys() & RANDOM


@pytest.mark.long
def test_every_sample_of_two_thousand_pipelines_is_traced_and_every_row_is_followed() -> None:
    seen = count_pipelines(check_pipeline, 2_000)
    print("\n" + ", ".join(f"{what} {count:,}" for what, count in seen.most_common()))
    assert seen["pipelines that deliver"] * 2 > seen["pipelines"], "they are no empty cases"
    assert len(seen) >= 29 + 9 + 3, "every operation and every kind of source came up"


@pytest.mark.long
def test_two_thousand_pipelines_give_what_lists_give() -> None:
    count_pipelines(check_by_hand, 2_000, random=False)
