"""What comparing dataset versions costs, beside reading both with pyarrow.

    python benchmarks/datasets.py [--rows 1000000] [--rounds 5] [--quick] [--json]

Two versions of a table of seven columns, of which 800 rows were changed, removed and added all over; and two
splits of it. Each is compared in the same round with reading the Parquet files of both, and CPU and wall time
are measured; the median of all rounds is told, and the most memory that the process took.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import whence as wh

CHANGES = 800


def table_of(rows: int) -> pa.Table:
    """Numbers, texts, times and truth values, as in a table of measurements."""
    rng = np.random.default_rng(1)
    return pa.table(
        {
            "id": np.arange(rows),
            "patient": rng.integers(0, rows // 10 + 1, rows),
            "name": pa.array([f"sample {number * 7919 % rows:09}" for number in range(rows)]),
            "score": rng.random(rows),
            "weight": rng.random(rows).astype(np.float32),
            "label": pa.array(np.array(["cat", "dog", "owl"])[rng.integers(0, 3, rows)]),
            "checked": rng.random(rows) < 0.5,
        }
    )


def with_changes(table: pa.Table, *, in_place: bool) -> pa.Table:
    """800 rows otherwise: all changed, or a third each changed, removed and added."""
    rng = np.random.default_rng(2)
    chosen = np.sort(rng.choice(len(table), CHANGES, replace=False))
    changed = chosen if in_place else chosen[::3]
    scores = table["score"].to_numpy().copy()
    scores[changed] += 1
    table = table.set_column(3, "score", pa.array(scores))
    if in_place:
        return table
    kept, fresh = np.delete(np.arange(len(table)), chosen[1::3]), table.take(pa.array(chosen[2::3]))
    fresh = fresh.set_column(0, "id", pa.array(len(table) + np.arange(len(fresh))))
    places = np.sort(rng.integers(0, len(kept), len(fresh)))
    order = np.insert(kept, places, len(table) + np.arange(len(fresh)))
    return pa.concat_tables([table, fresh]).take(pa.array(order))


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def read_both(*references: str) -> None:
    """Read the same files with pyarrow."""
    for reference in references:
        for path in FILES[reference]:
            pq.read_table(path)


FILES: dict[str, list[pathlib.Path]] = {}


def save(table: pa.Table, name: str, folder: pathlib.Path) -> str:
    """Save a table as a version, with its files beside it for pyarrow."""
    reference: str = wh.from_table(table).save(name).reference
    target = wh.open().dataset(reference).save_to(folder / reference)
    FILES[reference] = sorted(target.iterdir())
    return reference


def main() -> None:
    """Measure, and print."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="100,000 rows, twice")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows, rounds = (100_000, 2) if asked.quick else (asked.rows, asked.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["WHENCE_HOME"] = str(folder / "home")
        os.environ.setdefault("WHENCE_KEYS", str(folder / "keys"))
        found = measure(folder, table_of(rows), rounds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if asked.json:
        print(json.dumps({"rows": rows, "machine": platform.machine(), "memory_mb": memory, "found": found}))
        return
    print(f"{rows:,} rows, {rounds} rounds, {os.cpu_count()} cores, at most {memory:.0f} MB")
    print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'reading both':>14}{'ratio':>8}")
    for what, said in found.items():
        print(
            f"{what:<34}{said['wall']:>8.2f}{said['cpu']:>8.2f}{said['reading']:>14.2f}"
            f"{said['wall'] / said['reading']:>8.1f}"
        )


def measure(folder: pathlib.Path, table: pa.Table, rounds: int) -> dict[str, dict[str, float]]:
    """Compare and read, in turns."""
    before = save(table, "before", folder)
    in_place = save(with_changes(table, in_place=True), "inplace", folder)
    mixed = save(with_changes(table, in_place=False), "mixed", folder)
    shuffled = save(table.take(np.random.default_rng(3).permutation(len(table))), "shuffled", folder)
    scaled = table.set_column(3, "score", pa.array(table["score"].to_numpy() * 2))
    other = save(scaled, "scaled", folder)
    parts = wh.from_dataset(before).split({"train": 0.8, "test": 0.2}, seed=1)
    train, test = (parts[name].save(name).reference for name in ("train", "test"))
    for reference in (train, test):
        target = wh.open().dataset(reference).save_to(folder / reference)
        FILES[reference] = sorted(target.iterdir())
    workspace = wh.open()

    def diff(after: str, key: str | None = None) -> Callable[[], Any]:
        return lambda: workspace.diff(workspace.dataset(before), after, key=key).to_json(limit=1000)

    jobs: dict[str, tuple[Callable[[], Any], str, str]] = {
        "diff, 800 changed in place": (diff(in_place), before, in_place),
        "diff, 800 changed, removed, added": (diff(mixed), before, mixed),
        "the same, by key": (diff(mixed, "id"), before, mixed),
        "diff, another order": (diff(shuffled), before, shuffled),
        "the same, by key ": (diff(shuffled, "id"), before, shuffled),
        "diff, all rows changed": (diff(other), before, other),
        "leaks of two splits": (lambda: workspace.leaks(train, test), train, test),
        "the same, by patient": (lambda: workspace.leaks(train, test, by="patient"), train, test),
    }
    found = {}
    for what, (work, first, second) in jobs.items():
        times = []
        for _ in range(rounds):
            reading = measured(functools.partial(read_both, first, second))
            times.append((*measured(work), reading[1]))
        cpu, wall, reading_s = (statistics.median(each) for each in zip(*times, strict=True))
        found[what] = {"cpu": cpu, "wall": wall, "reading": reading_s}
    return found


if __name__ == "__main__":
    main()
