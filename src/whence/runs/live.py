"""A run while it goes on: everything that is logged goes to its journal at once."""

from __future__ import annotations

import atexit
import contextlib
import os
import pathlib
import resource
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, cast

from whence.capture import (
    CleanWriter,
    FileNotes,
    Past,
    Recording,
    ask_environment,
    enter_run,
    leave_run,
    redact,
    resume_facts,
)
from whence.errors import InputError
from whence.runs.decisions import check_passes
from whence.runs.fits import FitNotes
from whence.runs.given import as_number, as_pairs, as_step, plain_pairs, words
from whence.runs.models import NOTHING_KEPT, Content, Parent, check_name, keep_content, model_body
from whence.runs.naming import friendly_name, make_run_id
from whence.runs.parts import UnbegunPart, begin_part, end_part, watch_forks
from whence.runs.sampling import Sampler
from whence.runs.sealing import logged_at_end
from whence.runs.together import Inherited, begun_where
from whence.store import Folder, Journal, RunWriter
from whence.vocab import plain

Status = Literal["finished", "failed"]


class LiveRun:
    """Writes one run.

    Args:
        folder: the workspace.
        title: what the user calls the run; need not be unique.
        params: its parameters; of a run that is resumed, further ones.
        tags: its tags; the same.
        resume: the id of the run to go on with, whose title stays; None begins one.
        before_sealing: is given the writer when all passes have ended, to add what is made of them.
        after_logging: is given the workspace when the run is logged, and raises nothing.

    Raises:
        NotFoundError, StoreBusyError, DamagedError: the run to go on with isn't there, is being written, or
            isn't whole.
        StoreReadOnlyError, StoreFullError, StoreError: it can't be written; then nothing has changed.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        title: str = "",
        params: Mapping[str, Any] | None,
        tags: Mapping[str, Any] | None,
        resume: str | None = None,
        before_sealing: Callable[[RunWriter], None] | None = None,
        after_logging: Callable[[Folder], None] | None = None,
    ) -> None:
        given = {"params": plain_pairs("params", params or {}), "tags": plain_pairs("tags", tags or {})}
        surroundings = ask_environment()  # Git and others answer while files are made
        before: Journal | None = None
        if resume is None:
            self.id = make_run_id(time.time_ns() // 1_000_000, secrets.token_bytes(10))
            self._writer = CleanWriter(folder, self.id)
        else:
            self.id = resume
            self._writer, before = CleanWriter.reopen(folder, self.id, check=check_passes)
        self._began_ns = time.perf_counter_ns()
        self._began_cpu_ns = time.process_time_ns()
        self._pid = os.getpid()
        self._before_sealing = before_sealing
        self._after_logging = after_logging
        self._before_end: list[Callable[[BaseException | None], object]] = []
        self._folder = folder
        self._is_part = self._has_ended = False
        self._is_resumed = resume is not None
        self._lock = threading.RLock()
        try:
            if before is None:
                self.name = friendly_name(self.id)
                self._writer.append("run_start", {"name": self.name}, {"title": words(title)} | begun_where())
            else:
                self.name = before.find("run_start")[0].public["name"]
                self._writer.append("run_resume", resume_facts(before))
                self._writer.sync()  # or a power cut could leave more in segments than a sealed journal knows
            self._writer.append("environment", {}, {"environment": plain(surroundings())})
            self._recording = Recording(self._writer, None if before is None else Past.of(before))
            for event in [] if before is None else before.find("model_used"):
                self._recording.remember_used(event.kind, event.body or {})
            self._recording.tell_script()
            self._fits = FitNotes(self._writer, before)
            self.param_names = set(given["params"])
            for kind, pairs in given.items():
                self._log_pairs(kind, pairs)
            self._writer.sync()
            self._writer.endure()
        except BaseException:
            self._writer.discard()  # the caller never had this run, or as it was before
            raise
        enter_run(self._recording)
        self._files = FileNotes(self._writer, self._recording.told_files)
        self._files.begin()
        self._inherited = Inherited(self.id)
        self._sampler = Sampler(self._writer, self._recording)
        atexit.register(self._finish_at_exit)
        watch_forks(self)

    @property
    def is_open(self) -> bool:
        """Whether it can still be written."""
        return not self._has_ended and self._writer.is_open

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters."""
        self._log_pairs("params", plain_pairs("params", params))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Record tags."""
        self._log_pairs("tags", plain_pairs("tags", tags))

    def log_metric(self, key: str, value: Any, step: int | None) -> None:
        """Record a metric at a step; by default the number of batches delivered so far."""
        self._check_open()
        at = self._recording.delivered_count if step is None else as_step(step)
        self._writer.log_point(words(key), as_number(key, value), at)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None) -> None:
        """Record metrics at one step, all or none."""
        self._check_open()
        at = self._recording.delivered_count if step is None else as_step(step)
        given = as_pairs("log_metrics", metrics)
        named = [(key, as_number(key, value)) for key, value in given.items()]
        if named:
            self._writer.log_points(named, at)

    def log_fit(self, facts: Mapping[str, Any], number: int | None) -> int:
        """Say what is trained on what, or more of a training; returns its number."""
        self._check_open()
        return self._fits.log(facts, number)

    def log_note(self, text: str) -> None:
        """Record a note."""
        self._check_open()
        self._writer.append("note", {}, {"text": words(text)})

    def log_artifact(self, content: Content, *, name: str, media_type: str) -> bytes:
        """Keep bytes, a file or a folder; returns the digest."""
        self._check_open()
        kept = keep_content(self._writer, content)
        digest: bytes = kept["digest"]
        self._writer.append("artifact", {}, {"name": words(name), **kept, "media_type": media_type})
        self._writer.settle()
        return digest

    def log_model(
        self,
        content: Content,
        *,
        name: str,
        metadata: Mapping[str, Any],
        named_format: str | None,
        signature: Any,
        parents: list[Parent],
        next_version: Callable[[str], int],
    ) -> bytes:
        """Keep a model's content as a new version of its name; returns the digest."""
        self._check_open()
        named = check_name("log_model", name)
        given = {"metadata": metadata, "named_format": named_format, "signature": signature}
        model_body(named, NOTHING_KEPT, **given)  # refused before anything is kept
        body = model_body(named, keep_content(self._writer, content), **given)
        named_digests = {parent["digest"] for parent in parents}
        loaded = self._recording.used_so_far("model_used")
        body["parents"] = [*parents, *(each for each in loaded if each["digest"] not in named_digests)]
        body["seen"] = self._recording.open_passes()
        version = next_version(named)
        self._writer.append("model", {}, body | ({"version": version} if version else {}))
        self._writer.settle()
        digest: bytes = body["digest"]
        return digest

    @contextlib.contextmanager
    def recorded(self) -> Iterator[int]:
        """What is read within is recorded in this run, whichever began last; gives the next pass's number."""
        self._check_open()
        enter_run(self._recording)
        try:
            yield self._recording.pass_count
        finally:
            leave_run(self._recording)

    def log_dataset(
        self, name: str, kept: Mapping[str, Any], *, message: str, next_version: Callable[[str], int]
    ) -> int:
        """Record what was kept as the next version of a dataset; on the disk when this returns."""
        self._check_open()
        version = next_version(name)
        body = {"name": name, "version": version, **kept, "message": redact(words(message))}
        self._writer.append("dataset", {}, body)
        self._writer.sync()
        return version

    def before_end(self, tell: Callable[[BaseException | None], object]) -> None:
        """Have a function called when the run ends, which can still log; it is given the error, if any."""
        self._before_end.append(tell)

    def forked(self) -> None:
        """This is a process forked from the run's: what it logs becomes a part of the run."""
        if not self._has_ended:
            self._is_part, self._pid = True, os.getpid()
            self._lock = threading.RLock()  # who held it isn't in this process
            self._before_end = []
            self._writer = cast(CleanWriter, UnbegunPart(self._begin_part))
            self._fits = FitNotes(self._writer, None)

    def _begin_part(self) -> CleanWriter:
        with self._lock:
            if isinstance(self._writer, UnbegunPart):
                self._began_ns, self._began_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
                self._writer = begin_part(self._folder, self.id, at_end=self._finish_at_exit)
            return self._writer

    def sync(self) -> None:
        """Force everything logged so far to the disk."""
        self._writer.sync()

    def finish(self, status: Status = "finished", error: BaseException | None = None) -> None:
        """End the run; a second call does nothing."""
        with self._lock:
            if not self.is_open or os.getpid() != self._pid:
                return
            while self._before_end:
                self._before_end.pop()(error)
            self._has_ended = True
            self._inherited.end()
            leave_run(self._recording)
            atexit.unregister(self._finish_at_exit)
            if isinstance(self._writer, UnbegunPart):
                return  # this process has logged nothing
            energy = [] if self._is_part else self._sampler.stop()
            if not self._is_part:
                self._recording.close()
                self._files.end()
                if self._before_sealing is not None:
                    self._before_sealing(self._writer)
            body: dict[str, Any] = {
                "wall_s": (time.perf_counter_ns() - self._began_ns) / 1e9,
                "cpu_s": (time.process_time_ns() - self._began_cpu_ns) / 1e9,
                "peak_memory_bytes": peak_memory_bytes(),
            }
            if energy:
                body["energy"] = energy
            if error is not None:
                body["traceback"] = redact("".join(traceback.format_exception(error)))
            with logged_at_end(self._folder, self._writer, is_resumed=self._is_resumed):
                self._writer.seal(status, body)
                if self._is_part:
                    end_part(self._folder, self.id, self._writer)
            if self._after_logging is not None and not self._is_part:
                self._after_logging(self._folder)

    def _finish_at_exit(self) -> None:
        """The program ends without having ended the run: say how it ended."""
        error = getattr(sys, "last_value", None)
        self.finish("failed" if error is not None else "finished", error)

    def _log_pairs(self, kind: str, pairs: dict[str, Any]) -> None:
        self._check_open()
        if pairs:
            self._writer.append(kind, {}, {kind: pairs})
        if kind == "params":
            self.param_names.update(pairs)

    def _check_open(self) -> None:
        if not self.is_open:
            raise InputError(f"the run {self.name} has ended", remedy="Start a new run to log more.")


def peak_memory_bytes() -> int:
    """The largest resident memory of this process so far.

    Linux's `ru_maxrss` begins with what the parent had when it started us, so its own count is read there.
    """
    with contextlib.suppress(OSError, StopIteration):
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
