"""The laws that every pipeline obeys; each check says how many samples it compared."""

from __future__ import annotations

import pathlib
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import whence as wh
from tests.oracle.building import COLUMN_KINDS, Builder, by_hand
from tests.oracle.carried import Carried, address_of, batch_below, items_of
from tests.oracle.learned import LearnedOf
from tests.oracle.marks import alike, close, is_missing
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import ops_of, sources_of
from tests.oracle.readings import Pipeline, Reading, Workshop, chunks_of, read_all, recorded
from whence.errors import NotFoundError, OpError
from whence.query import Replayer
from whence.runs import RunRecord
from whence.streams import Stream

WORKERS = {0: 1, 1: 2, 2: 4}
"""With how many workers pipelines are read as well, by 32nds of all pipelines: processes take their time."""


def is_random(pipeline: Pipeline) -> bool:
    """Tell whether chance has a part in a pipeline."""
    return any(OPERATIONS[op].hand is None for op in ops_of(pipeline.plan))


def kinds_of(pipeline: Pipeline) -> set[str]:
    """Say from which kinds of sources a pipeline reads."""
    return {given.kind for given in sources_of(pipeline.plan).values()}


def check_all(pipeline: Pipeline, workshop: Workshop) -> int:
    """Check all that is promised of a pipeline, at once; returns how many samples it delivered."""
    with workshop.folder() as folder:
        stream = Builder(folder).build(pipeline.plan)
        learned = LearnedOf(pipeline, folder)
        with recorded(pipeline, folder) as run:
            readings = read_all(stream, pipeline)
            is_odd = sum(len(reading.got) for reading in readings) % 4 == 1
            if is_odd:  # while the run goes on, its record is read as it was written
                Carried(pipeline, readings, RunRecord.read(run.record.folder, run.id), learned).check()
        record = run.record
        carried = Carried(pipeline, readings, record, learned)
        carried.check()
        check_replays(pipeline, stream, readings, record)
        runs = 1 + check_other_ways(pipeline, stream, readings, record, folder)
        check_workspace(pipeline, carried, folder, runs)
        check_lists(pipeline, readings)
    return sum(len(reading.got) for reading in readings)


def check_workspace(pipeline: Pipeline, carried: Carried, folder: pathlib.Path, runs: int) -> None:
    """All runs of a workspace together, which delivered the same, say where all rows of a source went."""
    workspace = wh.open(folder / "ws")
    for name in sources_of(pipeline.plan):
        impact = workspace.impact(name)
        expected = carried.places_of(name)
        assert impact.count == len(expected) * runs
        assert len(impact.runs) == runs * (len(expected) > 0)
        assert {(each.epoch, each.repeat, each.batch, each.item) for each in impact.exposures} == expected
        assert not impact.gaps


def check_lists(pipeline: Pipeline, readings: Sequence[Reading]) -> None:
    """What isn't random gives what lists give."""
    if is_random(pipeline):
        return
    expected = by_hand(pipeline.plan)
    for reading in readings:
        got = reading.got
        assert len(got) == len(expected) if reading.is_complete else len(got) <= len(expected)
        assert all(map(close, got, expected))


def check_replays(pipeline: Pipeline, stream: Stream, readings: Sequence[Reading], record: RunRecord) -> None:
    """Everything that was delivered can be made again, from the record alone where sources are on disk."""
    in_memory = kinds_of(pipeline) - {"text", "jsonl", "csv", "files", "parquet"}
    if in_memory & {"pour", "once"}:
        return
    replayer = Replayer(record, stream=stream if in_memory else None)
    batch = batch_below(pipeline.plan)
    for reading in readings:
        for output, value in enumerate(reading.got):
            again = replayer.replay(address_of(record, reading, output))
            assert again.equal is (True if pipeline.record == "full" else None)
            assert not again.differences
            assert alike(again.value, value)
            if batch is not None:
                _check_items(replayer, record, reading, output, items_of(value, pipeline.plan, batch))


def _check_items(
    replayer: Replayer, record: RunRecord, reading: Reading, output: int, items: list[Any] | None
) -> None:
    for item in range(1_000):
        try:
            again = replayer.replay(address_of(record, reading, output, item))
        except NotFoundError:
            return
        assert again.equal is not False
        assert items is None or close_enough(again.value, items[item])


def close_enough(item: Any, shown: Any) -> bool:
    """Compare an item with what is seen of it in its batch, where numbers and texts are an array's."""
    if isinstance(item, dict):
        return item.keys() == shown.keys() and all(close_enough(item[key], shown[key]) for key in item)
    return bool(alike(item, shown) or item == shown or (is_missing(item) and is_missing(shown)))


def check_other_ways(
    pipeline: Pipeline, stream: Stream, readings: list[Reading], record: RunRecord, folder: pathlib.Path
) -> int:
    """However samples are moved, they and what is recorded of them are the same; counts the ways."""
    kinds = kinds_of(pipeline)
    if "once" in kinds:
        return 0
    ways = [(stream, replace(pipeline, first_chunk=1, largest_chunk=1, memory_bytes=1))]
    if kinds & set(COLUMN_KINDS):
        ways.append((Builder(folder, as_rows=True).build(pipeline.plan), pipeline))
    if (workers := WORKERS.get(zlib.crc32(repr(pipeline).encode()) % 32)) is not None:
        ways.append((stream, replace(pipeline, workers=workers)))
    for other, way in ways:
        with recorded(way, folder) as run:
            found = read_all(other, way)
        assert_same(pipeline, readings, record, found, run.record)
    return len(ways)


def assert_same(
    pipeline: Pipeline, one: list[Reading], first: RunRecord, other: list[Reading], second: RunRecord
) -> None:
    """Two ways to read a pipeline gave the same samples, and the same digests of them."""
    assert len(one) == len(other)
    for here, there in zip(one, other, strict=True):
        assert here.is_complete == there.is_complete
        assert alike(here.got, there.got)
    for view, again in zip(first.passes, second.passes, strict=True):
        assert (view.epoch, view.repeat, view.delivered) == (again.epoch, again.repeat, again.delivered)
        assert view.mode == again.mode == pipeline.record
        if not view.is_complete:
            continue
        mine, yours = first.digests(view.number), second.digests(again.number)
        assert mine.outputs.tolist() == yours.outputs.tolist()
        _assert_agree(mine.items.tolist(), yours.items.tolist())
        if batch_below(pipeline.plan) is not None:  # without batches a group is a chunk
            _assert_agree(mine.groups, yours.groups)


def _assert_agree(one: list[Any], other: list[Any]) -> None:
    """What both witnessed is the same; a batch below a take gathers ahead of it, by a chunk."""
    both = [(here, there) for here, there in zip(one, other, strict=False) if here and there]
    assert [here for here, _ in both] == [there for _, there in both]


def check_by_hand(pipeline: Pipeline, workshop: Workshop) -> int:
    """Compare what a pipeline gives outside of a run with the plain reading of its plan."""
    expected = by_hand(pipeline.plan)
    got: list[Any] = []
    with workshop.folder() as folder, chunks_of(pipeline.first_chunk, pipeline.largest_chunk):
        try:
            got.extend(Builder(folder).build(pipeline.plan))
        except OpError:  # there was nothing to learn from: what came before still counts
            assert any(OPERATIONS[op].may_fail for op in ops_of(pipeline.plan))
            assert len(got) <= len(expected)
        else:
            assert len(got) == len(expected)
    assert all(map(close, got, expected))
    return len(got)
