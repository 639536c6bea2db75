"""The recording: listens to the passes of one run and writes what they decided.

Everything is gathered per chunk and written before the chunk is delivered, so that what a consumer
has received is always in the record: decisions and digests in segment frames, source digests and
failures in the journal, the progress of delivery in the pass's cursor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from whence.capture.code import identify
from whence.capture.codefiles import CodeNotes
from whence.capture.libraries import LibraryNotes
from whence.capture.passing import PassRecording, StreamRecord
from whence.capture.recorder import (
    NullPass,
    PassRecorder,
    RecordedPlan,
)
from whence.capture.references import refer
from whence.capture.resuming import Past
from whence.capture.secrets import redact_function, redact_params
from whence.capture.settings import record_mode
from whence.capture.sourcing import SourceRecord
from whence.capture.standing import (
    AT_THE_START,
    Counted,
    PassPlace,
    Start,
    free_repeat,
    standing_of,
)
from whence.errors import InputError, StateError
from whence.store import RunWriter
from whence.vocab import digest_text, digest_value


class Recording:
    """Listens to one run.

    Args:
        writer: where it writes.
        past: what the run had before it was resumed.
    """

    def __init__(self, writer: RunWriter, past: Past | None = None) -> None:
        self._writer = writer
        self._lock = threading.RLock()
        self._streams: dict[bytes, StreamRecord] = {}
        self._stream_by_plan: dict[int, tuple[RecordedPlan, StreamRecord]] = {}
        self._sources: dict[tuple[bytes, int], SourceRecord] = {}
        self._past = Past() if past is None else past
        self._libraries, self._code = LibraryNotes(writer), CodeNotes(writer)
        self._passes: list[Counted] = list(self._past.passes)
        self._earlier_count = len(self._passes)
        self._over = (0, 0)
        self._used: dict[tuple[str, bytes, str, int], Mapping[str, Any]] = {}
        self._has_gap = False

    def begin_pass(
        self, plan: RecordedPlan, epoch: int, start: Start = AT_THE_START, decided: int = -1
    ) -> PassRecorder:
        """Begin to listen to a pass over a stream.

        Args:
            plan: the stream, compiled.
            epoch: which epoch.
            start: where in it.
            decided: the pass in which everything below the top was decided, where somebody else's program
                hands out what was read in that; its digests aren't those of what is handed out.

        Raises:
            StateError: it goes on with a pass that this run doesn't have.
        """
        mode = record_mode()
        if not self._writer.is_open:
            self._writer.note_fork()
            return NullPass()
        with self._lock:
            if mode == "off":
                self._note_gap()
                return NullPass()
            stream = self._stream_of(plan)
            self._libraries.tell()  # what the functions use is loaded now, or never
            public = self._place_of(stream, epoch, start) | {"record": mode}
            if decided >= 0:
                public |= {"decided": decided, "record": "lineage"}
            begun = PassRecording(
                PassPlace.of(public), plan, stream, self._writer, public["record"] == "full", self._count
            )
            self._writer.append("pass_start", public)
            self._passes.append(begun)
            if start.run == self._writer.run_id:
                self._roll_back()
            return begun

    @property
    def place(self) -> Start | None:
        """Where the consumer of a pass stands that hasn't begun; None where nothing is kept."""
        if not self._writer.is_open or record_mode() == "off":
            return None
        return Start(run=self._writer.run_id, since=len(self._passes))

    def received(self, plan: RecordedPlan, epoch: int) -> tuple[int, int] | None:
        """Find the last pass over an epoch of a stream, and up to which output it was received.

        Raises:
            InputError: there is none in this run.
        """
        if not self._writer.is_open or record_mode() == "off":
            return None
        with self._lock:
            stream = self._stream_of(plan).number
            for each in reversed(self._passes):
                if (each.at.stream, each.at.epoch, each.at.first) == (stream, epoch, 0):
                    return each.at.number, each.delivered
        raise InputError(
            f"epoch {epoch} of this stream wasn't read in this run, so that its samples aren't known",
            remedy="Read the stream in the run, and give what it gave to the loader.",
        )

    def tell_script(self) -> None:
        """Tell the code of the program that runs, where something of it is recorded that is no stream."""
        with self._lock:
            self._code.tell_script()

    def _place_of(self, stream: StreamRecord, epoch: int, start: Start) -> dict[str, Any]:
        """Say where the next pass stands in the run; see `PassPlace`."""
        continued = self._continued(start)
        is_of_run = start.run == self._writer.run_id
        abandons = (start.since, self._earlier_count) if is_of_run else (0, 0)
        if continued is not None and (continued.stream, continued.epoch) == (stream.number, epoch):
            repeat = continued.repeat  # another stream of the same plan has places of its own
        else:
            repeat = free_repeat(self._passes, stream.number, epoch, abandons)
        number = len(self._passes)
        public: dict[str, Any] = {"pass": number, "stream": stream.number, "epoch": epoch, "repeat": repeat}
        if start.first or start.number >= 0:
            given_in = start.run if start.number >= 0 else ""
            public |= {"first": start.first, "from": [given_in, start.number]}
        if continued is not None:
            public["continues"] = start.number
        if is_of_run:
            public["abandons"] = list(abandons)
        return public

    def _count(self) -> int:
        return len(self._passes)

    def _continued(self, start: Start) -> PassPlace | None:
        """The pass of this run that another one goes on with."""
        if start.run != self._writer.run_id:
            return None
        if start.number >= len(self._passes) or start.since > len(self._passes):
            raise StateError(
                f"the state is of pass {start.number} of this run, when {start.since} had begun; "
                f"there are {len(self._passes)}",
                remedy="Use a state that was taken in this run.",
            )
        return self._passes[start.number].at if start.number >= 0 else None

    def _roll_back(self) -> None:
        """A pass went on with an earlier one: what was delivered after that place doesn't count any more."""
        for each, stands in zip(self._passes[:-1], standing_of(self._passes)[:-1], strict=True):
            each.keep_to(stands.kept)
        self._over = (0, 0)

    @property
    def pass_count(self) -> int:
        """How many passes have begun."""
        return len(self._passes)

    @property
    def delivered_count(self) -> int:
        """How many outputs (batches, or samples) all passes have delivered: the step of a metric."""
        over, count = known = self._over
        for each in self._passes[over:]:
            if isinstance(each, PassRecording) and each.is_open:
                break
            over, count = over + 1, count + each.counted
        if over > known[0] and self._over is known:
            self._over = over, count  # there may be thousands of passes, and thousands of metrics in each
        for each in self._passes[over:]:
            count += each.counted
        return count

    def told_files(self) -> list[str]:
        """List the files that streams read, whose content is in the record of their source."""
        return [path for source in self._sources.values() for path in source.told_files()]

    def used(self, kind: str, body: Mapping[str, Any]) -> None:
        """What a run kept is read: told once; in a forked process, that something was read."""
        if not self._writer.is_open:  # asked before the lock, which another thread may hold at a fork
            self._writer.note_fork()
            return
        with self._lock:
            if self.remember_used(kind, body):
                self._writer.append(kind, {}, dict(body))

    def remember_used(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Know of something that it is read; returns whether that is new."""
        what = (kind, body["digest"], body["run"], body["number"])
        is_new = what not in self._used
        self._used.setdefault(what, body)
        return is_new

    def used_so_far(self, kind: str) -> list[Mapping[str, Any]]:
        """List what was read so far that runs had kept."""
        with self._lock:
            return [body for (known, *_), body in self._used.items() if known == kind]

    def open_passes(self) -> list[list[int]]:
        """List the passes that haven't ended, each with how many outputs it has delivered so far."""
        with self._lock:
            here = [each for each in self._passes if isinstance(each, PassRecording)]
            return [[each.at.number, each.delivered] for each in here if each.is_open]

    def close(self) -> None:
        """The run ends: end every pass that is still open."""
        for each in self._passes:
            if isinstance(each, PassRecording):
                each.end(complete=False)
        self._libraries.tell()

    def _note_gap(self) -> None:
        """Write once that passes went unrecorded: a gap is written down as a gap."""
        if not self._has_gap:
            self._has_gap = True
            self._writer.append("unrecorded", {"why": "record off"})

    def _stream_of(self, plan: RecordedPlan) -> StreamRecord:
        known = self._stream_by_plan.get(id(plan))
        if known is not None:
            return known[1]
        nodes, sources = self._describe(plan)
        digest = digest_value([plan.name, nodes])
        stream = self._streams.get(digest)
        if stream is None:
            nodes = [_without_secrets(node) for node in nodes]
            named = plan.name or "stream"
            before = self._past.take_stream(digest, named, nodes)
            if before is not None:
                stream = StreamRecord(before.number, sources, before.fields)
            else:
                stream = StreamRecord(self._past.stream_count, sources)
                name = self._past.name_stream(named)
                self._code.tell(_functions_of(plan, len(nodes)))
                body = {"name": name, "top": plan.top, "items_at": plan.items_at, "nodes": nodes}
                self._writer.append("stream", {"stream": stream.number, "digest": digest}, body)
            self._streams[digest] = stream
        self._stream_by_plan[id(plan)] = (plan, stream)  # the plan is kept, so its id isn't given again
        return stream

    def _describe(self, plan: RecordedPlan) -> tuple[list[dict[str, Any]], dict[int, SourceRecord]]:
        sources: dict[int, SourceRecord] = {}
        nodes = plan.describe_nodes()
        for index, node in enumerate(nodes):
            source = plan.source_at(index)
            if source is not None:
                sources[index] = self._source_of(source)
                node["source"] = sources[index].number
            functions = plan.functions_of(index)
            if functions:
                node["functions"] = {name: describe_function(fn) for name, fn in functions.items()}
        return nodes, sources

    def _source_of(self, source: Any) -> SourceRecord:
        record = SourceRecord.of(source, self._writer)
        # data in memory aren't told apart by what describes them
        key = (record.identity, 0 if source.known_by == "place" else id(source))
        known = self._sources.get(key)
        if known is None:
            before = self._past.take_source(source, record.identity, record.rows)
            if before is not None:
                record.go_on(before.number, before.name, before.told)
            else:
                number = self._past.source_count
                record.begin(number, self._past.name_source(record.name))
            self._sources[key] = known = record
        return known


def _without_secrets(node: dict[str, Any]) -> dict[str, Any]:
    """What may be written of a node."""
    node = {**node, "params": redact_params(node["params"])} if "params" in node else dict(node)
    if "functions" in node:
        node["functions"] = {name: redact_function(each) for name, each in node["functions"].items()}
    return node


def _functions_of(plan: RecordedPlan, count: int) -> list[Callable[..., Any]]:
    return [fn for index in range(count) for fn in plan.functions_of(index).values()]


def describe_function(fn: Callable[..., Any]) -> dict[str, Any]:
    """Describe a user's function for the record: what it is, where to find it, which code it runs."""
    identity = identify(fn)
    return {
        "name": identity.name,
        "file": identity.file,
        "line": identity.line,
        "digest": digest_text(identity.digest),
        "source": dict(identity.source),
        "constants": dict(identity.constants),
        "packages": dict(identity.packages),
        "unknown": list(identity.unknown),
        "reference": refer(fn),
    }
