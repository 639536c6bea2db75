"""A workspace: all runs of a folder, and the questions on them together."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from whence.errors import InputError, NotFoundError, WhenceError
from whence.ledger import Policy
from whence.query import (
    FileOrBytes,
    Impact,
    Maker,
    Outline,
    Replay,
    Trace,
    Verdict,
    find_impact_across,
    make_demand,
    makers_of,
    parse_address,
    parse_sort,
    parse_where,
    trace_address,
    verify_folder,
)
from whence.runs import RunRecord, forget_logged
from whence.store import Catalog, Folder, Page, Selection, decode_content
from whence.workspace.artifacts import Artifact
from whence.workspace.comparing import Comparing
from whence.workspace.datasets import Dataset
from whence.workspace.keeping import tell_nobody
from whence.workspace.ledger import WorkspaceLedger
from whence.workspace.listing import catalog_row
from whence.workspace.models import Model, with_versions
from whence.workspace.run import Run
from whence.workspace.shelf import Shelf
from whence.workspace.tabling import Found, RunTable

_AT_ONCE = 10
_NAMED = 10


class Workspace(Comparing):
    """All runs of a folder.

    Args:
        folder: the workspace on disk.
    """

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
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

    def summaries(
        self,
        where: str | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[dict[str, Any]]:
        """Summarise runs, the newest first: id, name, title, status, times, params, metrics, tags.

        Args:
            where: a condition, such as `metrics.loss < 0.3 and params.lr = 0.1`; None for all runs.
            sort: fields with commas between them, such as `-metrics.val_acc,started_at`; a `-` puts high
                values first, and runs without the field are last.
            limit: at most how many.
            after: the cursor of an earlier list, sorted in the same way; see `page`.

        Raises:
            InputError: the condition, the order or the cursor can't be read; the message says where.
        """
        return self.page(where, sort=sort, limit=limit, after=after).summaries

    def page(
        self,
        where: str | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page:
        """Summarise some runs as `summaries` does; `following` is the cursor with which the list goes on."""
        return self._catalog.page(_selected(where, sort, limit, after))

    def runs(
        self, where: str | None = None, *, sort: str | None = None, limit: int | None = None
    ) -> list[Run]:
        """Open the runs for which a condition holds, newest first; see `summaries`.

        Runs whose process died before it wrote anything are left out.

        Raises:
            StoreError: a run can't be read.
        """
        return list(self._opened(self._catalog.ids(_selected(where, sort, limit, None))))

    def table(
        self,
        where: str | None = None,
        *,
        sort: str | None = None,
        limit: int | None = None,
        columns: str | None = None,
    ) -> RunTable:
        """Put runs in a table: a row each, a column for each field; see `summaries`.

        Args:
            where: which runs.
            sort: in which order.
            limit: at most how many.
            columns: fields with commas between them; None for all that any of the runs has.
        """
        return RunTable.of(self.summaries(where, sort=sort, limit=limit), columns)

    def search(self, text: str, limit: int = 20) -> list[Found]:
        """Find the runs that mention all words of a text, best first, and where they do.

        Looked for in names, titles, notes, parameters, tags, names of metrics, models, artifacts, sources,
        operations and files, in code, commits, commands and tracebacks.

        Raises:
            InputError: there is no word in the text.
        """
        return [
            Found(summary=summary, places=hit.places)
            for hit in self._catalog.search(text, limit)
            for summary in self._catalog.told(hit.run_id)
        ]

    def rebuild(self, tell: Callable[[int, int], None] | None = None) -> int:
        """Make the catalog anew from the journals and the ledger; returns how many runs there are.

        Args:
            tell: is told how many runs have been read, and how many there are.
        """
        forget_logged(self._folder)
        return self._catalog.rebuild(tell)

    def refresh(self, tell: Callable[[int, int], None] | None = None) -> None:
        """Bring the catalog up to date, as every question does by itself.

        Args:
            tell: is told how many runs have been read, and how many there are to read.
        """
        self._catalog.refresh(tell)

    def count_by_status(self) -> dict[str, int]:
        """Count the runs by their status."""
        return self._catalog.count_by_status()

    def run(self, name: str | None = None) -> Run:
        """Open a run by its name, id or the beginning of its id; the newest one without a name.

        Raises:
            NotFoundError: there is none.
        """
        if name is None:
            opened = self._opened(self._newest_first())
            newest = next((run for run in opened if run.record.part_of is None), None)
            if newest is not None:
                return newest
        return self._open_run(self.find_id(name))

    def makers(self, run: str | Run) -> dict[str, Maker]:
        """Find the runs that made the files which a run read, by the files' paths; known by their digests."""
        opened = run if isinstance(run, Run) else self.run(run)
        return makers_of(
            opened.record,
            lambda digest: self._catalog.named(digest=digest),
            lambda run_id: str(self._catalog.told(run_id)[0]["name"]),
        )

    def find_id(self, name: str | None) -> str:
        """Find the id of a run by its name, its id or the beginning of it; raises `NotFoundError`."""
        found = [] if name is None else self._catalog.find(name)
        if not found:
            near = ", ".join(summary["name"] for summary in self.summaries(limit=3))
            raise NotFoundError(
                f"no run {name!r:.80} in {self.path}" if name is not None else f"no runs in {self.path}",
                remedy=f"The newest are: {near}." if near else "Record one: with wh.start_run(): ...",
            )
        if len(found) > 1:
            told = [self._catalog.told(run_id)[0] for run_id in found[-_NAMED:]]
            each = "; ".join(
                f"{one['id']} ({one['status']}, {one['title'] or one['name']!r:.40})" for one in told
            )
            raise NotFoundError(
                f"{name!r:.80} names {len(found)} runs: {each}",
                remedy="Give an id, or enough of its beginning.",
            )
        return found[0]

    def model(self, reference: str) -> Model:
        """Open a model by its name, which means the newest, or by `NAME@` and which of its versions.

        Args:
            reference: `digits`; `digits@3`; `digits@latest`; `digits@champion`, an alias;
                `digits@stage:production`; `digits@sha256:…`, the content itself; `RUN/digits`, what a run
                logged under that name last; `sha256:…`, a content of any name.

        Raises:
            NotFoundError: there is none, or there are several: versions that got one number in two places.
        """
        return Model(self._folder, self._shelf.find(reference), self._shelf)

    def models(self, name: str | None = None) -> list[Model]:
        """List the models, or the versions of one, in the order in which they were logged."""
        return [Model(self._folder, version, self._shelf) for version in self._shelf.versions(name)]

    def dataset(self, reference: str) -> Dataset:
        """Open a dataset version by its name, which means the newest, or as `model` does.

        Raises:
            NotFoundError: there is none, or there are several: versions that got one number in two places.
        """
        return Dataset(self._folder, self._datasets.find(reference), self._datasets)

    def datasets(self, name: str | None = None) -> list[Dataset]:
        """List the dataset versions, all or those of one name, in the order in which they were saved."""
        shelf = self._datasets
        return [Dataset(self._folder, version, shelf) for version in shelf.versions(name)]

    def damaged_decisions(self) -> list[str]:
        """Name the decisions about models that can't be read, in words."""
        return [f"{damage.path}: {damage.problem}" for damage in self._shelf.registry.damages()]

    def artifact(self, reference: str) -> Artifact:
        """Open what a run logged last under a name, by `RUN/NAME`; raises `NotFoundError`."""
        return Artifact(self._folder, self._shelf.artifact(reference))

    def set_alias(self, reference: str, alias: str, *, note: str = "") -> None:
        """Give an alias to a version of a model; whichever version had it loses it."""
        self._shelf.set_alias(self._shelf.find(reference), alias, note)

    def remove_alias(self, reference: str, *, note: str = "") -> None:
        """Take an alias away, by `NAME@ALIAS`; raises `NotFoundError` where no version has it."""
        self._shelf.remove_alias(self._shelf.find(reference), reference.partition("@")[2], note)

    def set_stage(self, reference: str, stage: str | None, *, note: str = "") -> None:
        """Bring a version of a model to a stage; None takes it out of the one that it is in."""
        self._shelf.set_stage(self._shelf.find(reference), stage, note)

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
        found = find_impact_across(outlines, origin, rows=rows, unreadable=problems)
        return with_versions(found, self.models() if found.touched else [])

    @functools.cached_property
    def ledger(self) -> WorkspaceLedger:
        """What is sealed in it: see `WorkspaceLedger`."""
        return WorkspaceLedger(
            self._folder, shelf=self._shelf, datasets=self._datasets, find_run=self.find_id
        )

    def prove(self, reference: str) -> bytes:
        """Make the receipt of a run, a model, an artifact or a decision; see `WorkspaceLedger.prove`."""
        return self.ledger.prove(reference)

    def verify(
        self,
        *,
        policy: Policy | FileOrBytes | None = None,
        keys: Iterable[str] = (),
        since: FileOrBytes | None = None,
        trust: str | os.PathLike[str] | None = None,
        sources: bool = False,
        tell: Callable[[str], None] = tell_nobody,
    ) -> Verdict:
        """Check the whole chain: signed checkpoints, logs, journals, segments, objects, decisions.

        Args:
            policy: which logs are known and which witnesses must have cosigned: a C2SP tlog-policy, its bytes
                or its file.
            keys: keys of logs that are known, as vkeys.
            since: a checkpoint that was kept, which the log must continue; its bytes or its file.
            trust: a file that says whom to believe about anchors.
            sources: compare the files that were read with what is there now.
            tell: hears how far it is.

        Raises:
            InputError, NotFoundError: what was given can't be read.
        """
        demand, notes = make_demand(policy=policy, keys=keys, since=since, trust=trust)
        return verify_folder(self._folder, demand=demand, notes=notes, with_sources=sources, tell=tell)

    def _outlines(self) -> tuple[list[Outline], list[str]]:
        """Outline every run, newest first; and say which can't be read."""
        found: list[Outline] = []
        problems: list[str] = []
        kept: dict[tuple[str, str], Outline] = {}
        for run_id, stamp, content in self._catalog.outlines():
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

    def _newest_first(self) -> Iterator[str]:
        """Give the ids of all runs, a few at a time, since the first that can be opened is often enough."""
        after = None
        while True:
            page = self.page(limit=_AT_ONCE, after=after)
            yield from (summary["id"] for summary in page.summaries)
            after = page.following
            if after is None:
                return

    def _opened(self, run_ids: Iterable[str]) -> Iterator[Run]:
        for run_id in run_ids:
            with contextlib.suppress(NotFoundError):
                yield self._open_run(run_id)

    def _open_run(self, run_id: str) -> Run:
        return Run(self._folder, record=RunRecord.read(self._folder, run_id))

    @functools.cached_property
    def _shelf(self) -> Shelf:
        catalog = self._catalog  # by itself: a workspace in a circle would keep its index open
        return Shelf(self._folder, lambda: catalog)

    @functools.cached_property
    def _datasets(self) -> Shelf:
        catalog = self._catalog
        return Shelf(self._folder, lambda: catalog, kind="dataset")

    @functools.cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self._folder, summarise=functools.partial(catalog_row, self._folder))


def _selected(where: str | None, sort: str | None, limit: int | None, after: str | None) -> Selection:
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: wanted 1 or more", remedy="Leave it out for all.")
    return Selection(
        condition=None if where is None else parse_where(where),
        order=() if sort is None else parse_sort(sort),
        limit=limit,
        after=after,
    )


def open(path: str | os.PathLike[str] | None = None) -> Workspace:
    """Open a workspace; nothing is made before the first write.

    Args:
        path: the folder; default: `WHENCE_HOME`, else the nearest `.whence` upward, else `./.whence`.
    """
    return Workspace(Folder.find(path))
