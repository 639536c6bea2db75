"""Workers that are killed, given what can't be sent, or left half-way: it is said, and nothing hangs."""

from __future__ import annotations

import gc
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import psutil
import pytest

import whence as wh
from whence.errors import OpError, PlanError, SourceError, UnshippableError, WorkerError

Way = Literal["fork", "spawn"]
BOTH = pytest.mark.parametrize("start", ["fork", "spawn"])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test there is no process and no shared memory that wasn't there before."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    memory = set(os.listdir("/dev/shm"))
    yield
    gc.collect()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    assert {
        name for name in os.listdir("/dev/shm") if name.startswith("whence-") and "oracle" not in name
    } <= memory


def double(value: int) -> int:
    return 2 * value


def die_at(value: int, place: int) -> int:
    if value == place:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def fail_at(value: int, place: int) -> int:
    if value == place:
        raise ValueError("a number that isn't liked")
    return value


@BOTH
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_samples_and_order_are_the_same(start: Way, workers: int) -> None:
    stream = wh.from_items(list(range(5_000))).map(double).filter(lambda value: value % 3)
    helped = stream.with_workers(workers, start=start)
    assert helped.collect() == stream.collect()
    assert helped.run() == helped.count() == stream.count()


@BOTH
def test_a_killed_worker_is_an_error_that_names_it_and_its_samples(
    start: Way, tmp_path: pathlib.Path
) -> None:
    stream = wh.from_items(range(5_000), name="numbers").map(die_at, place=3_000).with_workers(2, start=start)
    got: list[int] = []
    with pytest.raises(WorkerError) as caught, wh.start_run(workspace=tmp_path) as run:
        got.extend(stream)
    assert got == list(range(len(got)))
    assert "killed by signal 9 (SIGKILL)" in str(caught.value)
    assert "'numbers'" in str(caught.value)
    assert "'die_at'" in str(caught.value)
    (view,) = run.record.passes
    assert (view.delivered, view.is_complete) == (len(got), False)
    assert run.status == "failed"


def test_a_worker_that_was_killed_from_outside_is_noticed() -> None:
    others = set(psutil.Process().children())  # of earlier tests: joblib keeps one
    samples = iter(wh.from_items(range(10**6)).map(double).epoch(0, workers=2))
    assert next(samples) == 0
    next(each for each in psutil.Process().children() if each not in others).kill()
    with pytest.raises(WorkerError, match="SIGKILL"):
        list(samples)


@BOTH
def test_a_failing_sample_is_named_as_without_workers(start: Way) -> None:
    def failing(value: int) -> int:
        return fail_at(value, 3_210)

    stream = wh.from_items(range(5_000), name="numbers").filter(lambda value: value % 2 == 0).map(failing)
    errors = []
    for each in (stream, stream.with_workers(3, start=start)):
        with pytest.raises(OpError) as caught:
            each.collect()
        errors.append(caught.value)
    alone, helped = errors
    assert str(alone) == str(helped)
    assert "sample 1605 (numbers, row 3210)" in str(helped)
    assert (alone.op, alone.position, alone.origin) == (helped.op, helped.position, helped.origin)
    assert isinstance(helped.__cause__, ValueError)
    assert "in fail_at" in str(helped.__cause__.__cause__)


def test_quarantined_samples_are_the_same(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(range(3_000), name="numbers").filter(lambda value: value % 2 == 0)
    stream = stream.map(lambda value: 1 // (value % 7), on_error="quarantine", name="risky")
    asides = []
    for workers in (0, 3):
        with wh.start_run(workspace=tmp_path) as run:
            stream.run(workers=workers)
        asides.append(list(run.record.set_aside(0)))
    assert asides[0] == asides[1] != []


class OddError(Exception):
    """An error that can't be made again from its arguments."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__("odd")


def test_an_error_that_cannot_be_sent_is_still_told() -> None:
    def raising(value: int) -> int:
        raise OddError(1, 2)

    with pytest.raises(OpError, match="OddError: odd") as caught:
        wh.from_items([1]).map(raising).collect(workers=1)
    assert "OddError: odd" in str(caught.value.__cause__)


def test_a_program_that_is_ended_by_a_function_ends() -> None:
    with pytest.raises(SystemExit, match="7"):
        wh.from_items([1]).map(lambda _: sys.exit(7)).collect(workers=1)


def test_a_bad_row_is_named_as_without_workers(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3_000)) + "{bad\n")
    stream = wh.from_jsonl(path).map(lambda row: row["n"])
    errors = []
    for workers in (0, 2):
        with pytest.raises(SourceError) as caught:
            stream.collect(workers=workers)
        errors.append((str(caught.value), caught.value.place))
    assert errors[0] == errors[1]


def test_a_source_that_fails_does_so_after_what_it_gave() -> None:
    def numbers() -> Iterator[int]:
        yield from range(500)
        raise RuntimeError("the source is gone")

    got: list[int] = []
    with pytest.raises(RuntimeError, match="the source is gone"):
        got.extend(wh.from_items(numbers()).map(double).epoch(0, workers=2))
    assert got == [2 * value for value in range(len(got))]
    assert got


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_came_before_a_failure_is_delivered_in_whole_batches(workers: int) -> None:
    pairs = wh.from_items(range(9)).zip(wh.from_items(iter(range(7))), combine=lambda one, other: one + other)
    got: list[list[int]] = []
    with pytest.raises(OpError, match="goes on"):
        got.extend(pairs.batch(2, collate=list).map(list).epoch(0, workers=workers))
    assert got == [[0, 2], [4, 6], [8, 10]]


def test_a_function_that_cannot_be_sent_is_named() -> None:
    lock = threading.Lock()

    def locked(value: int) -> int:
        with lock:
            return value

    stream = wh.from_items(range(10)).map(double).map(locked)
    with pytest.raises(UnshippableError, match=r"op 'locked' can't be sent to a worker: .*lock") as caught:
        stream.with_workers(2, start="spawn").collect()
    assert "workers=0" in caught.value.remedy
    assert stream.with_workers(2, start="fork").collect() == list(range(0, 20, 2))


@BOTH
def test_an_output_that_cannot_be_sent_names_its_op(start: Way) -> None:
    def lock_of(value: int) -> Any:
        return threading.Lock()

    stream = wh.from_items(range(10)).map(lock_of).with_workers(2, start=start)
    with pytest.raises(UnshippableError, match="what op 'lock_of' made can't be sent"):
        stream.collect()
    assert stream.run() == 10  # where nobody wants to see them, they need not be sent


def test_an_input_that_cannot_be_sent_names_its_place() -> None:
    locks = iter([threading.Lock() for _ in range(3)])
    with pytest.raises(UnshippableError, match="samples 0 to 2 of 'locks'"):
        wh.from_items(locks, name="locks").map(id).collect(workers=2)


@BOTH
def test_left_half_way_its_workers_end(start: Way) -> None:
    before = len(psutil.Process().children())
    samples = iter(wh.from_items(range(10**6)).map(double).with_workers(2, start=start))
    next(samples)
    assert len(psutil.Process().children()) == before + 2
    samples.close()
    assert len(psutil.Process().children()) == before


def test_forgotten_half_way_its_workers_end() -> None:
    before = len(psutil.Process().children())
    for value in wh.from_items(range(10**6)).map(double).epoch(0, workers=2):
        if value > 100:
            break
    gc.collect()
    assert len(psutil.Process().children()) == before


def test_no_worker_begins_where_there_is_nothing_to_do() -> None:
    before = len(psutil.Process().children())
    samples = iter(wh.from_items(range(10)).take(5).epoch(0, workers=4))
    assert next(samples) == 0
    assert len(psutil.Process().children()) == before


@pytest.mark.parametrize("workers", [-1, 1.5, "two", True])
def test_a_number_of_workers_that_is_none_is_refused(workers: Any) -> None:
    with pytest.raises(PlanError, match="wanted a whole number"):
        wh.from_items([1]).with_workers(workers)
    with pytest.raises(PlanError, match="wanted a whole number"):
        wh.from_items([1]).epoch(0, workers=workers)
    with pytest.raises(PlanError, match="start='thread'"):
        wh.from_items([1]).with_workers(1, start="thread")  # type: ignore[arg-type]  # what is refused


def test_arrays_come_back_as_they_are() -> None:
    images = np.random.default_rng(1).integers(0, 255, (300, 28, 28), np.uint8)
    stream = wh.from_arrays(image=images).map(lambda row: {"image": row["image"].astype(np.float32)})
    for batch, again in zip(stream.batch(64), stream.batch(64).epoch(0, workers=2), strict=True):
        assert batch["image"].dtype == again["image"].dtype
        assert (batch["image"] == again["image"]).all()
    again["image"][:] = 0  # and can be written


def test_a_program_needs_no_guard_and_is_interrupted_at_once(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, time
        import whence as wh

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

        def slow(value):
            time.sleep(0.01)
            return value

        for value in wh.from_items(range(10**6)).map(slow).with_workers(2, start="spawn"):
            print(value, *[], flush=True)
        """)
    )
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\n"
        workers = psutil.Process(process.pid).children()
        for each in (process.pid, *(worker.pid for worker in workers)):
            os.kill(each, signal.SIGINT)  # as a terminal does to all of them
        process.stdout.read()
        said = process.stderr.read()
    assert len(workers) == 2
    assert said.count("Traceback") == 1
    assert "KeyboardInterrupt" in said
    assert not psutil.wait_procs(workers, timeout=10)[1]
