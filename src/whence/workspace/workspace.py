"""A workspace: all runs of a folder, and the questions on them together."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whence.errors import InputError, NotFoundError, StoreError, WhenceError
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
    outline_of,
    parse_address,
    parse_where,
    trace_address,
    verify_runs,
    write_reach,
)
from whence.runs import LiveRun, RunRecord, finite_or_none
from whence.store import Catalog, CatalogRow, Folder, RunWriter, decode_content
from whence.vocab import digest_text
from whence.workspace.run import Run, time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A version of a model.

    Args:
        name: its name.
        version: counts the versions of the name by time, from 1.
        digest: of its bytes.
        size_bytes: how many there are.
        metadata: as it was given.
        run: the run that made it.
    """

    name: str
    version: int
    digest: str
    size_bytes: int
    metadata: dict[str, Any]
    run: Run

    def load_bytes(self) -> bytes:
        """Read its bytes, checked against the digest."""
        return self.run.record.read_object(bytes.fromhex(self.digest.removeprefix("sha256:")))


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
        return self._open_run(self._find_id(name))

    def _find_id(self, name: str | None) -> str:
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
        name, _, version = reference.partition("@")
        versions = self.models(name)
        if not versions:
            raise NotFoundError(f"no model {name!r} in {self.path}", remedy="whence runs lists the runs.")
        if version in ("", "latest"):
            return versions[-1]
        found = [model for model in versions if str(model.version) == version]
        if not found:
            raise NotFoundError(
                f"no version {version!r} of model {name!r}", remedy=f"There are 1 to {len(versions)}."
            )
        return found[0]

    def models(self, name: str | None = None) -> list[Model]:
        """List the models, or the versions of one, oldest first."""
        made = []
        for run in self.runs():
            made += [(body["at_ns"], run, body) for body in run.record.models if name in (None, body["name"])]
        counts: dict[str, int] = {}
        found = []
        for _, run, body in sorted(made, key=lambda entry: entry[0]):
            counts[body["name"]] = counts.get(body["name"], 0) + 1
            found.append(
                Model(
                    name=body["name"],
                    version=counts[body["name"]],
                    digest=digest_text(body["digest"]),
                    size_bytes=body["bytes"],
                    metadata=body["metadata"],
                    run=run,
                )
            )
        return found

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
            self._cataloged = Catalog(self._folder, summarise=functools.partial(_catalog_row, self._folder))
        self._cataloged.refresh()
        return self._cataloged


def open(path: str | os.PathLike[str] | None = None) -> Workspace:
    """Open a workspace; nothing is made before the first write.

    Args:
        path: the folder; default: `WHENCE_HOME`, else the nearest `.whence` upward, else `./.whence`.
    """
    return Workspace(Folder.find(path))


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
        folder, title=name or "", params=params, tags=tags, resume=run_id, before_sealing=_keep_reach
    )
    return Run(folder, live=live)


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
    return Workspace(folder)._find_id(resume)


def _keep_reach(writer: RunWriter) -> None:
    """Keep with a run what its rows reached; without it, questions about rows open the run."""
    with contextlib.suppress(WhenceError):  # what can't be made of the record isn't worth the run
        write_reach(RunRecord.read(writer.folder, writer.run_id), writer)


def summarise_run(record: RunRecord) -> dict[str, Any]:
    """Summarise a run, JSON-able."""
    ended = record.ended_at_ns
    return {
        "id": record.id,
        "name": record.name,
        "title": record.title,
        "status": record.status,
        "started_at": time_of(record.started_at_ns).isoformat(),
        "ended_at": None if ended is None else time_of(ended).isoformat(),
        "params": record.params,
        "metrics": {key: finite_or_none(value) for key, value in record.metrics.items()},
        "tags": record.tags,
    }


def _catalog_row(folder: Folder, run_id: str) -> CatalogRow:
    try:
        record = RunRecord.read(folder, run_id)
    except NotFoundError:  # its process died before the journal was begun
        return CatalogRow(run_id=run_id, name=run_id, is_final=False, summary=_empty_summary(run_id, "lost"))
    except StoreError:  # the others are to be seen all the same; asking for this one says why
        return CatalogRow(
            run_id=run_id, name=run_id, is_final=False, summary=_empty_summary(run_id, "unknown")
        )
    outline = outline_of(record) if record.is_ended else None
    return CatalogRow(
        run_id=run_id,
        name=record.name,
        is_final=record.is_ended,
        summary=summarise_run(record),
        outline=outline,
    )


def _empty_summary(run_id: str, status: str) -> dict[str, Any]:
    return {
        "id": run_id, "name": run_id, "title": "", "status": status, "started_at": None, "ended_at": None,
        "params": {}, "metrics": {}, "tags": {},
    }  # fmt: skip
