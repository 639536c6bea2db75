"""Counts say what went through each node, also where a pass was left early or its process died."""

from __future__ import annotations

import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.documents import pipelines
from whence.query import count_pass, count_streams


def flows(run: wh.Run) -> list[tuple[tuple[int | None, ...], int, int]]:
    counted = count_pass(run.record, run.passes[0])
    assert not counted.problem
    return [(node.ins, node.out, node.dropped) for node in counted.nodes]


def is_even(number: int) -> bool:
    return number % 2 == 0


def copies(number: int) -> list[int]:
    return [number] * (number % 3)


def test_each_kind_of_op_says_what_went_in_and_what_went_no_further(tmp_path: pathlib.Path) -> None:
    stream = (
        wh.from_items(list(range(20)))
        .skip(2).filter(is_even).flat_map(copies).repeat(2).concat(wh.from_items([1, 1])).dedup()
        .batch(2, drop_last=True)
    )  # fmt: skip
    with wh.start_run(workspace=tmp_path) as run:
        batches = list(stream)
    delivered = len(batches)
    found = dict(zip((node["label"] for node in run.streams[0].nodes), flows(run), strict=True))
    kept = [copy for number in range(2, 20) if is_even(number) for copy in copies(number)]
    different = len(set(kept) | {1})
    assert found["skip(2)"] == ((20,), 18, 2)
    assert found["is_even"] == ((18,), 9, 9)
    assert found["copies"] == ((9,), len(kept), 3)
    assert found["repeat(2)"] == ((len(kept),), 2 * len(kept), 0)
    assert found["concat"] == ((2 * len(kept), 2), 2 * len(kept) + 2, 0)
    assert found["dedup()"] == ((2 * len(kept) + 2,), different, 2 * len(kept) + 2 - different)
    assert found["batch(2)"] == ((different,), delivered, different % 2)


def test_a_pass_left_early_drops_nothing_that_was_only_not_reached(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(1_000))).map(pipelines.keep).shuffle(seed=1).batch(8, drop_last=True)
    with wh.start_run(workspace=tmp_path) as run:
        for number, _ in enumerate(stream):
            if number == 1:
                break
    found = flows(run)
    assert [dropped for _, _, dropped in found] == [0, 0, 0, 0]
    assert found[-1][1] >= 2
    assert found[0][1] < 1_000


@given(cut=st.integers(0, 12), size=st.integers(1, 5))
def test_what_a_node_takes_is_what_the_one_below_gave_in_a_complete_pass(
    tmp_path_factory: pytest.TempPathFactory, cut: int, size: int
) -> None:
    stream = wh.from_items(list(range(12))).filter(is_even).take(cut).batch(size)
    with wh.start_run(workspace=tmp_path_factory.mktemp("w")) as run:
        list(stream)
    nodes = run.streams[0].nodes
    counted = count_pass(run.record, run.passes[0])
    for index, node in enumerate(nodes):
        for number, below in enumerate(node["inputs"]):
            assert counted.nodes[index].ins[number] == counted.nodes[below].out


def test_passes_that_differ_are_summed_and_those_alike_are_shown_once(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        stream = wh.from_items(list(range(6)))
        list(stream.epoch(0))
        list(stream.epoch(1))
        part = iter(stream.sample(0.5, seed=3).named("part"))
        next(part, None)
    whole, _ = count_streams(run.record)
    assert whole.is_alike
    assert (whole.flow[0].out, whole.nodes[0].out) == (6, 12)


@given(count=st.integers(0, 20), size=st.integers(1, 5), step=st.integers(1, 7), full=st.booleans())
def test_samples_in_no_window_are_counted(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: int, step: int, full: bool
) -> None:
    stream = wh.from_items(list(range(count))).window(size, step, drop_last=full, collate=list)
    with wh.start_run(workspace=tmp_path_factory.mktemp("w")) as run:
        windows = list(stream)
    gone = count - len({number for window in windows for number in window})
    assert flows(run)[-1] == ((count,), len(windows), gone)


def test_samples_that_a_mix_ended_before_are_counted(tmp_path: pathlib.Path) -> None:
    short, long = wh.from_items(list(range(10))), wh.from_items(list(range(90)))
    with wh.start_run(workspace=tmp_path) as run:
        mixed = list(long.mix(short, weights=[0.5, 0.5], seed=1, stop="first"))
    assert flows(run)[-1] == ((90, 10), len(mixed), 100 - len(mixed))
