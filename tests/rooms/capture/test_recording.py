"""Recording: what is delivered is in the record before it is delivered, and a gap is said to be one."""

from __future__ import annotations

import os
import pathlib
import threading

import pytest

import whence as wh
from whence.errors import RecordWarning
from whence.query import parse_address
from whence.store import Folder, read_journal, scan_frames
from whence.vocab import digest_bytes, digest_text


def is_even(number: int) -> bool:
    return number % 2 == 0


def read_text(file: os.PathLike[str]) -> str:
    return file.read().decode()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "data").mkdir()
    for number in range(4):
        (tmp_path / "data" / f"{number}.txt").write_text(str(number))
    return tmp_path / "data"


# what each setting leaves


def test_full_leaves_digests_lineage_leaves_none_and_off_leaves_a_gap(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(10)), name="n").filter(is_even)
    runs = {}
    for mode in ("full", "lineage", "off"):
        with wh.config(record=mode), wh.start_run(mode, workspace=tmp_path) as run:
            assert stream.collect() == [0, 2, 4, 6, 8]
        runs[mode] = run
    assert len(runs["full"].record.digests(0).items) == 5
    assert len(runs["lineage"].record.digests(0).items) == 0
    assert runs["lineage"].passes[0].mode == "lineage"
    for mode in ("full", "lineage"):
        assert runs[mode].trace(0, 3).origins[0].row == 6
        assert not runs[mode].record.has_gaps
    address = parse_address(f"{runs['lineage'].name}@0:3")
    replayed = runs["lineage"].replayer(stream=stream).replay(address)
    assert (replayed.value, replayed.equal, replayed.recorded) == (6, None, None)
    assert runs["off"].passes == []
    assert runs["off"].record.has_gaps


def test_a_gap_is_written_once_however_many_passes_it_stands_for(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run, wh.config(record="off"):
        for epoch in range(3):
            list(wh.from_items([1]).epoch(epoch))
    assert len(run.record.journal.find("unrecorded")) == 1
    assert not wh.open(tmp_path).impact("anything").absent


def test_outside_a_run_nothing_is_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wh.from_items([1, 2]).batch(2).count() == 1
    assert list(tmp_path.iterdir()) == []


# passes


def test_passes_are_counted_by_stream_epoch_and_repeat(tmp_path: pathlib.Path) -> None:
    first, second = wh.from_items([1, 2, 3]), wh.from_items(["a"])
    with wh.start_run(workspace=tmp_path) as run:
        for stream, epoch in ((first, 0), (second, 0), (first, 1), (first, 0), (second, 0)):
            list(stream.epoch(epoch))
    assert [(view.stream, view.epoch, view.repeat) for view in run.passes] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 0, 1),
    ]
    assert len({stream.name for stream in run.streams}) == 2


def test_the_same_pipeline_written_twice_is_one_stream(tmp_path: pathlib.Path, data: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        for _ in range(2):
            list(wh.from_files(data).filter(bool).epoch(0))
        list(wh.from_files(data).filter(bool, reason="odd").epoch(0))
    assert [(view.stream, view.repeat) for view in run.passes] == [(0, 0), (0, 1), (1, 0)]


def test_passes_read_at_the_same_time_do_not_mix(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(300)), name="n").filter(is_even)
    with wh.start_run(workspace=tmp_path) as run:
        pairs = list(zip(stream.epoch(0), stream.epoch(1), strict=True))
    assert pairs == [(number, number) for number in range(0, 300, 2)]
    assert [view.delivered for view in run.passes] == [150, 150]
    for epoch in (0, 1):
        assert run.trace(epoch, 100).origins[0].row == 200


def test_passes_in_several_threads_are_all_recorded(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(500)), name="n").filter(is_even)
    with wh.start_run(workspace=tmp_path) as run:
        threads = [threading.Thread(target=lambda e=epoch: list(stream.epoch(e))) for epoch in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(view.epoch for view in run.passes) == [0, 1, 2, 3]
    for epoch in range(4):
        assert run.trace(epoch, 249).origins[0].row == 498
    assert wh.open(tmp_path).verify().holds


def test_what_is_delivered_is_in_the_record_before_it_is_delivered(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(200)), name="n").filter(is_even)
    with wh.start_run(workspace=tmp_path) as run:
        for place, number in enumerate(stream):
            if place % 17 == 0:
                on_disk = wh.open(tmp_path).run(run.id)
                (view,) = on_disk.passes
                assert (view.delivered, view.taken) == (place + 1, place)
                assert on_disk.trace(0, place).origins[0].row == number


def test_a_pass_left_half_way_has_what_was_delivered_and_no_more(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(200)), name="n").filter(is_even).batch(4)
    with wh.start_run(workspace=tmp_path) as run:
        for place, _ in enumerate(stream):
            if place == 2:
                break
    (view,) = run.passes
    assert (view.delivered, view.is_complete) == (3, False)
    assert len(list(run.exposures())) == 12
    assert wh.open(tmp_path).impact("n:22").count == 1
    assert wh.open(tmp_path).impact("n:24").count == 0


def test_counting_delivers_nothing(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        assert wh.from_items(list(range(10))).filter(is_even).count() == 5
    assert list(run.exposures()) == []
    assert run.passes == []


def test_totals_of_each_operation_balance(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        wh.from_items(list(range(100))).filter(is_even).batch(8).collect()
    counts = [(taken, given) for _, taken, given in run.passes[0].nodes]
    assert counts[1:] == [(100, 50), (50, 7)]
    assert all(spent >= 0 for spent, _, _ in run.passes[0].nodes)


# sources


def test_each_file_that_was_read_has_its_digest_once(tmp_path: pathlib.Path, data: pathlib.Path) -> None:
    stream = wh.from_files(data).map(read_text)
    with wh.start_run(workspace=tmp_path) as run:
        for epoch in range(3):
            list(stream.epoch(epoch))
    told = [part for event in run.record.journal.find("source_parts") for part in (event.body or {})["parts"]]
    assert sorted(told) == [0, 1, 2, 3]
    for row in range(4):
        expected = digest_text(digest_bytes(str(row).encode()))
        assert run.trace(2, row).origins[0].digest == expected


def test_a_file_that_changes_between_passes_is_recorded_again(
    tmp_path: pathlib.Path, data: pathlib.Path
) -> None:
    stream = wh.from_files(data).map(read_text)
    with wh.start_run(workspace=tmp_path) as run:
        list(stream.epoch(0))
        (data / "2.txt").write_text("changed")
        list(stream.epoch(1))
    events = run.record.journal.find("source_parts")
    assert [event.public["pass"] for event in events] == [0, 1]
    assert (events[1].body or {})["parts"] == [2]
    assert run.trace(1, 2).origins[0].digest == digest_text(digest_bytes(b"changed"))
    snapshots = [(event.body or {})["digest"] for event in run.record.journal.find("snapshot")]
    assert len(set(snapshots)) == 2


def test_a_file_that_was_not_read_has_no_digest(tmp_path: pathlib.Path, data: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        wh.from_files(data).collect()
    assert run.trace(0, 0).origins[0].digest is None


# failures


def test_what_was_set_aside_is_kept_beside_the_journal_and_not_in_it(
    tmp_path: pathlib.Path, data: pathlib.Path
) -> None:
    (data / "2.txt").write_text("a private word")
    with wh.start_run(workspace=tmp_path) as run:
        assert wh.from_files(data).map(as_number, on_error="quarantine").collect() == [0, 1, 3]
    ((node, position, said),) = run.record.set_aside(0)
    assert (node, position, said["kind"]) == (1, 2, "ValueError")
    assert "private word" in said["message"]
    assert said["origin"] == str(data / "2.txt")
    assert b"private" not in (run.record.journal.path / "journal").read_bytes()
    lineage = run.record.journal.path / "segments" / "lineage"
    assert b"private" not in lineage.read_bytes()
    assert scan_frames(lineage).damages == []


def as_number(file: os.PathLike[str]) -> int:
    return int(file.read())  # type: ignore[attr-defined]


def test_an_error_in_an_operation_ends_the_pass_and_what_came_before_stays(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([*range(100), "x"], name="n").map(abs)
    with wh.start_run(workspace=tmp_path) as run:
        with pytest.raises(wh.WhenceError):
            list(stream.epoch(0))
        list(wh.from_items([1]).epoch(0))
    view = run.passes[0]
    assert view.is_ended
    assert not view.is_complete
    assert run.trace(0, view.delivered - 1, stream=run.streams[0].name).origins[0].row == view.delivered - 1
    assert run.passes[1].is_complete


def test_a_full_disk_does_not_stop_delivery_and_what_waits_is_written_first(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is delivered meanwhile is recorded when there is room, before anything that comes later."""
    stream = wh.from_items(list(range(5_000)), name="n").filter(is_even)
    run = wh.start_run(workspace=tmp_path)
    got: list[int] = []
    real = os.write

    def full(descriptor: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    def read() -> None:
        for number in stream:
            got.append(number)
            if len(got) == 100:
                monkeypatch.setattr(os, "write", full)

    with pytest.warns(RecordWarning, match="No space left"):
        read()
    monkeypatch.setattr(os, "write", real)
    assert got == list(range(0, 5_000, 2))
    run.finish("failed")
    journal = read_journal(Folder.find(tmp_path), run.id)
    assert journal.damages == []
    on_disk = wh.open(tmp_path).run(run.id)
    assert on_disk.passes[0].delivered == len(got)
    assert on_disk.trace(0, len(got) - 1).origins[0].row == got[-1]
    assert wh.open(tmp_path).verify().holds
