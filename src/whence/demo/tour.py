"""The tour: everything the demo asks of the record, and nothing told that isn't read from it."""

from __future__ import annotations

import contextlib
import pathlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import whence as wh
from whence.demo.images import Defect, Prepared, prepare
from whence.demo.training import Training, train
from whence.documents import write_report
from whence.query import Replay
from whence.runs import peak_memory_bytes

_WANTED = (2, 17, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """What the demo did and found.

    Args:
        prepared: the folder.
        training: the run.
        trace: of one augmented sample.
        fates: of each planted defect.
        replay: of the same sample, in a process that never ran the pipeline.
        verdict: on the store.
        report: the page.
        seconds: from beginning to end.
        peak_memory_bytes: the largest memory of the pipeline's process and of this one, together.
    """

    prepared: Prepared
    training: Training
    trace: wh.Trace
    fates: Sequence[tuple[Defect, wh.Impact]]
    replay: Replay
    verdict: wh.Verdict
    report: pathlib.Path
    seconds: float
    peak_memory_bytes: int

    @property
    def holds(self) -> bool:
        """Whether the record holds and the sample came out the same."""
        return self.verdict.holds and self.replay.equal is True

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.training.run.name,
            "accuracy": self.training.run.metrics.get("accuracy"),
            "trace": self.trace.to_json(),
            "impacts": [
                {"file": defect.path, "defect": defect.what} | impact.to_json()
                for defect, impact in self.fates
            ],
            "replay": self.replay.to_json(),
            "verify": self.verdict.to_json(),
            "seconds": round(self.seconds, 3),
            "samples": self.training.samples,
            "samples_per_s": round(self.training.samples_per_s, 1),
            "peak_memory_bytes": self.peak_memory_bytes,
            "report": str(self.report),
        }


def take_tour(folder: pathlib.Path) -> Tour:
    """Prepare the folder, train, ask, and write the report; errors as in `run_demo`."""
    began = time.perf_counter()
    prepared = prepare(folder)
    training = train(prepared)
    run = training.run
    workspace = wh.open(prepared.folder / ".whence")
    # the record names files as the pipeline did, relative to where it ran
    with contextlib.chdir(prepared.folder):
        trace = workspace.trace(_choose_sample(run))
        fates = [(defect, workspace.impact(defect.path)) for defect in prepared.defects]
        replay = workspace.replay(trace.address)
        verdict = workspace.verify()
        report = prepared.folder / "report.html"
        write_report(run.record, report)
    return Tour(
        prepared=prepared,
        training=training,
        trace=trace,
        fates=fates,
        replay=replay,
        verdict=verdict,
        report=report,
        seconds=time.perf_counter() - began,
        peak_memory_bytes=int(run.totals["peak_memory_bytes"]) + peak_memory_bytes(),
    )


def _choose_sample(run: wh.Run) -> str:
    """Any sample would do: one in the last epoch, or what an edited pipeline has instead."""
    delivered = list(run.exposures(stream=run.streams[0].name))
    wanted = [point for point in delivered if (point.epoch, point.batch, point.item) == _WANTED]
    return (wanted or delivered[len(delivered) // 2 :])[0].address
