"""Parts of a run: what processes that were forked from it log, each in a journal of its own.

A writer has one process; so one that was forked from it can't write its journal, and needn't wait for it. Its
part begins with the first thing that it logs, and is a run like any other that says of which run it is a
part. Read, the metrics, parameters, tags and notes of parts are those of their run: of what was logged in
several places the latest counts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from whence.capture import CleanWriter
from whence.errors import NotFoundError, StoreError
from whence.runs.naming import friendly_name, make_run_id
from whence.store import Folder, Journal, RunWriter, note_part, part_ids, read_journal


class Forkable(Protocol):
    """What wants to know that it is in a forked process now."""

    def forked(self) -> None:
        """This is a process that was forked from the one in which it was made."""


_watching: weakref.WeakSet[Forkable] = weakref.WeakSet()


def watch_forks(watcher: Forkable) -> None:
    """Tell something of every fork from now on, in the new process, as long as it is there."""
    _watching.add(watcher)


def _tell_of_fork() -> None:
    for watcher in list(_watching):
        watcher.forked()


os.register_at_fork(after_in_child=_tell_of_fork)


class UnbegunPart:
    """Stands for the writer of a part until something is logged; then it is that writer.

    Args:
        begin: begins the part.
    """

    is_open = True

    def __init__(self, begin: Callable[[], CleanWriter]) -> None:
        self._begin = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._begin(), name)


def begin_part(folder: Folder, run_id: str, *, at_end: Callable[[], object]) -> CleanWriter:
    """Begin the part of a run that this process logs.

    Args:
        folder: the workspace.
        run_id: the run.
        at_end: ends the part when the process ends as those of `multiprocessing` do, without the exit
            functions of the interpreter.

    Raises:
        StoreFullError, StoreReadOnlyError, StoreError: it can't be written.
    """
    part_id = make_run_id(time.time_ns() // 1_000_000, secrets.token_bytes(10))
    writer = CleanWriter(folder, part_id)
    try:
        writer.append("run_start", {"name": friendly_name(part_id), "part_of": run_id}, {"title": ""})
        note_part(folder.run_path(run_id), part_id)
        writer.sync()
        writer.endure()
    except BaseException:
        writer.discard()
        raise
    processes: Any = sys.modules.get("multiprocessing.util")
    if processes is not None:
        processes.Finalize(None, at_end, exitpriority=0)
    return writer


def end_part(folder: Folder, run_id: str, part: RunWriter) -> None:
    """Let those who look at the run see that a part has ended."""
    with contextlib.suppress(StoreError):
        note_part(folder.run_path(run_id), part.run_id)


def read_parts(folder: Folder, run_id: str) -> tuple[list[Journal], list[str]]:
    """Read the parts of a run, in the order in which they began; and name those that aren't here.

    Raises:
        StoreError: one can't be read.
    """
    found, missing = [], []
    for part_id in part_ids(folder.run_path(run_id)):
        try:
            found.append(read_journal(folder, part_id))
        except NotFoundError:
            missing.append(part_id)
    return found, missing
