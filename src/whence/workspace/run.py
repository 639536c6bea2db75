"""A run as users hold it: written while it goes on, and asked questions at any time."""

from __future__ import annotations

import datetime as dt
import mimetypes
import os
import pathlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal

from whence.errors import InputError, NotFoundError, ReplayError
from whence.query import (
    Address,
    Code,
    ExposurePoint,
    FieldTrace,
    PassLineage,
    Replay,
    Replayer,
    Trace,
    delivered_addresses,
    delivered_items,
    trace_address,
    trace_field,
)
from whence.runs import (
    History,
    LiveRun,
    PassView,
    RunRecord,
    SourceView,
    StreamView,
    as_json,
    as_png,
    content_of,
)
from whence.store import Folder
from whence.streams import Stream
from whence.vocab import digest_text


class Run:
    """A run: written while it goes on, and asked questions at any time.

    Args:
        folder: the workspace.
        live: the writing side, for a run that this process began.
        record: what was read of it, for any other.
    """

    def __init__(
        self, folder: Folder, *, live: LiveRun | None = None, record: RunRecord | None = None
    ) -> None:
        self._folder = folder
        self._live = live
        self._read = record

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("failed" if error is not None else "finished", error)

    def __repr__(self) -> str:
        return f"<whence run {self.name} {self.id}>"

    # writing

    def log_param(self, key: str, value: Any) -> None:
        """Record a parameter."""
        self._writing.log_params({key: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters."""
        self._writing.log_params(params)

    def log_metric(self, key: str, value: Any, step: int | None = None) -> None:
        """Record a metric; the step is the number of batches delivered so far unless it is given."""
        self._writing.log_metrics({key: value}, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics of one step."""
        self._writing.log_metrics(metrics, step)

    def set_tag(self, key: str, value: Any) -> None:
        """Record a tag."""
        self._writing.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags."""
        self._writing.set_tags(tags)

    def log_note(self, text: str) -> None:
        """Record a note."""
        self._writing.log_note(text)

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> str:
        """Keep a file; returns its digest."""
        content = content_of(path)
        named = name or pathlib.Path(path).name
        kind = mimetypes.guess_type(named)[0] or "application/octet-stream"
        return _digest(self._writing.log_artifact(content, name=named, media_type=kind))

    def log_dict(self, content: Any, name: str) -> str:
        """Keep a value as JSON; returns its digest."""
        return _digest(self._writing.log_artifact(as_json(content), name=name, media_type="application/json"))

    def log_text(self, text: str, name: str) -> str:
        """Keep a text; returns its digest."""
        return _digest(
            self._writing.log_artifact(
                text.encode("utf-8", "surrogatepass"), name=name, media_type="text/plain"
            )
        )

    def log_figure(self, figure: Any, name: str) -> str:
        """Keep a figure as PNG; returns its digest."""
        return _digest(self._writing.log_artifact(as_png(figure), name=name, media_type="image/png"))

    def log_model(
        self,
        name: str,
        content: bytes | str | os.PathLike[str],
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep a model, given as bytes or as a file, as the next version of its name; returns its digest."""
        return _digest(self._writing.log_model(content_of(content), name=name, metadata=metadata or {}))

    def sync(self) -> None:
        """Force everything logged so far to the disk."""
        self._writing.sync()

    def finish(
        self, status: Literal["finished", "failed"] = "finished", error: BaseException | None = None
    ) -> None:
        """End the run; a second call does nothing."""
        if status not in ("finished", "failed"):
            raise InputError(
                f"finish({status!r:.40}): wanted 'finished' or 'failed'", remedy="Use one of them."
            )
        self._writing.finish(status, error)
        self._read = None

    # reading back

    @property
    def id(self) -> str:
        """Its id, a ULID."""
        return self._live.id if self._live is not None else self._record.id

    @property
    def name(self) -> str:
        """Its friendly name."""
        return self._live.name if self._live is not None else self._record.name

    @property
    def title(self) -> str:
        """What the user called it."""
        return self._record.title

    @property
    def status(self) -> str:
        """running, finished, failed, lost, or unknown."""
        return self._record.status

    @property
    def started_at(self) -> dt.datetime:
        """When it began, UTC."""
        return time_of(self._record.started_at_ns)

    @property
    def resumed_at(self) -> list[dt.datetime]:
        """When other processes went on with it, UTC."""
        return [time_of(event.at_ns) for event in self._record.journal.find("run_resume")]

    @property
    def ended_at(self) -> dt.datetime | None:
        """When it ended, UTC; None while it goes on, or if it died."""
        ended = self._record.ended_at_ns
        return None if ended is None else time_of(ended)

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters."""
        return self._record.params

    @property
    def tags(self) -> dict[str, Any]:
        """Its tags."""
        return self._record.tags

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return self._record.metrics

    @property
    def notes(self) -> list[str]:
        """Its notes."""
        return self._record.notes

    @property
    def environment(self) -> dict[str, Any]:
        """The machine, the packages and the code's version as they were."""
        return self._record.environment

    @property
    def totals(self) -> dict[str, Any]:
        """Wall and CPU time in seconds, peak memory in bytes, and the traceback of a failed run."""
        return self._record.totals

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """Its artifacts: name, digest, bytes, media_type."""
        return [_with_text_digest(body) for body in self._record.artifacts]

    @property
    def models(self) -> list[dict[str, Any]]:
        """Its models: name, digest, bytes, metadata."""
        return [_with_text_digest(body) for body in self._record.models]

    @property
    def streams(self) -> list[StreamView]:
        """The streams that were read in it."""
        return self._record.streams

    @property
    def sources(self) -> list[SourceView]:
        """The sources that were read in it."""
        return self._record.sources

    @property
    def passes(self) -> list[PassView]:
        """The passes over streams in it."""
        return self._record.passes

    def history(self, key: str) -> History:
        """All values of a metric: arrays `.step`, `.value`, `.at`."""
        return self._record.history(key)

    def read_artifact(self, name: str) -> bytes:
        """Read the last artifact of a name; raises `NotFoundError`."""
        found = [body for body in self._record.artifacts if body["name"] == name]
        if not found:
            names = ", ".join(body["name"] for body in self._record.artifacts)
            raise NotFoundError(
                f"run {self.name} has no artifact {name!r}", remedy=f"It has: {names or 'none'}."
            )
        return self._record.read_object(found[-1]["digest"])

    def exposures(self, epoch: int | None = None, stream: str | None = None) -> Iterator[ExposurePoint]:
        """Give everything delivered in it, item by item, in the order in which it was.

        Where it was resumed, `fate` tells what was delivered once, again, and abandoned.
        """
        record = self._record
        for view in record.passes:
            lineage = PassLineage(record, view)
            if (epoch is not None and view.epoch != epoch) or stream not in (None, lineage.stream.name):
                continue
            yield from delivered_items(lineage)

    # questions

    def trace(
        self,
        epoch: int = 0,
        batch: int | None = None,
        item: int | None = None,
        *,
        stream: str | None = None,
        repeat: int = 0,
    ) -> Trace:
        """Whence: find the source rows and the operations behind a delivered sample or batch."""
        return trace_address(self._record, self._address(epoch, batch, item, stream, repeat))

    def fields(self, name: str | None = None, *, stream: str | None = None) -> FieldTrace:
        """Whence, by column: find the source fields behind a delivered field; without a name, behind all.

        Args:
            name: the field.
            stream: the stream's name, where the run read several.
        """
        return trace_field(self._record, name, stream=stream)

    def replay(
        self,
        epoch: int = 0,
        batch: int | None = None,
        item: int | None = None,
        *,
        stream: str | Stream | None = None,
        repeat: int = 0,
        roots: Mapping[str, str] | None = None,
        code: Code = "today",
    ) -> Any:
        """Again: make a delivered sample or batch once more and check it against the recorded digest.

        Args:
            epoch: the number of the pass.
            batch: the batch.
            item: the item in the batch.
            stream: the stream's name, or the stream itself where its functions can't be found again
                from their files.
            repeat: counts the passes over the same epoch.
            roots: by source name: where its files are now.
            code: "today" runs the functions as their files are now, "recorded" as they were stored with
                the run, verified first.

        Returns:
            The sample.

        Raises:
            ReplayError: it came out different; the remedy names what has changed.
        """
        given = stream if isinstance(stream, Stream) else None
        named = stream if isinstance(stream, str) else None
        replayed = self.replayer(stream=given, roots=roots, code=code).replay(
            self._address(epoch, batch, item, named, repeat)
        )
        if replayed.equal is False:
            raise _unequal(replayed)
        return replayed.value

    def replay_pass(
        self,
        epoch: int = 0,
        first: int = 0,
        stop: int | None = None,
        *,
        stream: str | Stream | None = None,
        repeat: int = 0,
        roots: Mapping[str, str] | None = None,
        code: Code = "today",
    ) -> Iterator[Any]:
        """Again: make what a pass delivered once more, in order, each checked against its recorded digest.

        Args:
            epoch: the number of the pass.
            first: the first batch, or sample of a stream without batches.
            stop: the one after the last; None for all that were delivered.
            stream, repeat, roots, code: as for `replay`.

        Raises:
            ReplayError: one came out different; the remedy names what has changed.
            NotFoundError: nothing of it was delivered.
        """
        given = stream if isinstance(stream, Stream) else None
        named = stream if isinstance(stream, str) else None
        within = self._address(epoch, None, None, named, repeat)
        replayer = self.replayer(stream=given, roots=roots, code=code)
        for address in delivered_addresses(self._record, within, first, stop):
            replayed = replayer.replay(address)
            if replayed.equal is False:
                raise _unequal(replayed)
            yield replayed.value

    def replayer(
        self, *, stream: Stream | None = None, roots: Mapping[str, str] | None = None, code: Code = "today"
    ) -> Replayer:
        """Make many samples again: `run.replayer().replay(address)` says what is equal and what differs."""
        return Replayer(self._record, stream=stream, roots=roots, code=code)

    @property
    def record(self) -> RunRecord:
        """The run as it stands on disk."""
        return self._record

    @property
    def _writing(self) -> LiveRun:
        if self._live is None:
            raise InputError(
                f"run {self.name} was written by another process", remedy="Start a new run to log more."
            )
        self._read = None
        return self._live

    @property
    def _record(self) -> RunRecord:
        if self._read is None or (self._live is not None and self._live.is_open):
            self._read = RunRecord.read(self._folder, self.id)
        return self._read

    def _address(
        self, epoch: int, batch: int | None, item: int | None, stream: str | None, repeat: int
    ) -> Address:
        return Address(run=self.name, epoch=epoch, batch=batch, item=item, stream=stream, repeat=repeat)


def _unequal(replayed: Replay) -> ReplayError:
    causes = (
        "; ".join(difference.what for difference in replayed.differences) or "no cause is visible from here"
    )
    return ReplayError(
        f"{replayed.address}: made again it is {replayed.digest}, recorded was {replayed.recorded}",
        remedy=causes,
    )


def _with_text_digest(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"digest": digest_text(body["digest"])}


def _digest(hexadecimal: str) -> str:
    return f"sha256:{hexadecimal}"


def time_of(at_ns: int) -> dt.datetime:
    """A time as people hold it, UTC."""
    return dt.datetime.fromtimestamp(at_ns / 1e9, tz=dt.UTC)
