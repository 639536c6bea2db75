"""Processes are begun in both ways, and surely end: with the pool, by a signal, with who began them."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import psutil
import pytest

from whence.errors import UnshippableError, WorkerError
from whence.processes import Channel, GoneError, Pool, Start

BOTH: list[Start] = ["fork", "spawn"]
pytestmark = pytest.mark.parametrize("start", BOTH)


def echo(channel: Channel) -> None:
    """Send back what comes, with the process it came to."""
    while True:
        head, body = channel.receive()
        if head == ("die",):
            os.kill(os.getpid(), body)
        if head == ("exit",):
            os._exit(body)
        channel.send((os.getpid(),), body)


@pytest.fixture
def pool(start: Start) -> Any:
    made = Pool(echo, 2, start=start)
    yield made
    made.close()


def ask(pool: Pool, worker: int, head: tuple[Any, ...], body: Any = None) -> tuple[tuple[Any, ...], Any]:
    pool.send(worker, head, body)
    ((number, answered, answer),) = pool.receive(wait=True)
    assert number == worker
    return answered, answer


def test_each_worker_is_a_process_of_its_own(pool: Pool) -> None:
    pids = {ask(pool, worker, ("echo",), worker)[0][0] for worker in (0, 1)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_nothing_comes_where_nothing_was_asked(pool: Pool) -> None:
    assert pool.receive(wait=False) == []


def test_closing_leaves_no_process_behind(pool: Pool) -> None:
    pids = [ask(pool, worker, ("echo",))[0][0] for worker in (0, 1)]
    pool.close()
    pool.close()
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_is_named_with_its_signal(pool: Pool, number: signal.Signals) -> None:
    ask(pool, 0, ("echo",))
    pool.send(1, ("die",), int(number))
    with pytest.raises(GoneError, match=number.name) as caught:
        pool.receive(wait=True)
    assert caught.value.worker == 1


def test_a_worker_that_ends_itself_is_named_with_its_code(pool: Pool) -> None:
    pool.send(0, ("exit",), 3)
    with pytest.raises(GoneError, match="exit code 3"):
        pool.receive(wait=True)
    with pytest.raises(GoneError):
        pool.send(0, ("echo",))


def test_an_interrupt_is_not_for_the_workers(pool: Pool) -> None:
    (pid,), _ = ask(pool, 0, ("echo",))
    os.kill(pid, signal.SIGINT)
    assert ask(pool, 0, ("echo",), "still here")[1] == "still here"


def test_workers_end_with_the_process_that_began_them(tmp_path: pathlib.Path, start: Start) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, time
        from whence.processes import Pool

        def busy(channel):
            channel.send((os.getpid(),))
            while True:
                time.sleep(0.01)

        pool = Pool(busy, 2, start={start!r})
        found = []
        while len(found) < 2:
            found += [head[0] for _, head, _ in pool.receive(wait=True)]
        print(*found, flush=True)
        os.kill(os.getpid(), 9)
        """)
    )
    made = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)
    pids = [int(pid) for pid in made.stdout.split()]
    assert len(pids) == 2, made.stderr
    _gone, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=10
    )
    assert not alive


def test_a_program_needs_no_guard_and_may_come_from_anywhere(start: Start) -> None:
    program = textwrap.dedent(f"""
        from whence.processes import Pool
        print("once")
        class Here: pass
        def answer(channel):
            channel.receive()
            channel.send(("made",), Here())
        pool = Pool(answer, 1, start={start!r})
        pool.send(0, ("go",))
        print(type(pool.receive(wait=True)[0][2]) is Here)
        pool.close()
    """)
    made = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, check=False, timeout=60
    )
    assert made.stdout.split() == ["once", "True"], made.stderr
    assert made.stderr == ""


def test_what_cannot_be_sent_begins_nothing(start: Start) -> None:
    lock = threading.Lock()

    def run(channel: Channel) -> None:
        with lock:
            channel.send(("had it",))

    if start == "fork":
        pool = Pool(run, 1, start=start)
        assert pool.receive(wait=True)[0][1] == ("had it",)
        pool.close()
        return
    before = len(psutil.Process().children())
    with pytest.raises(UnshippableError, match="lock"):
        Pool(run, 1, start=start)
    assert len(psutil.Process().children()) == before


def test_a_system_without_processes_to_give_is_said(monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WorkerError, match="worker 0 can't be started: Resource temporarily unavailable"):
        Pool(echo, 2, start=start)
