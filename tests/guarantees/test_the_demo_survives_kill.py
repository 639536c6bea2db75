"""Promise: kill -9 at any moment, and everything delivered before is in the record, and nothing else is."""

from __future__ import annotations

import json
import pathlib
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

import whence as wh
from whence.demo.images import prepare
from whence.runs import PassView

# Runs digits.py as it is, and notes each batch in a file of its own before the model sees it.
CONSUMER = """
import json, os, runpy, sys
import whence as wh

notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
read, passes = wh.Stream.epoch, []

def noted(stream, epoch):
    passes.append(epoch)
    number = len(passes) - 1
    for at, batch in enumerate(read(stream, epoch)):
        line = json.dumps([number, at, batch["number"].tolist()]) + "\\n"
        os.write(notes, line.encode())
        yield batch

wh.Stream.epoch = noted
runpy.run_path("digits.py", run_name="__main__")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment to kill at: so long after the consumer has noted so many batches."""

    batches: int
    delay_s: float


def random_moments(count: int, *, seed: int, batches: int) -> list[Moment]:
    """Moments all over a run: within batches, and in the pauses when the next pass decodes its files."""
    chance = random.Random(seed)
    return [
        Moment(batches=chance.randrange(batches), delay_s=chance.choice([0, 0.001, 0.003, 0.05, 0.3]))
        for _ in range(count)
    ]


def test_a_killed_demo_has_recorded_what_was_delivered(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(tmp_path / "demo", share=4)
    monkeypatch.chdir(folder)
    whole = run_whole(folder)
    moments = [
        Moment(batches=0, delay_s=0),
        Moment(batches=7, delay_s=0),
        *random_moments(1, seed=5, batches=whole // 2),
    ]
    for moment in moments:
        check_kill(folder, moment)
    assert run_whole(folder) == whole


@pytest.mark.long
def test_twenty_killed_demos_have_recorded_what_was_delivered(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepared(tmp_path / "demo", share=1)
    monkeypatch.chdir(folder)
    whole = run_whole(folder)
    for moment in random_moments(20, seed=20, batches=whole - 10):
        check_kill(folder, moment)
        assert run_whole(folder) == whole


def prepared(folder: pathlib.Path, *, share: int) -> pathlib.Path:
    """The demo's folder with every `share`-th of its images, and the consumer beside the pipeline."""
    prepare(folder)
    for number, path in enumerate(sorted(folder.glob("images/*/*.png"))):
        if number % share:
            path.unlink()
    (folder / "consumer.py").write_text(CONSUMER)
    wh.open(folder / ".whence").make()
    return folder


def run_whole(folder: pathlib.Path) -> int:
    """Run to the end and check what was recorded of it; returns the batches delivered."""
    notes = folder / "notes"
    notes.unlink(missing_ok=True)
    subprocess.run(consumer_of(notes), check=True, stdout=subprocess.DEVNULL)
    run = wh.open(".whence").run()
    assert run.status == "finished"
    noted = read_notes(notes)
    assert [view.delivered for view in run.passes] == [len(batches) for batches in noted]
    check_traces(run, noted)
    return sum(len(batches) for batches in noted)


def check_kill(folder: pathlib.Path, moment: Moment) -> None:
    """Kill a run, and hold its record against what its consumer noted."""
    before = {run.id: run.status for run in wh.open(".whence").runs()}
    notes = folder / "notes"
    kill_at(moment, notes)
    workspace = wh.open(".whence")
    runs = workspace.runs()
    assert {run.id: run.status for run in runs[1:]} == before
    killed = runs[0]
    assert killed.status == "lost"
    noted = read_notes(notes)
    views = killed.passes
    assert len(views) - len(noted) in (0, 1)  # a pass that was killed before its first batch
    for view, batches in zip(views, [*noted, []], strict=False):
        check_pass(view, len(batches))
    check_traces(killed, noted)
    assert workspace.verify().holds


def check_pass(view: PassView, noted: int) -> None:
    """What was recorded as delivered covers what was noted, and exceeds it by the one in flight at most."""
    assert noted <= view.delivered <= noted + 1
    assert view.delivered - 1 <= view.taken <= noted


def check_traces(run: wh.Run, noted: list[list[list[int]]]) -> None:
    """Each delivered batch is traced to the images that it was made of, and says if it was in flight."""
    streams = {stream.number: stream.name for stream in run.streams}
    for view, batches in zip(run.passes, [*noted, []], strict=False):
        for at in range(view.delivered):
            trace = run.trace(view.epoch, at, stream=streams[view.stream], repeat=view.repeat)
            assert trace.complete
            assert trace.in_flight == (at >= view.taken)
            if at < len(batches):
                paths = [pathlib.PurePath(str(origin.path)) for origin in trace.origins]
                assert sorted(int(path.stem[:5]) for path in paths) == sorted(batches[at])


def kill_at(moment: Moment, notes: pathlib.Path) -> None:
    """Run, and kill when the moment has come; a run that has ended before is run again, killed earlier."""
    while True:
        notes.unlink(missing_ok=True)
        notes.touch()
        program = subprocess.Popen(consumer_of(notes), stdout=subprocess.DEVNULL)
        began = count_runs()
        while program.poll() is None and (count_runs() == began or count_lines(notes) < moment.batches):
            time.sleep(0.0005)
        time.sleep(moment.delay_s)
        program.send_signal(signal.SIGKILL)
        if program.wait() == -signal.SIGKILL:
            return
        moment = Moment(batches=moment.batches // 2, delay_s=0)


def consumer_of(notes: pathlib.Path) -> list[str]:
    """The command that runs the consumer."""
    return [sys.executable, "consumer.py", str(notes)]


def count_runs() -> int:
    """Count the runs whose journal has begun."""
    return len(list(pathlib.Path(".whence/runs").glob("*/journal")))


def count_lines(notes: pathlib.Path) -> int:
    """Count the batches noted so far."""
    return notes.read_bytes().count(b"\n")


def read_notes(notes: pathlib.Path) -> list[list[list[int]]]:
    """Read what the consumer noted: by pass, by batch, the numbers of the images."""
    passes: list[list[list[int]]] = []
    for line in notes.read_text().splitlines():
        number, at, images = json.loads(line)
        while len(passes) <= number:
            passes.append([])
        assert at == len(passes[number])
        passes[number].append(images)
    return passes
