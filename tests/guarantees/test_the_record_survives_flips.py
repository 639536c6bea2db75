"""Promise: any byte of a journal or a segment that is flipped is named, and all around it is recovered."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
from collections import Counter

import pytest

import whence as wh
from tests.survival.load import Returned, train
from whence.errors import WhenceError
from whence.store import scan_frames

FLIPS = 60


def make(folder: pathlib.Path, runs: contextlib.ExitStack) -> tuple[dict[str, Returned], list[pathlib.Path]]:
    """A run that ended and one that goes on; returns what returned by run, and the files of both."""
    told_by_run: dict[str, Returned] = {}
    for number in range(2):
        run, told = wh.start_run(f"training {number}", workspace=folder), Returned()
        runs.callback(run.finish)
        train(run, told)
        if number == 0:
            run.finish()
        told_by_run[run.id] = told
    files = [
        path
        for pattern in ("journal", "payloads", "segments/*", "points-*")
        for path in sorted((folder / ".whence" / "runs").glob(f"*/{pattern}"))
    ]
    assert len(files) >= 10
    return told_by_run, files


def check_flip(folder: pathlib.Path, path: pathlib.Path, told: Returned, chance: random.Random) -> str:
    """Flip a byte of a file, and see that it is named and that nothing else is lost or false."""
    whole = path.read_bytes()
    place = chance.randrange(len(whole))
    before = scan_frames(path) if not path.name.startswith("points-") else None
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([whole[place] ^ chance.randrange(1, 256)]))
    try:
        workspace = wh.open(folder)
        verdict = workspace.verify()
        run_folder = path.parents[path.parent.name == "segments"].name
        named = [each for each in verdict.findings if run_folder in each.where]
        assert not verdict.holds, (path, place)
        assert named, (path, place, verdict.findings)
        is_newer = any("this whence reads up to" in each.problem for each in named)
        if before is not None and not is_newer:
            now = [(frame.offset, frame.payload) for frame in scan_frames(path).frames]
            lost = [each for each in before.frames if (each.offset, each.payload) not in now]
            assert len(lost) <= 1, "all before and after the damaged frame is recovered"
            assert all(each.offset <= place for each in lost)
        check_nothing_false(workspace, named[0].where.split("/runs/")[1][:26], told)
    finally:
        path.write_bytes(whole)
    return path.name.split("-")[0]


def check_nothing_false(workspace: wh.Workspace, run_id: str, told: Returned) -> None:
    """What is read still is what happened."""
    try:
        run = workspace.run(run_id)
    except WhenceError:
        return
    assert not Counter(run.notes) - Counter(told.notes)
    for key in run.metrics:
        if key in told.points:
            history = run.history(key)
            found = list(zip(history.step.tolist(), history.value.tolist(), strict=True))
            assert not Counter(found) - Counter(told.points[key])
    for view in run.passes:
        received = told.batches[view.epoch]
        for number in (view.first, view.delivered - 1):
            try:
                trace = run.trace(epoch=view.epoch, batch=number)
            except WhenceError:
                continue
            if trace.complete:
                assert sorted(origin.row for origin in trace.origins) == sorted(received[number])


def flip(folder: pathlib.Path, flips: int, seed: int) -> Counter[str]:
    """Flip so many bytes, one by one, of all files alike."""
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    with contextlib.ExitStack() as runs:
        told_by_run, files = make(folder, runs)
        for number in range(flips):
            path = files[number % len(files)]
            run_id = path.relative_to(folder / ".whence" / "runs").parts[0]
            found[check_flip(folder, path, told_by_run[run_id], chance)] += 1
    return found


def test_no_flipped_byte_goes_unnoticed(tmp_path: pathlib.Path) -> None:
    assert sum(flip(tmp_path, FLIPS, seed=3).values()) == FLIPS


@pytest.mark.long
def test_two_thousand_flipped_bytes_are_all_named(tmp_path: pathlib.Path) -> None:
    flips = int(os.environ.get("WHENCE_FLIPS") or 2_000)
    print(f"{flips} flips, all named: {dict(flip(tmp_path, flips, seed=0))}")
