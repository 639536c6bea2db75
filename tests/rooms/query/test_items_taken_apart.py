"""What was put into a batch or a pair and taken out again is followed as the item that it is."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import whence as wh
from whence.streams import Stream


def first_of(batch: Any) -> int:
    return int(batch[0])


BETWEEN: dict[str, Callable[[Stream], Stream]] = {
    "nothing": lambda stream: stream,
    "filter": lambda stream: stream.filter(lambda batch: batch[0] != 3),
    "dedup": lambda stream: stream.dedup(first_of),
    "take": lambda stream: stream.take(3),
    "shard": lambda stream: stream.shard(1, 2),
    "sample": lambda stream: stream.sample(0.5, seed=1),
    "shuffle": lambda stream: stream.shuffle(seed=1),
    "windows": lambda stream: stream.filter(len).shuffle(seed=1, window=2),
    "repeat": lambda stream: stream.repeat(2),
    "concat": lambda stream: stream.concat(stream.skip(1)),
    "batches of batches": lambda stream: stream.batch(2, collate=list).shuffle(seed=1).unbatch(),
    "pairs": lambda stream: stream.zip(stream).unbatch(),
}


def rows_by_output(stream: Stream, folder: pathlib.Path) -> list[tuple[Any, list[int]]]:
    """Read a stream; give every output with the rows that its trace finds, and check the inverse."""
    with wh.start_run(workspace=folder) as run:
        outputs = stream.collect()
    found = [
        (value, [origin.row for origin in run.trace(0, number).origins])
        for number, value in enumerate(outputs)
    ]
    workspace = wh.open(folder)
    for row in range(10):
        exposures = workspace.impact("numbers", rows=[row]).exposures
        assert [each.item for each in exposures] == [
            number for number, (_, rows) in enumerate(found) if row in rows
        ]
    return found


@pytest.mark.parametrize("collate", ["stack", list])
@pytest.mark.parametrize("between", BETWEEN)
def test_an_item_keeps_its_own_row(tmp_path: pathlib.Path, between: str, collate: Any) -> None:
    batches = wh.from_items(list(range(10)), name="numbers").batch(3, collate=collate)
    for value, rows in rows_by_output(BETWEEN[between](batches).unbatch(), tmp_path):
        assert rows == [int(value)]


@pytest.mark.parametrize(
    "mixed",
    [
        lambda batches: batches.map(list),
        lambda batches: batches.map_batches(lambda group: group, size=1),
        lambda batches: batches.flat_map(lambda batch: [batch]),
        lambda batches: batches.zip(batches, combine=lambda a, b: a),
    ],
)
def test_after_a_function_an_item_may_come_from_all_of_its_batch(
    tmp_path: pathlib.Path, mixed: Callable[[Stream], Stream]
) -> None:
    batches = wh.from_items(list(range(10)), name="numbers").batch(3, collate=list)
    for value, rows in rows_by_output(mixed(batches).unbatch(), tmp_path):
        start = value // 3 * 3
        assert rows == list(range(start, min(start + 3, 10)))


def test_after_a_collate_function_an_item_may_come_from_all_of_its_batch(tmp_path: pathlib.Path) -> None:
    stream = (
        wh.from_items(list(range(10)), name="numbers").batch(5, collate=lambda group: group[::-1]).unbatch()
    )
    for value, rows in rows_by_output(stream, tmp_path):
        assert rows == list(range(value // 5 * 5, value // 5 * 5 + 5))


def test_a_pair_taken_apart_names_one_side(tmp_path: pathlib.Path) -> None:
    left, right = wh.from_items([1, 2], name="left"), wh.from_items([3, 4], name="right")
    with wh.start_run(workspace=tmp_path) as run:
        outputs = left.zip(right).shuffle(seed=2).unbatch().collect()
    names = {1: ("left", 0), 2: ("left", 1), 3: ("right", 0), 4: ("right", 1)}
    for number, value in enumerate(outputs):
        assert [(each.source, each.row) for each in run.trace(0, number).origins] == [names[value]]


def test_a_source_that_was_never_reached_is_said_to_be_unreached(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1], name="one").concat(wh.from_items([2], name="other"))
    with wh.start_run(workspace=tmp_path) as run:
        for _ in stream:
            break
    impact = wh.open(tmp_path).impact("other")
    assert (impact.count, impact.absent, impact.unreached) == (0, True, [run.name])
