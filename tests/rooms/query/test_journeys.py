"""A journey shows what a delivered sample was after each operation."""

from __future__ import annotations

import pathlib

import pytest

import whence as wh
from whence.errors import NotFoundError
from whence.query import Address, PassLineage, name_origin


def double(number: int) -> int:
    return number * 2


def is_small(number: int) -> bool:
    return number < 12


def both(number: int) -> list[int]:
    return [number, number + 1]


def read_run(stream: wh.Stream, folder: pathlib.Path, epochs: int = 1) -> wh.Run:
    with wh.start_run(workspace=folder) as run:
        for epoch in range(epochs):
            for _ in stream.epoch(epoch):
                pass
    return run


def test_a_journey_begins_at_the_source_and_ends_with_what_was_delivered(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(10))).map(double).filter(is_small).batch(2)
    run = read_run(stream, tmp_path)
    stages = run.replayer(stream=stream).journey(Address(run=run.name, epoch=0, batch=1, item=1))
    assert [(stage.kind, stage.value) for stage in stages] == [("source", 3), ("map", 6), ("filter", 6)]
    assert stages[-1].value == run.replay(0, 1, 1, stream=stream)


def test_the_journey_of_a_batch_shows_its_first_sample_below_and_says_of_how_many(
    tmp_path: pathlib.Path,
) -> None:
    stream = wh.from_items(list(range(10))).map(double).batch(4)
    run = read_run(stream, tmp_path)
    stages = run.replayer(stream=stream).journey(Address(run=run.name, epoch=0, batch=1))
    assert [(stage.op, stage.count) for stage in stages[1:]] == [("double", 4), ("batch(4)", 1)]
    assert stages[0].value == 4
    assert stages[-1].value.tolist() == [8, 10, 12, 14]


def test_a_journey_through_a_concat_goes_on_at_the_input_that_it_came_from(tmp_path: pathlib.Path) -> None:
    first, second = wh.from_items([1, 2], name="first"), wh.from_items([7, 8], name="second")
    stream = first.concat(second).flat_map(both)
    run = read_run(stream, tmp_path)
    stages = run.replayer(stream=stream).journey(Address(run=run.name, epoch=0, item=7))
    assert [stage.value for stage in stages] == [8, 8, 9]
    assert stages[0].op == "second"
    lineage = PassLineage(run.record, run.passes[0])
    assert name_origin(lineage, run.streams[0].top, 7) == "second:1"


def test_a_journey_to_nowhere_is_not_found(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1])
    run = read_run(stream, tmp_path)
    with pytest.raises(NotFoundError):
        run.replayer(stream=stream).journey(Address(run=run.name, epoch=0, item=1))


def test_the_dropped_inputs_of_a_node_are_those_that_gave_no_output(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1, 9, 1, 8]).filter(is_small).dedup().flat_map(lambda n: [n] * (n == 9))
    run = read_run(stream, tmp_path)
    lineage = PassLineage(run.record, run.passes[0])
    assert [lineage.dropped(node).tolist() for node in range(4)] == [[], [], [2], [0, 2]]
