"""How a run ended is in its record, whichever way it ended."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import whence as wh
from whence.runs import friendly_name, is_run_id, make_run_id
from whence.store import files

SOURCE = pathlib.Path(files.__file__).parents[2]


def run_script(code: str, folder: pathlib.Path) -> int:
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "WHENCE_HOME": str(folder / ".whence")}
    prelude = "import os, signal, sys\nimport whence as wh\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + code], env=environment, capture_output=True, check=False, timeout=60
    )
    return done.returncode


def test_a_run_that_ends_well_is_finished_and_says_what_it_took(tmp_path: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path) as run:
        assert run.status == "running"
        assert run.ended_at is None
    assert run.status == "finished"
    assert run.ended_at is not None
    assert run.ended_at >= run.started_at
    assert run.totals["wall_s"] >= 0
    assert run.totals["peak_memory_bytes"] > 1_000_000
    run.finish("failed")
    assert wh.open(tmp_path).run().status == "finished"


def test_a_run_that_an_exception_leaves_has_failed_and_keeps_the_traceback(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError), wh.start_run("t", workspace=tmp_path) as run:
        _ = 1 // 0
    assert run.status == "failed"
    assert "ZeroDivisionError" in run.totals["traceback"]
    assert "1 // 0" in run.totals["traceback"]


def test_a_secret_in_a_traceback_does_not_reach_the_disk(tmp_path: pathlib.Path) -> None:
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    with pytest.raises(ValueError, match="key"), wh.start_run("t", workspace=tmp_path) as run:
        raise ValueError(f"key {secret}")
    assert "ValueError" in run.totals["traceback"]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_an_interrupt_fails_the_run(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt), wh.start_run("t", workspace=tmp_path) as run:
        raise KeyboardInterrupt
    assert run.status == "failed"


@pytest.mark.parametrize(
    ("code", "returned", "status"),
    [
        ("run = wh.start_run('t')", 0, "finished"),
        ("run = wh.start_run('t')\nsys.exit(0)", 0, "finished"),
        ("run = wh.start_run('t')\nraise ValueError('x')", 1, "failed"),
        ("run = wh.start_run('t')\nos._exit(3)", 3, "lost"),
        ("run = wh.start_run('t')\nos.kill(os.getpid(), signal.SIGKILL)", -9, "lost"),
        ("run = wh.start_run('t')\nos.kill(os.getpid(), signal.SIGTERM)", -15, "lost"),
        ("with wh.start_run('t'):\n    sys.exit(2)", 2, "failed"),
        ("run = wh.start_run('t')\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()\nos._exit(0)", 0, "lost"),
    ],
    ids=["no end", "exit", "error", "sudden exit", "kill -9", "terminated", "exit inside", "a child ends"],
)
def test_the_end_of_the_program_is_the_end_of_the_run(
    tmp_path: pathlib.Path, code: str, returned: int, status: str
) -> None:
    assert run_script(code, tmp_path) == returned
    run = wh.open(tmp_path).run()
    assert run.status == status
    assert wh.open(tmp_path).summaries()[0]["status"] == status
    if status == "failed":
        assert "Error" in run.totals["traceback"] or "SystemExit" in run.totals["traceback"]
    assert wh.open(tmp_path).verify().holds


def test_passes_that_are_left_open_end_with_the_run(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(list(range(10))).batch(2)
    with wh.start_run("t", workspace=tmp_path) as run:
        left = iter(stream.epoch(0))
        next(left)
        next(left)
    (view,) = run.passes
    assert (view.delivered, view.is_complete, view.is_ended) == (2, False, True)
    # the run has ended: what is delivered now belongs to no record
    assert [batch.tolist() for batch in left] == [[4, 5], [6, 7], [8, 9]]
    assert wh.open(tmp_path).run().passes == [view]


def test_runs_inside_runs_record_what_is_read_in_them(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1, 2, 3])
    with wh.start_run("outer", workspace=tmp_path) as outer:
        with wh.start_run("inner", workspace=tmp_path) as inner:
            stream.collect()
        stream.collect()
        stream.collect()
    stream.collect()
    assert len(inner.passes) == 1
    assert len(outer.passes) == 2


def test_ids_sort_by_time_and_have_names_that_people_can_say() -> None:
    early, late = make_run_id(1_762_000_000_000, bytes(10)), make_run_id(1_762_000_000_001, bytes(10))
    assert early < late
    assert is_run_id(early)
    assert not is_run_id("quiet-otter-17")
    # the ULID specification's own example of a time
    assert make_run_id(1_469_918_176_385, bytes(10)).startswith("01ARYZ6S41")
    assert friendly_name(early) == friendly_name(early)
    assert friendly_name(early).count("-") == 2
    names = {friendly_name(make_run_id(time, bytes(10))) for time in range(1000)}
    assert len(names) > 990
