"""What a forked process logs is a part of the run: written by itself, read as one, and nobody waits."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Callable

import pytest

import whence as wh
from whence.errors import InputError
from whence.runs import RunRecord

FORK = multiprocessing.get_context("fork")


def forked(do: Callable[[], object], *, ending: Callable[[int], object] = os._exit) -> int:
    """Do something in a forked process; its exit status."""
    pid = os.fork()
    if not pid:
        try:
            do()
            ending(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def log(run: wh.Run, value: float) -> None:
    run.log_metric("loss", value, step=int(value))


def log_all(run: wh.Run, value: float) -> None:
    log(run, value)
    run.finish()


def test_what_a_forked_process_logs_is_read_with_the_run(tmp_path: pathlib.Path) -> None:
    with wh.start_run(params={"lr": 0.1}, workspace=tmp_path) as run:
        run.log_metric("loss", 3.0, step=0)

        def work() -> None:
            run.log_metrics({"loss": 2.0, "only here": 1.0}, step=1)
            run.log_param("seed", 7)
            run.set_tag("team", "vision")
            run.log_note("from the other side")
            run.finish()

        assert forked(work) == 0
        run.log_metric("loss", 1.0, step=2)
    assert run.metrics == {"loss": 1.0, "only here": 1.0}
    assert run.history("loss").step.tolist() == [0, 1, 2]
    assert run.params == {"lr": 0.1, "seed": 7}
    assert run.tags == {"team": "vision"}
    assert run.notes == ["from the other side"]
    (part,) = run.record.parts
    assert part.part_of == run.id
    assert part.status == "finished"
    assert wh.open(tmp_path).verify().holds


def test_a_part_ends_with_its_process_of_multiprocessing(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        workers = [FORK.Process(target=log, args=(run, float(number))) for number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert [part.status for part in run.record.parts] == ["finished"] * 3
    assert sorted(run.history("loss").value.tolist()) == [0.0, 1.0, 2.0]


def test_a_part_whose_process_is_killed_is_lost_and_keeps_what_it_logged(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:

        def work() -> None:
            for number in range(100):
                log(run, float(number))
            os.kill(os.getpid(), signal.SIGKILL)

        assert forked(work) == -signal.SIGKILL
    (part,) = run.record.parts
    assert part.status == "lost"
    assert run.history("loss").value.tolist() == [float(number) for number in range(100)]
    assert run.status == "finished"


def test_a_forked_process_that_logs_nothing_leaves_no_part(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        assert forked(run.finish) == 0
        assert forked(lambda: None) == 0
    assert run.record.parts == []
    assert run.status == "finished"
    assert len(wh.open(tmp_path).runs()) == 1


def test_a_fork_of_a_fork_is_a_part_of_the_same_run(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:

        def deeper() -> None:
            log(run, 1.0)
            assert forked(lambda: log_all(run, 2.0)) == 0
            run.finish()

        assert forked(deeper) == 0
    assert [part.part_of for part in run.record.parts] == [run.id, run.id]
    assert sorted(run.history("loss").value.tolist()) == [1.0, 2.0]


def test_a_lock_that_another_thread_holds_at_the_fork_stops_nobody(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        stop = threading.Event()

        def busy() -> None:
            while not stop.is_set():
                run.log_metric("busy", 1.0)

        thread = threading.Thread(target=busy)
        thread.start()
        try:
            for number in range(20):
                assert forked(functools.partial(log_all, run, float(number))) == 0
        finally:
            stop.set()
            thread.join()
    assert sorted(run.history("loss").value.tolist()) == [float(number) for number in range(20)]


def test_a_model_of_a_forked_process_is_found_by_its_name(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:

        def work() -> None:
            run.log_model("net", b"weights")
            run.finish()

        assert forked(work) == 0
    model = wh.open(tmp_path).model("net")
    assert model.load_bytes() == b"weights"
    assert model.run.record.part_of == run.id


def test_a_model_that_a_forked_process_loads_is_a_gap_of_the_run(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        run.log_model("net", b"weights")

        def work() -> None:
            assert wh.open(tmp_path).model("net").load_bytes() == b"weights"
            run.finish()

        assert forked(work) == 0
    assert any("forked" in gap for gap in run.record.gaps)


def test_an_error_in_a_forked_process_fails_its_part_and_not_the_run(tmp_path: pathlib.Path) -> None:
    def work() -> None:
        with contextlib.suppress(ZeroDivisionError), run:
            log(run, 1.0)
            _ = 1 / 0

    with wh.start_run(workspace=tmp_path) as run:
        assert forked(work) == 0
    (part,) = run.record.parts
    assert (part.status, run.status) == ("failed", "finished")
    assert "ZeroDivisionError" in part.totals["traceback"]


def test_after_its_end_a_forked_process_logs_no_more(tmp_path: pathlib.Path) -> None:
    def work() -> None:
        run.finish()
        with pytest.raises(InputError, match="has ended"):
            run.log_metric("loss", 1.0)

    with wh.start_run(workspace=tmp_path) as run:
        assert forked(work) == 0


def test_a_part_that_is_not_here_is_a_gap(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        assert forked(lambda: log_all(run, 1.0)) == 0
    (part,) = run.record.parts
    path = part.journal.path
    path.rename(tmp_path / "elsewhere")
    again = RunRecord.read(run.record.folder, run.id)
    assert again.parts == []
    assert any(path.name in gap for gap in again.gaps)


def test_a_line_of_the_list_that_was_cut_off_is_no_part(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        assert forked(lambda: log_all(run, 1.0)) == 0
    listed = run.record.journal.path / "parts"
    listed.write_bytes(listed.read_bytes() + b"01ABC")
    again = RunRecord.read(run.record.folder, run.id)
    assert len(again.parts) == 1
    assert not again.gaps


def test_lists_show_the_run_and_not_its_parts(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        run.log_metric("loss", 3.0, step=0)
        assert forked(functools.partial(log_all, run, 1.0)) == 0
        workspace = wh.open(tmp_path)
        assert [summary["id"] for summary in workspace.summaries()] == [run.id]
        assert workspace.run().id == run.id
    (summary,) = workspace.summaries("metrics.loss = 1")
    assert summary["id"] == run.id
    (part,) = run.parts
    assert workspace.run(part.name).id == part.id
    assert sum(workspace.count_by_status().values()) == 1


def test_what_a_part_logs_after_its_run_has_ended_is_found(tmp_path: pathlib.Path) -> None:
    reading, writing = os.pipe()
    with wh.start_run(workspace=tmp_path) as run:
        pid = os.fork()
        if not pid:
            log(run, 1.0)
            os.read(reading, 1)
            log_all(run, 2.0)
            os._exit(0)
    workspace = wh.open(tmp_path)
    while not RunRecord.read(run.record.folder, run.id).parts:
        pass
    assert workspace.summaries("metrics.loss = 2") == []
    os.write(writing, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    (summary,) = workspace.summaries("metrics.loss = 2")
    assert summary["id"] == run.id
    os.close(reading)
    os.close(writing)
