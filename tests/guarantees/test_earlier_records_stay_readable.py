"""Whatever happens later, what was recorded before answers as it did."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
from collections.abc import Callable

import pytest

import whence as wh
from tests.earlier import Earlier, run_python
from whence.store import scan_frames

DIES = """
import os, signal, sys
import whence as wh
run = wh.start_run("dies", workspace=sys.argv[1])
stream = wh.from_items(list(range(1000)), name="n").batch(4)
for number, batch in enumerate(stream):
    run.log_metric("n", number)
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", [0, 15, 16, 17, 249])
def test_a_process_that_dies_leaves_all_that_it_delivered_and_nothing_else(
    earlier: Earlier, moment: int
) -> None:
    assert run_python(DIES, earlier.folder, moment).returncode == -signal.SIGKILL
    earlier.check()
    run = wh.open(earlier.folder).run()
    assert (run.title, run.status) == ("dies", "lost")
    assert run.history("n").value.tolist() == list(range(moment + 1))
    exposures = list(run.exposures())
    assert len(exposures) == 4 * (moment + 1)
    assert [run.trace(0, batch, 3).origins[0].row for batch in (0, moment)] == [3, 4 * moment + 3]
    assert run.trace(0, moment).in_flight
    verdict = wh.open(earlier.folder).verify()
    assert verdict.holds, verdict
    # and the next run works
    with wh.start_run("next", workspace=earlier.folder) as following:
        wh.from_items([1]).collect()
    assert following.status == "finished"
    assert [each.title for each in wh.open(earlier.folder).runs()] == ["next", "dies", "earlier"]


def _files_of_another_run(earlier: Earlier) -> list[pathlib.Path]:
    with wh.start_run("another", workspace=earlier.folder) as run:
        wh.from_items(list(range(10))).batch(2).collect()
        run.log_model("other", b"x" * 100)
    return [path for path in run.record.journal.path.rglob("*") if path.is_file()]


def _garble(path: pathlib.Path) -> None:
    path.write_bytes(os.urandom(200))


def _empty(path: pathlib.Path) -> None:
    path.write_bytes(b"")


def _halve(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("spoil", [_garble, _empty, _halve, pathlib.Path.unlink])
def test_any_file_of_another_run_may_be_spoiled(
    earlier: Earlier, spoil: Callable[[pathlib.Path], None]
) -> None:
    for path in _files_of_another_run(earlier):
        before = path.read_bytes()
        spoil(path)
        earlier.check()
        titles = [run["title"] for run in wh.open(earlier.folder).summaries()]
        assert titles[-1] == "earlier"
        assert len(titles) == 2
        path.write_bytes(before)
    assert wh.open(earlier.folder).verify().holds


def test_the_index_may_be_spoiled_or_gone(earlier: Earlier) -> None:
    index = earlier.folder / ".whence" / "catalog.sqlite"
    for spoil in (_garble, _empty, _halve, pathlib.Path.unlink):
        spoil(index)
        earlier.check()


def test_the_workspace_may_be_moved(earlier: Earlier) -> None:
    moved = earlier.folder.with_name("moved")
    shutil.copytree(earlier.folder / ".whence", moved / ".whence")
    workspace = wh.open(moved)
    assert workspace.verify().holds
    assert (
        workspace.run(earlier.id).trace(0, 4).to_json() == wh.open(earlier.folder).run().trace(0, 4).to_json()
    )


def test_every_run_is_readable_without_the_others(earlier: Earlier, tmp_path: pathlib.Path) -> None:
    alone = tmp_path / "alone" / ".whence"
    (alone / "runs").mkdir(parents=True)
    shutil.copytree(earlier.folder / ".whence" / "runs" / earlier.id, alone / "runs" / earlier.id)
    run = wh.open(alone).run(earlier.id)
    assert run.params == {"lr": 0.5}
    assert run.trace(0, 0).complete


def test_nothing_of_an_earlier_run_is_ever_written_again(earlier: Earlier) -> None:
    folder = earlier.folder / ".whence" / "runs" / earlier.id
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    workspace = wh.open(earlier.folder)
    with wh.start_run("later", workspace=earlier.folder) as run:
        wh.from_text(earlier.lines, name="lines").collect()
        run.log_model("another", b"x")
    workspace.verify()
    workspace.summaries()
    workspace.impact("lines:3")
    earlier.check()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert all(not scan_frames(path).torn_bytes for path in before if path.name in ("journal", "payloads"))
