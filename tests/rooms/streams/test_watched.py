"""Batches of a loader that isn't ours: which samples of a stream they were made of, by the ids they carry."""

from __future__ import annotations

import pathlib
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence as wh
from whence.errors import InputError, OpError, PlanError


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Iterator[wh.Run]:
    with wh.start_run(workspace=tmp_path) as started:
        yield started


def shaken(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return {"n": row["n"], "x": row["n"] + rng.random()}


def is_kept(row: dict[str, Any]) -> bool:
    return bool(row["n"] % 3)


def stream() -> wh.Stream:
    return wh.from_arrays(name="rows", n=np.arange(40)).filter(is_kept).map(shaken).shuffle(seed=2).with_ids()


def loader(rows: list[Any], size: int, seed: int) -> Iterator[dict[str, Any]]:
    """A loader that knows nothing of us: any rows, in any order, some twice and some never."""
    order = random.Random(seed).choices(range(len(rows)), k=len(rows))
    for start in range(0, len(order), size):
        chosen = [rows[place] for place in order[start : start + size]]
        yield {name: np.array([row[name] for row in chosen]) for name in rows[0]}


def test_ids_are_positions_in_the_stream(run: wh.Run) -> None:
    chosen = stream()
    rows = chosen.collect()
    assert [row["whence_id"] for row in rows] == list(range(26))
    assert type(rows[0]["whence_id"]) is int
    assert chosen.collect(workers=2) == rows
    assert run.replay(item=7, stream=chosen) == rows[7]


def test_ids_follow_what_comes_after_them() -> None:
    rows = wh.from_items([{"a": number} for number in range(9)]).with_ids("id").skip(2).shuffle(seed=1)
    assert all(row["id"] == row["a"] for row in rows)
    assert [row["id"] for row in rows] != list(range(2, 9))


def test_a_field_that_is_there_is_not_lost() -> None:
    with pytest.raises(OpError, match="'n' already"):
        wh.from_arrays(n=np.arange(3)).with_ids("n").collect()
    with pytest.raises(OpError, match="'n' already"):
        wh.from_items([{"a": 1}, {"n": 1}]).with_ids("n").collect()
    with pytest.raises(OpError, match="wanted a dict"):
        wh.from_items([1]).with_ids().collect()
    with pytest.raises(PlanError, match="name of a field"):
        wh.from_items([1]).with_ids("")


@given(size=st.integers(1, 30), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_traces_and_impacts_are_exact(tmp_path_factory: pytest.TempPathFactory, size: int, seed: int) -> None:
    folder = tmp_path_factory.mktemp("watched")
    received: list[list[int]] = []
    chosen = stream()
    with wh.start_run(workspace=folder) as run:
        rows = chosen.collect()
        for loop in range(2):
            for batch in wh.watch(loader(rows, size, seed + loop), chosen):
                assert list(batch) == ["n", "x"]
                received.append(batch["n"].tolist())
    ws = wh.open(folder)
    read, *watched = run.passes
    assert [(view.epoch, view.repeat, view.is_complete) for view in watched] == [(0, 0, True), (0, 1, True)]
    per_loop = len(received) // 2
    for number, batch_rows in enumerate(received):
        for item, row in enumerate(batch_rows):
            found = run.trace(0, number % per_loop, item, repeat=number // per_loop, stream="stream-watched")
            assert [origin.row for origin in found.origins] == [row]
            assert found.complete
    counts = Counter(row for batch_rows in received for row in batch_rows)
    for row in range(40):
        impact = ws.impact("rows", rows=[row])
        mine = [point for point in impact.exposures if point.stream == "stream-watched"]
        assert len(mine) == counts[row]
        assert all(received[p.repeat * per_loop + (p.batch or 0)][p.item] == row for p in mine)
        reasons = {drop.reason for drop in impact.drops}
        assert ("is_kept" in reasons) == (row % 3 == 0)
    assert read.delivered == 26


def test_a_batch_is_recorded_when_it_is_handed_on(run: wh.Run) -> None:
    chosen = stream()
    rows = chosen.collect()
    for number, _ in enumerate(wh.watch(loader(rows, 4, 0), chosen)):
        assert run.passes[1].delivered == number + 1
        if number == 2:
            break
    assert [point.batch for point in run.exposures(stream="stream-watched")] == [0] * 4 + [1] * 4 + [2] * 4
    assert not run.passes[1].is_complete


def test_a_trace_goes_through_what_was_watched(run: wh.Run) -> None:
    chosen = stream()
    rows = chosen.collect()
    handed = list(wh.watch(loader(rows, 4, 0), chosen))
    for item, x in enumerate(handed[3]["x"].tolist()):
        trace = run.trace(0, 3, item, stream="stream-watched")
        assert [step.op for step in trace.steps][-2:] == ["with_ids(whence_id)", "watched"]
        assert rows[[row["x"] for row in rows].index(x)]["n"] == trace.origins[0].row


def numbered(line: str) -> dict[str, int]:
    return {"n": int(line)}


def test_a_watched_batch_is_made_again_as_the_samples_that_it_was_made_of(
    run: wh.Run, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "n.txt").write_text("".join(f"{number}\n" for number in range(30)))
    chosen = wh.from_text(tmp_path / "n.txt").map(numbered).filter(is_kept).map(shaken).with_ids()
    rows = chosen.collect()
    handed = list(wh.watch(loader(rows, 6, 4), chosen))
    again = run.replay(0, 2, stream="stream-watched")
    assert [row["x"] for row in again] == handed[2]["x"].tolist()
    assert run.replay(0, 2, 5, stream="stream-watched") == again[5]


def test_other_epochs_have_samples_of_their_own(run: wh.Run) -> None:
    chosen = stream()
    rows = list(chosen.epoch(3))
    with pytest.raises(InputError, match="epoch 0 of this stream wasn't read"):
        next(wh.watch(loader(rows, 4, 0), chosen))
    batch = next(wh.watch(loader(rows, 4, 0), chosen, epoch=3))
    trace = run.trace(3, 0, 0, stream="stream-watched")
    assert trace.origins[0].row == batch["n"][0]


def test_a_run_that_goes_on_knows_what_it_read_before(tmp_path: pathlib.Path) -> None:
    (tmp_path / "n.txt").write_text("".join(f"{number}\n" for number in range(30)))

    def lines() -> wh.Stream:
        return wh.from_text(tmp_path / "n.txt").map(numbered).filter(is_kept).with_ids()

    with wh.start_run(workspace=tmp_path) as first:
        rows = lines().collect()
    chosen = lines()
    with wh.start_run(workspace=tmp_path, resume=first.name) as run:
        handed = [batch["n"].tolist() for batch in wh.watch(loader(rows, 5, 2), chosen)]
    traced = [
        run.trace(0, point.batch, point.item, stream=point.stream).origins[0].row
        for point in run.exposures(stream="stream-watched")
    ]
    assert traced == [number for batch in handed for number in batch]


def test_outside_a_run_batches_go_by(tmp_path: pathlib.Path) -> None:
    rows = stream().collect()
    assert len(list(wh.watch(loader(rows, 4, 0), stream()))) == 7
    with wh.start_run(workspace=tmp_path) as run, wh.config(record="off"):
        assert len(list(wh.watch(loader(rows, 4, 0), stream()))) == 7
    assert run.passes == []
    assert run.record.has_gaps


def columns(ids: Any) -> dict[str, Any]:
    return {"whence_id": ids}


@pytest.mark.parametrize(("batches", "words"), [
    ([{"n": [1]}], "no field 'whence_id'"),
    ([[1, 2]], "a list"),
    ([columns(["a"])], "holds no ids"),
    ([columns([0.5])], "holds no ids"),
    ([columns([])], "holds no ids"),
    ([columns([[1], [2, 3]])], "holds no ids"),
    ([columns([0, 26])], "an id 26, and 26 samples"),
    ([columns([-1, 3])], "an id -1"),
    ([columns([0, 1]), columns([2]), columns([3, 4])], "batch 1 isn't of 2"),
    ([columns([0, 1]), columns([2, 3, 4])], "batch 1 isn't of 2"),
])  # fmt: skip
def test_batches_that_cannot_be_followed_are_refused(run: wh.Run, batches: list[Any], words: str) -> None:
    chosen = stream()
    chosen.collect()
    with pytest.raises(InputError, match=words):
        list(wh.watch(batches, chosen))


def test_a_stream_without_ids_cannot_be_watched() -> None:
    with pytest.raises(PlanError, match="no ids"):
        wh.watch([], stream().take(3))
    with pytest.raises(PlanError, match="epoch"):
        wh.watch([], stream(), epoch=-1)
