"""Reading a pipeline as its consumers would: several passes, left half-way or not, in turns or in a row."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

import whence as wh
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Plan, ops_of
from whence.capture import environment
from whence.errors import OpError, PlanError
from whence.streams import Stream, pacing


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A plan and how it is read.

    Args:
        plan: what is built.
        epochs: which epochs are read; one twice is a repeated pass.
        stops: after how many outputs each reading is left; None reads to the end.
        in_turns: whether the passes are read in turns, a sample of each, rather than one after the other.
        first_chunk: how many samples the first chunk has.
        largest_chunk: how many a chunk has at most.
        memory_bytes: how much operations that put samples aside may keep; None for as much as they do.
        record: what is recorded.
        workers: how many processes help.
    """

    plan: Plan
    epochs: tuple[int, ...]
    stops: tuple[int | None, ...]
    in_turns: bool
    first_chunk: int
    largest_chunk: int
    memory_bytes: int | None = None
    record: Literal["full", "lineage"] = "full"
    workers: int = 0


@dataclass
class Reading:
    """One pass as its consumer saw it."""

    epoch: int
    repeat: int
    got: list[Any] = field(default_factory=list)
    is_complete: bool = False


@contextmanager
def chunks_of(first: int, largest: int) -> Iterator[None]:
    """Let the engine move samples in chunks of other sizes: nothing may depend on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "FIRST_CHUNK", first)
        for name in ("LARGEST_CHUNK", "LARGEST_QUICK_CHUNK", "LARGEST_COLUMN_CHUNK"):
            patch.setattr(pacing, name, largest)
        yield


class Workshop:
    """A place for many runs: folders in memory where there is some, and an environment described once.

    A run of a handful of samples would otherwise cost what its folders and the description of its
    environment cost. Used with `with`, it leaves nothing.
    """

    def __init__(self) -> None:
        memory = pathlib.Path("/dev/shm")
        self._root = pathlib.Path(
            tempfile.mkdtemp(prefix="whence-oracle-", dir=memory if memory.is_dir() else None)
        )
        self._patch = pytest.MonkeyPatch()
        found = environment()
        self._patch.setattr("whence.runs.live.ask_environment", lambda: lambda: found)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()
        shutil.rmtree(self._root)

    @contextmanager
    def folder(self) -> Iterator[pathlib.Path]:
        """A new folder, for one pipeline."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self._root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def read_all(stream: Stream, pipeline: Pipeline) -> list[Reading]:
    """Read the passes of a pipeline, leaving each where it says."""
    begun: list[_Begun] = []
    for epoch, stop in zip(pipeline.epochs, pipeline.stops, strict=True):
        if stop == 0:
            iter(stream.epoch(epoch)).close()  # nothing was asked for: no pass began
            continue
        reading = Reading(epoch, sum(each.reading.epoch == epoch for each in begun))
        samples = iter(stream.epoch(epoch, workers=pipeline.workers))
        begun.append(_Begun(reading, samples, stop, pipeline))
        if not pipeline.in_turns:
            while begun[-1].goes_on():
                pass
    going = begun if pipeline.in_turns else []
    while going:
        going = [each for each in going if each.goes_on()]
    return [each.reading for each in begun]


class _Begun:
    """A pass that has begun."""

    def __init__(self, reading: Reading, samples: Any, stop: int | None, pipeline: Pipeline) -> None:
        self.reading = reading
        self._samples = samples
        self._stop = stop
        self._may_fail = any(OPERATIONS[op].may_fail for op in ops_of(pipeline.plan))

    def goes_on(self) -> bool:
        """Take one more sample, or end the pass."""
        try:
            self.reading.got.append(next(self._samples))
        except StopIteration:
            self.reading.is_complete = True
            return False
        except (OpError, PlanError):
            # two inputs of a zip were of one length in epoch 0 only, or there was nothing to learn from:
            # what was delivered before still counts
            if not self._may_fail:
                raise
            return False
        if self._stop is not None and len(self.reading.got) >= self._stop:
            self._samples.close()
            return False
        return True


@contextmanager
def recorded(pipeline: Pipeline, folder: pathlib.Path) -> Iterator[wh.Run]:
    """A run in whose passes chunks, memory and what is recorded are as the pipeline says."""
    sizes = chunks_of(pipeline.first_chunk, pipeline.largest_chunk)
    settings = wh.config(record=pipeline.record, memory=pipeline.memory_bytes)
    with sizes, settings, wh.start_run("oracle", workspace=folder / "ws") as run:
        yield run
