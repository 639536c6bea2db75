"""Promise: a disk that is full, broken or forbidden never stops a training, and never makes the record false.

What can't be written waits in memory, in order; what doesn't fit there is lost, counted, and named in the
record.
"""

from __future__ import annotations

import errno
import functools
import json
import operator
import pathlib
import random
import subprocess
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import whence as wh
from tests.earlier import run_python
from tests.survival.failing import SYNCS, WRITES, FailingDisk
from tests.survival.load import ROWS, Returned, check_all, is_beginning, is_wanted, stream, train
from whence.errors import RecordWarning, StoreError, StoreFullError
from whence.store import writing

WRITES_TRIED = 200
SYNCS_TRIED = 50
FAULTS: list[dict[str, Any]] = [
    {"length": 1, "number": errno.ENOSPC, "is_short": False},
    {"length": 25, "number": errno.EIO, "is_short": False},
    {"length": 1, "number": errno.EDQUOT, "is_short": True},
    {"length": 9, "number": errno.ENOSPC, "is_short": True},
]


def trained(
    folder: pathlib.Path, disk: FailingDisk, names: tuple[str, ...]
) -> tuple[wh.Run, Returned, list[str]]:
    """Train on a disk that refuses something once the run has begun; tells what was warned of."""
    told = Returned()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        run = wh.start_run("survives", workspace=folder)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch, names)
            train(run, told)
            run.finish()
    return run, told, [str(each.message) for each in caught if issubclass(each.category, RecordWarning)]


def let_end(run: wh.Run) -> None:
    """Have the end written that waits, as a thread of the process does each second, and its exit."""
    while wh.open(run.record.folder.path).run(run.id).status != "finished":
        assert run._live is not None
        run._live._writer._close_sealed()


def gaps_of(run: wh.Run) -> list[dict[str, Any]]:
    return [event.public for event in run.record.journal.find("gap")]


def check_write(folder: pathlib.Path, first: int, *, length: int, number: int, is_short: bool) -> None:
    """One write fails, or several from there on: in the end all is there, and the time is named."""
    disk = FailingDisk(refuses=lambda at: first <= at < first + length, number=number, is_short=is_short)
    run, told, said = trained(folder, disk, WRITES)
    assert disk.refused
    let_end(run)
    check_all(folder, run.id, told)
    assert wh.open(folder).run().record.gaps == []
    verdict = wh.open(folder).verify()
    assert verdict.holds, verdict.findings
    assert all(str(run.record.journal.path) in each for each in said)
    kinds = ("waits in memory", "power cut", "end of the run")
    assert all(sum(kind in each for each in said) <= 1 for kind in kinds), "one warning of each kind"
    assert len(said) <= len(kinds)
    late = [each for each in gaps_of(run) if "lost" in each]
    assert all(each["lost"] == {} for each in late)
    if late:
        assert late[0]["why"] == errno.errorcode[number]
        assert said
        assert verdict.notes


@pytest.mark.parametrize("kind", range(len(FAULTS)))
def test_whichever_write_fails_nothing_is_lost_that_can_wait(tmp_path: pathlib.Path, kind: int) -> None:
    for first in range(kind * 13, WRITES_TRIED, 50):
        check_write(tmp_path / str(first), first, **FAULTS[kind])


@pytest.mark.long
@pytest.mark.parametrize("kind", range(len(FAULTS)))
def test_each_of_the_first_writes_may_fail(tmp_path: pathlib.Path, kind: int) -> None:
    for first in range(WRITES_TRIED):
        check_write(tmp_path / str(first), first, **FAULTS[kind])


def check_sync(folder: pathlib.Path, number: int) -> None:
    """One sync fails: what lay unsynced is named, written once more, and confirmed."""
    disk = FailingDisk(refuses=lambda at: at == number, number=errno.EIO)
    told = Returned()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        run = wh.start_run("survives", workspace=folder)
        with pytest.MonkeyPatch.context() as patch:
            disk.install(patch, SYNCS)
            train(run, told, at=lambda what: sync_quietly(run))
            run.finish()
    assert disk.refused == 1
    let_end(run)
    check_all(folder, run.id, told)
    assert wh.open(folder).verify().holds
    assert wh.open(folder).run().record.gaps == []
    assert len({str(each.message) for each in caught}) <= 1
    named = gaps_of(run)
    unconfirmed = [span for each in named for span in each.get("unconfirmed", ())]
    confirmed = [span for each in named for span in each.get("confirmed", ())]
    assert unconfirmed == confirmed, "named at once, and made good"
    assert all(each["why"] == "EIO" for each in named if "confirmed" not in each)
    assert unconfirmed or any("lost" in each for each in named), (
        "of a large object it is its writing that failed"
    )


def sync_quietly(run: wh.Run) -> None:
    """What the group sync does each second, so that syncs don't depend on the time."""
    assert run._live is not None
    run._live._writer.settle()


@pytest.mark.parametrize("first", range(0, SYNCS_TRIED, 7))
def test_whichever_sync_fails_it_is_named_and_made_good(tmp_path: pathlib.Path, first: int) -> None:
    check_sync(tmp_path, first)


@pytest.mark.long
@pytest.mark.parametrize("number", range(SYNCS_TRIED))
def test_each_of_the_first_syncs_may_fail(tmp_path: pathlib.Path, number: int) -> None:
    check_sync(tmp_path, number)


def test_a_sync_that_is_asked_for_says_that_it_could_not(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = wh.start_run("asks", workspace=tmp_path)
    for names in (SYNCS, WRITES):
        with monkeypatch.context() as patch:
            FailingDisk(refuses=lambda at: True, number=errno.ENOSPC).install(patch, names)
            with pytest.warns(RecordWarning) if names == WRITES else warnings.catch_warnings():
                run.log_note("waits, or isn't confirmed")
            with pytest.raises(StoreFullError, match="No space left"):
                run.sync()
        run.sync()
    run.finish()
    assert run.status == "finished"
    assert wh.open(tmp_path).verify().holds


def test_what_never_fits_is_counted_and_nothing_is_claimed_of_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With next to no memory to wait in, what is lost is lost by number, and a trace says so."""
    monkeypatch.setenv("WHENCE_WAITING_MB", "0.01")
    disk = FailingDisk(refuses=lambda at: 40 <= at < 60)
    run, told, said = trained(tmp_path, disk, WRITES)
    let_end(run)
    assert len(said) == 1
    found = wh.open(tmp_path).run()
    lost: dict[str, int] = {}
    for gap in gaps_of(run):
        for what, count in gap.get("lost", {}).items():
            lost[what] = lost.get(what, 0) + count
    points = sum(len(found.history(key).step) for key in found.metrics)
    assert points + lost["point"] == sum(map(len, told.points.values()))
    assert len(found.notes) + lost.get("note", 0) == len(told.notes)
    assert lost["decisions"] > 0
    unknown = [
        (epoch, number)
        for epoch, batches in told.batches.items()
        for number in range(len(batches))
        if not found.trace(epoch=epoch, batch=number).complete
    ]
    assert unknown
    for epoch, batches in told.batches.items():
        for number, batch in enumerate(batches):
            trace = found.trace(epoch=epoch, batch=number)
            if trace.complete:
                assert sorted(origin.row for origin in trace.origins) == sorted(batch)
            else:
                assert (trace.origins, [step.known for step in trace.steps]) == ([], [False])
    assert any("lost" in gap for gap in found.record.gaps)
    impact = wh.open(tmp_path).impact("rows:0")
    assert (impact.count, impact.absent) == (0, False), "row 0 is dropped, and that can't be proved any more"
    verdict = wh.open(tmp_path).verify()
    assert verdict.holds, verdict.findings
    assert any("lost" in note for note in verdict.notes)


def test_content_that_never_fits_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_WAITING_MB", "0.01")
    run = wh.start_run("large", workspace=tmp_path)
    content = random.Random(1).randbytes(100_000)
    with monkeypatch.context() as patch:
        FailingDisk(refuses=lambda at: True).install(patch, WRITES)
        with pytest.warns(RecordWarning, match="No space left"):
            run.log_model("lost", content)
    kept = run.log_model("kept", content[:-1])
    run.finish()
    assert [model["name"] for model in run.models] == ["lost", "kept"]
    assert run.models[1]["digest"] == kept
    assert [gap["lost"] for gap in gaps_of(run) if gap["lost"]] == [{"content": 1}]
    verdict = wh.open(tmp_path).verify()
    assert verdict.holds, verdict.findings
    assert any("1 contents of artifacts or models" in gap for gap in run.record.gaps)


def test_a_run_that_ends_on_a_full_disk_is_shown_as_it_is(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Returned()
    run = wh.start_run("ends badly", workspace=tmp_path)
    train(run, told)
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        FailingDisk(refuses=lambda at: True).install(patch, WRITES)
        run.log_note("the last one")
        run.finish()
        assert wh.open(tmp_path).run().status == "running", "its process lives, and goes on trying"
        assert wh.open(tmp_path).verify().holds
        assert wh.open(tmp_path).run().notes == told.notes
    assert ["end of the run" in str(each.message) for each in caught] == [False, True]
    let_end(run)
    told.notes.append("the last one")
    check_all(tmp_path, run.id, told)


ENDS_FULL = """
import os, pathlib, sys, warnings
import whence as wh
from tests.survival.failing import WRITES, FailingDisk
from tests.survival.load import Returned, train
import pytest
warnings.simplefilter("ignore")
run = wh.start_run("ends badly", workspace=sys.argv[1])
FailingDisk(refuses=lambda at: at > 70).install(pytest.MonkeyPatch(), WRITES)
train(run, Returned())
run.finish()
print("goes on")
"""


def test_a_program_that_ends_on_a_full_disk_leaves_what_was_written(tmp_path: pathlib.Path) -> None:
    done = run_python(ENDS_FULL, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")
    told = Returned()
    with wh.start_run("whole", workspace=tmp_path / "whole") as whole:
        train(whole, told)
    run = wh.open(tmp_path).run()
    assert run.status == "lost"
    assert wh.open(tmp_path).verify().findings == []
    for key, points in told.points.items():
        if key in run.metrics:
            history = run.history(key)
            found = list(zip(history.step.tolist(), history.value.tolist(), strict=True))
            assert is_beginning(found, points)
    assert is_beginning(run.notes, told.notes)
    (view,) = run.passes
    assert view.delivered == len(told.batches[0]), "its cursor goes on where nothing can be written"
    completes = [run.trace(batch=number).complete for number in range(view.delivered)]
    assert completes == sorted(completes, reverse=True)
    assert completes[0]
    assert not completes[-1]
    impact = wh.open(tmp_path).impact("rows:0")
    assert not impact.absent
    assert any("lost" in gap for gap in impact.gaps)
    with wh.start_run(resume=run.id, workspace=tmp_path) as again:
        again.log_note("went on")
    assert any("of which nothing was written" in gap for gap in again.record.gaps)
    assert wh.open(tmp_path).verify().findings == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_run_is_begun_or_leaves_nothing(tmp_path: pathlib.Path, number: int) -> None:
    """Whichever of its writes and syncs fails, and the workspace is made in them too."""
    refusals: list[StoreError] = []
    for names in (WRITES, SYNCS, ("open", "mkdir", "rename")):
        for first in range(200):
            folder = tmp_path / f"{names[0]}-{first}"
            folder.mkdir()
            disk = FailingDisk(refuses=functools.partial(operator.eq, first), number=number)
            with pytest.MonkeyPatch.context() as patch:
                disk.install(patch, names)
                try:
                    run = wh.start_run("begins", workspace=folder)
                except StoreError as error:
                    refusals.append(error)
                else:
                    patch.undo()
                    run.finish()
                    assert run.status == "finished"
                    assert wh.open(folder).verify().holds
                    if not disk.refused:
                        break
                    continue
            runs = folder / ".whence" / "runs"
            assert not runs.exists() or list(runs.iterdir()) == []
            with wh.start_run("begins", workspace=folder) as run:
                pass
            assert wh.open(folder).verify().holds
        else:
            raise AssertionError("it never came through")
    assert len(refusals) > 20
    assert all(str(tmp_path) in error.message and error.remedy for error in refusals)


DISK_MB = 2


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A disk of 2 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a disk of its own can't be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_real_disk_that_fills_up_and_is_freed(small_disk: pathlib.Path, tmp_path: pathlib.Path) -> None:
    ballast = small_disk / "ballast"
    told = Returned()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        run = wh.start_run("fills", workspace=small_disk)
        ballast.write_bytes(bytes(DISK_MB * 1_000_000 - 250_000))

        def free(what: str) -> None:
            if what == "batch 2.3":
                ballast.unlink()

        train(run, told, at=free)
    assert len(caught) == 1
    assert str(small_disk) in str(caught[0].message)
    run.finish()
    check_all(small_disk, run.id, told)
    (gap,) = gaps_of(run)
    assert (gap["why"], gap["lost"]) == ("ENOSPC", {})
    assert wh.open(small_disk).verify().holds


def test_a_real_disk_that_stays_full(small_disk: pathlib.Path) -> None:
    """Logged to far more than it holds: nothing raises, and what is there is how it begins."""
    run = wh.start_run("fills", workspace=small_disk)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        for number in range(100_000):
            run.log_metric("n", number)
        run.finish()
    assert len(caught) == 2
    found = wh.open(small_disk).run().history("n").value.tolist()
    assert found == list(range(len(found)))
    assert len(found) > 30_000
    assert wh.open(small_disk).verify().findings == []


def test_a_disk_that_becomes_read_only(tmp_path: pathlib.Path) -> None:
    """As Linux makes one that fails; by hand that can't be done while a file is open for writing."""
    disk = FailingDisk(refuses=lambda at: 40 <= at < 60, number=errno.EROFS)
    run, told, said = trained(tmp_path, disk, WRITES)
    let_end(run)
    assert "Read-only file system" in said[0]
    check_all(tmp_path, run.id, told)


LIMITED = """
import json, resource, sys, warnings
import whence as wh
from whence.errors import RecordWarning
from tests.survival.load import Returned, train
run = wh.start_run("limited", workspace=sys.argv[1])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), most))
told = Returned()
def lift(what):
    if what == sys.argv[3]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", RecordWarning)
    train(run, told, at=lift)
    run.finish()
print(json.dumps([[str(each.message) for each in caught], run.status, run.record.gaps]))
"""


def limited(folder: pathlib.Path, limit: int, lifted_at: str) -> list[Any]:
    done = run_python(LIMITED, folder, limit, lifted_at)
    assert (done.returncode, done.stderr) == (0, "")
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(tmp_path: pathlib.Path) -> None:
    said, status, gaps = limited(tmp_path, 5_000, "batch 2.5")
    assert (len(said), status, gaps) == (1, "finished", [])
    assert "File too large" in said[0]
    told = Returned()
    with wh.start_run("whole", workspace=tmp_path / "whole") as whole:
        train(whole, told)
    check_all(tmp_path, wh.open(tmp_path).run().id, told)
    assert wh.open(tmp_path).verify().holds


def test_what_is_larger_than_a_file_may_be_is_lost_alone(tmp_path: pathlib.Path) -> None:
    """Or all that comes after it would wait for something that never happens."""
    said, status, gaps = limited(tmp_path, 89_900, "never")
    assert (len(said), status) == (1, "finished")
    assert len(gaps) == 3
    assert all("1 contents of artifacts or models" in gap for gap in gaps)
    assert wh.open(tmp_path).verify().holds
    assert len(wh.open(tmp_path).run().models) == 3


def test_a_process_without_descriptors_left_goes_on(tmp_path: pathlib.Path) -> None:
    """New files can't be opened: segments of passes, tails of metrics, large objects."""
    told = Returned()
    run = wh.start_run("without", workspace=tmp_path)
    disk = FailingDisk(refuses=lambda at: at < 30, number=errno.EMFILE)
    with pytest.MonkeyPatch.context() as patch:
        disk.install(patch, ("open",))
        with pytest.warns(RecordWarning, match="Too many open files"):
            train(run, told)
    run.finish()
    check_all(tmp_path, run.id, told)
    assert wh.open(tmp_path).verify().holds


def test_more_passes_than_a_full_disk_has_cursors_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of cursors is written before it is needed; beyond the last one a pass counts in memory."""
    run = wh.start_run("many", workspace=tmp_path)
    batches = stream()
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        FailingDisk(refuses=lambda at: True).install(patch, WRITES)
        for epoch in range(300):
            assert next(iter(batches.epoch(epoch)))[0] is not None
    assert len(caught) == 1
    run.finish()
    passes = wh.open(tmp_path).run().passes
    assert [view.delivered for view in passes] == [1] * 300
    wanted = [row for row in range(ROWS) if is_wanted(row)]
    assert all(origin.row in wanted for origin in wh.open(tmp_path).run().trace(epoch=299, batch=0).origins)
    assert wh.open(tmp_path).verify().holds


def test_the_memory_to_wait_in_is_what_the_environment_says(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENCE_WAITING_MB", "much")
    with pytest.raises(wh.errors.InputError, match="wanted a number of megabytes"):
        wh.start_run("refused", workspace=tmp_path)


def test_a_warning_that_is_made_an_error_leaves_the_record_whole(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for exceptions gets one, once; what it was about waits all the same."""
    run = wh.start_run("strict", workspace=tmp_path)
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        FailingDisk(refuses=lambda at: True).install(patch, WRITES)
        with pytest.raises(RecordWarning):
            run.log_note("kept")
        run.log_note("kept too")
    run.finish()
    assert run.notes == ["kept", "kept too"]


def test_a_warning_that_is_made_an_error_does_not_end_what_syncs(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the thread that writes what waits, also after it was the first to notice."""
    monkeypatch.setattr(writing, "_SYNC_PERIOD_S", 0.01)
    run = wh.start_run("strict", workspace=tmp_path)
    assert run._live is not None
    refused, taken = threading.Event(), threading.Event()
    disk = FailingDisk(refuses=lambda at: refused.set() or at < 3)  # type: ignore[func-returns-value]
    run.log_note("isn't on the disk yet")
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        disk.install(patch, SYNCS)
        assert refused.wait(30)
        while run._live._writer._confirming._doubts or disk.count < 6:
            taken.wait(0.01)
    assert run._live._writer._syncer.is_alive()
    run.finish()
    assert wh.open(tmp_path).verify().holds
