"""A metric logged by whence and by MLflow with SQLite, in one process, in turn, again and again.

Runs in an environment that has both; see `record.py`. Prints JSON: seconds for each call, round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable

import mlflow
from mlflow import MlflowClient

import whence as wh

Log = Callable[[str, float, int], object]


def per_call(log: Log, calls: int, first: int) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    for step in range(first, first + calls):
        log("loss", 1.0 / (step + 1), step)
    return (time.perf_counter() - began) / calls


def measure(folder: pathlib.Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds for each call, round by round."""
    os.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    client = MlflowClient()
    found: dict[str, list[float]] = {"whence": [], "client": [], "fluent": []}
    with wh.start_run(workspace=folder) as run, mlflow.start_run() as theirs:
        ways: dict[str, tuple[Log, int]] = {
            "whence": (run.log_metric, options.whence_calls),
            "client": (
                lambda key, value, step: client.log_metric(theirs.info.run_id, key, value, step=step),
                options.mlflow_calls,
            ),
            "fluent": (
                lambda key, value, step: mlflow.log_metric(key, value, step=step),
                options.mlflow_calls,
            ),
        }
        for number in range(options.rounds + 1):
            for name, (log, calls) in ways.items():
                taken = per_call(log, calls, number * calls)
                if number:  # the first round warms everything
                    found[name].append(taken)
    return found


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--whence-calls", type=int, default=50_000)
    parser.add_argument("--mlflow-calls", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="whence-bench-") as folder:
        found = measure(pathlib.Path(folder), options)
    print(json.dumps({"version": mlflow.__version__, "seconds": found}))


if __name__ == "__main__":
    main()
