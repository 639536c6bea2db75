"""What `wh.autolog()` costs a training: small fits of scikit-learn, recorded in more or less detail.

CPU time, the kinds in turn within each round; medians over the rounds. What a fit of 100 rows costs beyond
its own time is nearly all there is to pay: digests and scores of larger data are one reading of them more.

    python benchmarks/autolog.py [--rounds 10] [--fits 100] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

import whence as wh

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4))
Y = X.sum(axis=1)


def fits(count: int) -> float:
    """CPU milliseconds of a small fit."""
    began = time.process_time()
    for _ in range(count):
        LinearRegression().fit(X, Y)
    return (time.process_time() - began) / count * 1e3


def folds(count: int) -> float:
    """CPU milliseconds of a fit within another one, which is let through."""
    began = time.process_time()
    cross_val_score(DummyClassifier(), X, Y > 0, cv=count)  # which calls for no threads of BLAS
    return (time.process_time() - began) / count * 1e3


def without(measure: Callable[[int], float], count: int) -> float:
    """A library as it is."""
    wh.autolog(False)
    return measure(count)


def within_a_run(measure: Callable[[int], float], count: int, *, models: bool, told: bool) -> float:
    """Recorded in a run of the user's."""
    wh.autolog("sklearn", models=models, datasets=told, scores=told)
    with wh.start_run():
        return measure(count)


def alone(count: int) -> float:
    """Each fit with a run of its own, ended."""
    wh.autolog("sklearn")
    began = time.process_time()
    for _ in range(count):
        LinearRegression().fit(X, Y)
    wh.autolog(False)
    return (time.process_time() - began) / count * 1e3


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    count = options.fits
    kinds: dict[str, Callable[[], float]] = {
        "a small fit, not recorded": lambda: without(fits, count),
        "in a run: parameters, shapes, balance": lambda: within_a_run(fits, count, models=False, told=False),
        "in a run: digests and scores as well": lambda: within_a_run(fits, count, models=False, told=True),
        "in a run: the model on the disk as well": lambda: within_a_run(fits, count, models=True, told=True),
        "a run of its own for each": lambda: alone(5),
        "a fold, not recorded": lambda: without(folds, 20),
        "a fold within a recorded cross-validation": lambda: within_a_run(folds, 20, models=False, told=True),
    }
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WHENCE_HOME"] = str(pathlib.Path(folder) / "home")
        for number in range(options.rounds + 1):
            for kind, measure in kinds.items():
                cost = measure()
                if number:  # the first round imports and warms up
                    found[kind].append(cost)
    rows = [
        {"what": kind, "ms": statistics.median(costs), "least": min(costs), "most": max(costs)}
        for kind, costs in found.items()
    ]
    if options.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{row['what']:<44} {row['ms']:8.2f} ms  ({row['least']:.2f} to {row['most']:.2f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
