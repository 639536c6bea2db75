"""Beginning a run, or going on with one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from whence.errors import InputError, WhenceError
from whence.query import write_reach
from whence.runs import LiveRun, RunRecord, check_name
from whence.store import Folder, RunWriter
from whence.streams import Readable, Stream
from whence.workspace.run import Run
from whence.workspace.saving import Saved
from whence.workspace.witnessing import ask_friends
from whence.workspace.workspace import Workspace


def start_run(
    name: str | None = None,
    *,
    resume: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    workspace: str | os.PathLike[str] | Workspace | None = None,
) -> Run:
    """Begin a run, or go on with one; use it with `with`, or end it with `finish()`.

    Args:
        name: what you call it; need not be unique.
        resume: the name or id of a run to go on with, which died, failed or finished: what is logged and
            read is added to it. To go on with a stream as well, see `Stream.resume`.
        params: its parameters; added to those of a run that is resumed.
        tags: its tags; the same.
        workspace: where it is recorded; default as for `open`.

    Raises:
        InputError: both a name and a run to resume are given.
        NotFoundError: there is no run to resume of that name.
        StoreBusyError: another process is writing the run, or is resuming it at this moment.
        DamagedError: the record of the run isn't whole; says where.
        StoreReadOnlyError, StoreFullError, StoreVersionError, StoreError: it can't be recorded there.

    Cost: of a run that is resumed, one reading of its folder.
    """
    path = workspace.path if isinstance(workspace, Workspace) else workspace
    folder = Folder.find(path)
    run_id = None if resume is None else _run_to_resume(folder, resume, name)
    live = LiveRun(
        folder,
        title=name or "",
        params=params,
        tags=tags,
        resume=run_id,
        before_sealing=_keep_reach,
        after_logging=ask_friends,
    )
    run = Run(folder, live=live)
    _begun[:] = [each for each in _begun if each.is_open] + [run]
    return run


_begun: list[Run] = []


def open_runs() -> list[Run]:
    """List the runs that this process has begun and not ended, in the order in which they began."""
    return [run for run in _begun if run.is_open]


def save_stream(stream: Readable, name: str, *, message: str = "", workers: int | None = None) -> Saved:
    """Save a stream in the run that was begun last; outside a run, in one that is begun for it."""
    if open_runs():
        return open_runs()[-1].save(stream, name, message=message, workers=workers)
    with start_run(f"save {check_name('save', name)}") as run:
        return run.save(stream, name, message=message, workers=workers)


def from_dataset(reference: str, *, workspace: str | os.PathLike[str] | Workspace | None = None) -> Stream:
    """Begin with the rows of a dataset version: `digits-clean@3`, `@latest`, `@champion`, `@sha256:…`.

    Args:
        reference: the version; a name alone means the newest one. What it means now is recorded, by number.
        workspace: where it is; default as for `open`.

    Raises:
        NotFoundError: there is no such version.
    """
    found = workspace if isinstance(workspace, Workspace) else Workspace(Folder.find(workspace))
    return found.dataset(reference).stream()


def _run_to_resume(folder: Folder, resume: Any, name: str | None) -> str:
    if name is not None:
        raise InputError(
            f"start_run({name!r:.40}, resume={resume!r:.40}): a run that is resumed keeps its name",
            remedy="Leave one of them out; a note or a tag can say more.",
        )
    if not isinstance(resume, str) or not resume:
        raise InputError(
            f"start_run(resume={resume!r:.40}): wanted the name or id of a run",
            remedy='Write resume="quiet-otter-17"; run.name says it while the run goes on.',
        )
    return Workspace(folder).find_id(resume)


def _keep_reach(writer: RunWriter) -> None:
    """Keep with a run what its rows reached; without it, questions about rows open the run."""
    with contextlib.suppress(WhenceError):  # what can't be made of the record isn't worth the run
        write_reach(RunRecord.read(writer.folder, writer.run_id), writer)
