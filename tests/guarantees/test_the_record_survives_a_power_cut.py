"""Promise: after a power cut all is there that was acknowledged to be on the disk, and nothing false is said.

Cuts are simulated: `tests.survival.powercut` records what changes, and makes what may be left of it. The test
forces groups to the disk, as a thread does each second, so that it is known what came after the last one.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pathlib
import random
import shutil
import warnings
from collections import Counter
from dataclasses import dataclass

import pytest

import whence as wh
from tests.survival.load import Returned, stream, train
from tests.survival.powercut import Acknowledged, Recorder
from whence.errors import RecordWarning
from whence.query.following import lineage_of
from whence.store import writing

ROUNDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was acknowledged to be on the disk at some moment.

    Args:
        run: the id of the run.
        told: all that had returned.
        has_ended: whether the run had.
    """

    run: str
    told: Returned
    has_ended: bool = False


def record(
    folder: pathlib.Path, patch: pytest.MonkeyPatch, runs: contextlib.ExitStack
) -> tuple[Recorder, dict[str, Returned]]:
    """Train twice, and go on with the first training; tells what was changed, and what returned by run."""
    folder.mkdir()
    patch.setattr(writing, "_SYNC_PERIOD_S", 1e6)
    recorder = Recorder(folder)
    told_by_run: dict[str, Returned] = {}
    with pytest.MonkeyPatch.context() as listening:
        recorder.install(listening)
        for number in range(2):
            told = Returned()
            run = wh.start_run(f"training {number}", workspace=folder)
            runs.callback(run.finish)
            told_by_run[run.id] = told
            recorder.acknowledge(Promise(run=run.id, told=Returned()))

            def at(what: str, run: wh.Run = run, told: Returned = told) -> None:
                recorder.acknowledge(None)  # what is mapped may be written at any moment
                if what.endswith((".2", ".7", ".11")):
                    run.sync()
                    recorder.acknowledge(Promise(run=run.id, told=copy.deepcopy(told)))

            train(run, told, at=at)
            if number == 0:
                run.finish()
                recorder.acknowledge(Promise(run=run.id, told=copy.deepcopy(told), has_ended=True))
        first = next(iter(told_by_run))
        with wh.start_run(resume=first, workspace=folder) as again:
            recorder.acknowledge(Promise(run=first, told=copy.deepcopy(told_by_run[first])))
            again.log_note("went on")
            told_by_run[first].notes.append("went on")
        recorder.acknowledge(Promise(run=first, told=copy.deepcopy(told_by_run[first]), has_ended=True))
    return recorder, told_by_run


def start_anew(folder: pathlib.Path) -> None:
    """The machine is started anew: the processes of the leases are of the boot before."""
    for lease in folder.rglob("lease"):
        try:
            found = json.loads(lease.read_bytes())
        except ValueError:
            continue
        lease.write_bytes(json.dumps(found | {"boot": "the one before"}).encode())


def check_promises(
    folder: pathlib.Path, promises: dict[str, Promise], told_by_run: dict[str, Returned]
) -> None:
    """All that was promised is there, and nothing is that never happened."""
    workspace = wh.open(folder)
    for run_id, promise in promises.items():
        run, whole = workspace.run(run_id), told_by_run[run_id]
        if promise.has_ended:
            assert run.status == "finished" or run.record.journal.find("run_resume")
        assert run.notes[: len(promise.told.notes)] == promise.told.notes
        assert run.notes == whole.notes[: len(run.notes)]
        for key, points in whole.points.items():
            wanted = promise.told.points.get(key, [])
            found: list[tuple[int, float]] = []
            if key in run.metrics:
                history = run.history(key)
                found = list(zip(history.step.tolist(), history.value.tolist(), strict=True))
            assert found[: len(wanted)] == wanted, key
            assert not Counter(found) - Counter(points), key
        named = {each["name"]: each["digest"] for each in (*run.artifacts, *run.models)}
        for name, content in promise.told.contents.items():
            digest = bytes.fromhex(named[name].removeprefix("sha256:"))
            assert run.record.read_object(digest) == content
        for view in run.passes:
            received = whole.batches[view.epoch]
            assert view.delivered <= len(received)
            for number in range(view.delivered):
                trace = run.trace(epoch=view.epoch, batch=number)
                if trace.complete:
                    assert sorted(origin.row for origin in trace.origins) == sorted(received[number])
        for epoch, batches in promise.told.batches.items():
            views = [view for view in run.passes if view.epoch == epoch]
            # the batch that was just received is told when the next one is asked for
            assert len(batches) - 1 <= (views[0].delivered if views else 0)
            known = lineage_of(run.record, views[0]).known if views else 0
            is_last = epoch == max(promise.told.batches)
            assert not views or is_last or known == len(batches)


def check_round(
    folder: pathlib.Path, recorder: Recorder, told: dict[str, Returned], chance: random.Random
) -> str:
    """Cut the power somewhere, and hold what is left against what was promised; then go on."""
    end = chance.randrange(len(recorder.steps) + 1)
    recorder.state(end, chance, folder)
    start_anew(folder)
    promises = {
        step.what.run: step.what
        for step in recorder.steps[:end]
        if isinstance(step, Acknowledged) and step.what is not None
    }
    check_promises(folder, promises, told)
    workspace = wh.open(folder)
    verdict = workspace.verify()
    assert verdict.findings == [], verdict.findings
    statuses = []
    for run_id in promises:
        run = workspace.run(run_id)
        statuses.append(run.status)
        if run.status != "finished":
            went_down = run.record.journal.went_down
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RecordWarning)
                with wh.start_run(resume=run_id, workspace=folder) as again:
                    for batch in stream().epoch(9):
                        assert len(batch)
                        break
                    again.log_metric("again", 1.0)
            assert again.status == "finished"
            assert again.history("again").value.tolist() == [1.0]
            assert went_down is bool(again.record.journal.find("run_resume")[-1].public.get("uncertain"))
    with wh.start_run("after", workspace=folder):
        pass
    verdict = wh.open(folder).verify()
    assert verdict.findings == [], verdict.findings
    return "".join(sorted(statuses)) or "none"


def cut_power(folder: pathlib.Path, rounds: int, seed: int) -> Counter[str]:
    """Cut the power so many times."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with contextlib.ExitStack() as runs:
        with pytest.MonkeyPatch.context() as patch:
            recorder, told = record(folder / "disk", patch, runs)
        recorder.state(len(recorder.steps), None, folder / "whole")
        assert contents(folder / "whole") == contents(folder / "disk"), "no change of the disk went by"
    keys = folder / "keys"
    for number in range(rounds):
        place = folder / f"round-{number}"
        # each round is another future of that disk, of which a signer who knew the others would accuse it
        shutil.copytree(os.environ["WHENCE_KEYS"], keys, ignore=shutil.ignore_patterns("signed"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WHENCE_KEYS", str(keys))
            outcomes[check_round(place, recorder, told, chance)] += 1
        shutil.rmtree(place)
        shutil.rmtree(keys)
    return outcomes


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("catalog.sqlite")
    }


def test_a_power_cut_takes_nothing_that_was_acknowledged(tmp_path: pathlib.Path) -> None:
    outcomes = cut_power(tmp_path, ROUNDS, seed=4)
    assert outcomes["lost"] > 0
    assert sum(outcomes.values()) == ROUNDS


@pytest.mark.long
def test_three_hundred_power_cuts_take_nothing_that_was_acknowledged(tmp_path: pathlib.Path) -> None:
    rounds = int(os.environ.get("WHENCE_CUTS") or 300)
    outcomes = cut_power(tmp_path, rounds, seed=int(os.environ.get("WHENCE_CUTS_SEED") or 0))
    print(f"{rounds} power cuts, simulated: {dict(outcomes)}")
