"""A run as it is read back: its facts, and the questions on it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from whence.errors import NotFoundError, ReplayError
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
    FileSeen,
    History,
    PassView,
    RunRecord,
    SourceView,
    StreamView,
    Unfollowed,
    read_fits,
)
from whence.streams import Stream
from whence.vocab import digest_text


class RecordedRun:
    """A run as it is read back, and asked questions; see `Run`, which also writes.

    Args:
        record: what was read of it; None where a subclass reads it when it is asked.
    """

    def __init__(self, record: RunRecord | None) -> None:
        self._read = record

    def __repr__(self) -> str:
        return f"<whence run {self.name} {self.id}>"

    # what it says

    @property
    def id(self) -> str:
        """Its id, a ULID."""
        return self._record.id

    @property
    def name(self) -> str:
        """Its friendly name."""
        return self._record.name

    @property
    def title(self) -> str:
        """What the user called it."""
        return self._record.title

    @property
    def status(self) -> str:
        """running, resumed (it goes on by another process), finished, failed, lost, or unknown."""
        return self._record.status

    @property
    def standing(self) -> str:
        """What is known of its writer, in words: why it is lost or unknown; empty once it has ended."""
        return self._record.standing

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
        """The last value of each metric, but for those of the machine (`system/...`)."""
        return self._record.metrics

    @property
    def metric_keys(self) -> list[str]:
        """The names of all metrics, in the order in which they first came, those of the machine too."""
        return self._record.metric_keys

    @property
    def group(self) -> dict[str, Any] | None:
        """The processes that a launcher began with it: id, by, rank, size; None where it was alone."""
        return self._record.group

    @property
    def parts(self) -> list[RecordedRun]:
        """What processes that were forked from its own logged; each is a run."""
        return [RecordedRun(part) for part in self._record.parts]

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
    def inputs(self) -> list[FileSeen]:
        """The files that it read beside its streams, with their digests."""
        return self._record.inputs

    @property
    def outputs(self) -> list[FileSeen]:
        """The files that it wrote, with their digests."""
        return self._record.outputs

    @property
    def unfollowed(self) -> list[Unfollowed]:
        """What it did that can't be followed: processes, connections, libraries."""
        return self._record.unfollowed

    @property
    def models(self) -> list[dict[str, Any]]:
        """Its models: name, digest, bytes, metadata."""
        return [_with_text_digest(body) for body in self._record.models]

    @property
    def fits(self) -> list[dict[str, Any]]:
        """Its trainings, by number: all that was said of each with `log_fit`, or by `autolog`."""
        return read_fits(self._record.journal)

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
        """All values of a metric, as they were logged: arrays `.step`, `.value`, `.at`, and `.is_complete`.

        Raises:
            NotFoundError: it has no such metric.
        """
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
    def _record(self) -> RunRecord:
        if self._read is None:
            raise AssertionError("a run that is written reads its record again")
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


def time_of(at_ns: int) -> dt.datetime:
    """A time as people hold it, UTC."""
    return dt.datetime.fromtimestamp(at_ns / 1e9, tz=dt.UTC)
