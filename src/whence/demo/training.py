"""Running the pipeline as the program that it is, and watching its record grow meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import whence as wh
from whence.demo.images import SCRIPT, Prepared, shown
from whence.errors import InputError, NotFoundError

_TICK_S = 0.1
_EPOCHS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training that ended well.

    Args:
        run: its run, read from the record.
        samples: how many were delivered, for training and for testing.
        samples_per_s: of those, over the whole run.
        said: what the program printed.
    """

    run: wh.Run
    samples: int
    samples_per_s: float
    said: str


def train(prepared: Prepared) -> Training:
    """Run the pipeline in its folder; a bar on standard error shows how far it is, if that is a terminal.

    Raises:
        InputError: it failed; the message has the last line of what it said.
    """
    store = prepared.folder / ".whence"
    workspace = wh.open(store)
    workspace.make()
    before = _newest(workspace)
    program = subprocess.Popen(
        [sys.executable, SCRIPT],
        cwd=prepared.folder,
        env=os.environ | {"WHENCE_HOME": str(store)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        said, complained = _watch(program, workspace, before, prepared.image_count * _EPOCHS)
    if program.returncode != 0:
        reason = (complained.strip().splitlines() or [f"exit code {program.returncode}"])[-1]
        raise InputError(
            f"{prepared.folder / SCRIPT} failed: {reason}",
            remedy=f"Run it by itself to see all of it: cd {shown(prepared.folder)} && python {SCRIPT}",
        )
    run = _newest(workspace)
    is_new = run is not None and (before is None or run.id != before.id)
    samples = sum(1 for _ in run.exposures()) if run is not None and is_new else 0
    if run is None or not samples:
        raise InputError(
            f"{prepared.folder / SCRIPT} recorded nothing",
            remedy=f"Delete {SCRIPT} there to have the demo's own again.",
        )
    return Training(run=run, samples=samples, samples_per_s=samples / run.totals["wall_s"], said=said)


def _count_so_far(run: wh.Run) -> int:
    """Count the samples that a running run has delivered, in whole batches."""
    count = 0
    streams = {stream.number: stream for stream in run.streams}
    for each in run.passes:
        node = streams[each.stream].nodes[streams[each.stream].items_at]
        count += each.count * (int(node["params"]["size"]) if node["kind"] == "batch" else 1)
    return count


def _watch(
    program: subprocess.Popen[str], workspace: wh.Workspace, before: wh.Run | None, expected: int
) -> tuple[str, str]:
    """Wait for the program; meanwhile its growing record moves the bar."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return program.communicate()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("samples"),
        TextColumn("{task.fields[pace]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=expected, pace="")
        while True:
            try:
                return program.communicate(timeout=_TICK_S)
            except subprocess.TimeoutExpired:
                run = _newest(workspace)
            if run is None or (before is not None and run.id == before.id):
                continue
            count = min(_count_so_far(run), expected)
            elapsed = progress.tasks[0].elapsed or 0
            loss = run.metrics.get("loss")
            progress.update(
                task,
                completed=count,
                pace=f"{count / elapsed:,.0f} samples/s" if elapsed else "",
                description="training" if loss is None else f"training, loss {loss:.2f}",
            )


def _newest(workspace: wh.Workspace) -> wh.Run | None:
    try:
        return workspace.run()
    except NotFoundError:
        return None
