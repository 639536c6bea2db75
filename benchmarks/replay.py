"""What it costs to see a sample again: a replay, against making the sample, and against opening the store.

Images go through a decoder and four operations that draw, shuffled and in batches, in a recorded run.
Then, in turn, for one sample after the other: a replay of it in a store that was just opened, including all
that a first replay finds out about code, packages and platform; the opening of that store and of the run; the
making of the sample itself, by plain calls of the same functions with the same generators; and a replay of
one more sample by a replayer that has replayed before. CPU time, in one process that has everything loaded.

    python benchmarks/replay.py [--images 500] [--samples 100] [--json]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from capture import machine
from PIL import Image

import whence as wh
from whence.chance import Bits
from whence.query import Address, PassLineage, find_pass

SIDE = 256


def decode(file: wh.File) -> np.ndarray:
    """Read an image."""
    with Image.open(file.path) as image:
        return np.asarray(image.convert("RGB"))


def turned(image: np.ndarray, *, rng: Any) -> np.ndarray:
    """Turn it a little."""
    return np.asarray(Image.fromarray(image).rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR))


def cropped(image: np.ndarray, *, rng: Any) -> np.ndarray:
    """Take a part of it."""
    top, left = rng.integers(0, 32), rng.integers(0, 32)
    return image[top : top + SIDE - 32, left : left + SIDE - 32]


def flipped(image: np.ndarray, *, rng: Any) -> np.ndarray:
    """Mirror one of two."""
    return image[:, ::-1].copy() if rng.random() < 0.5 else image


def noisy(image: np.ndarray, *, rng: Any) -> np.ndarray:
    """Add noise."""
    noise = rng.normal(0, 4, size=image.shape[:2])
    return np.clip(image + noise[..., None], 0, 255).astype(np.uint8)


STEPS: list[Callable[..., np.ndarray]] = [turned, cropped, flipped, noisy]


def draw_images(folder: pathlib.Path, count: int) -> None:
    """Images with content that a compressor has to work on."""
    chance = np.random.default_rng(1)
    for number in range(count):
        small = chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        large = Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        large.save(folder / f"{number:05}.jpg", quality=90)


def recorded(folder: pathlib.Path) -> str:
    """Read all images in a run; returns its name."""
    stream = wh.from_files(str(folder / "*.jpg"), name="images").map(decode)
    for step in STEPS:
        stream = stream.map(step)
    with wh.start_run(workspace=folder / "record") as run:
        for _ in stream.shuffle(seed=1).batch(16, collate=list):
            pass
    return str(run.name)


class Maker:
    """Makes samples by plain calls, without the record but for which image and generator each has."""

    def __init__(self, run: Any, folder: pathlib.Path) -> None:
        view = find_pass(run.record, epoch=0, stream=None)
        self._lineage = PassLineage(run.record, view)
        self._paths = sorted(folder.glob("*.jpg"))
        self._node_by_label = {node["label"]: index for index, node in enumerate(self._lineage.stream.nodes)}

    def prepare(self, position: int) -> tuple[pathlib.Path, list[Any]]:
        """What a sample is made of: the image, and the generators."""
        order = self._lineage.mappings(self._node_by_label["shuffle(1)"])[0]
        (row,) = order.backward(np.array([position])).indices.tolist()
        keys = [self._lineage.key(self._node_by_label[step.__name__]) for step in STEPS]
        generators = [Bits(key, 0, np.array([row], np.uint64)).rng(0) for key in keys]
        return self._paths[row], generators

    @staticmethod
    def make(path: pathlib.Path, generators: list[Any]) -> np.ndarray:
        """Make it."""
        with Image.open(path) as image:
            sample = np.asarray(image.convert("RGB"))
        for step, rng in zip(STEPS, generators, strict=True):
            sample = step(sample, rng=rng)
        return sample


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Call, and say how many CPU milliseconds it took."""
    began = time.process_time_ns()
    made = call()
    return (time.process_time_ns() - began) / 1e6, made


def measured(images: int, samples: int) -> dict[str, Any]:
    """Measure all ways in turn."""
    ms: dict[str, list[float]] = {name: [] for name in ("opening", "making", "first", "next")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        draw_images(folder, images)
        name = recorded(folder)
        opened = wh.open(folder / "record").run(name)
        maker, replayer = Maker(opened, folder), opened.replayer()
        places = np.random.default_rng(2).permutation(images)[: samples + 1].tolist()
        for number, place in enumerate(places):
            address = Address(run=name, epoch=0, batch=place // 16, item=place % 16)
            opening_ms, run = timed(lambda: wh.open(folder / "record").run(name))
            path, generators = maker.prepare(place)
            making_ms, made = timed(lambda: maker.make(path, generators))  # noqa: B023 - called at once
            first_ms, replayed = timed(lambda: run.replayer().replay(address))  # noqa: B023 - called at once
            next_ms, _ = timed(lambda: replayer.replay(address))  # noqa: B023 - called at once
            if not replayed.equal or not (replayed.value == made).all() or replayed.differences:
                raise SystemExit(f"{address} isn't what was made: {replayed.differences}")
            if number:  # the first time loads and compiles
                for key, value in zip(ms, (opening_ms, making_ms, first_ms, next_ms), strict=True):
                    ms[key].append(value)
    ratios = [f / (o + m) for o, m, f in zip(ms["opening"], ms["making"], ms["first"], strict=True)]
    again = [n / m for m, n in zip(ms["making"], ms["next"], strict=True)]
    told = {f"{key}_ms": summary(values) for key, values in ms.items()}
    return told | {"first_to_opening_and_making": summary(ratios), "next_to_making": summary(again)}


def summary(values: list[float]) -> dict[str, float]:
    """The median and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measured(arguments.images, arguments.samples)
    if arguments.json:
        print(json.dumps(found | {"machine": machine()}, indent=1))
        return 0
    for key, value in found.items():
        print(f"{key.replace('_', ' '):30} {value['median']:8}  [{value['low']}, {value['high']}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
