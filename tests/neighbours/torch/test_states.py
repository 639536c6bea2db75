"""Where a training loop stands: told by the dataset, kept as JSON, and gone on with exactly."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import whence as wh
from tests.neighbours.received import Received, recorded
from whence.errors import PlanError, StateError

torch: Any = pytest.importorskip("torch", reason="run by `make test-neighbours`")
data = torch.utils.data

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # torchdata calls it
]


def shaken(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return {"x": row["x"] + rng.random(), "n": row["n"]}


def is_kept(row: dict[str, Any]) -> bool:
    return bool(row["n"] % 3)


def rows() -> wh.Stream:
    return wh.from_arrays(name="rows", x=np.arange(300).reshape(100, 3), n=np.arange(100))


def stream() -> wh.Stream:
    return rows().filter(is_kept).shuffle(seed=3).map(shaken)


def sized() -> wh.Stream:
    return rows().shuffle(seed=3).map(shaken)


def loader(dataset: Any, workers: int = 0, size: int | None = 8) -> Any:
    return data.DataLoader(dataset, batch_size=size, num_workers=workers)


def received(batches: Any) -> Received:
    found = Received()
    for batch in batches:
        found.note(batch)
    return found


def kept(state: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(state))
    return found


@pytest.mark.parametrize("workers", [0, 2, 4])
@pytest.mark.parametrize("taken", [0, 1, 5, 9])
def test_a_loop_goes_on_exactly_where_it_was(workers: int, taken: int) -> None:
    whole = [received(loader(stream().to_torch(epoch=epoch))) for epoch in (4, 5)]
    first = stream().to_torch(epoch=4)
    batches = iter(loader(first, workers))
    before = received(next(batches) for _ in range(taken))
    state = kept(first.state_dict())
    again = stream().to_torch()
    again.load_state_dict(state)
    assert kept(again.state_dict()) == state
    assert before + received(loader(again, 2 - workers // 2)) == whole[0]
    assert received(loader(again)) == whole[1]


@pytest.mark.parametrize("knows_length", [False, True])
def test_after_its_end_an_epoch_is_followed_by_the_next(knows_length: bool) -> None:
    chosen = sized() if knows_length else stream()
    first = chosen.to_torch()
    batches = iter(loader(first))
    for _ in range(13 if knows_length else 10):  # whoever doesn't know the length has to ask once more
        next(batches, None)
    again = chosen.to_torch()
    again.load_state_dict(kept(first.state_dict()))
    assert received(loader(again)) == received(loader(chosen.to_torch(epoch=1)))


def test_choosing_the_epoch_of_a_state_keeps_its_place_and_another_does_not() -> None:
    first = stream().to_torch(epoch=2)
    batches = iter(loader(first))
    next(batches)
    state = first.state_dict()
    whole = received(loader(stream().to_torch(epoch=2)))
    again = stream().to_torch()
    again.load_state_dict(state)
    again.set_epoch(2)
    assert received(loader(again)) == whole[1:]
    again.load_state_dict(state)
    again.set_epoch(3)
    again.set_epoch(2)
    assert received(loader(again)) == whole
    first.set_epoch(2)
    assert first.state_dict()["place"] is None


def test_a_state_of_another_reading_is_refused() -> None:
    first = stream().to_torch()
    next(iter(loader(first)))
    for other, size in ((stream(), 4), (stream(), None), (stream().take(50), 8)):
        again = other.to_torch()
        again.load_state_dict(first.state_dict())
        with pytest.raises(StateError):
            next(iter(loader(again, size=size)))
    bad: list[Any] = [
        None,
        {},
        {"format": 2},
        {"format": 1, "epoch": -1},
        {"format": 1, "epoch": 0, "place": 3},
    ]
    for state in bad:
        with pytest.raises(StateError, match="load_state_dict"):
            first.load_state_dict(state)
    with pytest.raises(StateError):
        first.load_state_dict(kept(first.state_dict()) | {"epoch": 7})


def test_a_run_knows_what_was_received_before_and_after(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as first:
        dataset = stream().to_torch()
        batches = iter(loader(dataset, 2))
        before = received(next(batches) for _ in range(4))
        state = kept(dataset.state_dict())
        assert recorded(first) == before
    with wh.start_run(workspace=tmp_path) as second:
        dataset = stream().to_torch()
        dataset.load_state_dict(state)
        after = received(loader(dataset))
    assert recorded(second) == after
    assert [view.first for view in second.passes] == [4]
    assert before + after == received(loader(stream().to_torch()))


# batches taken ahead


def test_a_loop_that_looks_ahead_is_recorded_where_it_is(tmp_path: pathlib.Path) -> None:
    dataset = stream().to_torch()
    dataset.hold()
    with wh.start_run(workspace=tmp_path) as run:
        batches = iter(loader(dataset, 2))
        ahead = [next(batches), next(batches), next(batches)]
        assert (dataset.waiting, recorded(run)) == (3, [])
        dataset.took()
        assert recorded(run) == received(ahead[:1])
        state = kept(dataset.state_dict())
        dataset.took(2)
        assert recorded(run) == received(ahead)
        dataset.release()
    again = stream().to_torch()
    again.load_state_dict(state)
    assert received(loader(again))[:2] == received(ahead[1:])


def test_a_pass_that_was_only_looked_into_is_begun_again(tmp_path: pathlib.Path) -> None:
    dataset = stream().to_torch()
    dataset.hold()
    found = Received()
    with wh.start_run(workspace=tmp_path) as run:
        plain = loader(dataset)
        next(iter(plain))
        for _ in range(2):
            for batch in plain:
                dataset.took()
                found.note(batch)
    assert recorded(run) == found
    assert [(view.epoch, view.repeat, view.is_complete) for view in run.passes] == [
        (0, 0, True),
        (1, 0, True),
    ]


def test_a_look_into_one_epoch_is_not_the_beginning_of_another() -> None:
    dataset = stream().to_torch()
    dataset.hold()
    plain = loader(dataset)
    next(iter(plain))
    dataset.set_epoch(5)
    assert received(plain) == received(loader(stream().to_torch(epoch=5)))
    dataset.set_epoch(5)  # nothing of it was come to
    assert received(plain) == received(loader(stream().to_torch(epoch=5)))


def test_more_cannot_be_taken_than_waits() -> None:
    dataset = stream().to_torch()
    with pytest.raises(PlanError, match="hold"):
        dataset.took()
    dataset.hold()
    next(iter(loader(dataset)))
    with pytest.raises(PlanError, match="handed out"):
        dataset.took(2)
    dataset.release()
    assert len(list(loader(dataset))) == 9


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("step", [0, 4, 8])
def test_what_a_killed_loop_was_using_is_the_last_that_it_received(
    tmp_path: pathlib.Path, workers: int, step: int
) -> None:
    script = pathlib.Path(__file__).with_name("killed.py")
    done = subprocess.run([sys.executable, script, tmp_path, str(workers), str(step)], check=False)
    assert done.returncode == -9
    told = [[int(n) for n in line.split()] for line in (tmp_path / "steps.txt").read_text().splitlines()]
    (run,) = wh.open(tmp_path).runs()
    assert run.status == "lost"
    assert [rows for _, rows in recorded(run)] == told
    (view,) = run.passes
    assert (view.delivered, view.is_complete) == (step + 1, step == 8)
    assert view.taken == (9 if view.is_complete else step)  # with the last one the pass is at its end


# torchdata


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [0, 3, 8])
def test_a_stateful_loader_goes_on_where_it_was(workers: int, taken: int) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    whole = received(stateful(stream().to_torch(), batch_size=8, num_workers=workers))
    first = stateful(stream().to_torch(), batch_size=8, num_workers=workers)
    batches = iter(first)
    before = received(next(batches) for _ in range(taken))
    state = first.state_dict()
    again = stateful(stream().to_torch(), batch_size=8, num_workers=workers)
    again.load_state_dict(state)
    assert before + received(again) == whole


def test_a_stateful_loader_is_recorded_by_samples(tmp_path: pathlib.Path) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    with wh.start_run(workspace=tmp_path) as run:
        plain = stateful(stream().to_torch(), batch_size=8)
        batches = iter(plain)
        next(batches)
        state = plain.state_dict()
        del batches
        plain.load_state_dict(state)
        list(plain)
        assert len(list(plain)) == 9
    assert [(view.epoch, view.first, view.delivered) for view in run.passes] == [
        (0, 0, 8),
        (0, 8, 66),
        (1, 0, 66),
    ]


def test_a_run_that_goes_on_says_what_was_received_twice(tmp_path: pathlib.Path) -> None:
    first = wh.start_run(workspace=tmp_path)
    dataset = stream().to_torch()
    batches = iter(loader(dataset, 2))
    received(next(batches) for _ in range(3))
    state = kept(dataset.state_dict())
    received(next(batches) for _ in range(2))
    batches = None
    first.finish("failed")
    with wh.start_run(workspace=tmp_path, resume=first.name) as run:
        dataset = stream().to_torch()
        dataset.load_state_dict(state)
        dataset.hold()
        for _ in loader(dataset):
            dataset.took()
    fates = [(point.batch, point.fate) for point in run.exposures() if point.item == 0]
    assert fates == [
        *((batch, "delivered") for batch in range(3)),
        *((batch, "abandoned") for batch in (3, 4)),
        *((batch, "again") for batch in (3, 4)),
        *((batch, "delivered") for batch in range(5, 9)),
    ]
    assert [(view.first, view.delivered, view.repeat) for view in run.passes] == [(0, 5, 0), (3, 9, 0)]
