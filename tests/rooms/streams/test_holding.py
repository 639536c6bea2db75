"""A loop that takes samples ahead says which it has come to: no other counts as received."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest

import whence as wh
from whence.errors import PlanError
from whence.query import ExposurePoint


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Iterator[wh.Run]:
    with wh.start_run(workspace=tmp_path) as started:
        yield started


def doubled(n: int) -> int:
    return n * 2


def stream() -> wh.Stream:
    return wh.from_items(list(range(10))).map(doubled)


def items(run: wh.Run) -> list[int]:
    points: list[ExposurePoint] = list(run.exposures())
    return [point.item for point in points]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_taken_ahead_is_not_received(run: wh.Run, workers: int) -> None:
    held = stream().epoch(0, workers=workers).held()
    assert [next(held) for _ in range(4)] == [0, 2, 4, 6]
    assert items(run) == []
    held.took()
    held.took(2)
    assert (held.waiting, items(run)) == (1, [0, 1, 2])
    assert run.replay(item=2, stream=stream()) == 4
    held.close()
    (view,) = run.passes
    assert (view.delivered, view.is_complete, view.is_ended) == (3, False, True)


def test_a_pass_ends_when_the_last_sample_is_come_to(run: wh.Run) -> None:
    held = stream().epoch(0).held()
    assert len(list(held)) == 10
    held.took(9)
    assert not run.passes[0].is_ended
    assert not held.is_over
    held.took()
    assert held.is_over
    (view,) = run.passes
    assert (view.delivered, view.is_complete) == (10, True)


def test_what_waits_when_the_run_ends_was_never_received(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        held = stream().epoch(0).held()
        list(held)
        held.took(4)
    held.took()
    held.close()
    (view,) = run.passes
    assert (view.delivered, view.is_complete) == (4, False)


def test_more_cannot_be_taken_than_was_handed_out() -> None:
    held = stream().epoch(0).held()
    next(held)
    with pytest.raises(PlanError, match="1 samples were handed out"):
        held.took(2)
    with pytest.raises(PlanError):
        held.took(-1)
    held.took()
    with pytest.raises(PlanError, match="0 samples"):
        held.took()


def test_a_state_stands_where_the_consumer_does(run: wh.Run) -> None:
    held = stream().epoch(3).held()
    list(held)
    held.took(6)
    state = json.loads(json.dumps(held.state()))
    assert (state["epoch"], state["delivered"]) == (3, 6)
    again = stream().resume(state).held()
    assert next(again) == 12
    again.took()
    assert again.state()["delivered"] == 7
    assert list(stream().resume(again.state())) == [14, 16, 18]


def test_what_waits_can_be_handed_out_again(run: wh.Run) -> None:
    held = stream().epoch(0).held()
    assert [next(held), next(held), next(held)] == [0, 2, 4]
    held.took()
    held.restart()
    assert [next(held), next(held), next(held)] == [2, 4, 6]
    held.took(3)
    assert items(run) == [0, 1, 2, 3]
    held.restart()
    assert list(held) == [8, 10, 12, 14, 16, 18]


def test_all_this_is_the_same_outside_a_run() -> None:
    held = stream().epoch(0).held()
    assert held.is_untouched
    values = list(held)
    for _ in values:
        held.took()
    assert held.is_over
    assert not held.is_untouched


@pytest.mark.parametrize("is_held", [False, True])
def test_a_loop_that_knows_the_length_need_not_ask_for_the_end(run: wh.Run, is_held: bool) -> None:
    epoch = stream().epoch(0)
    if is_held:
        held = epoch.held()
        for _ in range(10):
            next(held)
            held.took()
        assert held.is_over
        held.close()
    else:
        plain = iter(epoch)
        for number in range(10):
            assert not plain.is_over
            assert next(plain) == number * 2
        assert plain.is_over
        plain.close()
    (view,) = run.passes
    assert (view.delivered, view.is_complete) == (10, True)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_loop_that_leaves_with_the_last_in_sight_has_not_read_to_the_end(
    run: wh.Run, is_held: bool
) -> None:
    if is_held:
        held = stream().epoch(0).held()
        list(held)
        held.took(9)
        held.close()
    else:
        plain = iter(stream().epoch(0))
        for _ in range(9):
            next(plain)
        plain.close()
    (view,) = run.passes
    assert (view.delivered, view.is_complete) == (9, False)


def test_a_loop_that_leaves_out_by_itself_is_given_what_it_leaves_out(run: wh.Run) -> None:
    held = stream().epoch(1).held()
    list(held)
    held.took(4)
    again = stream().resume(held.state()).rehearsed()
    assert list(again) == list(range(0, 20, 2))
    assert again.waiting == 6
    again.took(2)
    assert again.state()["delivered"] == 6
    again.close()
    assert [(view.first, view.delivered) for view in run.passes] == [(0, 4), (4, 6)]
