"""A workspace: all runs of a folder, and the questions on them together."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from whence.errors import NotFoundError, WhenceError
from whence.query import (
    Finding,
    Impact,
    Outline,
    Replay,
    RunDiff,
    Trace,
    Verdict,
    diff_runs,
    find_impact_across,
    parse_address,
    parse_where,
    trace_address,
    verify_runs,
)
from whence.runs import RunRecord
from whence.store import Catalog, Folder, decode_content
from whence.workspace.listing import catalog_row
from whence.workspace.models import Model, find_model, list_models
from whence.workspace.run import Run


class Workspace:
    """All runs of a folder.

    Args:
        folder: the workspace on disk.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._cataloged: Catalog | None = None
        self._kept_outlines: dict[tuple[str, str], Outline] = {}

    def __repr__(self) -> str:
        return f"<whence workspace {self.path}>"

    @property
    def path(self) -> pathlib.Path:
        """Where it is."""
        return self._folder.path

    @property
    def exists(self) -> bool:
        """Whether anything was ever recorded in it."""
        return self._folder.exists

    def make(self) -> None:
        """Make its folder, which the first run would do as well."""
        self._folder.make()

    def summaries(self, where: str | None = None) -> list[dict[str, Any]]:
        """Summarise the runs, newest first: id, name, title, status, times, params, metrics, tags.

        Args:
            where: a condition, such as `metrics.loss < 0.3 and params.lr = 0.1`; None for all runs.

        Raises:
            InputError: the condition can't be read; the message says where.
        """
        found = self._catalog().summaries()
        return list(found) if where is None else list(filter(parse_where(where), found))

    def runs(self, where: str | None = None) -> list[Run]:
        """Open the runs for which a condition holds, newest first; see `summaries`.

        Runs whose process died before it wrote anything are left out.

        Raises:
            StoreError: a run can't be read.
        """
        if where is None:
            return list(self._opened(self._newest_first()))
        return list(self._opened(summary["id"] for summary in self.summaries(where)))

    def run(self, name: str | None = None) -> Run:
        """Open a run by its name, id or the beginning of its id; the newest one without a name.

        Raises:
            NotFoundError: there is none.
        """
        if name is None:
            newest = next(self._opened(self._newest_first()), None)
            if newest is not None:
                return newest
        return self._open_run(self.find_id(name))

    def find_id(self, name: str | None) -> str:
        """Find the id of a run by its name, its id or the beginning of it; raises `NotFoundError`."""
        found = [] if name is None else self._catalog().find(name)
        if not found:
            near = ", ".join(summary["name"] for summary in self.summaries()[:3])
            raise NotFoundError(
                f"no run {name!r:.80} in {self.path}" if name is not None else f"no runs in {self.path}",
                remedy=f"The newest are: {near}." if near else "Record one: with wh.start_run(): ...",
            )
        if len(found) > 1:
            raise NotFoundError(f"{name!r} names {len(found)} runs: {', '.join(found)}", remedy="Give an id.")
        return found[0]

    def model(self, reference: str) -> Model:
        """Open a model by `NAME`, `NAME@VERSION` or `NAME@latest`; raises `NotFoundError`."""
        return find_model(self.runs(), reference, place=self.path)

    def models(self, name: str | None = None) -> list[Model]:
        """List the models, or the versions of one, oldest first."""
        return list_models(self.runs(), name)

    def trace(self, address: str) -> Trace:
        """Whence: trace the sample at an address, `RUN@EPOCH:BATCH.ITEM`."""
        parsed = parse_address(address)
        return trace_address(self.run(parsed.run).record, parsed)

    def replay(self, address: str, *, roots: Mapping[str, str] | None = None) -> Replay:
        """Again: make the sample at an address once more and say what is equal and what differs."""
        parsed = parse_address(address)
        return self.run(parsed.run).replayer(roots=roots).replay(parsed)

    def impact(self, origin: str | os.PathLike[str], rows: Sequence[int] | None = None) -> Impact:
        """Whither: find where a file, a source or some of its rows went, in all runs."""
        outlines, problems = self._outlines()
        return find_impact_across(outlines, origin, rows=rows, unreadable=problems)

    def diff(self, before: str | Run, after: str | Run | None = None) -> RunDiff:
        """Compare two runs: parameters, operations with their code, what was read, packages, metrics.

        Args:
            before: a run, its name or id.
            after: another; the newest one by default.

        Raises:
            NotFoundError: there is no such run.
        """
        opened = (each if isinstance(each, Run) else self.run(each) for each in (before, after))
        return diff_runs(*(run.record for run in opened))

    def verify(self) -> Verdict:
        """Check every journal, segment and object."""
        records, begun, unreadable = self._read_all()
        notes = [f"{run_id}: its process died before it wrote anything" for run_id in begun]
        return verify_runs(records, unreadable=unreadable, notes=notes)

    def _outlines(self) -> tuple[list[Outline], list[str]]:
        """Outline every run, newest first; and say which can't be read."""
        found: list[Outline] = []
        problems: list[str] = []
        kept: dict[tuple[str, str], Outline] = {}
        for run_id, stamp, content in self._catalog().outlines():
            outline = self._kept_outlines.get((run_id, stamp))
            if outline is None and content is not None:
                path = self._folder.run_path(run_id)
                opened = functools.partial(RunRecord.read, self._folder, run_id)
                outline = kept[run_id, stamp] = Outline(decode_content(content), path, opened)
            elif outline is not None:
                kept[run_id, stamp] = outline
            else:
                try:
                    outline = Outline.of(RunRecord.read(self._folder, run_id))
                except NotFoundError:
                    continue  # only begun: nothing was read in it
                except WhenceError as error:
                    problems.append(f"{self._folder.run_path(run_id)}: {error.message}")
                    continue
            found.append(outline)
        self._kept_outlines = kept
        return found, problems

    def _read_all(self) -> tuple[list[RunRecord], list[str], list[Finding]]:
        """Read every run, oldest first; and name those only begun, and those that can't be read."""
        records: list[RunRecord] = []
        begun: list[str] = []
        unreadable: list[Finding] = []
        for run_id in self._folder.run_ids():
            try:
                records.append(RunRecord.read(self._folder, run_id))
            except NotFoundError:
                begun.append(run_id)
            except WhenceError as error:
                unreadable.append(Finding(where=str(self._folder.run_path(run_id)), problem=error.message))
        return records, begun, unreadable

    def _newest_first(self) -> Iterator[str]:
        return reversed(self._folder.run_ids())

    def _opened(self, run_ids: Iterable[str]) -> Iterator[Run]:
        for run_id in run_ids:
            with contextlib.suppress(NotFoundError):
                yield self._open_run(run_id)

    def _open_run(self, run_id: str) -> Run:
        return Run(self._folder, record=RunRecord.read(self._folder, run_id))

    def _catalog(self) -> Catalog:
        if self._cataloged is None:
            self._cataloged = Catalog(self._folder, summarise=functools.partial(catalog_row, self._folder))
        self._cataloged.refresh()
        return self._cataloged


def open(path: str | os.PathLike[str] | None = None) -> Workspace:
    """Open a workspace; nothing is made before the first write.

    Args:
        path: the folder; default: `WHENCE_HOME`, else the nearest `.whence` upward, else `./.whence`.
    """
    return Workspace(Folder.find(path))
