"""A run as it is read back from its journal."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from whence.errors import NotFoundError
from whence.runs.decisions import LINEAGE, Decisions, check_sealed, read_decisions
from whence.runs.digests import PassDigests, digests_in_order, read_digests
from whence.runs.files import FileSeen, FilesSeen, Unfollowed, read_files
from whence.runs.gaps import gaps_in, uncertain_passes
from whence.runs.metrics import History, JoinedMetrics, RunMetrics
from whence.runs.parts import read_parts
from whence.runs.sources import SourceView, source_view
from whence.runs.totals import total_of
from whence.runs.views import PassView, StreamView, pass_views, standing_views
from whence.store import (
    Damage,
    Event,
    Folder,
    Journal,
    SealedSegment,
    Writer,
    read_journal,
    read_object,
)


class RunRecord:
    """One run, read.

    Args:
        folder: the workspace.
        journal: its journal.
    """

    def __init__(self, folder: Folder, journal: Journal) -> None:
        self.folder = folder
        self.journal = journal
        self._decisions: dict[int, Mapping[int, Decisions]] = {}
        self._remembered: dict[Hashable, Any] = {}

    @classmethod
    def read(cls, folder: Folder, run_id: str) -> RunRecord:
        """Read a run; raises `NotFoundError`."""
        return cls(folder, read_journal(folder, run_id))

    @property
    def id(self) -> str:
        """Its id."""
        return self.journal.run_id

    @functools.cached_property
    def name(self) -> str:
        """Its friendly name."""
        return str(self._public("run_start").get("name", self.id))

    @functools.cached_property
    def title(self) -> str:
        """What the user called it."""
        return str(self._body("run_start").get("title", ""))

    @functools.cached_property
    def status(self) -> str:
        """How it stands.

        finished, failed, running, resumed (it goes on by another process than began it), lost (its process
        is gone) or unknown (that can't be told from here; `standing` says why).
        """
        end = self.journal.end
        if end is not None:
            return str(end.public["status"])
        alive = self._writer.is_alive
        if alive is None:
            return "unknown"
        return "lost" if not alive else "resumed" if self.journal.find("run_resume") else "running"

    @property
    def standing(self) -> str:
        """What is known of its writer, in words; empty once it has ended."""
        return "" if self.is_ended else self._writer.words

    @functools.cached_property
    def _writer(self) -> Writer:
        return self.journal.writer()

    @property
    def is_ended(self) -> bool:
        """Whether the run was sealed, and not gone on with since."""
        return self.journal.end is not None

    @property
    def started_at_ns(self) -> int:
        """When it began; 0 where its beginning is lost."""
        return self.journal.events[0].at_ns if self.journal.events else 0

    @property
    def ended_at_ns(self) -> int | None:
        """When it ended; None while it goes on, or if it died."""
        end = self.journal.end
        return None if end is None else end.at_ns

    @property
    def totals(self) -> dict[str, Any]:
        """Wall and CPU time, peak memory, and the traceback of a failed run.

        Of a run that was resumed: of all its processes together, but for those that died.
        """
        return total_of([event.body or {} for event in self.journal.find("run_end")], end=self.journal.end)

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """Its parameters; the last value of each."""
        return self._merged("params")

    @functools.cached_property
    def tags(self) -> dict[str, Any]:
        """Its tags; the last value of each."""
        return self._merged("tags")

    @functools.cached_property
    def logged(self) -> JoinedMetrics:
        """Its metrics, and those of its parts."""
        return JoinedMetrics([RunMetrics(each.journal) for each in (self, *self.parts)])

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric, but for those of the machine (`system/...`)."""
        return self.logged.last

    @property
    def metric_keys(self) -> list[str]:
        """The names of all metrics, in the order in which they first came."""
        return self.logged.keys

    def history(self, key: str) -> History:
        """All values of a metric, in the order in which they were logged; raises `NotFoundError`."""
        if key not in self.metric_keys:
            raise NotFoundError(
                f"run {self.name} has no metric {key!r:.80}",
                remedy=f"It has: {', '.join(self.metric_keys) or 'none'}.",
            )
        return self.logged.histories([key])[key]

    @property
    def part_of(self) -> str | None:
        """The id of the run of which it is a part, logged by a process forked from that one's; else None."""
        found = self._public("run_start").get("part_of")
        return None if found is None else str(found)

    @property
    def group(self) -> dict[str, Any] | None:
        """The processes that worked together on it: `id`, `by`, `rank`, `size`; None where it had one."""
        found: dict[str, Any] | None = self._body("run_start").get("group")
        return found

    @property
    def begun_in(self) -> str | None:
        """The id of the run in which the program was begun that began this one; else None."""
        found = self._body("run_start").get("begun_in")
        return None if found is None else str(found)

    @functools.cached_property
    def parts(self) -> list[RunRecord]:
        """What processes forked from its own logged, each a run, in the order in which they began."""
        return [RunRecord(self.folder, journal) for journal in self._found_parts[0]]

    @functools.cached_property
    def _found_parts(self) -> tuple[list[Journal], list[str]]:
        return read_parts(self.folder, self.id)

    @functools.cached_property
    def environment(self) -> dict[str, Any]:
        """The machine, the packages and the code's version as they were, when it was last gone on with."""
        found: dict[str, Any] = self._body("environment").get("environment", {})
        return found

    def environment_of(self, pass_number: int) -> dict[str, Any]:
        """The same of the process that read a pass."""
        found: dict[str, Any] = {}
        for event in self.journal.events:
            if event.kind == "environment":
                found = (event.body or {}).get("environment", {})
            elif event.kind == "pass_start" and event.public["pass"] == pass_number:
                break
        return found

    @functools.cached_property
    def artifacts(self) -> list[dict[str, Any]]:
        """Its artifacts: name, digest, bytes, media_type."""
        return [event.body for event in self.journal.find("artifact") if event.body]

    @property
    def inputs(self) -> list[FileSeen]:
        """The files that it read beside its streams, in the order of their first opening."""
        return self._files.inputs

    @property
    def outputs(self) -> list[FileSeen]:
        """The files that it wrote."""
        return self._files.outputs

    @property
    def unfollowed(self) -> list[Unfollowed]:
        """What it did that can't be followed: processes, connections, libraries."""
        return self._files.unfollowed

    @functools.cached_property
    def _files(self) -> FilesSeen:
        return read_files(self.journal)

    @functools.cached_property
    def datasets(self) -> list[dict[str, Any]]:
        """The dataset versions that it saved: name, version, digest, rows, bytes, chunks, at_ns."""
        return [event.body | {"at_ns": event.at_ns} for event in self.journal.find("dataset") if event.body]

    @functools.cached_property
    def models(self) -> list[dict[str, Any]]:
        """Its models: name, digest, bytes, metadata, at_ns."""
        return [event.body | {"at_ns": event.at_ns} for event in self.journal.find("model") if event.body]

    @functools.cached_property
    def notes(self) -> list[str]:
        """Its notes."""
        return [event.body["text"] for event in self._told("note") if event.body]

    @functools.cached_property
    def gaps(self) -> list[str]:
        """What was read in it and isn't recorded, or can't be known any more, in words."""
        found = gaps_in(self.journal, is_lost=self.status == "lost", missing_parts=self._found_parts[1])
        if self.logged.has_nameless:
            found.append("what a metric was called has been destroyed")
        if any(source.is_redacted for source in self.sources):
            found.append("what a source was has been destroyed")
        return found

    @functools.cached_property
    def uncertain_passes(self) -> set[int]:
        """The passes of which some of what they decided may be missing."""
        return uncertain_passes(self.journal)

    @property
    def has_gaps(self) -> bool:
        """Whether something was read in it that wasn't recorded, or its record is damaged."""
        return bool(self.gaps)

    def read_object(self, digest: bytes) -> bytes:
        """Read an artifact's or a model's content by its digest."""
        return read_object(self.folder, self.journal, digest)

    @functools.cached_property
    def sources(self) -> list[SourceView]:
        """Its sources, by number."""
        found = {event.public["source"]: event for event in self.journal.find("source")}
        told: dict[int, list[Event]] = {}
        for event in self.journal.find("source_parts"):
            told.setdefault(event.public["source"], []).append(event)
        snapshots = {
            event.public["source"]: event.body["digest"].hex()
            for event in self.journal.find("snapshot")
            if event.body
        }
        named = {node["source"] for stream in self.streams for node in stream.nodes if "source" in node}
        count = max([-1, *found, *told, *named]) + 1
        return [
            source_view(number, found.get(number), told.get(number, []), snapshots.get(number))
            for number in range(count)
        ]

    @functools.cached_property
    def streams(self) -> list[StreamView]:
        """The streams read in it, by number."""
        return [
            StreamView(
                number=event.public["stream"],
                name=event.body["name"],
                top=event.body["top"],
                items_at=event.body["items_at"],
                nodes=event.body["nodes"],
            )
            for event in self.journal.find("stream")
            if event.body
        ]

    @functools.cached_property
    def passes(self) -> list[PassView]:
        """The passes in it, by number."""
        return pass_views(self.journal)

    @functools.cached_property
    def latest_passes(self) -> list[PassView]:
        """The passes that stand, each as one with those that it went on with; see `standing_views`."""
        return standing_views(self.passes)

    def resumed_at(self, view: PassView) -> list[int]:
        """Give the outputs at which a pass was gone on with, in order."""
        place = (view.stream, view.epoch, view.repeat)
        alike = [each for each in self.passes if (each.stream, each.epoch, each.repeat) == place]
        return [each.first for each in alike if each.first or each is not alike[0]]

    def set_aside(self, pass_number: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Give the samples set aside in a pass: node, input position and what was said of each."""
        passes = self._decided_in(pass_number)
        for event in self.journal.find("set_aside"):
            if event.public["pass"] in passes:
                yield event.public["node"], event.public["position"], event.body or {}

    def fitted(self, pass_number: int) -> dict[int, list[dict[str, Any]]]:
        """Give what was learned in a pass, by node: for each field its name, count and values, plain."""
        passes = self._decided_in(pass_number)
        return {
            event.public["node"]: event.body["fields"]
            for event in self.journal.find("fitted")
            if event.public["pass"] in passes and event.body
        }

    @functools.cached_property
    def fields_seen(self) -> list[tuple[int, int, dict[str, Any]]]:
        """What functions were seen to do with fields: stream, node and what was seen, the latest last."""
        return [
            (event.public["stream"], event.public["node"], event.body)
            for event in self.journal.find("fields")
            if event.body
        ]

    def noticed(self, pass_number: int) -> dict[int, dict[str, int]]:
        """Give what was told of samples in a pass that ended, by node: how many, by what was told."""
        return {
            event.public["node"]: event.body["counts"]
            for event in self.journal.find("noticed")
            if event.public["pass"] == pass_number and event.body
        }

    def decisions(self, pass_number: int) -> Mapping[int, Decisions]:
        """Give what the data decided in a pass, by node.

        Raises:
            DamagedError: some of it is missing or isn't what the run was sealed with.

        Cost: that of the directory of a pass that ended; of one that goes on, of all that it decided.
        """
        found = self._decisions.get(pass_number)
        if found is None:
            found = read_decisions(self.journal, self._sealed, pass_number)
            if not found and not self.is_ended and self.journal.has_grown():
                # the pass may have ended since the journal was read, and its first file be gone
                found = read_decisions(read_journal(self.folder, self.id), self._sealed, pass_number)
            for earlier in self._decided_in(pass_number) - {pass_number}:
                found = {**self.decisions(earlier), **found}
            self._decisions[pass_number] = found
        return found

    def _decided_in(self, pass_number: int) -> set[int]:
        """The passes that decided for a pass: itself, and for one that was watched the one that was read."""
        found = {pass_number}
        for event in self.journal.find("pass_start"):
            if event.public["pass"] == pass_number and "decided" in event.public:
                found.add(event.public["decided"])
        return found

    def check_sealed(self) -> list[Damage]:
        """Compare the sealed blocks of each pass with what the journal committed to when it ended."""
        return check_sealed(self.journal, self._sealed)

    def remember(self, what: Hashable, make: Callable[[], Any]) -> Any:
        """Keep with the record what a reader makes of it, so that it is made once."""
        if what not in self._remembered:
            self._remembered[what] = make()
        return self._remembered[what]

    def digests(self, pass_number: int) -> PassDigests:
        """Give the digests of what a pass delivered."""
        return self._digests_by_pass.get(pass_number) or digests_in_order([])

    @functools.cached_property
    def _sealed(self) -> SealedSegment:
        return SealedSegment(self.journal.path / "segments" / LINEAGE)

    @functools.cached_property
    def _digests_by_pass(self) -> dict[int, PassDigests]:
        return read_digests(self.journal)

    def _public(self, kind: str) -> dict[str, Any]:
        found = self.journal.find(kind)
        return found[-1].public if found else {}

    def _body(self, kind: str) -> dict[str, Any]:
        found = self.journal.find(kind)
        return (found[-1].body or {}) if found else {}

    def _merged(self, kind: str) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for event in self._told(kind):
            merged |= (event.body or {}).get(kind, {})
        return merged

    def _told(self, kind: str) -> list[Event]:
        """The events of a kind, with those of its parts in the order of time."""
        found = [event for each in (self, *self.parts) for event in each.journal.find(kind)]
        return sorted(found, key=lambda event: event.at_ns) if self.parts else found
