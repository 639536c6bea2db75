"""A run whose writer is gone is gone on with: nothing whole is lost, and nobody writes it twice."""

from __future__ import annotations

import errno
import fcntl
import functools
import itertools
import os
import pathlib
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.store.reader import RunReader
from whence.errors import (
    DamagedError,
    NotFoundError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
)
from whence.store import (
    BLOCK,
    DECISIONS,
    Damage,
    Folder,
    Journal,
    RunWriter,
    check_segments,
    decisions_name,
    read_journal,
    scan_frames,
)
from whence.store.frames import FrameWriter
from whence.store.liveness import own_lease

RUN = "RUN"
pack = msgspec.msgpack.encode


def no_more(journal: Journal) -> Iterable[Damage]:
    return ()


def never(seconds: float) -> None:
    raise AssertionError("nothing here is decided by waiting")


def reopen(folder: Folder, *, sleep: Callable[[float], None] = never) -> tuple[RunWriter, Journal]:
    return RunWriter.reopen(folder, RUN, check=no_more, sleep=sleep)


def in_child(act: Callable[[], object]) -> int:
    """Do something in a process of its own, which is killed at its end like all that dies."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except StoreBusyError:
            os._exit(7)
        except BaseException:
            os._exit(8)
        os.kill(os.getpid(), signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begin(folder: Folder) -> None:
    """A run with everything in it, whose writer goes on."""
    writer = RunWriter(folder, RUN)
    writer.append("run_start", {"name": "a-run"}, {"title": "begun"})
    write_more(writer, 0)


def write_more(writer: RunWriter, number: int) -> None:
    writer.append("pass_start", {"pass": number})
    for at in range(3):
        frame = pack({"p": number, "i": bytes([at])})
        writer.append_segment(decisions_name(number), DECISIONS, frame)
        writer.append_segment("digests", DECISIONS, frame)
        writer.append_segment("lineage", BLOCK, number.to_bytes(4, "little") + bytes(40))
        writer.append("note", {}, {"text": f"{number}.{at}"})
    writer.put_object(b"an object %d" % number)
    view, slot = writer.cursors.slots(number)
    view[slot], view[slot + 1] = number + 5, number + 4


def written(folder: Folder) -> list[tuple[str, Any, Any]]:
    """All events and frames, in order."""
    journal = read_journal(folder, RUN)
    assert journal.damages == []
    found: list[tuple[str, Any, Any]] = [(event.kind, event.public, event.body) for event in journal.events]
    for name in journal.segment_names():
        scan = journal.segment(name)
        assert scan.damages == []
        found += [(name, frame.kind, frame.payload) for frame in scan.frames]
    return found


def contents(folder: Folder) -> dict[str, bytes]:
    path = folder.run_path(RUN)
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    """A workspace with a run whose writer was killed."""
    found = Folder(tmp_path / ".whence")
    assert in_child(lambda: begin(found)) == -signal.SIGKILL
    return found


def test_a_killed_run_is_gone_on_with_and_sealed(folder: Folder) -> None:
    before = written(folder)
    writer, journal = reopen(folder)
    assert len(journal.events) == 5
    assert read_journal(folder, RUN).writer().is_alive is True
    writer.append("run_resume", {"passes": 1, "lost": [[0, 5, 4]]})
    write_more(writer, 1)
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert [event.number for event in journal.events] == list(range(len(journal.events)))
    assert (journal.damages, check_segments(journal)) == ([], [])
    assert journal.cursors()[:3] == [(5, 4), (6, 5), (0, 0)]
    assert [each for each in written(folder) if each in before] == before
    assert not journal.has_lease()
    reader = RunReader(folder.run_path(RUN))
    reader.check_segments()
    assert reader.objects.keys() == journal.objects.keys()
    assert len(journal.objects) == 2


def test_a_run_that_had_ended_is_gone_on_with_and_sealed_anew(folder: Folder) -> None:
    reopen(folder)[0].seal("failed")
    first = read_journal(folder, RUN)
    assert first.end is not None
    writer, _ = reopen(folder)
    assert read_journal(folder, RUN).end is not None, "nothing was added yet"
    writer.append("run_resume", {"passes": 1, "lost": []})
    assert read_journal(folder, RUN).end is None
    write_more(writer, 1)
    going_on = read_journal(folder, RUN)
    assert check_segments(going_on) == [], "what was sealed stands at the beginning of what is there"
    writer.seal("finished")
    last = read_journal(folder, RUN)
    assert last.end is not None
    assert last.end.public == {"status": "finished"}
    assert (last.damages, check_segments(last)) == ([], [])
    assert last.events[: len(first.events)] == first.events
    assert [len(last.promises()[name]) for name in ("digests", decisions_name(0))] == [2, 2]
    RunReader(folder.run_path(RUN)).check_segments()


def test_what_is_not_written_to_again_is_committed_to_again(folder: Folder) -> None:
    writer, _ = reopen(folder)
    writer.append("run_resume", {"passes": 1, "lost": []})
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert {event.public["name"] for event in journal.find("segment")} == set(journal.segment_names())
    assert check_segments(journal) == []


@settings(max_examples=40)
@given(data=st.data())
def test_whatever_tail_is_cut_off_all_that_was_whole_stays(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = Folder(tmp_path_factory.mktemp("cut") / ".whence")
    assert in_child(lambda: begin(folder)) == -signal.SIGKILL
    run = folder.run_path(RUN)
    names = ["segments/digests", "segments/lineage", f"segments/{decisions_name(0)}", "journal"]
    for name in names:
        size = (run / name).stat().st_size
        lost = data.draw(st.integers(0, size if name != "journal" else size - 500), label=name)
        os.truncate(run / name, size - lost)
    before = written(folder)
    begun = len(read_journal(folder, RUN).find("pass_start"))
    writer, _ = reopen(folder)
    assert written(folder) == [
        each for each in before if begun or each[0] in ("run_start", "note", "pass_start")
    ], "of a pass that the journal doesn't know nothing stays, for its number is given again"
    assert all(
        scan.torn_bytes == 0 for scan in map(read_journal(folder, RUN).segment, ("digests", "lineage"))
    )
    writer.append("run_resume", {"passes": begun, "lost": []})
    write_more(writer, begun)
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert (journal.damages, check_segments(journal)) == ([], [])
    assert [event.number for event in journal.events] == list(range(len(journal.events)))


def test_killed_again_and_again_at_any_moment_the_run_goes_on(folder: Folder) -> None:
    chance = random.Random(11)
    for _ in range(25):
        before = written(folder)
        child = os.fork()
        if child == 0:
            writer, journal = reopen(folder)
            begun = len(journal.find("pass_start"))
            writer.append("run_resume", {"passes": begun, "lost": []})
            for number in itertools.count(begun):
                write_more(writer, number)
        time.sleep(chance.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        journal = read_journal(folder, RUN)
        assert journal.damages == []
        now = written(folder)
        assert all(each in now for each in before)
    writer, _ = reopen(folder)
    writer.append("run_resume", {"passes": 0, "lost": []})
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert (journal.damages, check_segments(journal)) == ([], [])
    notes = [event.body["text"] for event in journal.find("note") if event.body]
    assert len(notes) == len(set(notes))


STEPS = ("write", "ftruncate", "truncate", "fsync", "fdatasync", "replace", "rename", "unlink", "mkdir")


def die_at(step: int) -> None:
    """Have this process killed instead of its call of that number that changes the disk."""
    calls = itertools.count()

    def instead(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return call

    for name in STEPS:
        setattr(os, name, instead(getattr(os, name)))


def tear(folder: Folder) -> None:
    """Leave half a frame at the end of each file, as a writer does that dies in the midst of a write."""
    path = folder.run_path(RUN)
    for name in ("journal", "payloads", "segments/digests", "segments/lineage"):
        content = (path / name).read_bytes()
        with (path / name).open("ab") as file:
            file.write(content[16:60])


@pytest.mark.parametrize("has_ended", [False, True])
def test_killed_at_whichever_step_of_taking_it_over_the_run_goes_on(folder: Folder, has_ended: bool) -> None:
    if has_ended:
        reopen(folder)[0].seal("finished")
    else:
        tear(folder)
    path = folder.run_path(RUN)
    kept = folder.path / "kept"
    shutil.copytree(path, kept)
    before = written(folder)

    def goes_on(step: int) -> None:
        die_at(step)
        writer, journal = reopen(folder)
        writer.append("run_resume", {"passes": 1, "lost": []}, {"body": "of it"})
        writer.sync()
        write_more(writer, len(journal.find("pass_start")))
        writer.seal("finished")
        os._exit(0)

    codes = []
    for step in itertools.count():
        shutil.rmtree(path)
        shutil.copytree(kept, path)
        codes.append(in_child(functools.partial(goes_on, step)))
        journal = read_journal(folder, RUN)
        assert (journal.damages, check_segments(journal)) == ([], [])
        assert journal.writer().is_alive is False
        now = written(folder)
        assert all(each in now for each in before)
        writer, _ = reopen(folder)
        writer.append("run_resume", {"passes": 1, "lost": []})
        writer.seal("finished")
        journal = read_journal(folder, RUN)
        assert (journal.damages, check_segments(journal)) == ([], [])
        if codes[-1] == 0:
            break
    assert codes[:-1] == [-signal.SIGKILL] * (len(codes) - 1)
    assert len(codes) > 30


def test_what_was_sealed_and_is_written_anew_with_sound_chains_is_found(folder: Folder) -> None:
    """Whoever changes a segment can make its checksums and chain again, but not what a seal said of it."""
    reopen(folder)[0].seal("finished")
    writer, _ = reopen(folder)
    writer.append("run_resume", {"passes": 1, "lost": []})
    write_more(writer, 1)
    assert check_segments(read_journal(folder, RUN)) == []
    digests = folder.run_path(RUN) / "segments" / "digests"
    frames = scan_frames(digests).frames
    digests.unlink()
    forged = FrameWriter(digests, purpose="digests")
    for number, frame in enumerate(frames):
        forged.append(frame.kind, frame.payload if number else pack({"p": 0, "i": bytes([9])}))
    (damage,) = check_segments(read_journal(folder, RUN))
    assert "others than were sealed" in damage.problem
    writer.discard()


# who may


def test_a_run_that_this_process_writes_is_refused(tmp_path: pathlib.Path) -> None:
    folder = Folder(tmp_path)
    writer = RunWriter(folder, RUN)
    writer.append("run_start", {"name": "a-run"})
    with pytest.raises(StoreBusyError, match="written by this process"):
        reopen(folder)
    writer.append("note")
    writer.seal("finished")
    writer, _ = reopen(folder)
    with pytest.raises(StoreBusyError, match="written by this process"):
        reopen(folder)
    assert in_child(lambda: reopen(folder)) == 7, "nor by a process forked from it"
    writer.seal("finished")


def test_a_run_that_another_process_writes_is_refused_and_the_process_named(tmp_path: pathlib.Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    ready, said = os.pipe()
    child = os.fork()
    if child == 0:
        begin(folder)
        os.write(said, b"x")
        signal.pause()
    os.read(ready, 1)
    before = contents(folder)
    with pytest.raises(StoreBusyError, match=f"process {child} on this machine") as caught:
        reopen(folder)
    assert str(folder.run_path(RUN)) in caught.value.message
    assert contents(folder) == before
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    reopen(folder)[0].seal("finished")


def test_of_eight_processes_that_resume_at_once_one_wins(folder: Folder) -> None:
    before = written(folder)
    for _ in range(5):
        gate, opens = os.pipe()
        results, tell = os.pipe()
        children = []
        for _ in range(8):
            child = os.fork()
            if child == 0:
                os.close(opens)
                os.read(gate, 1)
                try:
                    writer, _ = reopen(folder)
                    os.write(tell, b"w")
                    writer.append("run_resume", {"passes": 1, "lost": []})
                    signal.pause()
                except StoreBusyError as error:
                    os.write(
                        tell, b"r" if "this run" in error.message or "process" in error.message else b"?"
                    )
                os._exit(0)
            children.append(child)
        os.close(opens)  # all of them go
        os.close(gate)
        said = b"".join(os.read(results, 1) for _ in children)
        assert sorted(said) == sorted(b"w" + b"r" * 7)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    now = written(folder)
    assert all(each in now for each in before)
    reopen(folder)[0].discard()


def elsewhere(folder: Folder) -> pathlib.Path:
    path = folder.run_path(RUN) / "lease"
    path.write_bytes(msgspec.json.encode(own_lease(path.parent) | {"host": "elsewhere"}))
    return path


def test_a_writer_on_another_machine_that_touches_its_lease_is_refused(folder: Folder) -> None:
    lease = elsewhere(folder)
    looks: Iterator[int] = itertools.count()

    def beats(seconds: float) -> None:
        if next(looks) == 4:
            os.utime(lease)

    before = contents(folder)
    with pytest.raises(StoreBusyError, match="another machine"):
        reopen(folder, sleep=beats)
    assert contents(folder) == before
    with pytest.raises(StoreBusyError, match="another machine"):
        reopen(folder, sleep=lambda seconds: lease.unlink(missing_ok=True))


def test_a_writer_on_another_machine_that_is_still_for_several_of_its_periods_is_dead(folder: Folder) -> None:
    elsewhere(folder)
    waited: list[float] = []
    writer, _ = reopen(folder, sleep=waited.append)
    assert sum(waited) >= 5
    writer.seal("finished")


def test_a_writer_that_stood_still_while_its_run_was_taken_over_writes_no_more(
    tmp_path: pathlib.Path,
) -> None:
    folder = Folder(tmp_path)
    folder.make()
    ready, said = os.pipe()
    child = os.fork()
    if child == 0:
        now = itertools.count(0, 10**8)  # it sees how long it stood still
        stood = [0]
        writer = RunWriter(folder, RUN, now_ns=lambda: next(now) + stood[0])
        writer.append("run_start", {"name": "a-run"})
        write_more(writer, 0)
        os.write(said, b"x")
        os.kill(os.getpid(), signal.SIGSTOP)
        stood[0] = 10**10
        refused = 0
        attempts: list[Callable[[], object]] = [
            lambda: writer.append("note", {}, {"text": "late"}),
            lambda: writer.append_segment("digests", DECISIONS, b"late"),
            lambda: writer.put_object(b"late"),
            writer.sync,
            lambda: writer.seal("finished"),
        ]
        for attempt in attempts:
            try:
                attempt()
            except StoreBusyError:
                refused += 1
        os._exit(refused)
    os.read(ready, 1)
    os.waitpid(child, os.WUNTRACED)
    elsewhere(folder)
    writer, _ = reopen(folder, sleep=lambda seconds: None)
    writer.append("run_resume", {"passes": 1, "lost": []})
    before = contents(folder)
    os.kill(child, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert contents(folder) == before
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert (journal.damages, check_segments(journal)) == ([], [])


# what is refused


def test_a_flipped_bit_anywhere_is_refused_with_its_place_and_changes_nothing(folder: Folder) -> None:
    run = folder.run_path(RUN)
    chance = random.Random(3)
    for name in (
        "journal",
        "payloads",
        "segments/digests",
        "segments/lineage",
        f"segments/{decisions_name(0)}",
    ):
        whole = (run / name).read_bytes()
        for at in [16, 20, *(chance.randrange(16, len(whole)) for _ in range(12))]:
            bad = bytearray(whole)
            bad[at] ^= 1 << chance.randrange(8)
            (run / name).write_bytes(bad)
            before = contents(folder)
            with pytest.raises(DamagedError, match=r"can't be gone on with|start a new run") as caught:
                reopen(folder)
            assert name in caught.value.place
            assert "verify" in caught.value.remedy
            assert contents(folder) == before
        (run / name).write_bytes(whole)
    reopen(folder)[0].seal("finished")


def test_events_taken_out_of_the_journal_are_missed(folder: Folder) -> None:
    writer, _ = reopen(folder)
    writer.seal("finished")
    os.truncate(folder.run_path(RUN) / "journal", 16 + 48 + 20)
    with pytest.raises((DamagedError, NotFoundError)):
        reopen(folder)


def test_the_cut_off_end_of_a_run_that_had_ended_is_damage(folder: Folder) -> None:
    reopen(folder)[0].seal("finished")
    journal = folder.run_path(RUN) / "journal"
    os.truncate(journal, journal.stat().st_size - 10)
    with pytest.raises(DamagedError, match="its end is missing"):
        reopen(folder)


def test_segments_that_lost_what_was_sealed_are_refused(folder: Folder) -> None:
    reopen(folder)[0].seal("finished")
    assert (
        in_child(lambda: reopen(folder)[0].append("run_resume", {"passes": 1, "lost": []})) == -signal.SIGKILL
    )
    digests = folder.run_path(RUN) / "segments" / "digests"
    os.truncate(digests, digests.stat().st_size - 10)
    with pytest.raises(DamagedError, match="sound bytes"):
        reopen(folder)


def test_what_else_is_found_damaged_is_refused(folder: Folder) -> None:
    found = [Damage(path="segments/lineage", offset=7, length=0, problem="not as sealed")]
    before = contents(folder)
    with pytest.raises(DamagedError, match=r"segments/lineage:7: .* not as sealed"):
        RunWriter.reopen(folder, RUN, check=lambda journal: found)
    assert contents(folder) == before


def test_a_run_that_is_not_there_or_never_began_is_not_found(tmp_path: pathlib.Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(NotFoundError, match="no run"):
        reopen(folder)
    assert in_child(lambda: RunWriter(folder, RUN)) == -signal.SIGKILL
    with pytest.raises(NotFoundError, match="before it wrote anything"):
        reopen(folder)
    os.truncate(folder.run_path(RUN) / "journal", 7)
    with pytest.raises(NotFoundError, match="before it wrote anything"):
        reopen(folder)


def test_a_journal_that_is_gone_is_damage(folder: Folder) -> None:
    (folder.run_path(RUN) / "journal").unlink()
    with pytest.raises(DamagedError, match="journal"):
        reopen(folder)


def test_a_run_of_whence_0_1_is_not_gone_on_with(folder: Folder) -> None:
    run = folder.run_path(RUN)
    shutil.copy(run / "segments" / "digests", run / "segments" / "lineage")
    with pytest.raises(StoreError, match=r"whence 0\.1"):
        reopen(folder)


# what a power cut leaves


def test_what_is_left_of_passes_that_the_journal_lost_is_not_taken_for_another_pass(folder: Folder) -> None:
    def reads_two() -> None:
        writer, _ = reopen(folder)
        writer.append("run_resume", {"passes": 1, "lost": []})
        size = (folder.run_path(RUN) / "journal").stat().st_size
        write_more(writer, 1)
        os.truncate(folder.run_path(RUN) / "journal", size)

    assert in_child(reads_two) == -signal.SIGKILL
    writer, _ = reopen(folder)
    journal = read_journal(folder, RUN)
    assert decisions_name(1) not in journal.segment_names()
    for name in ("digests", "lineage"):
        assert journal.segment(name).count == 3
    write_more(writer, 1)
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert (journal.damages, check_segments(journal)) == ([], [])
    assert journal.segment("digests").count == 6


@pytest.mark.parametrize("size", [0, 1, 15])
def test_files_without_their_head_are_begun_anew(folder: Folder, size: int) -> None:
    run = folder.run_path(RUN)
    for name in ("payloads", "segments/digests", "segments/lineage"):
        os.truncate(run / name, size)
    writer, _ = reopen(folder)
    writer.append("run_resume", {"passes": 1, "lost": []}, {"now": 1})
    write_more(writer, 1)
    writer.seal("finished")
    journal = read_journal(folder, RUN)
    assert (journal.damages, check_segments(journal)) == ([], [])
    assert journal.find("run_start")[0].redacted
    assert journal.find("run_resume")[0].body == {"now": 1}


def test_a_page_of_cursors_that_was_half_written_is_filled_up(folder: Folder) -> None:
    cursors = folder.run_path(RUN) / "cursors"
    os.truncate(cursors, 100)
    writer, _ = reopen(folder)
    view, slot = writer.cursors.slots(300)
    view[slot] = 9
    writer.seal("finished")
    found = read_journal(folder, RUN).cursors()
    assert (found[0], found[300]) == ((5, 4), (9, 0))


# writes that fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_where_nothing_can_be_written_the_run_is_unchanged(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = contents(folder)

    def fails(descriptor: int, data: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fails)
    expected = StoreReadOnlyError if number == errno.EROFS else StoreFullError
    with pytest.raises(expected, match=str(folder.path)):
        reopen(folder)
    monkeypatch.undo()
    assert contents(folder) == before
    reopen(folder)[0].seal("finished")


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_resumption_that_is_discarded_leaves_the_run_as_it_was(folder: Folder, has_ended: bool) -> None:
    if has_ended:
        reopen(folder)[0].seal("finished")
    before = contents(folder)
    writer, _ = reopen(folder)
    writer.append("run_resume", {"passes": 1, "lost": []}, {"a": 1})
    write_more(writer, 1)
    writer.discard()
    after = contents(folder)
    assert {name: data for name, data in after.items() if name != "cursors"} == {
        name: data for name, data in before.items() if name != "cursors"
    }
    assert read_journal(folder, RUN).writer().is_alive is False
    reopen(folder)[0].seal("finished")


def test_a_discard_on_a_full_disk_leaves_the_lease_of_a_dead_writer(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = len(read_journal(folder, RUN).events)
    writer, _ = reopen(folder)
    writer.append("run_resume", {"passes": 1, "lost": []})

    def fails(descriptor: int, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fails)
    writer.discard()
    monkeypatch.undo()
    journal = read_journal(folder, RUN)
    assert (len(journal.events), journal.has_lease(), journal.writer().is_alive) == (events, True, False)
    reopen(folder)[0].seal("finished")


def test_a_tail_that_can_not_be_cut_off_is_said_and_the_lease_given_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = folder.run_path(RUN) / "segments" / "digests"
    os.truncate(digests, digests.stat().st_size - 5)
    before = contents(folder)

    def fails(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "ftruncate", fails)
    with pytest.raises(StoreError, match="Input/output"):
        reopen(folder)
    monkeypatch.undo()
    assert contents(folder) == before
    reopen(folder)[0].seal("finished")


def test_a_file_system_that_does_not_lock_is_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(StoreError, match="doesn't lock files"):
        reopen(folder)
