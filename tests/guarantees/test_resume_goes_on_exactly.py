"""A pass is left at any output and gone on with: nothing is lost or repeated, and the record says so."""

from __future__ import annotations

import json
import pathlib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

import whence as wh
from tests.oracle.building import Builder
from tests.oracle.carried import Carried
from tests.oracle.laws import check_replays, kinds_of
from tests.oracle.learned import LearnedOf
from tests.oracle.marks import alike
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import ops_of
from tests.oracle.readings import Pipeline, Reading, Workshop, recorded
from tests.strategies import pipelines
from whence.errors import NotFoundError, StateError
from whence.query import find_impact, parse_address
from whence.streams import Stream, pacing


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as made:
        yield made


def through_json(state: dict[str, Any]) -> Any:
    """A state as it comes back from a checkpoint's file."""
    return json.loads(json.dumps(state))


def whole_pass(stream: Stream, epoch: int) -> list[Any]:
    return list(stream.epoch(epoch))


def cuts_of(pipeline: Pipeline, count: int) -> tuple[int, int]:
    """Where a pass is left for the first and the second time; anywhere, and the same for one pipeline."""
    chosen = zlib.crc32(repr(pipeline).encode())
    first = chosen % (count + 1)
    return first, first + (chosen >> 8) % (count + 1 - first)


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(pipeline=pipelines())
def test_a_pass_left_twice_is_one_pass_for_every_question(workshop: Workshop, pipeline: Pipeline) -> None:
    assume("once" not in kinds_of(pipeline))
    assume(not any(OPERATIONS[op].may_fail for op in ops_of(pipeline.plan)))
    epoch = pipeline.epochs[0]
    with workshop.folder() as folder:
        learned = LearnedOf(pipeline, folder)
        expected = whole_pass(Builder(folder).build(pipeline.plan), epoch)
        first, second = cuts_of(pipeline, len(expected))
        stream = Builder(folder).build(pipeline.plan)
        got: list[Any] = []
        with recorded(pipeline, folder) as run:
            samples = iter(stream.epoch(epoch))
            got += [next(samples) for _ in range(first)]
            state = through_json(samples.state())
            samples.close()
            samples = iter(stream.resume(state, workers=pipeline.workers))
            got += [next(samples) for _ in range(second - first)]
            state = through_json(samples.state())
            samples.close()
            got += stream.resume(state)
        assert alike(got, expected)
        reading = Reading(epoch, 0, got, is_complete=True)
        alone = replace(pipeline, epochs=(epoch,), stops=(None,))
        Carried(alone, [reading], run.record, learned).check()
        check_replays(alone, stream, [reading], run.record)
        assert {point.fate for point in run.exposures()} <= {"delivered"}


def make(rows: int = 300, *, pixels: int = 3) -> Stream:
    def move(row: dict[str, int], *, rng: Any, pixels: int) -> dict[str, int]:
        return row | {"x": row["x"] + rng.integers(0, pixels)}

    return (
        wh.from_items([{"x": number} for number in range(rows)], name="rows")
        .map(move, pixels=pixels)
        .filter(lambda row: row["x"] % 5, reason="fives")
        .shuffle(7)
        .batch(8)
    )


def test_what_came_after_a_checkpoint_is_abandoned_and_delivered_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stream = make()
    expected = [batch["x"].tolist() for batch in stream.epoch(1)]
    with wh.start_run("train") as run:
        samples = iter(stream.epoch(1))
        got = [next(samples)["x"].tolist() for _ in range(10)]
        state = through_json(samples.state())
        lost = [next(samples)["x"].tolist() for _ in range(5)]
        for batch in stream.resume(state):
            got.append(batch["x"].tolist())
            run.log_metric("seen", len(got))
    assert got == expected
    assert lost == expected[10:15]
    first, second = run.passes
    assert (first.first, first.delivered, first.kept) == (0, 15, 10)
    assert (second.first, second.delivered, second.kept, second.again) == (
        10,
        len(expected),
        len(expected),
        15,
    )
    assert (first.epoch, first.repeat) == (second.epoch, second.repeat) == (1, 0)
    fates = [(point.batch, point.fate) for point in run.exposures() if point.item == 0]
    assert fates == [
        *((batch, "delivered") for batch in range(10)),
        *((batch, "abandoned") for batch in range(10, 15)),
        *((batch, "again") for batch in range(10, 15)),
        *((batch, "delivered") for batch in range(15, len(expected))),
    ]
    assert run.history("seen").step.tolist() == run.history("seen").value.tolist()  # as if never interrupted
    assert [batch["x"].tolist() for batch in run.replay_pass(epoch=1, stream=stream)] == expected
    some = run.replay_pass(epoch=1, first=9, stop=12, stream=stream)
    assert [batch["x"].tolist() for batch in some] == expected[9:12]
    row = run.trace(epoch=1, batch=12, item=0).origins[0].row
    impact = find_impact([run.record], "rows", rows=[row])
    assert [(point.batch, point.fate) for point in impact.exposures] == [(12, "abandoned"), (12, "again")]


def test_a_second_pass_over_the_epoch_has_an_address_of_its_own(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stream = make()
    with wh.start_run("train") as run:
        samples = iter(stream.epoch(0))
        next(samples)
        state = samples.state()
        list(stream.resume(state))
        list(stream.epoch(0))
    assert [(view.repeat, view.first) for view in run.passes] == [(0, 0), (0, 1), (1, 0)]
    assert run.trace(epoch=0, batch=0, repeat=1).address.endswith("@0#1:0")


def test_another_run_goes_on_with_what_it_was_given(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stream = make()
    expected = [batch["x"].tolist() for batch in stream.epoch(0)]
    samples = iter(stream.epoch(0))
    for _ in range(7):
        next(samples)
    with wh.start_run("second half") as run:
        got = [batch["x"].tolist() for batch in stream.resume(through_json(samples.state()))]
    assert got == expected[7:]
    assert [(view.first, view.count) for view in run.passes] == [(7, len(expected) - 7)]
    with pytest.raises(NotFoundError, match="the first of them 7"):
        run.trace(epoch=0, batch=6)
    assert run.replay(epoch=0, batch=7, stream=stream)["x"].tolist() == expected[7]


def _other_code(row: dict[str, int], *, rng: Any, pixels: int) -> dict[str, int]:
    return row | {"x": row["x"] - rng.integers(0, pixels)}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (lambda: make(299), "rows has 299 rows now, 300 then"),
        (lambda: make(pixels=4), "the parameter pixels of op 'move' has changed"),
        (lambda: make().batch(2), "its operations are"),
        (
            lambda: (
                wh.from_items([{"x": number} for number in range(300)], name="rows")
                .map(_other_code, name="move", pixels=3)
                .filter(lambda row: row["x"] % 5, reason="fives")
                .shuffle(7)
                .batch(8)
            ),
            r"the code \(fn\) of op 'move' has changed",
        ),
        (lambda: make().seeded(3), "the seed or the name of op 'move' has changed"),
    ],
)
def test_a_changed_stream_is_refused_with_what_differs(other: Any, told: str) -> None:
    samples = iter(make().epoch(0))
    next(samples)
    with pytest.raises(StateError, match=told):
        other().resume(samples.state())


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {},
        {"format": 2},
        {"format": 1, "epoch": -1, "delivered": 0, "ops": [], "sources": []},
        {"format": 1, "epoch": 0, "delivered": "7", "ops": [], "sources": []},
        {"format": 1, "epoch": 0, "delivered": True, "ops": [], "sources": []},
        {"format": 1, "epoch": 0, "delivered": 7, "ops": [3], "sources": []},
        {"format": 1, "epoch": 0, "delivered": 7, "run": 3, "ops": [], "sources": []},
        {"format": 1, "epoch": 0, "delivered": 7, "pass": "x", "ops": [], "sources": []},
    ],
)
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(StateError, match=r"resume\(state\)"):
        make().resume(state)


def test_a_state_beyond_the_end_is_refused_when_it_is_reached() -> None:
    samples = iter(make().epoch(0))
    state = samples.state() | {"delivered": 10_000}
    with pytest.raises(StateError, match="gives only"):
        list(make().resume(state))


def test_a_state_of_a_pass_that_this_run_never_had_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stream = make()
    with wh.start_run("train"):
        samples = iter(stream.epoch(0))
        next(samples)
        with pytest.raises(StateError, match="pass 9"):
            next(iter(stream.resume(samples.state() | {"pass": 9})))


def test_a_state_is_small_and_the_same_before_the_first_and_between_two_samples() -> None:
    samples = iter(make().epoch(3))
    before = samples.state()
    assert (before["epoch"], before["delivered"]) == (3, 0)
    taken = []
    for batch in samples:  # the loop takes the iterator's own iterator
        taken.append(batch)
        assert samples.state()["delivered"] == len(taken)
    assert len(json.dumps(before)) < 1_500
    assert list(make().resume(samples.state())) == []


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("first", [0, 1, 31, 32, 38])
def test_what_can_be_made_at_any_position_isnt_made_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, first: int, workers: int
) -> None:
    monkeypatch.chdir(tmp_path)
    calls = tmp_path / "calls"

    def move(row: dict[str, int], *, rng: Any, calls: str) -> dict[str, int]:
        with open(calls, "ab") as told:
            told.write(b".")
        return row | {"x": row["x"] + rng.integers(0, 1000)}

    def halved(batch: Any) -> Any:
        return {"x": batch["x"] // 2}

    (tmp_path / "rows.csv").write_text("x\n" + "".join(f"{number}\n" for number in range(300)))
    rows = wh.from_csv(tmp_path / "rows.csv", name="rows").shuffle(3)
    stream = rows.map(move, calls=str(calls)).batch(8).map(halved)
    expected = [batch["x"].tolist() for batch in stream.epoch(1)]
    samples = iter(stream.epoch(1))
    for _ in range(first):
        next(samples)
    state = samples.state()
    samples.close()
    calls.unlink()
    with wh.start_run("rest") as run:
        got = [batch["x"].tolist() for batch in stream.resume(state, workers=workers)]
    assert got == expected[first:]
    if first < len(expected):
        assert calls.stat().st_size == 300 - 8 * first
    digests = run.record.digests(0)
    with wh.start_run("whole") as other:
        list(stream.epoch(1))
    whole = other.record.digests(0)
    assert digests.items[8 * first :].tolist() == whole.items[8 * first :].tolist()
    assert digests.groups[first:] == whole.groups[first:]
    assert digests.outputs[first:].tolist() == whole.outputs[first:].tolist()
    for batch in range(first, len(expected)):
        assert run.replay(epoch=1, batch=batch, stream=stream)["x"].tolist() == expected[batch]
        assert run.trace(epoch=1, batch=batch).complete


def _picky(row: dict[str, int], *, calls: str) -> dict[str, int]:
    with open(calls, "ab") as told:
        told.write(b".")
    if row["x"] % 11 == 10:
        raise ValueError("ten")
    return row


def _twice(row: dict[str, int]) -> list[dict[str, int]]:
    return [row] * (row["x"] % 3)


def _halved(batch: Any) -> Any:
    return {"x": batch["x"] // 2, "r": batch["r"]}


def _drawn(row: dict[str, int], *, rng: Any) -> dict[str, int]:
    return row | {"r": rng.integers(0, 1000)}


def chosen(folder: pathlib.Path, kind: str, calls: pathlib.Path) -> Stream:
    """Samples that are dropped, set aside and doubled on their way, from a source of this kind."""
    if kind == "items":
        rows = wh.from_items([{"x": number} for number in range(600)], name="rows")
    elif kind == "csv":
        rows = wh.from_csv(folder / "rows.csv", name="rows")
    else:
        rows = wh.from_csv(folder / "rows.csv", name="rows").shuffle(5)
    moved = rows.map(_picky, on_error="quarantine", calls=str(calls)).flat_map(_twice).map(_drawn)
    return moved.filter(lambda row: row["r"] % 4, reason="fours").batch(8).map(_halved)


@pytest.mark.parametrize("kind", ["items", "csv", "shuffled csv"])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 2), (0, 2), (2, 0)])
def test_what_was_decided_before_isnt_decided_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kind: str, before: int, after: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pacing, "LARGEST_QUICK_CHUNK", 64)
    (tmp_path / "rows.csv").write_text("x\n" + "".join(f"{number}\n" for number in range(600)))
    calls = tmp_path / "calls"
    stream = chosen(tmp_path, kind, calls)
    with wh.start_run("whole") as whole:
        expected = [(batch["x"].tolist(), batch["r"].tolist()) for batch in stream.epoch(1)]
    got = []
    with wh.start_run("parts") as run:
        samples = iter(stream.epoch(1, workers=before))
        for _ in range(15):
            batch = next(samples)
            got.append((batch["x"].tolist(), batch["r"].tolist()))
        state = through_json(samples.state())
        samples.close()
        samples = iter(stream.resume(state, workers=before))
        assert samples.state()["cut"] == state["cut"]
        for _ in range(20):
            batch = next(samples)
            got.append((batch["x"].tolist(), batch["r"].tolist()))
        state = through_json(samples.state())
        samples.close()
        calls.unlink()
        for batch in stream.resume(state, workers=after):
            got.append((batch["x"].tolist(), batch["r"].tolist()))
    assert got == expected
    assert calls.stat().st_size < 600 - 35 * 8 / 0.74 + 200
    one, two = whole.record, run.record
    digests, parts = one.digests(0), two.digests(2)
    first = 35
    assert parts.items[8 * first :].tolist() == digests.items[8 * first :].tolist()
    assert parts.groups[first:] == digests.groups[first:]
    assert parts.outputs[first:].tolist() == digests.outputs[first:].tolist()
    for batch in range(len(expected)):
        mine, other = run.trace(epoch=1, batch=batch), whole.trace(epoch=1, batch=batch)
        assert [origin.row for origin in mine.origins] == [origin.row for origin in other.origins]
        again = run.replayer(stream=stream).replay(parse_address(f"{run.name}@1:{batch}"))
        assert again.equal
    for row in range(600):
        there, here = find_impact([one], "rows", rows=[row]), find_impact([two], "rows", rows=[row])
        assert here.count == there.count
        assert {(drop.op, drop.reason, drop.detail) for drop in here.drops} == {
            (drop.op, drop.reason, drop.detail) for drop in there.drops
        }


@pytest.mark.parametrize("cut", [[1], [1, 2, 3], [10_000, 1, 1, 1, 1], [1, 1, 1, 1, 10_000]])
def test_a_cut_that_is_none_of_the_stream_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, cut: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    stream = chosen(tmp_path, "items", tmp_path / "calls")
    samples = iter(stream.epoch(0))
    next(samples)
    state = samples.state()
    samples.close()
    assert len(state["cut"]) == 5
    with pytest.raises(StateError, match="can't be begun"):
        next(iter(stream.resume(state | {"cut": cut})))
