"""What a reading leaves in the record, and how it ends when it is left half-way."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

import whence as wh
from whence.errors import ExhaustedError, OpError
from whence.streams import evaluation, pacing


def test_outside_a_run_nothing_is_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    wh.from_items(range(10)).map(lambda number: number).batch(3).collect()
    assert not list(tmp_path.iterdir())


def test_a_pass_that_is_left_says_how_far_it_came(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(range(1_000), name="numbers").filter(lambda number: number % 2)
    with wh.start_run(workspace=tmp_path) as run:
        for number in stream:
            if number == 21:
                break
        assert len(list(stream.epoch(1))) == 500
    first, second = run.passes
    assert (first.delivered, first.is_complete, first.is_ended) == (11, False, True)
    assert (second.delivered, second.is_complete, second.repeat) == (500, True, 0)


def test_a_break_closes_what_was_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    close = evaluation.Evaluation.close

    def closing(self: evaluation.Evaluation) -> None:
        closed.append(1)
        close(self)

    monkeypatch.setattr(evaluation.Evaluation, "close", closing)
    for _ in wh.from_items(range(10)):
        break
    samples = iter(wh.from_items(range(10)).epoch(1))
    next(samples)
    samples.close()
    assert len(closed) == 2


def test_the_same_epoch_again_is_a_repeat(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1, 2], name="numbers")
    with wh.start_run(workspace=tmp_path) as run:
        assert [list(stream.epoch(epoch)) for epoch in (0, 0, 1)] == [[1, 2]] * 3
    assert [(view.epoch, view.repeat) for view in run.passes] == [(0, 0), (0, 1), (1, 0)]
    assert run.trace(0, 1, repeat=1).origins[0].row == 1


def test_counting_in_a_run_takes_no_address(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([5, 6], name="numbers").filter(bool)
    with wh.start_run(workspace=tmp_path) as run:
        assert stream.count() == 2
        assert stream.collect() == [5, 6]
    assert len(run.passes) == 1
    assert run.trace(0, 1).origins[0].row == 1


def test_a_failure_ends_the_pass_and_keeps_what_was_delivered(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([4, 2, 1, 0, 1], name="numbers").map(lambda number: 4 // number)
    with pytest.MonkeyPatch.context() as patch:
        for size in ("FIRST_CHUNK", "LARGEST_CHUNK", "LARGEST_QUICK_CHUNK"):
            patch.setattr(pacing, size, 1)
        run = wh.start_run(workspace=tmp_path)
        with pytest.raises(OpError), run:
            list(stream)
    assert run.status == "failed"
    (only,) = run.passes
    assert (only.delivered, only.is_complete) == (3, False)
    assert [run.trace(0, number).origins[0].row for number in range(3)] == [0, 1, 2]


def test_rows_that_are_read_twice_are_counted_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lines.txt").write_text("a\nb\nc\nd\ne\n")
    stream = wh.from_text(tmp_path / "lines.txt", name="lines").take(3).repeat(2)
    with wh.start_run(workspace=tmp_path / "ws"):
        assert stream.collect() == ["a", "b", "c"] * 2
    impact = wh.open(tmp_path / "ws").impact("lines")
    assert [origin.row for origin in impact.origins] == [0, 1, 2, 3, 4]
    assert impact.count == 6


def test_an_order_is_followed_though_a_source_was_never_reached(tmp_path: pathlib.Path) -> None:
    numbers = list(range(40))
    one, other = wh.from_items(numbers, name="one"), wh.from_items(numbers, name="other")
    stream = one.concat(other).shuffle(seed=1)
    whole = list(stream)
    with wh.start_run(workspace=tmp_path) as run, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "FIRST_CHUNK", 1)
        samples = iter(stream.epoch(0))
        assert next(samples) == whole[0]
        samples.close()
    (origin,) = run.trace(0, 0).origins
    assert origin.row == whole[0]


def test_a_generator_is_read_once_and_says_so() -> None:
    def numbers() -> Iterator[int]:
        yield from range(5)

    stream = wh.from_items(numbers(), name="numbers")
    assert stream.collect() == [0, 1, 2, 3, 4]
    with pytest.raises(ExhaustedError, match="'numbers'"):
        stream.collect()


def test_streams_of_one_run_are_told_apart_by_name(tmp_path: pathlib.Path) -> None:
    train = wh.from_items([1, 2, 3], name="a").named("train")
    test = wh.from_items([4], name="b").named("test")
    with wh.start_run(workspace=tmp_path) as run:
        assert train.collect() + test.collect() == [1, 2, 3, 4]
    assert run.trace(0, 0, stream="test").origins[0].source == "b"
    assert run.trace(0, 2, stream="train").origins[0].row == 2


class Squares:
    """Samples that are made when they are asked for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, position: Any) -> int:
        return int(position) ** 2

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("positions were to be asked for")


def test_anything_with_a_length_and_positions_is_read_where_it_is_asked() -> None:
    assert wh.from_items(Squares(10**6)).slice(10**5, 10**5 + 2).collect() == [10**10, (10**5 + 1) ** 2]
    assert len(wh.from_items(Squares(10**6)).shuffle(seed=1).take(5).collect()) == 5
