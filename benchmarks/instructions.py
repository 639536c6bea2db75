"""What capture costs in instructions, counted by valgrind: what else runs on the machine changes nothing.

Each way of a job of `capture.py` runs under cachegrind in processes of their own, once with a few samples and
once with all of them after these; the difference is counted. Valgrind is much slower than the processor, and
how many samples a chunk has follows the clock, so the clock is slowed down as much. It knows no instructions
for SHA-256, so that the digests of files count several times of what they take.

    python benchmarks/instructions.py [files memory integers]

Needs valgrind; some minutes for each job.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parent))
from capture import WORKS, machine, measure, write_images

from whence.streams import pacing

WAYS = ("off", "lineage", "full", "generators")
SLOWER = 40
WARM = 1
_COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)")


def work(job: str, way: str, folder: str, *, is_whole: bool) -> None:
    """Do a job in one way: a few samples of it, which load all that is needed, and then all of them."""
    vars(pacing)["time"] = SimpleNamespace(perf_counter_ns=lambda: time.perf_counter_ns() // SLOWER)
    whole = WORKS[job](folder)
    made, record = whole.by_way[way]

    def first_ones(epoch: int) -> list[object]:
        samples = iter(made(epoch))
        return [next(samples) for _ in range(WARM)]

    measure(first_ones, 1, record)
    if is_whole:
        measure(made, whole.epochs, record)


def instructions(job: str, way: str, folder: str, *, is_whole: bool) -> int:
    """Count the instructions of a process that does it."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, __file__, job, "--here", way, folder, "all" if is_whole else "few"]
    environment = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found = _COUNTED.search(done.stderr)
    if found is None:
        raise SystemExit(f"valgrind counts nothing: {done.stderr[-300:]}")
    return int(found[1].replace(",", ""))


def main() -> None:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", choices=[[], *WORKS])
    parser.add_argument("--here", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        way, folder, share = options.here
        work(options.jobs[0], way, folder, is_whole=share == "all")
        return
    print(machine())
    print("| job | way | million instructions | of off |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_images(folder)
        for job in options.jobs or WORKS:
            off = 0
            for way in WAYS:
                whole, few = (instructions(job, way, folder, is_whole=each) for each in (True, False))
                off = off or whole - few
                print(
                    f"| {job} | {way} | {(whole - few) / 1e6:,.0f} | {(whole - few) / off:.3f} |", flush=True
                )


if __name__ == "__main__":
    main()
