"""Points of a run: every one that was logged is read once, wherever they were packed and the writer died."""

from __future__ import annotations

import collections
import errno
import gc
import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import RecordWarning, StoreError, StoreVersionError
from whence.store import (
    Folder,
    Journal,
    RunWriter,
    check_segments,
    metrics_tail,
    metrics_writing,
    read_journal,
    read_points,
)
from whence.store.files import sync_data
from whence.store.metrics_tail import POINT_BYTES, find_tails

SOURCE = pathlib.Path(metrics_tail.__file__).parents[2]
RUN = "01JD0000000000000000000000"

Calls = list[dict[str, float]]


@pytest.fixture(autouse=True)
def small_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_writing, "TAIL_POINTS", 8)


def begin(path: pathlib.Path) -> RunWriter:
    writer = RunWriter(Folder(path), RUN)
    writer.append("run_start", {"name": "n"}, {"title": ""})
    writer.sync()
    writer.endure()
    return writer


def reopen(path: pathlib.Path) -> RunWriter:
    writer, journal = RunWriter.reopen(Folder(path), RUN, check=lambda _: [])
    writer.append("run_resume", {"passes": 0, "lost": []})
    writer.endure()
    assert journal.damages == []
    return writer


def log(writer: RunWriter, calls: Calls, step: int = 0) -> None:
    for number, call in enumerate(calls, step):
        if len(call) == 1:
            ((name, value),) = call.items()
            writer.log_point(name, value, number)
        else:
            writer.log_points(list(call.items()), number)


def journal_of(path: pathlib.Path) -> Journal:
    return read_journal(Folder(path), RUN)


def found_in(path: pathlib.Path) -> dict[str, list[tuple[int, float]]]:
    """All points as they are read: steps and values by name."""
    journal = journal_of(path)
    points = read_points(journal.path)
    assert points.damages == []
    names = journal.metric_names
    read = points.read(names.values())
    totals = points.totals.by_key()
    for number, columns in read.items():
        assert (totals[number].points if number in totals else 0) == len(columns.step)
    return {
        name: list(zip(read[number].step.tolist(), read[number].value.tolist(), strict=True))
        for name, number in names.items()
    }


def expected(calls: Calls, step: int = 0) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for number, call in enumerate(calls, step):
        for name, value in call.items():
            found.setdefault(name, []).append((number, value))
    return found


CALLS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "ü", "", "c.d"]), st.floats(allow_nan=False), max_size=5),
    max_size=25,
)
SOME: Calls = [{"a": float(number)} | ({"b": -number / 3} if number % 3 else {}) for number in range(31)]


@given(calls=CALLS, cuts=st.sets(st.integers(0, 25), max_size=3))
def test_every_point_is_read_wherever_the_run_was_sealed_and_gone_on_with(
    tmp_path_factory: pytest.TempPathFactory, calls: Calls, cuts: set[int]
) -> None:
    calls = [call for call in calls if call]
    path = tmp_path_factory.mktemp("w")
    ends = [0, *sorted(cut for cut in cuts if cut < len(calls)), len(calls)]
    writer = begin(path)
    for place, (start, end) in enumerate(itertools.pairwise(ends)):
        log(writer, calls[start:end], start)
        assert found_in(path) == expected(calls[:end])
        if place % 2:  # it is sealed, or its writer goes without a word
            writer.seal("finished")
            journal = journal_of(path)
            assert find_tails(journal.path) == []
            assert check_segments(journal) == []
            told = journal.metric_totals or {}
            assert {key: total.points for key, total in told.items()} == collections.Counter(
                journal.metric_names[name] for call in calls[:end] for name in call
            )
        else:
            abandon(writer)
        writer = reopen(path)
    writer.seal("finished")
    assert found_in(path) == expected(calls)
    assert check_segments(journal_of(path)) == []


def abandon(writer: RunWriter) -> None:
    """Let a writer go as if its process had died: the lease stays, and is nobody's."""
    writer._stop.set()
    writer._close()
    (writer.path / "lease").write_bytes(b"")


def test_a_call_is_one_write(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = begin(tmp_path)
    log(writer, [{"a": 0.0, "b": 0.0}])
    written: list[int] = []
    real = os.write

    def counted(descriptor: int, data: bytes) -> int:
        if threading.current_thread() is threading.main_thread():
            written.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", counted)
    log(writer, [{"a": 1.0}, {"a": 1.0, "b": 2.0}, {"b": 3.0}])
    monkeypatch.undo()
    assert written == [POINT_BYTES, 2 * POINT_BYTES, POINT_BYTES]
    writer.discard()


def test_after_a_sync_there_is_one_tail_at_most(tmp_path: pathlib.Path) -> None:
    writer = begin(tmp_path)
    for start in range(0, 310, 31):
        log(writer, SOME, start)
        writer.sync()
        assert len(find_tails(writer.path)) <= 1
    writer.discard()


def test_a_run_without_metrics_has_nothing_of_them(tmp_path: pathlib.Path) -> None:
    begin(tmp_path).seal("finished")
    journal = journal_of(tmp_path)
    assert (journal.segment_names(), find_tails(journal.path), journal.metric_totals) == ([], [], None)
    assert read_points(journal.path).totals.by_key() == {}


def test_a_writer_that_died_between_a_frame_and_the_end_of_its_tail_left_every_point_once(
    tmp_path: pathlib.Path,
) -> None:
    writer = begin(tmp_path / "a")
    log(writer, SOME)
    # no sync yet: the frames are there, and so are the tails that they replace
    assert len(find_tails(writer.path)) > 2
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    writer.seal("finished")
    (tmp_path / "b" / "runs" / RUN / "lease").write_bytes(b"")
    assert found_in(tmp_path / "b") == expected(SOME) == found_in(tmp_path / "a")
    again = reopen(tmp_path / "b")
    assert len(find_tails(again.path)) == 1
    log(again, SOME, len(SOME))
    again.seal("finished")
    assert found_in(tmp_path / "b") == expected([*SOME, *SOME])
    assert check_segments(journal_of(tmp_path / "b")) == []


def test_a_resumption_that_is_taken_back_leaves_the_points_as_they_were(tmp_path: pathlib.Path) -> None:
    writer = begin(tmp_path)
    log(writer, SOME)
    abandon(writer)
    again = reopen(tmp_path)
    before = {path.name: path.read_bytes() for _, path in find_tails(again.path)}
    log(again, SOME)
    again.discard()
    assert {path.name: path.read_bytes() for _, path in find_tails(again.path)} == before
    assert found_in(tmp_path) == expected(SOME)


def test_the_number_of_a_name_that_a_power_cut_took_is_not_given_again(tmp_path: pathlib.Path) -> None:
    writer = begin(tmp_path)
    size = (writer.path / "journal").stat().st_size
    log(writer, SOME[:3])
    abandon(writer)
    for name in ("journal", "payloads"):  # points were on the disk, and not yet what they are of
        data = (writer.path / name).read_bytes()
        (writer.path / name).write_bytes(data[:size] if name == "journal" else data)
    again = reopen(tmp_path)
    log(again, [{"new": 5.0}], 7)
    again.seal("finished")
    assert found_in(tmp_path) == {"new": [(7, 5.0)]}
    assert len(read_points(again.path).totals.keys) == 3


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("sealed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics_writing, "TAIL_POINTS", 8)
        writer = begin(path)
        log(writer, SOME)
        writer.seal("finished")
    return path


def test_every_changed_byte_of_the_segment_is_named_and_the_other_frames_are_read(
    sealed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(sealed, tmp_path / "w")
    journal = journal_of(tmp_path / "w")
    path = journal.path / "segments" / "metrics"
    data = path.read_bytes()
    whole = read_points(journal.path).read([0])[0].value.tolist()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        if place == 7:
            with pytest.raises(StoreVersionError):
                read_points(journal.path)
            continue
        damages = check_segments(journal_of(tmp_path / "w"))
        found = read_points(journal.path)
        assert any(damage.path == str(path) for damage in damages), place
        values = found.read([0])[0].value.tolist()
        if len(values) < len(whole):
            assert found.damages
        assert len(values) >= len(whole) - 8
        assert values == [value for value in whole if value in values]


def test_a_tail_that_a_sealed_run_should_not_have_is_named(
    sealed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(sealed, tmp_path / "w")
    journal = journal_of(tmp_path / "w")
    end = read_points(journal.path).packed_end
    tail = metrics_tail.Tail(journal.path, end)
    tail.add(metrics_tail.spell_point(1, 2, 3.0, 0, tail.ready()), 1)
    assert [damage.path for damage in check_segments(journal)] == [str(tail.path)]


def test_a_missing_frame_is_named(sealed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    shutil.copytree(sealed, tmp_path / "w")
    journal = journal_of(tmp_path / "w")
    frames = journal.segment("metrics").frames
    path = journal.path / "segments" / "metrics"
    data = path.read_bytes()
    path.write_bytes(data[: frames[1].offset] + data[frames[2].offset :])
    problems = [damage.problem for damage in read_points(journal.path).damages]
    assert any("points 8 to 15" in problem and "missing" in problem for problem in problems)


def test_a_damaged_tail_is_not_packed_and_is_named(tmp_path: pathlib.Path) -> None:
    writer = begin(tmp_path)
    log(writer, SOME[:3])
    ((_, path),) = find_tails(writer.path)
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    log(writer, SOME[3:], 3)
    writer.seal("finished")
    assert find_tails(writer.path) == [(0, path)]
    found = read_points(writer.path)
    assert [damage.path for damage in found.damages] == [str(path)]
    assert found.totals.counts.sum() == sum(map(len, SOME)) - 1


def test_threads_may_log_at_once(tmp_path: pathlib.Path) -> None:
    writer = begin(tmp_path)
    gate = threading.Barrier(4)

    def work(name: str) -> None:
        gate.wait()
        for number in range(200):
            writer.log_points([(name, number), ("all", number)], number)
            writer.log_point(f"{name} alone", number, number)

    threads = [threading.Thread(target=work, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.seal("finished")
    found = found_in(tmp_path)
    assert check_segments(journal_of(tmp_path)) == []
    for name in "pqrs":
        assert found[name] == found[f"{name} alone"] == [(number, number) for number in range(200)]
    assert sorted(found["all"]) == sorted((number, number) for number in range(200) for _ in "pqrs")


def test_whoever_logs_while_another_thread_ends_the_run_is_in_it_or_refused(tmp_path: pathlib.Path) -> None:
    writer = begin(tmp_path)
    begun = threading.Event()
    taken: list[int] = []

    def work() -> None:
        for number in itertools.count():
            try:
                writer.log_point("a", number, number)
            except StoreError:
                return
            taken.append(number)
            if number == 20:
                begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    writer.seal("finished")
    thread.join()
    assert found_in(tmp_path) == {"a": [(number, number) for number in taken]}
    assert check_segments(journal_of(tmp_path)) == []


def test_points_wait_for_a_full_disk_and_come_in_their_order(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(tmp_path)
    log(writer, SOME[:5])
    is_full = True
    real = os.write

    def refusing(descriptor: int, data: bytes) -> int:
        if is_full:
            real(descriptor, data[:5])  # half of it is in the file
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", refusing)
    with pytest.warns(RecordWarning):
        log(writer, SOME[5:20], 5)
    assert writer.is_behind
    assert found_in(tmp_path) == expected(SOME[:5])
    is_full = False
    writer.sync()
    log(writer, SOME[20:], 20)
    writer.seal("finished")
    monkeypatch.undo()
    assert found_in(tmp_path) == expected(SOME)
    journal = journal_of(tmp_path)
    assert [event.public["lost"] for event in journal.find("gap")] == [{}]
    assert check_segments(journal) == []


@pytest.mark.parametrize("when", ["before the write", "after the write"])
def test_an_exception_in_the_middle_of_a_call_costs_at_most_that_call(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    writer = begin(tmp_path)
    log(writer, SOME[:3])
    real = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        if when == "after the write":
            real(descriptor, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.log_point("a", 77.0, 77)
    log(writer, SOME[3:], 3)
    writer.seal("finished")
    came_between = [(77, 77.0)] if when == "after the write" else []
    whole = expected(SOME)
    assert found_in(tmp_path) == whole | {"a": [*whole["a"][:3], *came_between, *whole["a"][3:]]}
    assert check_segments(journal_of(tmp_path)) == []


def test_a_signals_handler_may_log_in_the_middle_of_a_call(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(tmp_path)
    log(writer, SOME[:3])
    real = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        signal.raise_signal(signal.SIGUSR1)
        return real(descriptor, data)

    before = signal.signal(signal.SIGUSR1, lambda *_: log(writer, [{"a": 50.0}, {"b": 51.0, "a": 51.0}], 50))
    try:
        for number in range(3):
            monkeypatch.setattr(os, "write", interrupted)
            log(writer, [{"a": float(number)}], number)
    finally:
        signal.signal(signal.SIGUSR1, before)
    writer.seal("finished")
    found = found_in(tmp_path)
    between = [(50, 50.0), (51, 51.0)]
    firsts = expected(SOME[:3])
    assert sorted(found["a"]) == sorted([*firsts["a"], (0, 0.0), (1, 1.0), (2, 2.0), *between * 3])
    assert found["b"] == [*firsts["b"], *[(51, 51.0)] * 3]
    assert check_segments(journal_of(tmp_path)) == []


def test_whoever_logs_waits_for_no_sync_and_is_not_confirmed_by_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(tmp_path)
    log(writer, [{"a": 0.0, "b": 0.0}])
    is_syncing, may_end = threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        is_syncing.set()
        assert may_end.wait(60)
        sync_data(descriptor)

    monkeypatch.setattr("whence.store.metrics_tail.sync_data", slow)
    thread = threading.Thread(target=writer.sync)
    thread.start()
    assert is_syncing.wait(60)
    log(writer, [{"a": 1.0}, {"a": 2.0, "b": 2.0}], 1)  # it returns
    assert found_in(tmp_path) == {"a": [(0, 0.0), (1, 1.0), (2, 2.0)], "b": [(0, 0.0), (2, 2.0)]}
    (tail,) = writer._tails()
    assert (tail.synced, tail.count) == (0, 5)
    may_end.set()
    thread.join()
    writer.sync()
    assert tail.synced == tail.size
    writer.discard()


def test_points_that_the_disk_refused_are_written_again_before_they_are_confirmed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begin(tmp_path)
    log(writer, SOME[:3])
    refused: list[int] = []
    put_again: list[int] = []
    write = os.pwrite

    def refusing(descriptor: int) -> None:
        if not refused:
            refused.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync_data(descriptor)

    def writing(descriptor: int, data: bytes, offset: int) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("points-0"):
            put_again.append(len(data))
        return write(descriptor, data, offset)

    monkeypatch.setattr("whence.store.metrics_tail.sync_data", refusing)
    monkeypatch.setattr(os, "pwrite", writing)
    with writer._lock:  # not while the thread syncs that does so every second
        with pytest.raises(StoreError):
            writer.sync()
        (tail,) = writer._tails()
        assert (tail.synced, put_again) == (0, [])
        log(writer, SOME[3:4], 3)
        writer.sync()
    assert put_again == [tail.size]
    assert tail.synced == tail.size
    monkeypatch.undo()
    writer.seal("finished")
    assert found_in(tmp_path) == expected(SOME[:4])
    told = [event.public for event in journal_of(tmp_path).find("gap")]
    assert told[0]["unconfirmed"][0][0] == "points-0"
    assert told[1]["confirmed"][0][0] == "points-0"


WORK = """
    import os, pathlib, sys
    from whence.store import Folder, RunWriter, metrics_writing
    metrics_writing.TAIL_POINTS = 64
    writer = RunWriter(Folder(pathlib.Path(sys.argv[1])), sys.argv[2])
    writer.append("run_start", {"name": "n"}, {"title": ""})
    writer.endure()
    number = 0
    while True:
        if number % 3:
            writer.log_point("a", number, number)
        else:
            writer.log_points([("a", number), ("b", -number)], number)
        os.write(1, b".")
        number += 1
"""


@pytest.mark.parametrize("after", [1, 50, 63, 64, 65, 500, 3000])
def test_a_killed_writer_loses_no_call_that_returned_and_invents_none(
    tmp_path: pathlib.Path, after: int
) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WORK), str(tmp_path), RUN]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        returned = len(process.stdout.read(after))
        process.send_signal(signal.SIGKILL)
        returned += len(process.stdout.read())
    found = found_in(tmp_path)
    assert returned <= len(found["a"]) <= returned + 1
    assert found["a"] == [(number, number) for number in range(len(found["a"]))]
    assert found["b"] == [(number, -number) for number in range(0, len(found["a"]), 3)]
    writer = reopen(tmp_path)
    log(writer, [{"a": 0.5}], 9)
    writer.seal("finished")
    assert found_in(tmp_path) == {"a": [*found["a"], (9, 0.5)], "b": found["b"]}
    assert check_segments(journal_of(tmp_path)) == []


def test_logging_more_takes_no_more_memory(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_writing, "TAIL_POINTS", 500)
    writer = begin(tmp_path)

    def held() -> int:
        for number in range(2_000):
            writer.log_point("a", number, number)
        writer.sync()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    before = held()
    after = max(held() for _ in range(5))
    tracemalloc.stop()
    assert after - before < 2_000 * POINT_BYTES, "less than the points of one round, of five"
    writer.discard()
