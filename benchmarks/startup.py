"""What starting costs: `import whence` and `whence --help`, against what they can't be quicker than.

New processes, in turn, again and again; wall time, the interpreter's own start subtracted where an
import is measured. Medians of the ratios within each round.

    python benchmarks/startup.py [--rounds 25] [--json]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

WHENCE = str(pathlib.Path(sys.executable).with_name("whence"))
TIMED_IMPORT = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
STANDARD = "json, hashlib, dataclasses, pathlib, threading"


def timed_import(modules: str) -> float:
    """Seconds that an import takes in a fresh interpreter, as the interpreter itself sees it."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED_IMPORT.format(modules)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def timed_command(*command: str) -> float:
    """Seconds that a command takes, start and end included."""
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    imports: list[float] = []
    helps: list[float] = []
    for number in range(options.rounds + 1):
        imported = timed_import("whence") / timed_import(STANDARD)
        helped = timed_command(WHENCE, "--help") / timed_command(sys.executable, "-c", "import argparse")
        if number:  # the first round warms the disk's cache
            imports.append(imported)
            helps.append(helped)
    rows = [
        {"what": f"import whence / import {STANDARD}", "ratio": statistics.median(imports), "bound": 3.5},
        {
            "what": "whence --help / python -c 'import argparse'",
            "ratio": statistics.median(helps),
            "bound": 3.0,
        },
    ]
    if options.json:
        print(json.dumps({"rounds": options.rounds, "rows": rows}, indent=2))
        return 0
    for row in rows:
        print(f"{row['ratio']:6.2f}  bound {row['bound']:.1f}  {row['what']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
