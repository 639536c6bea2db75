"""Many processes at once: each writes its own run, and anybody may read at any time."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import whence as wh
from whence.store import Folder, files, read_journal

SOURCE = pathlib.Path(files.__file__).parents[2]

BEGIN = """
import sys
import whence as wh
sys.stdin.read(1)
with wh.start_run(sys.argv[1], workspace=sys.argv[2]) as run:
    for number in range(20):
        run.log_metric("n", number)
    run.log_model("m", sys.argv[1].encode() * 50_000)
"""

ASK = """
import sys
import whence as wh
sys.stdin.read(1)
for _ in range(5):
    workspace = wh.open(sys.argv[2])
    for summary in workspace.summaries():
        workspace.run(summary["id"])
    workspace.runs()
"""

DIE = """
import os, signal, sys
import whence as wh
run = wh.start_run("dies", workspace=sys.argv[2])
stream = wh.from_items(list(range(100))).batch(2)
for number, batch in enumerate(stream):
    run.log_metric("n", number)
    if number == 30:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(code: str, name: str, folder: pathlib.Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(
        [sys.executable, "-c", code, name, str(folder)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def test_eight_processes_begin_runs_in_one_empty_folder_while_two_others_ask(tmp_path: pathlib.Path) -> None:
    writers = [begin(BEGIN, f"run {number}", tmp_path) for number in range(8)]
    askers = [begin(ASK, "", tmp_path) for _ in range(2)]
    for process in [*writers, *askers]:  # all have imported what they need before the first begins
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    for process in [*writers, *askers]:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    workspace = wh.open(tmp_path)
    assert {run.title for run in workspace.runs()} == {f"run {number}" for number in range(8)}
    assert {run.status for run in workspace.runs()} == {"finished"}
    assert sorted(model.version for model in workspace.models("m")) == list(range(1, 9))
    assert workspace.verify().holds


def test_what_a_killed_process_had_written_is_in_the_record_and_its_run_is_lost(
    tmp_path: pathlib.Path,
) -> None:
    process = begin(DIE, "", tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    workspace = wh.open(tmp_path)
    run = workspace.run()
    assert run.status == "lost"
    assert run.history("n").value.tolist() == list(range(31))
    assert [(view.delivered, view.taken, view.is_ended) for view in run.passes] == [(31, 30, False)]
    assert len(list(run.exposures())) == 62
    verdict = workspace.verify()
    assert verdict.holds
    assert any("died" in note for note in verdict.notes)
    with wh.start_run("the next", workspace=tmp_path) as following:
        assert following.status == "running"
    assert [each.status for each in workspace.runs()] == ["finished", "lost"]


def test_a_run_is_read_while_it_is_written(tmp_path: pathlib.Path) -> None:
    with wh.start_run("goes on", workspace=tmp_path) as run:
        for number in range(5):
            run.log_metric("n", number)
            journal = read_journal(Folder.find(tmp_path), run.id)
            assert journal.damages == []
            assert wh.open(tmp_path).run().history("n").value.tolist() == list(range(number + 1))
            assert wh.open(tmp_path).run().metrics == {"n": number}
            assert wh.open(tmp_path).run().status == "running"
