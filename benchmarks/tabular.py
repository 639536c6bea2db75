"""What tabular work costs: filter, projection, join and group_by of a million rows, beside bare pandas.

Each job is done by pandas alone and by whence with the record off, with lineage and in full, one after the
other, again and again, and compared within each round. CPU time is measured (user and system, all threads)
from the data frame to the data frame, the end of the run included, with all that is written and sealed.
Before anything is timed the results are compared.

    python benchmarks/tabular.py [--rounds 15] [--rows 1000000] [--json] [JOB ...]

Data: a made-up table of penguins, by seed: numbers, a share of which are missing, and texts; the tables that
mlinspect is given in `peers/tables_mlinspect.py`; and two tables of as many rows each, of which a row of one
goes with one row of the other, in no order.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import whence as wh

sys.path.insert(0, str(Path(__file__).parent))
from capture import machine, ratio

WAYS = ("pandas", "off", "lineage", "full")
BOUND = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work, done by both.

    Args:
        name: what the table calls it.
        by_pandas: does it without us.
        by_whence: does it with us, and gives a data frame as well.
    """

    name: str
    by_pandas: Callable[[], pd.DataFrame]
    by_whence: Callable[[], pd.DataFrame]


def penguins(rows: int) -> pd.DataFrame:
    """Numbers, truth values and texts as a table of animals has them."""
    rng = np.random.default_rng(2026)
    mass = rng.normal(4_200, 800, rows)
    mass[rng.random(rows) < 0.01] = np.nan
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "species": rng.choice(["Adelie", "Chinstrap", "Gentoo"], rows),
            "island": rng.choice(["Biscoe", "Dream", "Torgersen"], rows),
            "mass": mass,
            "flipper": rng.integers(170, 235, rows),
            "year": rng.integers(2007, 2010, rows),
        }
    )


def keyed(rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a thousand groups, and a table of the groups."""
    rng = np.random.default_rng(7)
    table = {"k": rng.integers(0, 1000, rows), "x": np.arange(rows), "y": rng.random(rows)}
    names = [f"group {number}" for number in range(1000)]
    return pd.DataFrame(table), pd.DataFrame({"k": np.arange(1000), "name": names})


def halves(rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables whose rows go together one by one, each in an order of its own."""
    rng = np.random.default_rng(11)
    left = pd.DataFrame({"id": rng.permutation(rows), "x": rng.random(rows)})
    return left, pd.DataFrame({"id": rng.permutation(rows), "y": rng.random(rows)})


def is_long(columns: dict[str, Any]) -> Any:
    """A decision that keeps half of the rows, in no order."""
    return columns["flipper"] > 202


def in_inches(columns: dict[str, Any]) -> dict[str, Any]:
    """Two fields of six, one of them computed."""
    return {"id": columns["id"], "flipper": columns["flipper"] / 25.4}


def jobs_of(frame: pd.DataFrame) -> list[Job]:
    """All jobs on a data frame."""
    numbers = frame[["id", "flipper", "year"]]
    table, groups = keyed(len(frame))
    left, right = halves(len(frame))
    return [
        Job(
            name="filter",
            by_pandas=lambda: frame[frame["flipper"] > 202].reset_index(drop=True),
            by_whence=lambda: wh.from_table(frame).filter(is_long, form="columns").to_pandas(),
        ),
        Job(
            name="filter of numbers",
            by_pandas=lambda: numbers[numbers["flipper"] > 202].reset_index(drop=True),
            by_whence=lambda: wh.from_table(numbers).filter(is_long, form="columns").to_pandas(),
        ),
        Job(
            name="projection",
            by_pandas=lambda: pd.DataFrame({"id": frame["id"], "flipper": frame["flipper"] / 25.4}),
            by_whence=lambda: (
                wh.from_table(frame[["id", "flipper"]])
                .map_batches(in_inches, size=65_536, form="columns")
                .to_pandas()
            ),
        ),
        Job(
            name="join",
            by_pandas=lambda: table.merge(groups, on="k"),
            by_whence=lambda: wh.from_table(table).join(wh.from_table(groups), "k").to_pandas(),
        ),
        Job(
            name="join of halves",
            by_pandas=lambda: left.merge(right, on="id"),
            by_whence=lambda: wh.from_table(left).join(wh.from_table(right), "id").to_pandas(),
        ),
        Job(
            name="group_by",
            by_pandas=lambda: (
                table.groupby("k", sort=False).agg(y=("y", "mean"), n=("y", "size")).reset_index()
            ),
            by_whence=lambda: (
                wh.from_table(table).group_by("k").aggregate(y=("y", "mean"), n="size").to_pandas()
            ),
        ),
        Job(
            name="group_by of text",
            by_pandas=lambda: (
                frame.groupby("species", sort=False)
                .agg(mass=("mass", "mean"), n=("mass", "size"))
                .reset_index()
            ),
            by_whence=lambda: (
                wh.from_table(frame[["species", "mass"]])
                .group_by("species")
                .aggregate(mass=("mass", "mean"), n="size")
                .to_pandas()
            ),
        ),
    ]


def measure(work: Callable[[], pd.DataFrame], record: str | None) -> float:
    """CPU seconds of one piece of work, inside a run of its own; `record` None means without whence."""
    with contextlib.ExitStack() as stack:
        run = None
        if record is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(wh.config(record=record))  # type: ignore[arg-type]  # one of the three words
            run = wh.start_run("benchmark", workspace=folder)
        began = time.process_time()
        work()
        if run is not None:
            run.finish()
        return time.process_time() - began


def compare(job: Job, rounds: int) -> dict[str, list[float]]:
    """Do a job in all ways in turn, the order turned round in every other round."""
    pd.testing.assert_frame_equal(job.by_whence(), job.by_pandas(), check_dtype=False)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way in WAYS if number % 2 else reversed(WAYS):
            work = job.by_pandas if way == "pandas" else job.by_whence
            taken = measure(work, None if way == "pandas" else way)
            if number:  # the first round warms caches
                seconds[way].append(taken)
    return seconds


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="only these jobs")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    jobs = [job for job in jobs_of(penguins(options.rows)) if not options.jobs or job.name in options.jobs]
    table = []
    for job in jobs:
        seconds = compare(job, options.rounds)
        for way in WAYS[1:]:
            middle, low, high = ratio(seconds, way, "pandas")
            ms = sorted(seconds[way])[options.rounds // 2] * 1e3
            bare_ms = sorted(seconds["pandas"])[options.rounds // 2] * 1e3
            figures = {"ratio": middle, "low": low, "high": high, "ms": ms, "pandas_ms": bare_ms}
            table.append({"job": job.name, "way": way, **figures})
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": options.rounds, "rows": table}, indent=2))
        return 0
    print(machine())
    print(f"{options.rounds} rounds, interleaved, CPU time; median of the ratios to pandas (quartiles)\n")
    print(f"{'job':18} {'way':8} {'ratio':>6}  {'quartiles':>12}  {'bound':>5}  {'ms':>7}  {'pandas':>7}")
    for row in table:
        bound = f"{BOUND:.1f}" if row["way"] == "lineage" else ""
        quartiles = f"{row['low']:.2f} - {row['high']:.2f}"
        figures = (
            f"{row['ratio']:6.2f}  {quartiles:>12}  {bound:>5}  {row['ms']:7.1f}  {row['pandas_ms']:7.1f}"
        )
        print(f"{row['job']:18} {row['way']:8} {figures}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
