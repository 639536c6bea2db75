"""What is cached is made once, read as often as wanted, and leaves the record that making it again would."""

from __future__ import annotations

import pathlib
import pickle
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.chance import Rng
from whence.errors import ExhaustedError, OpError
from whence.streams import Stream

made: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    made.clear()


def add_noise(row: dict[str, Any], *, rng: Rng) -> dict[str, Any]:
    made["noise"] += 1
    return {**row, "noise": rng.random()}


def is_kept(row: dict[str, Any]) -> bool:
    return bool(row["n"] % 3)


def twice(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "half": half} for half in range(row["n"] % 4)]


def rows(count: int = 300) -> list[dict[str, Any]]:
    return [{"n": n, "group": n * 7 % 11} for n in range(count)]


def poured(count: int = 300) -> Iterator[dict[str, Any]]:
    yield from rows(count)


def below(source: Any = None) -> Stream:
    """A stream with decisions of every kind."""
    stream = wh.from_items(rows() if source is None else source, name="rows")
    return stream.filter(is_kept, reason="thirds").map(add_noise).flat_map(twice).dedup("noise").sort("group")


@pytest.fixture(params=[1, 20_000, 10**9], ids=["all on disk", "some on disk", "in memory"])
def _memory(request: pytest.FixtureRequest) -> Iterator[None]:
    with wh.config(memory=request.param):
        yield


# what is read


@pytest.mark.usefixtures("_memory")
def test_every_reading_gives_what_epoch_0_gives_and_only_the_first_makes_it() -> None:
    wanted = below().collect()
    count = made["noise"]
    stream = below().cache()
    for epoch in (0, 3, 0, 5):
        assert list(stream.epoch(epoch)) == wanted
    assert made["noise"] == 2 * count


def test_a_first_reading_of_another_epoch_keeps_epoch_0() -> None:
    stream = below().cache()
    assert list(stream.epoch(4)) == below().collect() != list(below().epoch(4))


def test_what_stands_above_goes_on_changing_with_the_epoch() -> None:
    stream = wh.from_items(rows()).cache().map(add_noise).shuffle(seed=3)
    first, second = list(stream.epoch(0)), list(stream.epoch(1))
    assert [row["n"] for row in first] != [row["n"] for row in second]
    by_n = {row["n"]: row["noise"] for row in first}
    assert all(by_n[row["n"]] != row["noise"] for row in second)


def test_draws_above_are_those_without_a_cache() -> None:
    plain = wh.from_items(rows()).filter(is_kept)
    for epoch in (0, 2):
        assert list(plain.cache().map(add_noise).epoch(epoch)) == list(plain.map(add_noise).epoch(epoch))


@pytest.mark.usefixtures("_memory")
def test_a_source_that_can_be_read_once_can_be_read_again_at_any_position() -> None:
    stream = below(poured()).cache()
    wanted = below().collect()
    shuffled = stream.shuffle(seed=5)
    assert sorted(map(repr, shuffled)) == sorted(map(repr, wanted))
    assert list(shuffled.epoch(1)) != list(shuffled.epoch(2))
    assert stream.collect() == wanted
    assert stream.repeat(2).collect() == wanted * 2
    assert stream.skip(4).take(3).collect() == wanted[4:7]


def test_the_shuffle_of_what_can_be_read_once_is_not_in_windows() -> None:
    first = wh.from_items(iter(range(20_000))).cache().shuffle(seed=1).take(2_000).collect()
    assert max(first) > 15_000


def test_a_reading_left_half_way_keeps_nothing() -> None:
    stream = below().cache()
    for _ in stream:
        break
    count = made["noise"]
    assert stream.take(3).collect() == below().collect()[:3]
    made.clear()
    stream.collect()
    assert made["noise"] >= count
    made.clear()
    stream.collect()
    assert not made


def test_an_error_half_way_keeps_nothing_and_is_met_again() -> None:
    stream = wh.from_items(rows(), name="rows").map(fail_late).cache()
    for _ in range(2):
        with pytest.raises(OpError, match=r"rows, row 250") as caught:
            stream.collect()
        assert caught.value.position == 250


def fail_late(row: dict[str, Any]) -> dict[str, Any]:
    if row["n"] == 250:
        raise ZeroDivisionError
    return row


def test_a_few_from_the_start_make_no_more_than_they_need() -> None:
    stream = wh.from_items(rows(100_000)).map(add_noise).cache()
    assert len(stream.take(5).collect()) == 5
    assert made["noise"] < 200


def test_within_one_pass_a_second_reading_goes_on_where_the_first_was_left() -> None:
    stream = wh.from_items(poured(1_000)).map(add_noise).cache()
    assert [row["n"] for row in stream.take(100).repeat(3)] == [*range(100)] * 3
    assert made["noise"] < 1_000


@pytest.mark.usefixtures("_memory")
def test_nobody_can_spoil_what_is_kept() -> None:
    stream = wh.from_items({"n": n, "list": [n]} for n in range(100)).cache()
    spoiled = stream.map(spoil)
    wanted = [{"n": n + 1, "list": [n, 0]} for n in range(100)]
    assert [spoiled.collect() for _ in range(3)] == [wanted] * 3


def spoil(row: dict[str, Any]) -> dict[str, Any]:
    row["n"] += 1
    row["list"].append(0)
    return row


def test_streams_made_of_one_cached_stream_share_it() -> None:
    cached = wh.from_items(rows()).map(add_noise).cache()
    cached.collect()
    made.clear()
    cached.filter(is_kept).collect()
    cached.batch(8).collect()
    wh.from_items(rows()).concat(cached).collect()
    cached.zip(cached).collect()
    assert not made
    cached.seeded(8).collect()
    assert made["noise"] == 300


def test_a_cached_stream_gives_the_same_wherever_it_stands() -> None:
    one = wh.from_items(rows(50), name="one").map(add_noise)
    other = wh.from_items(rows(70), name="other").map(add_noise)
    alone = other.cache().collect()
    assert one.concat(other.cache()).skip(50).collect() == alone
    assert one.map(add_noise).zip(other.take(50).cache(), combine=second).collect() == alone[:50]
    left = one.cache().collect()
    assert one.cache().concat(other.cache()).collect() == left + alone


def second(one: Any, other: Any) -> Any:
    return other


def test_samples_of_cached_streams_draw_apart_above() -> None:
    cached = wh.from_items(rows(50)).cache()
    noise = [row["noise"] for row in cached.concat(wh.from_items(rows(50)).cache()).map(add_noise)]
    assert len(set(noise)) == 100


def test_caches_below_caches_are_filled_together() -> None:
    inner = wh.from_items(rows()).map(add_noise).cache()
    outer = inner.filter(is_kept).cache()
    wanted = outer.collect()
    assert made["noise"] == 300
    made.clear()
    assert list(outer.epoch(2)) == wanted
    assert inner.filter(is_kept).collect() == wanted
    assert not made


def test_empty_streams_are_cached_too() -> None:
    stream = wh.from_items(rows()).filter(lambda row: False).cache()
    assert [stream.collect(), stream.collect(), stream.shuffle(1).collect()] == [[], [], []]
    nothing: list[int] = []
    assert wh.from_items(nothing).cache().collect() == []


def test_columns_stay_columns_and_batches_batches() -> None:
    table = wh.from_arrays(a=np.arange(1_000), b=np.arange(1_000) / 2)
    assert table.cache().collect() == table.collect()
    cached = table.batch(64).cache()
    for _ in range(2):
        for one, two in zip(cached, table.batch(64), strict=True):
            assert all((one[name] == two[name]).all() for name in ("a", "b"))


def test_lengths_are_known_where_they_were_without_a_cache() -> None:
    assert len(wh.from_items(rows(9)).cache().epoch(0)) == 9
    assert wh.from_items(poured(9)).cache().count() == 9


def test_threads_may_read_at_once() -> None:
    stream = wh.from_items(rows(2_000)).map(add_noise).cache()
    wanted = wh.from_items(rows(2_000)).map(add_noise).collect()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(stream.shuffle(2).collect())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(sorted(each, key=lambda row: row["n"]) == wanted for each in found)
    assert len(found) == 4


def test_a_cached_stream_goes_to_another_process_without_what_it_kept() -> None:
    stream = wh.from_items(rows()).filter(is_kept).cache()
    wanted = stream.collect()
    spelled = pickle.dumps(stream)
    assert len(spelled) < len(pickle.dumps(wanted)) + 10_000
    assert pickle.loads(spelled).collect() == wanted


def test_an_iterator_that_was_left_half_way_is_still_exhausted() -> None:
    stream = wh.from_items(poured()).cache()
    next(iter(stream))
    with pytest.raises(ExhaustedError):
        stream.collect()


# the record


def read_in_run(stream: Stream, folder: pathlib.Path, *epochs: int) -> Any:
    with wh.start_run("r", workspace=folder) as run:
        for epoch in epochs:
            list(stream.epoch(epoch))
    return run


def questions(run: Any, stream: Stream, epoch: int, items: list[int]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        trace = run.trace(epoch=epoch, item=item)
        steps = [
            (step.op, step.kind, step.params, step.random) for step in trace.steps if step.kind != "cache"
        ]
        found.append(([(origin.source, origin.row) for origin in trace.origins], steps, trace.complete))
        found.append(run.replay(epoch=epoch, item=item, stream=stream))
    return found


@pytest.mark.usefixtures("_memory")
def test_traces_and_replays_are_those_of_the_first_reading(tmp_path: pathlib.Path) -> None:
    stream = below().cache()
    items = [0, 17, 101]
    run = read_in_run(stream, tmp_path, 0, 3, 3)
    wanted = stream.collect()
    for epoch in (0, 3):
        found = questions(run, stream, epoch, items)
        assert found == questions(run, stream, 0, items)
        assert found[1::2] == [wanted[item] for item in items]
        assert all(
            trace[0] == [("rows", wanted[item]["n"])] for trace, item in zip(found[::2], items, strict=True)
        )


def test_a_run_that_reads_what_another_kept_has_the_same_record(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"n": {n}, "group": {n * 7 % 11}}}\n' for n in range(300)))

    def stream_of() -> Stream:
        return (
            wh.from_jsonl(str(path), name="rows")
            .filter(is_kept, reason="thirds")
            .map(add_noise)
            .flat_map(twice)
            .dedup("noise")
            .sort("group")
        )

    cached, again = stream_of().cache(), stream_of().cache()
    cached.collect()  # outside of any run
    made.clear()
    served = read_in_run(cached, tmp_path / "served", 0, 1)
    assert not made
    fresh = read_in_run(again, tmp_path / "fresh", 0, 1)
    assert questions(served, cached, 1, [5, 40]) == questions(fresh, again, 1, [5, 40])
    for folder in ("served", "fresh"):
        workspace = wh.open(tmp_path / folder)
        assert workspace.verify().holds
        impact = workspace.impact("rows", rows=[3, 5])
        assert {drop.reason for drop in impact.drops} == {"thirds"}
    one, two = (
        wh.open(tmp_path / folder).impact("rows", rows=list(range(300))) for folder in ("served", "fresh")
    )
    assert one.count == two.count
    assert [(drop.op, drop.reason, drop.detail) for drop in one.drops] == [
        (drop.op, drop.reason, drop.detail) for drop in two.drops
    ]
    digests = [run.trace(epoch=1, item=5).origins[0].digest for run in (served, fresh)]
    assert digests[0] == digests[1] is not None


def test_failures_that_were_set_aside_are_told_in_every_pass(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(rows(), name="rows").map(fail_late, on_error="quarantine").cache()
    read_in_run(stream, tmp_path, 0, 1)
    drops = wh.open(tmp_path).impact("rows", rows=[250]).drops
    assert [drop.epochs for drop in drops] == [(0, 1)] if hasattr(drops[0], "epochs") else drops


def test_a_pass_left_half_way_says_what_it_reached(tmp_path: pathlib.Path) -> None:
    stream = below().cache()
    stream.collect()
    with wh.start_run("half", workspace=tmp_path) as run:
        reading = iter(stream.epoch(1))
        first = [next(reading) for _ in range(10)]
        reading.close()
    assert [run.trace(epoch=1, item=item).origins[0].row for item in range(10)] == [row["n"] for row in first]


def test_batches_below_a_cache_keep_their_items(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(rows(100), name="rows").map(add_noise).batch(8).cache()
    run = read_in_run(stream, tmp_path, 0, 1)
    for epoch in (0, 1):
        assert run.trace(epoch=epoch, batch=2, item=3).origins[0].row == 19
        batch = run.replay(epoch=epoch, batch=2, stream=stream)
        assert batch["n"].tolist() == [*range(16, 24)]
    assert wh.open(tmp_path).impact("rows", rows=[19]).count == 2


def test_a_shuffle_above_a_cache_is_followed_both_ways(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(poured(), name="rows").filter(is_kept).cache().shuffle(seed=2).map(add_noise)
    with wh.start_run("s", workspace=tmp_path) as run:
        delivered = list(stream.epoch(2))
    for item in (0, 50):
        assert run.trace(epoch=2, item=item).origins[0].row == delivered[item]["n"]
    (exposure,) = wh.open(tmp_path).impact("rows", rows=[delivered[50]["n"]]).exposures
    assert exposure.item == 50


def test_what_is_in_a_cache_is_replayed_in_a_new_process_by_making_it_again(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text("\n".join(map(str, range(50))))
    stream = wh.from_text(str(path)).map(drawn).cache().shuffle(seed=1)
    with wh.start_run("again", workspace=tmp_path / "ws") as run:
        delivered = list(stream.epoch(3))
    assert run.replay(epoch=3, item=7) == delivered[7]


def drawn(line: str, *, rng: Rng) -> tuple[str, float]:
    return line, rng.random()


def test_what_was_learned_below_and_above_a_cache_is_what_is_learned_without(tmp_path: pathlib.Path) -> None:
    def stream_of(source: Any, *, cached: bool) -> Stream:
        lower = wh.from_items(source, name="rows").filter(is_kept).normalize("group")
        return (lower.cache() if cached else lower).normalize("n").map(add_noise)

    plain, cached = stream_of(rows(), cached=False), stream_of(poured(), cached=True)
    with wh.start_run("fits", workspace=tmp_path) as run:
        for _ in range(2):
            assert list(cached) == list(plain)
    (trace,) = {
        tuple(step.op for step in run.trace(epoch=0, item=3, stream=name).steps if step.op != "cache")
        for name in ("stream", "stream-2")
    }
    assert len(trace) > 3


def test_a_cache_of_nothing_says_each_time_what_became_of_its_rows(tmp_path: pathlib.Path) -> None:
    nothing = wh.from_items(rows(4), name="rows").filter(lambda row: row["n"] > 9, reason="small").cache()
    with wh.start_run(workspace=tmp_path):
        assert [list(nothing.shuffle(seed=1).epoch(epoch)) for epoch in range(2)] == [[], []]
    (drop,) = wh.open(tmp_path).impact("rows", rows=[2]).drops
    assert (drop.reason, drop.epochs) == ("small", (0, 1))
