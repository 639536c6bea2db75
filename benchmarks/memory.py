"""How much memory large streams take: the peak of a process of its own for each job.

Usage: python benchmarks/memory.py [--scale SHARE] [JOB ...]

A pass over samples that are read from their start takes as much memory for many as for few. An operation
that has to put samples aside takes what `wh.config(memory=...)` allows, and a fixed amount for everything
else. What counts is the peak of the resident memory, read from the system when the process ends.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import whence as wh
from whence.streams import Stream

MB = 1_000_000
BUDGET = 400 * MB
BESIDE_BUDGET = 300 * MB
STREAMING = 500 * MB

_ODD = 0x9E3779B97F4A7C15
_CHUNK = 4_096


class Rows:
    """Rows of a table that is made while it is read, so that no memory is taken by the source itself."""

    def __init__(self, count: int, *, different: int | None = None) -> None:
        self.count = count
        self.different = different or count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, self.count, _CHUNK):
            places = np.arange(start, min(start + _CHUNK, self.count), dtype=np.uint64)
            keys = ((places % self.different) * np.uint64(_ODD)) >> np.uint64(20)
            for place, key in zip(places.tolist(), keys.tolist(), strict=True):
                yield {"id": place, "key": key, "text": f"sample {key:016x}"}


def numbers(count: int) -> Iterator[int]:
    """Small samples."""
    yield from range(count)


def small(number: int) -> int:
    """Almost nothing, as most functions of small samples."""
    return number * 7


def is_kept(number: int) -> bool:
    """Every third is dropped."""
    return number % 3 > 0


def table(count: int) -> Stream:
    """The same rows as columns, in memory, 16 bytes each."""
    places = np.arange(count, dtype=np.int64)
    keys = (places.astype(np.uint64) * np.uint64(_ODD)).astype(np.int64)
    return wh.from_arrays(id=places, key=keys)


JOBS: dict[str, tuple[Callable[[int], Stream], int, int, int]] = {
    "streaming": (
        lambda count: wh.from_items(numbers(count), name="numbers").map(small).filter(is_kept).batch(1_000),
        100 * MB,
        0,
        STREAMING,
    ),
    "sort rows": (
        lambda count: wh.from_items(Rows(count)).sort("key"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET,
    ),
    "sort columns": (
        lambda count: table(count).sort("key"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET + 16 * 20 * MB,
    ),
    "join rows": (
        lambda count: wh.from_items(Rows(count)).join(wh.from_items(Rows(count)), "key"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET,
    ),
    "join columns": (
        lambda count: table(count).join(table(count), "key"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET + 2 * 16 * 20 * MB,
    ),
    "group_by rows": (
        lambda count: wh.from_items(Rows(count, different=count // 4)).group_by("key").aggregate(n="size"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET,
    ),
    "group_by columns": (
        lambda count: table(count).group_by("key").aggregate(first=("id", "min"), n="size"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET + 16 * 20 * MB,
    ),
    "dedup": (
        lambda count: wh.from_items(Rows(count, different=count * 3 // 4)).dedup("key"),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET,
    ),
    "dedup of few": (
        lambda count: wh.from_items(Rows(count, different=count // 100)).dedup(),
        20 * MB,
        BUDGET,
        BUDGET + BESIDE_BUDGET,
    ),
    "shuffle": (
        lambda count: wh.from_items(Rows(count)).cache().shuffle(seed=1),
        2 * MB,
        BUDGET // 4,
        BUDGET // 4 + BESIDE_BUDGET,
    ),
}
"""By job: the stream of so many samples, how many, the memory allowed to an operation, and that wanted."""


def run_job(name: str, scale: float) -> dict[str, Any]:
    """Do one job in this process, in a run that is recorded."""
    made, count, budget, wanted = JOBS[name]
    count = max(1, int(count * scale))
    began = time.process_time()
    delivered = 0
    with (
        tempfile.TemporaryDirectory(prefix="whence-memory-") as folder,
        wh.config(record="lineage", memory=budget or 1 << 30),
        wh.start_run(name, workspace=Path(folder)),
    ):
        for _ in made(count):
            delivered += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "job": name,
        "samples": count,
        "delivered": delivered,
        "budget_mb": budget // MB,
        "peak_mb": round(peak / MB),
        "wanted_mb": wanted // MB,
        "cpu_s": round(time.process_time() - began),
    }


def main() -> None:
    """Do each job in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", choices=[[], *JOBS], help="which; default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the samples")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(run_job(given.jobs[0], given.scale)))
        return
    print("| job | samples | memory allowed | peak | wanted | µs of CPU a sample |")
    print("|---|---|---|---|---|---|")
    for name in given.jobs or JOBS:
        command = [sys.executable, __file__, name, "--here", "--scale", str(given.scale)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
        found = json.loads(done.stdout)
        each = found["cpu_s"] / found["samples"] * 1e6
        allowed = f"{found['budget_mb']} MB" if found["budget_mb"] else ""
        print(
            f"| {name} | {found['samples']:,} | {allowed} | **{found['peak_mb']} MB** "
            f"| {found['wanted_mb']} MB | {each:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
