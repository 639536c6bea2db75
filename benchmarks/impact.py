"""Whither, across many large runs: how long a question about rows takes, warm, and whether it is right.

Writes a workspace of real runs, each with one complete pass over a source of many rows, a filter that
drops some of them (others in each run) and batches. The recorder is told what the filter decided, chunk by
chunk, as the engine tells it; what follows (segments, sealing, sets, catalog) is what any run does.
Only the rows themselves are never made.

    python benchmarks/impact.py --folder FOLDER [--runs 1000] [--rows 100000000] [--drop 0.01]
                                [--ask 1000] [--json]

A folder that has the runs already is only asked. With few rows (`--check`, up to 10 million in all) every
answer is compared with that of plain sets of numbers.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import time

import numpy as np
from numpy.typing import NDArray

import whence as wh
from whence.capture import current_recorder
from whence.streams.stream import compiled

CHUNK = 65_536
BATCH = 64
SOURCE = "rows"


def keeps(value: int) -> bool:
    """Never called here: what it would decide is drawn."""
    return value >= 0


def dropped_rows(run: int, rows: int, share: float) -> NDArray[np.int64]:
    """The rows that the filter of one run drops, ascending."""
    generator = np.random.default_rng([7, run])
    gaps = generator.geometric(share, int(rows * share * 1.2) + 100)
    places = np.cumsum(gaps) - 1
    return places[places < rows].astype(np.int64)


def write_run(folder: pathlib.Path, run: int, rows: int, share: float) -> None:
    """Write one run."""
    stream = wh.from_items(range(rows), name=SOURCE).filter(keeps, reason="not wanted").batch(BATCH)
    program = compiled(stream)
    dropped = dropped_rows(run, rows, share)
    with wh.config(record="lineage"), wh.start_run(f"run {run}", workspace=folder) as begun:
        recorder = current_recorder().begin_pass(program, 0)
        source, chosen, top = (recorder.node(index) for index in range(3))
        source.found_rows(rows)
        waiting = 0
        for start in range(0, rows, CHUNK):
            size = min(CHUNK, rows - start)
            kept = np.ones(size, np.bool_)
            first, last = np.searchsorted(dropped, (start, start + size))
            kept[dropped[first:last] - start] = False
            chosen.selected(kept, size)
            waiting += int(np.count_nonzero(kept))
            batches, waiting = divmod(waiting, BATCH)
            if start + size == rows and waiting:
                batches += 1
            top.spent(0, batches * BATCH, batches)
            for _ in recorder.deliver([None] * batches):
                pass
        recorder.end(complete=True)
        begun.log_model("model", str(run).encode())


def write_workspace(folder: pathlib.Path, runs: int, rows: int, share: float) -> None:
    """Write the runs that aren't there yet."""
    have = len(wh.open(folder).runs()) if wh.open(folder).exists else 0
    began = time.perf_counter()
    for run in range(have, runs):
        write_run(folder, run, rows, share)
        if (run + 1) % 50 == 0:
            print(f"{run + 1} runs, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def measured(workspace: wh.Workspace, asked: NDArray[np.int64]) -> tuple[float, int, bool]:
    """Milliseconds of one question, and what it found."""
    began = time.perf_counter()
    impact = workspace.impact(SOURCE, rows=asked.tolist())
    found = impact.count, impact.absent
    return (time.perf_counter() - began) * 1000, *found


def main() -> None:
    """Write, ask, compare."""
    parser = argparse.ArgumentParser(description="impact across many large runs")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--drop", type=float, default=0.01)
    parser.add_argument("--ask", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="compare every answer with plain sets")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    write_workspace(options.folder, options.runs, options.rows, options.drop)
    workspace = wh.open(options.folder)
    generator = np.random.default_rng(11)
    asked = np.unique(generator.integers(0, options.rows, options.ask))
    cold, _, _ = measured(workspace, asked)
    warm = [measured(workspace, asked)[0] for _ in range(options.rounds)]
    fresh = []
    differences = 0
    checked = 0
    checked_runs = range(options.runs if options.check else 0)
    dropped = [set(dropped_rows(run, options.rows, options.drop).tolist()) for run in checked_runs]
    for _ in range(options.rounds):
        others = np.unique(generator.integers(0, options.rows, options.ask))
        took, count, _ = measured(workspace, others)
        fresh.append(took)
        if options.check:
            checked += 1
            differences += count != sum(row not in gone for gone in dropped for row in others.tolist())
    beyond = np.arange(options.rows, options.rows + options.ask)
    absent_ms, count, absent = measured(workspace, beyond)
    differences += count != 0 or not absent
    if options.check:
        everywhere = sorted(set.intersection(*dropped))[: options.ask]
        for row in everywhere:
            checked += 1
            impact = workspace.impact(SOURCE, rows=[row])
            differences += not impact.absent or impact.count != 0
    found = {
        "runs": options.runs,
        "rows": options.rows,
        "asked": len(asked),
        "cold_ms": cold,
        "warm_ms": statistics.median(warm),
        "warm_worst_ms": max(warm),
        "other_rows_ms": statistics.median(fresh),
        "absent_ms": absent_ms,
        "checked": checked,
        "differences": differences,
    }
    if options.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:15} {value:.1f}" if isinstance(value, float) else f"{key:15} {value}")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
