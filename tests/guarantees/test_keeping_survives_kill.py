"""Promise: syncs, backups and tidying may be killed at any moment, beside runs that go on and die."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

import whence as wh
from whence.store import files
from whence.workspace import restore

SOURCE = pathlib.Path(files.__file__).parents[2]

WRITES = """
import os, random, sys
import whence as wh
rng = random.Random(int(sys.argv[2]))
workspace = wh.open(sys.argv[1])
ended = [run.id for run in workspace.runs() if run.status in ("lost", "finished")] if workspace.exists else []
resume = rng.choice(ended) if ended and rng.random() < 0.5 else None
try:
    run = wh.start_run(resume=resume, workspace=sys.argv[1])
except wh.errors.StoreBusyError:  # the other writer chose the same
    sys.exit()
with run:
    for number in range(rng.randrange(5, 400)):
        run.log_note(str(number))
        run.log_metric("n", number)
        if number % 40 == 0:
            run.log_model("m", os.urandom(70_000))
            for _ in wh.from_items(list(range(50))).filter(lambda x: x % 2).batch(5).epoch(number):
                pass
"""


@pytest.mark.long
def test_whatever_dies_the_record_holds_and_the_next_sync_completes_it(tmp_path: pathlib.Path) -> None:
    rng = random.Random(1)
    here, there, backup = tmp_path / "here", tmp_path / "there", tmp_path / "backup.tar"
    acts: list[tuple[float, Callable[[], object]]] = [
        (0.12, lambda: wh.open(there).sync(here)),
        (0.5, lambda: wh.open(rng.choice([here, there])).tidy(delete=True, grace_s=0)),
        (0.5, lambda: wh.open(here).back_up(backup)),
        (0.12, lambda: wh.open(there).sync(here)),
    ]
    kills = 0
    for number in range(int(os.environ.get("WHENCE_KILLS", "15"))):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITES, str(here), str(2 * number + each)], encoding="utf-8",
                stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(SOURCE)},
            )
            for each in range(2)
        ]  # fmt: skip
        for most_s, act in acts:
            kills += _killed(act, rng.random() * most_s)
        for writer in writers:
            if rng.random() < 0.4:
                writer.kill()
            _, said = writer.communicate()
            assert writer.returncode in (0, -signal.SIGKILL), said
        for place in (here, there):
            assert not wh.open(place).verify().findings
        assert wh.open(there).sync(here).is_whole
        assert wh.open(here).summaries() == wh.open(there).summaries()
        if backup.exists():
            restore(backup, tmp_path / str(number))
            assert wh.open(tmp_path / str(number)).verify().holds
    assert kills


def _killed(act: Callable[[], object], after_s: float) -> bool:
    """Begin something in a process of its own, and kill it; tells whether it was still at it."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except wh.errors.NotFoundError:  # nothing is there yet
            pass
        finally:
            os._exit(0)
    time.sleep(after_s)  # a random moment is what is wanted
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
