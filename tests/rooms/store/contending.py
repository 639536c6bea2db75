"""Many processes at one workspace: all begin at one moment, and what they wrote is checked."""

from __future__ import annotations

import os
import pathlib
import sys
import threading
import traceback
from collections.abc import Callable

import whence as wh


def together(count: int, act: Callable[[int], None]) -> list[int]:
    """Do something in so many forked processes, released at one moment; gives their exit codes."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 3
            try:
                os.write(ready[1], b"x")
                os.close(go[1])
                os.read(go[0], 1)  # until all are there
                act(number)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    for _ in children:
        os.read(ready[0], 1)
    for each in (*ready, *go):
        os.close(each)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def write_run(place: pathlib.Path, number: int, count: int) -> None:
    """Write a run of so many calls, of three kinds."""
    with wh.start_run(f"writer {number}", workspace=place) as run:
        for each in range(count):
            if each % 20 == 0:
                run.log_param(f"p{each}", each)
            elif each % 10 == 0:
                run.log_note(f"{number} {each}")
            else:
                run.log_metric("n", each, step=each)


def check_run(run: wh.Run, number: int, count: int) -> None:
    """Check that all of it is there."""
    steps = [each for each in range(count) if each % 10]
    assert run.title == f"writer {number}"
    assert run.history("n").step.tolist() == steps
    assert run.history("n").value.tolist() == steps
    assert run.params == {f"p{each}": each for each in range(0, count, 20)}
    assert run.notes == [f"{number} {each}" for each in range(10, count, 20)]
    assert run.status == "finished"


def write_in_threads(run: wh.Run, threads: int, count: int) -> None:
    """Write one run from several threads."""

    def write(number: int) -> None:
        for each in range(count):
            run.log_metric(f"n{number}", each)
            if each % 50 == 0:
                run.log_note(f"{number} {each}")

    begun = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
    for thread in begun:
        thread.start()
    for thread in begun:
        thread.join()
