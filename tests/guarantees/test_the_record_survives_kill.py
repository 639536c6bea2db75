"""Promise: kill -9 at any moment under load loses no call that returned, and invents none.

A process logs from several threads, reads a stream and keeps models, and counts in memory that it shares with
this one what has returned. It is killed, and another one goes on with the run.
"""

from __future__ import annotations

import mmap
import os
import pathlib
import random
import shutil
import signal
import threading
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field

import pytest

import whence as wh
from tests.survival.load import ROWS, SIZE, is_wanted
from whence.errors import NotFoundError

SESSIONS = 8
COUNTED = ("point 0", "point 1", "pair", "note", "text", "model", "batch")
BEGUN, REOPENED_NS = len(COUNTED), len(COUNTED) + 1


def model_of(session: int, number: int) -> bytes:
    """The content of a model: every other one is large."""
    return random.Random(f"{session}.{number}").randbytes(500 + 80_000 * (number % 2))


@dataclass
class Shared:
    """Counters that outlive whoever counts."""

    page: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, mmap.PAGESIZE))

    def __post_init__(self) -> None:
        self.counters = memoryview(self.page).cast("q")

    def clear(self) -> None:
        """Begin again."""
        self.page[:] = bytes(len(self.page))

    def returned(self, what: str) -> int:
        """How many calls of a kind returned."""
        return self.counters[COUNTED.index(what)]


def work(folder: pathlib.Path, session: int, shared: Shared) -> None:
    """Log everything there is until somebody ends it."""
    counters = shared.counters
    began = time.perf_counter_ns()
    if session:
        run = wh.start_run(resume=wh.open(folder).run().id, workspace=folder)
    else:
        run = wh.start_run("killed", workspace=folder)
    counters[REOPENED_NS] = time.perf_counter_ns() - began
    counters[BEGUN] = 1

    def log_points(thread: int) -> None:
        for number in range(1_000_000):
            run.log_metric(f"{session}.{thread}", number, step=number)
            counters[thread] = number + 1

    def log_texts() -> None:
        for number in range(1_000_000):
            run.log_metrics({f"{session}.a": number, f"{session}.b": -number}, step=number)
            counters[2] = number + 1
            run.log_note(f"{session}.{number}")
            counters[3] = number + 1
            run.log_model(f"model-{session}", model_of(session, number))
            counters[5] = number + 1
            run.log_text(f"text {number}", f"text {session}.{number}")
            counters[4] = number + 1

    threads = [threading.Thread(target=log_points, args=(each,), daemon=True) for each in range(2)]
    threads.append(threading.Thread(target=log_texts, daemon=True))
    for thread in threads:
        thread.start()
    rows = wh.from_items(list(range(ROWS)), name="rows").filter(is_wanted, reason="a fifth")
    stream = rows.batch(SIZE).named("train")
    for epoch in range(session * 1_000, session * 1_000 + 1_000):
        for _ in stream.epoch(epoch):
            counters[6] += 1


def kill(folder: pathlib.Path, session: int, shared: Shared, chance: random.Random) -> None:
    """Begin a process and kill it: while it begins or goes on with the run, or at its work."""
    shared.clear()
    child = os.fork()
    if child == 0:
        try:
            warnings.simplefilter("ignore")
            work(folder, session, shared)
        except BaseException:
            (folder / "failed").write_text(traceback.format_exc())
        os._exit(3)
    if chance.random() < 0.8:
        while not shared.counters[BEGUN] and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.001)
        time.sleep(chance.random() ** 2 * 0.5)
    else:
        time.sleep(chance.random() * 0.15)
    if not (folder / "failed").exists():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert not (folder / "failed").exists(), (folder / "failed").read_text()


def check_session(run: wh.RecordedRun, session: int, shared: Shared) -> Counter[str]:
    """All that returned is there, and at most the one call more that was on its way."""
    found = {
        **{f"point {each}": numbers_of(run, f"{session}.{each}") for each in range(2)},
        "pair": numbers_of(run, f"{session}.a"),
        "note": [int(note.split(".")[1]) for note in run.notes if note.startswith(f"{session}.")],
    }
    texts = [each["name"] for each in run.artifacts if each["name"].startswith(f"text {session}.")]
    found["text"] = [int(name.split(".")[1]) for name in texts]
    models = [model for model in run.models if model["name"] == f"model-{session}"]
    found["model"] = list(range(len(models)))
    for number, model in enumerate(models):
        content = run.record.read_object(bytes.fromhex(model["digest"].removeprefix("sha256:")))
        assert content == model_of(session, number)
    assert numbers_of(run, f"{session}.b") == [-number for number in found["pair"]], (
        "all points of a call or none"
    )
    for what, numbers in found.items():
        assert numbers == list(range(len(numbers))), what
        assert shared.returned(what) <= len(numbers) <= shared.returned(what) + 1, what
    passes = [view for view in run.passes if view.epoch // 1_000 == session]
    delivered = sum(view.delivered for view in passes)
    assert shared.returned("batch") <= delivered <= shared.returned("batch") + 1
    if passes and passes[-1].delivered:
        trace = run.trace(epoch=passes[-1].epoch, batch=passes[-1].delivered - 1)
        wanted = [row for row in range(ROWS) if is_wanted(row)]
        first = (passes[-1].delivered - 1) * SIZE
        assert [origin.row for origin in trace.origins] == wanted[first : first + SIZE]
    return Counter({what: len(numbers) for what, numbers in found.items()} | {"batch": delivered})


def numbers_of(run: wh.RecordedRun, key: str) -> list[int]:
    """The values of a metric."""
    found: list[int] = run.history(key).value.astype(int).tolist() if key in run.metrics else []
    return found


def kill_often(folder: pathlib.Path, kills: int, seed: int) -> tuple[Counter[str], float]:
    """Kill processes so many times; tells what was recorded, and how long the longest reopening took."""
    chance, shared = random.Random(seed), Shared()
    recorded: Counter[str] = Counter()
    slowest_s = 0.0
    session = 0
    for number in range(kills):
        if session == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        kill(folder, session, shared, chance)
        began = time.perf_counter()
        try:
            run = wh.open(folder).run()
        except NotFoundError:
            assert not shared.counters[BEGUN]
            assert session == 0
            continue
        read_s = time.perf_counter() - began
        slowest_s = max(slowest_s, read_s + shared.counters[REOPENED_NS] / 1e9 * bool(session))
        recorded += check_session(run, session, shared)
        assert run.status == "lost"
        assert run.record.gaps == []
        if number % 5 == 0:
            verdict = wh.open(folder).verify()
            assert verdict.holds, verdict.findings
        session = (session + 1) % SESSIONS
    return recorded, slowest_s


def test_a_process_killed_at_any_moment_loses_nothing_that_returned(tmp_path: pathlib.Path) -> None:
    recorded, _ = kill_often(tmp_path / "work", 24, seed=1)
    assert set(recorded) == set(COUNTED), "or nothing was held against anything"


@pytest.mark.long
def test_a_thousand_kills_lose_nothing_that_returned(tmp_path: pathlib.Path) -> None:
    kills = int(os.environ.get("WHENCE_KILLS") or 1_000)
    seed = int(os.environ.get("WHENCE_KILLS_SEED") or 0)
    recorded, slowest_s = kill_often(tmp_path / "work", kills, seed=seed)
    print(
        f"{kills} kills, 0 lost, 0 invented of {dict(recorded)}; the slowest reopening took {slowest_s:.2f} s"
    )
