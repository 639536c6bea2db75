"""What recording metrics costs: a call, its room on the disk, reading it all back, and beside MLflow.

    python benchmarks/record.py [--rounds 15] [--points 1000000] [--long] [--json]

- a call of `run.log_metric`, of `run.log_metrics` with ten keys, and of the system's write of as many bytes,
  in turn; CPU time and wall time of the calling thread, medians of rounds;
- 1 M points of one run, its folder when it has ended, and its history read from a run opened anew;
- MLflow with SQLite in an environment of its own (`.peers/mlflow`, made once), by its client and by its
  fluent calls, in turn with whence in one process;
- with --long the memory of a process that logs ten million points.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.compare import ROOT, installed, measured

import whence as wh

CALLS = 20_000
HISTORY_BOUND_MS = 100
ROOM_BOUND_MB = 12
CALL_BOUND_US = 6
MLFLOW_BOUND = 500

MEMORY = """
import pathlib, sys
import whence as wh

def resident():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

with wh.start_run(workspace=sys.argv[1]) as run:
    for million in range(10):
        for step in range(1_000_000):
            run.log_metric("loss", 1.0 / (step + 1), step)
        if million == 0:
            first = resident()
    print(first, resident())
"""


def timed(act: Callable[[int], object], calls: int) -> tuple[float, float]:
    """Microseconds that a call takes: of CPU and of wall time."""
    wall, cpu = time.perf_counter(), time.thread_time()
    for number in range(calls):
        act(number)
    cpu = time.thread_time() - cpu
    return cpu / calls * 1e6, (time.perf_counter() - wall) / calls * 1e6


def measure_calls(folder: pathlib.Path, rounds: int) -> list[dict[str, Any]]:
    """The price of a call, beside a write."""
    descriptor = os.open(folder / "written", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    point, ten = bytes(32), bytes(320)
    values = {f"loss/{number}": 0.1 * number for number in range(10)}
    found: dict[str, list[tuple[float, float]]] = {}
    with wh.start_run("calls", workspace=folder) as run:
        ways: dict[str, Callable[[int], object]] = {
            "write of 32 bytes": lambda number: os.write(descriptor, point),
            "log_metric": lambda number: run.log_metric("loss", 0.1 * number),
            "log_metric, step given": lambda number: run.log_metric("loss", 0.1 * number, number),
            "write of 320 bytes": lambda number: os.write(descriptor, ten),
            "log_metrics, 10 keys": lambda number: run.log_metrics(values),
        }
        for number in range(rounds + 1):
            for name, act in ways.items():
                taken = timed(act, CALLS if "10" not in name else CALLS // 4)
                if number:
                    found.setdefault(name, []).append(taken)
    os.close(descriptor)
    rows = []
    for name, each in found.items():
        written = found["write of 320 bytes" if "320" in name or "10 keys" in name else "write of 32 bytes"]
        ratios = [mine[0] / theirs[0] for mine, theirs in zip(each, written, strict=True)]
        quartiles = statistics.quantiles([cpu for cpu, _ in each], n=4)
        rows.append(
            {
                "what": name,
                "cpu_us": statistics.median(cpu for cpu, _ in each),
                "quartiles": [quartiles[0], quartiles[2]],
                "wall_us": statistics.median(wall for _, wall in each),
                "of_write": statistics.median(ratios),
            }
        )
    return rows


def measure_history(folder: pathlib.Path, kind: str, points: int, rounds: int) -> dict[str, Any]:
    """The room of a run of so many points, and reading them."""
    random = np.random.default_rng(1)
    steps = np.arange(points)
    values = random.random(points)
    if kind == "like a loss":
        values = 2.3 * np.exp(-steps / points * 5) + 0.05 * random.standard_normal(points)
    elif kind == "float32":
        values = (2.3 * np.exp(-steps / points * 5) + 0.05 * random.standard_normal(points)).astype("<f4")
    with wh.start_run(kind, workspace=folder) as run:
        for step, value in enumerate(values.astype("<f8").tolist()):
            run.log_metric("loss", value, step)
    path = wh.open(folder).path / "runs" / run.id
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    taken = []
    for number in range(rounds + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        history = wh.open(folder).run(run.id).history("loss")
        if number:
            taken.append(((time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3))
        assert (history.value == values).all()
        assert (history.step == steps).all()
    return {
        "values": kind,
        "mb": size / 1e6,
        "bytes_per_point": size / points,
        "read_cpu_ms": statistics.median(cpu for cpu, _ in taken),
        "read_wall_ms": statistics.median(wall for _, wall in taken),
    }


def measure_mlflow(rounds: int) -> dict[str, Any] | str:
    """MLflow with SQLite in turn with whence; or why it wasn't measured."""
    folder = ROOT / ".peers" / "mlflow"
    problem = installed(sys.executable, folder, ["--editable", str(ROOT), "mlflow"])
    found = problem or measured(folder, "record_mlflow.py", ["--rounds", str(rounds)])
    if isinstance(found, str):
        return found
    seconds = found["seconds"]
    ratios = {
        name: [theirs / ours for theirs, ours in zip(seconds[name], seconds["whence"], strict=True)]
        for name in ("client", "fluent")
    }
    return {
        "version": found["version"],
        "us": {name: statistics.median(each) * 1e6 for name, each in seconds.items()},
        "ratios": {name: [min(each), statistics.median(each), max(each)] for name, each in ratios.items()},
    }


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    print("| call | µs of CPU | quartiles | µs of wall time | of the write |\n|---|---|---|---|---|")
    for row in found["calls"]:
        low, high = row["quartiles"]
        print(
            f"| {row['what']} | {row['cpu_us']:.2f} | {low:.2f} – {high:.2f} | "  # noqa: RUF001
            f"{row['wall_us']:.2f} | {row['of_write']:.2f} |"
        )
    print(f"(a log_metric is to take {CALL_BOUND_US} µs at most)\n")
    print(f"| {found['points']:,} points | MB | bytes a point | reading, ms of CPU | ms |")
    print("|---|---|---|---|---|")
    for row in found["histories"]:
        print(
            f"| {row['values']} | {row['mb']:.2f} | {row['bytes_per_point']:.2f} | "
            f"{row['read_cpu_ms']:.0f} | {row['read_wall_ms']:.0f} |"
        )
    print(f"(1 M points are to take {ROOM_BOUND_MB} MB and {HISTORY_BOUND_MS} ms at most)\n")
    theirs = found["mlflow"]
    if isinstance(theirs, str):
        print(f"MLflow: not measured: {theirs}")
    else:
        print(f"| MLflow {theirs['version']} with SQLite | µs a call | of whence's | spread |")
        print("|---|---|---|---|")
        print(f"| whence | {theirs['us']['whence']:.2f} | 1 | |")
        for name, (low, middle, high) in theirs["ratios"].items():
            print(f"| {name} | {theirs['us'][name]:,.0f} | {middle:,.0f} | {low:,.0f} – {high:,.0f} |")  # noqa: RUF001
        print(f"(to be {MLFLOW_BOUND} times at least)")
    if "memory" in found:
        first, last = found["memory"]
        print(f"\nmemory after 1 M points {first:.0f} MB, after 10 M {last:.0f} MB")


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="whence-bench-"))
    os.chdir(folder)
    try:
        found: dict[str, Any] = {"points": options.points, "calls": measure_calls(folder, options.rounds)}
        found["histories"] = [
            measure_history(folder, kind, options.points, options.rounds)
            for kind in ("random", "like a loss", "float32")
        ]
        found["mlflow"] = measure_mlflow(options.rounds)
        if options.long:
            command = [sys.executable, "-c", MEMORY, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found["memory"] = [float(each) for each in done.stdout.split()]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
