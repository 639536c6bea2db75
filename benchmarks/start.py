"""What a run costs before and after all that happens in it, and what noticing files costs meanwhile.

Fresh processes, in turn, again and again. A run is begun and ended in a repository of 1,000 files with a diff
of about 100 kB that isn't committed; from the time that it takes is subtracted what the same Git commands
take when they are run by hand, side by side as whence runs them, in the same process just before or after.
What the import takes stands apart. Noticing is measured in processor time.

    python benchmarks/start.py [--rounds 15] [--opens 1000000] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

GIT = (
    ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal"),
    ("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"),
    ("remote", "get-url", "origin"),
)
START = """
import json, os, subprocess, sys, time
home, by_hand_first = sys.argv[1], sys.argv[2] == "1"
commands = [["git", "-c", "core.fsmonitor=false", *each] for each in json.loads(sys.argv[3])]

def by_hand():
    began = time.perf_counter()
    running = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for each in commands]
    for each in running:
        each.communicate()
    return time.perf_counter() - began

began = time.perf_counter()
import whence as wh
wh.start_run
imported = time.perf_counter() - began
git = by_hand() if by_hand_first else 0.0
began, began_cpu = time.perf_counter(), time.process_time()
run = wh.start_run("t", workspace=home)
middle = time.perf_counter()
run.finish()
ended, ended_cpu = time.perf_counter(), time.process_time()
git = git or by_hand()
print(json.dumps({"import": imported, "git": git, "start": middle - began, "end": ended - middle,
                  "cpu": ended_cpu - began_cpu}))
"""
OPENS = """
import contextlib, json, os, sys, time
path, count, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
import whence as wh
run = wh.start_run("t", workspace=path + ".home") if how != "never" else None
if how == "ended":
    run.finish()
names = [path + str(number) for number in range(1000)]
for name in names:
    open(name, "w").close()
began = time.process_time()
for number in range(count):
    os.close(os.open(names[number % 1000], os.O_RDONLY))
opens = time.process_time() - began
began = time.process_time()
for number in range(count):
    sys.audit("whence.measures.nothing")
nothing = time.process_time() - began
print(json.dumps({"opens": opens / count * 1e9, "nothing": nothing / count * 1e9}))
if how == "on":
    run.finish()
"""
PANDAS = """
import sys, time
import whence as wh
run = wh.start_run("t", workspace=sys.argv[1]) if sys.argv[2] == "on" else None
import numpy
began = time.process_time()
import pandas
print(time.process_time() - began)
if run:
    run.finish()
"""


def make_repository(folder: pathlib.Path) -> None:
    """Make a repository of 1,000 files in which ten are changed."""
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    lines = [f"value_{number} = compute({number}, rate=0.{number})  # line {number}" for number in range(120)]
    for number in range(1_000):
        (folder / f"module_{number:04}.py").write_text("\n".join(lines))
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *named, *command], cwd=folder, check=True)
    (folder / ".gitignore").write_text(".home*\n")
    for number in range(10):
        path = folder / f"module_{number:04}.py"
        path.write_text(path.read_text().replace("compute", "compute_again"))


def ran(code: str, *arguments: str, cwd: pathlib.Path) -> Any:
    """What a script said in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def median_ms(values: list[float]) -> tuple[float, float]:
    """The median in ms, and half of what lies between the quartiles."""
    quartiles = statistics.quantiles(values, n=4)
    return 1e3 * statistics.median(values), 1e3 * (quartiles[2] - quartiles[0]) / 2


def measure(folder: pathlib.Path, rounds: int, opens: int) -> list[dict[str, Any]]:
    """Measure everything; rows of what, value, spread, unit and bound."""
    make_repository(folder)
    found = []
    for number in range(rounds + 1):
        home = str(folder / f".home{number}")
        found.append(ran(START, home, str(number % 2), json.dumps(GIT), cwd=folder))
    found = found[1:]  # the first round warms the disk's cache
    beyond = [each["start"] + each["end"] - each["git"] for each in found]
    rows: list[dict[str, Any]] = []
    for what, values, bound in (
        ("start and end beyond Git's own time", beyond, 150.0),
        ("of it processor time", [each["cpu"] for each in found], None),
        ("start", [each["start"] for each in found], None),
        ("end", [each["end"] for each in found], None),
        ("Git by hand", [each["git"] for each in found], None),
        ("import of whence and what start_run needs", [each["import"] for each in found], None),
    ):
        value, spread = median_ms(values)
        rows.append({"what": what, "value": value, "spread": spread, "unit": "ms", "bound": bound})
    by_how: dict[str, list[dict[str, float]]] = {"never": [], "ended": [], "on": []}
    imports: dict[str, list[float]] = {"off": [], "on": []}
    for number in range(5):
        with tempfile.TemporaryDirectory() as data:
            for how, kept in by_how.items():
                kept.append(ran(OPENS, os.path.join(data, f"{how}{number}-"), str(opens), how, cwd=folder))
        for how, times in imports.items():
            times.append(ran(PANDAS, str(folder / f".home-pandas{number}"), how, cwd=folder))
    for what in ("opens", "nothing"):
        for how in ("ended", "on"):
            extra = [one[what] - zero[what] for one, zero in zip(by_how[how], by_how["never"], strict=True)]
            name = "an open of a file" if what == "opens" else "an event that doesn't matter"
            when = "when no run is on" if how == "ended" else "in a run"
            spread = (max(extra) - min(extra)) / 2
            bound = None if (what, how) == ("opens", "on") else 1000.0
            rows.append(
                {"what": f"hook: {name}, {when}", "value": statistics.median(extra), "spread": spread,
                 "unit": "ns", "bound": bound}
            )  # fmt: skip
    ratios = [on / off for on, off in zip(imports["on"], imports["off"], strict=True)]
    rows.append(
        {"what": "import pandas in a run / without", "value": statistics.median(ratios),
         "spread": (max(ratios) - min(ratios)) / 2, "unit": "times", "bound": None}
    )  # fmt: skip
    return rows


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--opens", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(pathlib.Path(folder), options.rounds, options.opens)
    if options.json:
        print(json.dumps({"rounds": options.rounds, "seconds": time.time() - began, "rows": rows}, indent=2))
        return 0
    for row in rows:
        bound = "" if row["bound"] is None else f"bound {row['bound']:g}"
        print(f"{row['value']:9.2f} ± {row['spread']:7.2f} {row['unit']:6} {bound:10}  {row['what']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
