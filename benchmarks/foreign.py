"""What the generators that aren't whence's cost: to be watched in a recorded pass, and to be seeded.

Four quick functions one after the other, over many samples, in a run; with the generators looked at whenever
another one begins or ends to work, and without. Then one function that draws nothing, by itself and with
`seed_foreign=True`; of which generators is told. All ways are run in turn; CPU time.

    python benchmarks/foreign.py [--rounds 21] [--samples 200000] [--json]

With PyTorch installed, its generator is watched and seeded too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy.random  # noqa: F401 - loaded, as by any code that draws

import whence as wh
from whence.capture import foreign

with contextlib.suppress(ImportError):
    import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: F401 - as above


def plain(value: int) -> int:
    """Draw nothing."""
    return value


def watched(samples: int) -> float:
    """Read a recorded pass, in CPU seconds."""
    stream = wh.from_items(range(samples), name="n")
    for name in "abcd":
        stream = stream.map(plain, name=name)
    with tempfile.TemporaryDirectory() as folder, wh.start_run(workspace=folder), wh.config(record="lineage"):
        return spent(stream)


def spent(stream: wh.Stream) -> float:
    """Read all of a stream, in CPU seconds."""
    began = time.process_time()
    for _ in stream:
        pass
    return time.process_time() - began


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """No generator is there to be looked at."""
    with mock.patch("whence.capture.drawing.loaded_generators", list):
        yield


def measured(samples: int, rounds: int) -> dict[str, Any]:
    """Run all ways in turn."""
    items = wh.from_items(range(samples), name="n")
    found: dict[str, list[float]] = {name: [] for name in ("watched", "unwatched", "unseeded", "seeded")}
    for _ in range(rounds + 1):
        found["watched"].append(watched(samples))
        with unwatched():
            found["unwatched"].append(watched(samples))
        found["unseeded"].append(spent(items.map(plain)))
        found["seeded"].append(spent(items.map(plain, seed_foreign=True)))
    shares = [1 - b / a for a, b in zip(found["watched"][1:], found["unwatched"][1:], strict=True)]
    extra_us = [
        1e6 * (a - b) / samples for a, b in zip(found["seeded"][1:], found["unseeded"][1:], strict=True)
    ]
    return {
        "generators": [each.name for each in foreign.loaded_generators()],
        "watching_share": summary(shares),
        "seeding_us_a_sample": summary(extra_us),
    }


def summary(values: list[float]) -> dict[str, float]:
    """The median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measured(arguments.samples, arguments.rounds)
    if arguments.json:
        from capture import machine  # noqa: PLC0415 - needs Pillow, which isn't beside PyTorch

        print(json.dumps(found | {"machine": machine()}, indent=1))
        return 0
    watching, seeding = found["watching_share"], found["seeding_us_a_sample"]
    print(f"generators: {', '.join(found['generators'])}")
    print(
        f"watching, share of a pass of four quick maps: {watching['median']:.1%}"
        f"  [{watching['low']:.1%}, {watching['high']:.1%}]"
    )
    print(f"seeding, a sample: {seeding['median']:.2f} us  [{seeding['low']:.2f}, {seeding['high']:.2f}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
