"""What capture costs: the same work with the record off, with lineage, in full, and as generators.

Four ways of doing one job are run one after another, again and again, and compared within each round,
so that a machine that slows down slows all of them. CPU time is measured (user and system, all
threads), from the first sample asked for to the end of the run, so writing and sealing are included.

    python benchmarks/capture.py [--rounds 15] [--json]

Data: five copies of the demo's 2,000 PNG files of MNIST, each in a folder of its own. "ns/op" is the
difference for each sample and operation.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import whence as wh

Sample = dict[str, Any]
Job = Callable[[int], Iterable[Any]]

BATCH = 64
EPOCHS = 3
COPIES = 5
INTEGERS = 1_000_000


def decode(file: Any) -> Sample:
    """PNG to an array, the label from the folder."""
    image = Image.open(io.BytesIO(file.read()))
    return {"image": np.asarray(image), "label": int(file.parent.name)}


def has_ink(sample: Sample) -> bool:
    """Whether the image isn't black."""
    return bool(sample["image"].max() > 30)


def resize(sample: Sample, size: int = 32) -> Sample:
    """To `size` times `size` pixels."""
    image = Image.fromarray(sample["image"]).resize((size, size), Image.Resampling.BILINEAR)
    return {"image": np.asarray(image), "label": sample["label"]}


def crop_and_flip(sample: Sample, top: int, left: int, flip: bool) -> Sample:
    """A crop of 28 x 28 pixels, mirrored or not."""
    image = sample["image"][top : top + 28, left : left + 28]
    return {"image": image[:, ::-1] if flip else image, "label": sample["label"]}


def normalise(sample: Sample) -> Sample:
    """To float32 of mean 0 and deviation 1, by the data set's."""
    return {"image": (sample["image"].astype(np.float32) - 33.3) / 78.6, "label": sample["label"]}


def increment(value: int) -> int:
    """The smallest work there is."""
    return value + 1


def is_odd(value: int) -> bool:
    """The smallest decision there is."""
    return value % 2 == 1


DRAW = {"top": wh.draw.integers(0, 5), "left": wh.draw.integers(0, 5), "flip": wh.draw.coin()}


def augmented(stream: wh.Stream) -> wh.Stream:
    """The same operations for both image jobs."""
    return (
        stream.filter(has_ink, reason="blank")
        .map(resize)
        .map(crop_and_flip, draw=DRAW)
        .map(normalise)
        .shuffle(seed=7)
        .batch(BATCH)
    )


def by_generators(pick: Callable[[int], Sample], count: int, epoch: int) -> Iterator[Any]:
    """The image job as one writes it by hand: chained generators and one random generator."""
    order = list(range(count))
    rng = random.Random(epoch)
    rng.shuffle(order)
    resized = (resize(sample) for sample in map(pick, order) if has_ink(sample))
    cropped = (
        crop_and_flip(sample, rng.randrange(5), rng.randrange(5), rng.random() < 0.5) for sample in resized
    )
    return stacked(normalise(sample) for sample in cropped)


def stacked(samples: Iterable[Sample]) -> Iterator[dict[str, Any]]:
    """Batches of arrays."""
    waiting: list[Sample] = []
    for sample in samples:
        waiting.append(sample)
        if len(waiting) == BATCH:
            yield {key: np.stack([np.asarray(each[key]) for each in waiting]) for key in waiting[0]}
            waiting = []
    if waiting:
        yield {key: np.stack([np.asarray(each[key]) for each in waiting]) for key in waiting[0]}


def integers_by_generators(integers: list[int]) -> Iterator[Any]:
    """The integer job by hand."""
    waiting: list[int] = []
    for value in (value for value in (increment(value) for value in integers) if is_odd(value)):
        waiting.append(value)
        if len(waiting) == BATCH:
            yield np.array(waiting)
            waiting = []
    if waiting:
        yield np.array(waiting)


class PlainFile:
    """What a hand-written pipeline would pass along."""

    def __init__(self, path: str) -> None:
        self.parent = pathlib.PurePath(path).parent
        self._path = path

    def read(self) -> bytes:
        """Read it."""
        with open(self._path, "rb") as file:
            return file.read()


def measure(job: Job, epochs: int, record: str | None) -> float:
    """CPU seconds of some passes, inside a run of their own; `record` None means without whence."""
    with contextlib.ExitStack() as stack:
        run = None
        if record is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(wh.config(record=record))  # type: ignore[arg-type]  # one of the three words
            run = wh.start_run("benchmark", workspace=folder)
        began = time.process_time()
        for epoch in range(epochs):
            for _ in job(epoch):
                pass
        if run is not None:
            run.finish()
        return time.process_time() - began


def compare(jobs: dict[str, tuple[Job, str | None]], epochs: int, rounds: int) -> dict[str, list[float]]:
    """Run all ways in turn, the order turned round in every other round."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        names = list(jobs) if number % 2 else list(reversed(jobs))
        for name in names:
            job, record = jobs[name]
            taken = measure(job, epochs, record)
            if number:  # the first round warms caches
                seconds[name].append(taken)
    return seconds


def ratio(seconds: dict[str, list[float]], name: str, base: str) -> tuple[float, float, float]:
    """Median of the ratios within each round, and their quartiles."""
    ratios = sorted(a / b for a, b in zip(seconds[name], seconds[base], strict=True))
    quartiles = statistics.quantiles(ratios, n=4)
    return statistics.median(ratios), quartiles[0], quartiles[2]


def machine() -> str:
    """The machine and the commit, in a line."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{model}, {os.cpu_count()} cores, {versions}, commit {commit}"


BOUNDS = {
    ("files", "lineage", "off"): 1.01,
    ("memory", "lineage", "off"): 1.03,
    ("integers", "lineage", "off"): 1.20,
    ("memory", "full", "off"): 1.08,
    ("files", "full", "generators"): 1.0,
    ("memory", "full", "generators"): 1.0,
    ("integers", "full", "generators"): 2.0,
}


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_images(folder)
        rows = run_all(folder, options.rounds)
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": options.rounds, "rows": rows}, indent=2))
        return 0
    print(machine())
    print(f"{options.rounds} rounds, interleaved, CPU time; median of the ratios (quartiles)\n")
    print(
        f"{'job':10} {'way':9} {'against':12} {'ratio':>7}  {'quartiles':>14}  {'bound':>6}  "
        "µs/sample   ns/op"
    )
    for row in rows:
        bound = f"{row['bound']:.2f}" if row["bound"] else ""
        quartiles = f"{row['low']:.3f} - {row['high']:.3f}"
        print(
            f"{row['job']:10} {row['way']:9} {row['against']:12} {row['ratio']:7.3f}  {quartiles:>14}  "
            f"{bound:>6}  {row['us_per_sample']:9.2f}  {row['ns_per_op']:6.0f}"
        )
    return 0


def write_images(folder: str) -> None:
    """Write the PNG files."""
    content = resources.files("whence.demo").joinpath("mnist-2k.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for copy in range(COPIES):
            archive.extractall(pathlib.Path(folder, str(copy)))


class Work(NamedTuple):
    """One job: the ways of doing it, and how many epochs, samples and operations it has."""

    by_way: dict[str, tuple[Job, str | None]]
    epochs: int
    samples: int
    op_count: int


def of_files(folder: str) -> Work:
    """Images from the disk."""
    paths = _paths(folder)
    plain = [PlainFile(path) for path in paths]

    def from_disk(number: int) -> Sample:
        return decode(plain[number])

    stream = augmented(wh.from_files(f"{folder}/**/*.png").map(decode))
    by_way = ways(stream, lambda epoch: by_generators(from_disk, len(paths), epoch))
    return Work(by_way, EPOCHS, len(paths), 7)


def of_memory(folder: str) -> Work:
    """The same images as arrays."""
    decoded = [decode(PlainFile(path)) for path in _paths(folder)]
    images = np.stack([each["image"] for each in decoded])
    labels = np.array([each["label"] for each in decoded])

    def from_memory(number: int) -> Sample:
        return {"image": images[number], "label": int(labels[number])}

    stream = augmented(wh.from_arrays(image=images, label=labels))
    by_way = ways(stream, lambda epoch: by_generators(from_memory, len(images), epoch))
    return Work(by_way, EPOCHS, len(images), 6)


def of_integers(folder: str) -> Work:
    """A list of integers."""
    integers = list(range(INTEGERS))
    stream = wh.from_items(integers).map(increment).filter(is_odd).batch(BATCH)
    return Work(ways(stream, lambda epoch: integers_by_generators(integers)), 1, INTEGERS, 3)


def _paths(folder: str) -> list[str]:
    return sorted(str(path) for path in pathlib.Path(folder).rglob("*.png"))


WORKS = {"files": of_files, "memory": of_memory, "integers": of_integers}
"""By job: makes it, of the folder with the files."""


def run_all(folder: str, rounds: int) -> list[dict[str, Any]]:
    """All jobs, all ways."""
    found = []
    for job, made in WORKS.items():
        by_way, epochs, count, op_count = made(folder)
        seconds = compare(by_way, epochs, rounds)
        for way, against in (
            ("lineage", "off"),
            ("full", "off"),
            ("off", "generators"),
            ("lineage", "generators"),
            ("full", "generators"),
        ):
            middle, low, high = ratio(seconds, way, against)
            found.append(
                {
                    "job": job,
                    "way": way,
                    "against": against,
                    "ratio": middle,
                    "low": low,
                    "high": high,
                    "bound": BOUNDS.get((job, way, against)),
                    "us_per_sample": statistics.median(seconds[way]) / epochs / count * 1e6,
                    "ns_per_op": _median_gap(seconds, way, against) / epochs / count / op_count * 1e9,
                }
            )
    return found


def _median_gap(seconds: dict[str, list[float]], name: str, base: str) -> float:
    return statistics.median(a - b for a, b in zip(seconds[name], seconds[base], strict=True))


def ways(stream: wh.Stream, by_hand: Job) -> dict[str, tuple[Job, str | None]]:
    """The four ways of doing a job."""
    return {
        "generators": (by_hand, None),
        "off": (stream.epoch, "off"),
        "lineage": (stream.epoch, "lineage"),
        "full": (stream.epoch, "full"),
    }


if __name__ == "__main__":
    sys.exit(main())
