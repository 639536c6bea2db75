"""What a sample's own randomness costs: against none at all, and against one NumPy generator for all.

A function is called for each of many samples: one that draws nothing, one that has its sample's own
generator and doesn't use it, and one that draws a float and an integer from it; beside these the same two
draws from one `numpy.random.Generator` that is shared by all samples, which no replay could bring back, and
from values that were declared with `draw=`. All ways are run in turn; CPU time.

    python benchmarks/chance.py [--rounds 21] [--samples 200000] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import numpy as np
from capture import machine

import whence as wh

SHARED = np.random.default_rng(1)


def plain(value: int) -> int:
    """Draw nothing."""
    return value


def unused(value: int, *, rng: Any) -> int:
    """Have a generator."""
    return value


def twice(value: int, *, rng: Any) -> float:
    """Draw from the sample's own generator."""
    return value + rng.random() + rng.integers(0, 9)


def shared(value: int) -> float:
    """Draw from one generator for all."""
    return value + SHARED.random() + SHARED.integers(0, 9)


def declared(value: int, real: float, whole: int) -> float:
    """Take values that were drawn for a whole chunk."""
    return value + real + whole


def streams(samples: int) -> dict[str, wh.Stream]:
    """Each way as a stream."""
    items = wh.from_items(range(samples), name="n")
    draw = {"real": wh.draw.uniform(0, 1), "whole": wh.draw.integers(0, 9)}
    return {
        "nothing drawn": items.map(plain),
        "own generator, unused": items.map(unused),
        "own generator, two draws": items.map(twice),
        "one NumPy generator, two draws": items.map(shared),
        "declared, two draws": items.map(declared, draw=draw),
    }


def ns_of(stream: wh.Stream, samples: int) -> float:
    """CPU time for each sample."""
    began = time.process_time()
    for _ in stream:
        pass
    return (time.process_time() - began) / samples * 1e9


def measure(rounds: int, samples: int) -> list[dict[str, Any]]:
    """Run all ways in turn."""
    jobs = streams(samples)
    for stream in jobs.values():
        ns_of(stream, samples)
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name in list(jobs) if number % 2 else list(reversed(jobs)):
            found[name].append(ns_of(jobs[name], samples))
    base, numpy = found["nothing drawn"], found["one NumPy generator, two draws"]
    return [
        {
            "way": name,
            "ns": statistics.median(taken),
            "more_ns": statistics.median(own - other for own, other in zip(taken, base, strict=True)),
            "of_numpy": statistics.median(
                (own - none) / (shared - none) for own, none, shared in zip(taken, base, numpy, strict=True)
            ),
        }
        for name, taken in found.items()
    ]


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.rounds, options.samples)
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": options.rounds, "rows": rows}, indent=2))
        return 0
    print(machine())
    for row in rows:
        print(
            f"{row['way']:32} {row['ns']:7.0f} ns  +{row['more_ns']:5.0f} ns"
            f"  {row['of_numpy']:6.2f} of NumPy's"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
