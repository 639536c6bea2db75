"""What a killed training's record is held against: its own notes, its checkpoints, and one never killed."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import traceback
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import whence as wh
from tests.killed.training import load, train
from whence.demo import images as demo_images
from whence.runs import RunRecord

ROOT = pathlib.Path(__file__).parents[2]
Place = tuple[int, int]

NEW_INTERPRETER = """
import pathlib, sys
from tests.killed.training import train
train(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
"""


def digit_images(folder: pathlib.Path, *, share: int) -> pathlib.Path:
    """Every `share`-th of the demo's images of digits."""
    with zipfile.ZipFile(pathlib.Path(demo_images.__file__).parent / "mnist-2k.zip") as pack:
        names = sorted(name for name in pack.namelist() if name.endswith(".png"))
        pack.extractall(folder / "images", names[::share])
    return folder / "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The training as it is when nobody kills it.

    Args:
        images: what it reads.
        kind: how its batches are made.
        places: epoch and number of each batch, in order.
        digests: of the contents of each.
        losses: before each.
        groups: by epoch, the recorded digest of each batch.
        exposures: epoch, batch and item of all that was delivered.
        weights: of the model in the end.
    """

    images: pathlib.Path
    kind: str
    places: list[Place]
    digests: dict[Place, str]
    losses: list[float]
    groups: dict[int, list[bytes]]
    exposures: list[tuple[int, int | None, int]]
    weights: bytes

    @classmethod
    def of(cls, images: pathlib.Path, folder: pathlib.Path, kind: str) -> Whole:
        """Train once."""
        folder.mkdir()
        assert begin(images, folder, 0, kind).wait() == 0
        run = wh.open(folder).run()
        noted = read_notes(folder)[0]
        (model,) = wh.open(folder).models("digits")
        return cls(
            images=images,
            kind=kind,
            places=[(epoch, at) for epoch, at, _ in noted.batches],
            digests={(epoch, at): digest for epoch, at, digest in noted.batches},
            losses=run.history("loss").value.tolist(),
            groups={view.epoch: run.record.digests(view.number).groups for view in run.passes},
            exposures=[(point.epoch, point.batch, point.item) for point in run.exposures()],
            weights=model.load_bytes(),
        )


@dataclass(slots=True, kw_only=True)
class Noted:
    """What one session noted: its run, where it began, and each batch before the model saw it."""

    run: str
    start: Place
    batches: list[tuple[int, int, str]] = field(default_factory=list)


def read_notes(folder: pathlib.Path) -> dict[int, Noted]:
    """Read the notes, by session; those of one that was killed before it began aren't there."""
    found: dict[int, Noted] = {}
    for line in (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []:
        session, run, epoch, at, digest = line.split()
        if digest == "begins":
            found[int(session)] = Noted(run=run, start=(int(epoch), int(at)))
        else:
            found[int(session)].batches.append((int(epoch), int(at), digest))
    return found


class Child:
    """A process forked from this one, which has imported what the training needs and done nothing with it."""

    def __init__(
        self, images: pathlib.Path, folder: pathlib.Path, session: int, kind: str, workers: int | None
    ) -> None:
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 3
            try:
                train(images, folder, session, kind, workers=workers)
                code = 0
            except BaseException:
                (folder / "failed").write_text(traceback.format_exc())
            os._exit(code)

    def kill(self) -> None:
        """Kill it, if it hasn't ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def poll(self) -> int | None:
        """Its exit code, less than 0 where it was killed; None while it goes on."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        code = self._reap(0)
        assert code is not None
        return code

    def _reap(self, how: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, how)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class Program(subprocess.Popen[bytes]):
    """The training in an interpreter of its own."""

    def __init__(self, images: pathlib.Path, folder: pathlib.Path, session: int, kind: str) -> None:
        command = [sys.executable, "-c", NEW_INTERPRETER, str(images), str(folder), str(session), kind]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        super().__init__(command, env=os.environ | {"PYTHONPATH": paths})


def begin(
    images: pathlib.Path,
    folder: pathlib.Path,
    session: int,
    kind: str,
    *,
    workers: int | None = None,
    is_program: bool = False,
) -> Child | Program:
    """Begin the training, or go on with it, in another process."""
    if is_program:
        return Program(images, folder, session, kind)
    return Child(images, folder, session, kind, workers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment to kill at: so long after so many batches were noted, or -1: after the process was begun."""

    batches: int
    delay_s: float

    @classmethod
    def random(cls, chance: random.Random) -> Moment:
        """While it begins, opens the record again and makes what came before; or in the midst of batches."""
        if chance.random() < 0.3:
            return cls(batches=-1, delay_s=chance.random() * 0.4)
        return cls(batches=chance.randrange(12), delay_s=chance.choice([0, 0.001, 0.003, 0.01, 0.03]))


def count_lines(folder: pathlib.Path) -> int:
    """Count the lines of the notes."""
    notes = folder / "notes"
    return notes.read_bytes().count(b"\n") if notes.exists() else 0


class Killed:
    """A training that is killed again and again.

    Args:
        folder: where it is.
        whole: what it is without kills.
    """

    def __init__(self, folder: pathlib.Path, whole: Whole) -> None:
        folder.mkdir()
        self.folder = folder
        self.kills = 0
        self.has_finished = False
        self._whole = whole
        self._session = 0
        self._held: dict[str, _Held] = {}

    def kill_at(self, moment: Moment, **how: Any) -> None:
        """Begin or go on, kill it at a moment, and hold the record against what is known."""
        saved, child = self._begun(**how)
        lines = count_lines(self.folder) + 1 + moment.batches if moment.batches >= 0 else 0
        while child.poll() is None and count_lines(self.folder) < lines:
            time.sleep(0.0005)
        time.sleep(moment.delay_s)
        child.kill()
        self._check(saved, child.wait())

    def finish(self, **how: Any) -> None:
        """Go on to the end."""
        saved, child = self._begun(**how)
        self._check(saved, child.wait())
        assert self.has_finished

    def _begun(self, **how: Any) -> tuple[dict[str, Any] | None, Child | Program]:
        self._session += 1
        whole = self._whole
        return load(self.folder), begin(whole.images, self.folder, self._session, whole.kind, **how)

    @property
    def fates(self) -> Counter[str]:
        """What became of all deliveries."""
        return sum((held.fates for held in self._held.values()), Counter())

    def _check(self, saved: dict[str, Any] | None, code: int) -> None:
        failed = self.folder / "failed"
        assert code in (0, -signal.SIGKILL), failed.read_text() if failed.exists() else code
        self.kills += code != 0
        self.has_finished = code == 0
        workspace = wh.open(self.folder)
        noted = read_notes(self.folder).get(self._session)
        name = saved["run"] if saved else noted.run if noted else None
        if name is None:
            return  # it was killed before it had begun a run, or before it could say which
        run = workspace.run(name)
        held = self._held.setdefault(name, _Held(self._whole))
        held.add(run.record, noted, saved)
        verdict = workspace.verify()
        assert verdict.holds, verdict.findings
        assert run.status in (("finished",) if self.has_finished else ("lost", "finished"))
        if self.has_finished:
            held.check_finished(run)


class _Held:
    """What is known of one run, session by session."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._pass_count = self._metric_count = 0
        self._deliveries: dict[int, list[tuple[Place, str]]] = {}

    @property
    def fates(self) -> Counter[str]:
        """What became of all deliveries."""
        return Counter(fate for each in self._deliveries.values() for _, fate in each)

    def add(self, record: RunRecord, noted: Noted | None, saved: dict[str, Any] | None) -> None:
        """Hold what a session added to the record against its notes and the checkpoint it went on from."""
        views = record.passes[self._pass_count :]
        batches = noted.batches if noted else []
        start = (saved["state"]["epoch"], saved["state"]["delivered"]) if saved else (0, 0)
        assert noted is None or noted.start == start
        if views:
            assert (views[0].epoch, views[0].first) == start
            self._abandon(start)
        for view in views:
            mine = [at for epoch, at, _ in batches if epoch == view.epoch]
            assert mine == list(range(view.first, view.first + len(mine)))
            in_flight = view.count - len(mine)
            assert in_flight == 0 or (in_flight == 1 and view is views[-1])
            places = [(view.epoch, at) for at in range(view.first, view.delivered)]
            self._deliveries[view.number] = [(place, self._fate(place)) for place in places]
        assert {epoch for epoch, _, _ in batches} <= {view.epoch for view in views}
        for epoch, at, digest in batches:
            assert digest == self._whole.digests[epoch, at]
        self._check_digests(record)
        self._check_fates(record)
        self._check_metrics(record, start, len(batches))
        self._pass_count = len(record.passes)

    def _abandon(self, start: Place) -> None:
        for delivered in self._deliveries.values():
            delivered[:] = [(place, "abandoned" if place >= start else fate) for place, fate in delivered]

    def _fate(self, place: Place) -> str:
        was_there = any(place == other for each in self._deliveries.values() for other, _ in each)
        return "again" if was_there else "delivered"

    def _check_digests(self, record: RunRecord) -> None:
        for view in record.passes[self._pass_count :]:
            recorded = record.digests(view.number).groups[view.first : view.delivered]
            assert recorded == self._whole.groups[view.epoch][view.first : view.delivered]

    def _check_fates(self, record: RunRecord) -> None:
        """None lost and none repeated but for what came after the checkpoint, which is abandoned."""
        standing: list[Place] = []
        for view in record.passes:
            told = [((view.epoch, at), view.fate(at)) for at in range(view.first, view.delivered)]
            assert told == self._deliveries[view.number], view
            standing += [place for place, fate in told if fate != "abandoned"]
        assert standing == self._whole.places[: len(standing)]

    def _check_metrics(self, record: RunRecord, start: Place, batch_count: int) -> None:
        """Steps and values are those of a training that was never killed."""
        found = record.history("loss") if "loss" in record.metric_keys else None
        steps = [] if found is None else found.step[self._metric_count :].tolist()
        values = [] if found is None else found.value[self._metric_count :].tolist()
        self._metric_count += len(steps)
        assert batch_count - 1 <= len(steps) <= batch_count
        first = sum(place < start for place in self._whole.places)
        assert steps == list(range(first + 1, first + 1 + len(steps)))
        assert values == self._whole.losses[first : first + len(steps)]

    def check_finished(self, run: wh.Run) -> None:
        """In the end there is nothing that a kill has changed."""
        assert run.status == "finished"
        (model,) = run.models[-1:]
        assert run.record.read_object(bytes.fromhex(model["digest"].removeprefix("sha256:"))) == (
            self._whole.weights
        )
        standing = [point for point in run.exposures() if point.fate != "abandoned"]
        assert [(point.epoch, point.batch, point.item) for point in standing] == self._whole.exposures
        chosen = random.Random(len(standing)).sample(standing, 3)
        for point in chosen:
            sample = run.replay(point.epoch, point.batch, point.item)
            assert isinstance(sample["pixels"], np.ndarray)
            (origin,) = run.trace(point.epoch, point.batch, point.item).origins
            assert origin.path is not None
