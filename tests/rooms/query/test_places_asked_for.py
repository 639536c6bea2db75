"""What can be asked for: passes, streams, batches and items, and the error that says what there is."""

from __future__ import annotations

import pathlib

import pytest

import whence as wh
from whence.errors import NotFoundError
from whence.query import find_pass


@pytest.fixture
def run(tmp_path: pathlib.Path) -> wh.Run:
    train = wh.from_items(list(range(10)), name="numbers").batch(4).named("train")
    test = wh.from_items(["a", "b"], name="letters").named("test")
    with wh.start_run("t", workspace=tmp_path) as run:
        for epoch in (0, 2, 2):
            list(train.epoch(epoch))
        test.collect()
    return run


def test_a_pass_is_found_by_stream_epoch_and_repeat(run: wh.Run) -> None:
    assert find_pass(run.record, epoch=2, stream="train").number == 1
    assert find_pass(run.record, epoch=2, stream="train", repeat=1).number == 2
    assert find_pass(run.record, epoch=0, stream="test").number == 3
    assert run.trace(2, 1, 3, stream="train", repeat=1).origins[0].row == 7


@pytest.mark.parametrize(
    ("arguments", "said", "remedy"),
    [
        ({"epoch": 0}, "several streams: train, test", "/train@0"),
        ({"epoch": 0, "stream": "nobody"}, "no stream 'nobody'", "train, test"),
        ({"epoch": 1, "stream": "train"}, "no pass 1", "0, 2, 2#1"),
        ({"epoch": 2, "stream": "train", "repeat": 2}, "no pass 2#2", "0, 2, 2#1"),
        ({"epoch": 0, "stream": "train", "batch": 3, "item": 0}, "delivered 3 batches", "0 to 2"),
        ({"epoch": 0, "stream": "train", "batch": 2, "item": 2}, "has 2 items", "0 to 1"),
        ({"epoch": 0, "stream": "train", "batch": -1, "item": 0}, "delivered 3 batches", "0 to 2"),
        ({"epoch": 0, "stream": "train", "batch": 0, "item": -1}, "has 4 items", "0 to 3"),
        ({"epoch": 0, "stream": "train"}, "delivered 3 batches", "0 to 2"),
        ({"epoch": 0, "stream": "test", "item": 2}, "delivered 2 samples", "0 to 1"),
        ({"epoch": 0, "stream": "test", "batch": 0, "item": 0}, "no batches", "@0:0"),
    ],
)
def test_what_is_not_there_is_told_with_what_there_is(
    run: wh.Run, arguments: dict[str, int | str], said: str, remedy: str
) -> None:
    with pytest.raises(NotFoundError, match=said) as caught:
        run.trace(**arguments)  # type: ignore[arg-type]
    assert remedy in caught.value.remedy
    assert caught.value.exit_code == 3


def test_a_run_that_read_nothing_says_so(tmp_path: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path) as run:
        pass
    with pytest.raises(NotFoundError, match="read no stream"):
        run.trace(0, 0)


def test_a_pass_that_delivered_nothing_says_so(tmp_path: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path) as run:
        wh.from_items([]).collect()
    with pytest.raises(NotFoundError, match="delivered 0 samples") as caught:
        run.trace(0, 0)
    assert "another pass" in caught.value.remedy


def test_exposures_are_everything_delivered_and_nothing_else(run: wh.Run) -> None:
    assert len(list(run.exposures())) == 3 * 10 + 2
    found = [exposure.address for exposure in run.exposures(epoch=0, stream="train")]
    assert found == [f"{run.name}/train@0:{number // 4}.{number % 4}" for number in range(10)]
    assert [exposure.address for exposure in run.exposures(stream="test")] == [
        f"{run.name}/test@0:0",
        f"{run.name}/test@0:1",
    ]
