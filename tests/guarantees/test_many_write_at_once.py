"""Promise: any number of processes write one workspace, from its first moment on, and all of it is there."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import whence as wh
from tests.rooms.store.contending import check_run, together, write_in_threads, write_run
from whence.store import files

SOURCE = pathlib.Path(files.__file__).parents[2]
WRITERS = 16

READS = """
import sys
import whence as wh
counts, last = 0, {}
print("ready", flush=True)
while True:
    workspace = wh.open(sys.argv[1])
    for summary in workspace.summaries():
        if summary["status"] not in ("running", "finished"):
            sys.exit(f"{summary['id']} is said to be {summary['status']}")
    for run in workspace.runs():
        if run.record.gaps or run.record.journal.damages:
            sys.exit(f"{run.id}: {run.record.gaps}")
        if "n" in run.record.metric_keys:
            steps = run.history("n").step.tolist()
            if steps != sorted(set(steps)) or len(steps) < last.get(run.id, 0):
                sys.exit(f"{run.id}: points are missing")
            last[run.id] = len(steps)
    counts += 1
    if (__import__("pathlib").Path(sys.argv[1]) / "stop").exists():
        break
print(counts, flush=True)
"""


BEGINS = """
import sys
import whence as wh
wh.start_run
sys.stdin.read(1)
with wh.start_run("x", workspace=sys.argv[1]) as run:
    run.log_metric("n", 1)
"""


def write_beside_a_reader(place: pathlib.Path, count: int) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-c", READS, str(place)], encoding="utf-8", stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    assert together(WRITERS, lambda number: write_run(place, number, count)) == [0] * WRITERS
    (place / "stop").touch()
    told, errors = reader.communicate()
    assert (reader.returncode, errors) == (0, "")
    assert int(told) > 0
    runs = {run.title: run for run in wh.open(place).runs()}
    assert len(runs) == WRITERS
    for number in range(WRITERS):
        check_run(runs[f"writer {number}"], number, count)
    assert wh.open(place).verify().holds


def test_sixteen_processes_write_while_one_reads_all_the_time(tmp_path: pathlib.Path) -> None:
    write_beside_a_reader(tmp_path, 200)


@pytest.mark.long
def test_sixteen_processes_write_two_thousand_times_while_one_reads(tmp_path: pathlib.Path) -> None:
    write_beside_a_reader(tmp_path, 2_000)


def begin_at_once(place: pathlib.Path) -> None:
    def begin(number: int) -> None:
        with wh.start_run(f"writer {number}", workspace=place) as run:
            run.log_metric("n", number)
            run.log_model("m", f"{number % 4}".encode() * 70_000)
            assert wh.open(place).run(run.id).status == "running"

    assert together(WRITERS, begin) == [0] * WRITERS
    workspace = wh.open(place)
    assert {run.title: run.metrics["n"] for run in workspace.runs()} == {
        f"writer {number}": number for number in range(WRITERS)
    }
    assert [run.status for run in workspace.runs()] == ["finished"] * WRITERS
    assert len({run.id for run in workspace.runs()}) == WRITERS
    versions = sorted(model.version for model in workspace.models("m"))
    assert versions == list(range(1, WRITERS + 1))
    assert workspace.verify().holds
    assert not [path for path in (place / ".whence").rglob(".*") if path.name != ".gitignore"]


def test_an_empty_folder_is_used_by_sixteen_processes_at_once(tmp_path: pathlib.Path) -> None:
    for number in range(4):
        begin_at_once(tmp_path / str(number))


@pytest.mark.long
def test_a_hundred_empty_folders_are_used_by_sixteen_processes_at_once(tmp_path: pathlib.Path) -> None:
    for number in range(100):
        begin_at_once(tmp_path / str(number))


def test_processes_with_interpreters_of_their_own_begin_at_once(tmp_path: pathlib.Path) -> None:
    for attempt in range(2):
        place = tmp_path / str(attempt)
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", BEGINS, str(place)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": str(SOURCE)},
            )
            for _ in range(8)
        ]  # fmt: skip
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"x")
            process.stdin.flush()
        said = [process.communicate(timeout=120) for process in processes]
        assert [process.returncode for process in processes] == [0] * 8, said
        assert len(wh.open(place).runs("status = finished")) == 8


def test_threads_write_one_run_together(tmp_path: pathlib.Path) -> None:
    with wh.start_run("threads", workspace=tmp_path) as run:
        write_in_threads(run, 8, 500)
    again = wh.open(tmp_path).run(run.id)
    for number in range(8):
        assert again.history(f"n{number}").value.tolist() == list(range(500))
        assert [note for note in again.notes if note.startswith(f"{number} ")] == [
            f"{number} {each}" for each in range(0, 500, 50)
        ]
    assert wh.open(tmp_path).verify().holds


def test_threads_begin_runs_together(tmp_path: pathlib.Path) -> None:

    def begin(number: int) -> str:
        with wh.start_run(f"writer {number}", workspace=tmp_path) as run:
            run.log_metric("n", number)
        return run.id

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(begin, range(32)))
    found = {run.id: run for run in wh.open(tmp_path).runs()}
    assert sorted(found) == sorted(ids)
    assert [found[each].metrics["n"] for each in ids] == list(range(32))
    assert wh.open(tmp_path).verify().holds
