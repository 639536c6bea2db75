"""The same samples whichever way they are read: a table, a row for each way, of how many digests are equal.

Images of digits go through a decoder and six operations that draw: by `rng`, by `draw=`, and, seeded, from
the global generators. The digests of all samples of some passes are those of one process, one shard, from the
start to the end; every other way must give them again.

    python -m tests.again [--images 2000] [--epochs 5]
"""

from __future__ import annotations

import argparse
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image

import whence as wh
from whence import demo
from whence.streams import Stream
from whence.vocab import sample_digests

ROOT = pathlib.Path(__file__).parents[1]
BATCH = 16

Sample = dict[str, Any]
Digests = list[int]


# the pipeline


def decode(file: wh.File) -> Sample:
    image = np.asarray(Image.open(io.BytesIO(file.read())).convert("L"), np.float32)
    return {"image": image, "digit": int(file.parent.name), "name": file.name}


def shifted(sample: Sample, *, rng: Any) -> Sample:
    by = (int(rng.integers(-3, 4)), int(rng.integers(-3, 4)))
    return sample | {"image": np.roll(sample["image"], by, (0, 1))}


def brighter(sample: Sample, gain: float, offset: float) -> Sample:
    return sample | {"image": sample["image"] * gain + offset}


def turned(sample: Sample, *, rng: Any) -> Sample:
    image = Image.fromarray(sample["image"])
    return sample | {"image": np.asarray(image.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR))}


def flipped(sample: Sample, flip: bool) -> Sample:
    return sample | {"image": sample["image"][:, ::-1].copy()} if flip else sample


def erased(sample: Sample) -> Sample:
    """Draw as somebody else's code does."""
    image = sample["image"].copy()
    top, left = random.randrange(20), random.randrange(20)
    image[top : top + 6, left : left + 6] = np.random.normal(128, 40, (6, 6))
    return sample | {"image": image}


def noisy(sample: Sample, *, rng: Any) -> Sample:
    return sample | {"image": sample["image"] + rng.normal(0, 8, size=sample["image"].shape)}


def augmented(images: Stream) -> Stream:
    """The operations that draw; each sample is treated by itself."""
    return (
        images.map(shifted)
        .map(brighter, draw={"gain": wh.draw.uniform(0.7, 1.3), "offset": wh.draw.normal(0, 10)})
        .map(turned)
        .map(flipped, draw={"flip": wh.draw.coin()})
        .map(erased, seed_foreign=True)
        .map(noisy)
    )


def decoded(folder: pathlib.Path) -> Stream:
    return wh.from_files(str(folder / "images" / "**" / "*.png"), name="digits").map(decode)


def pipeline(folder: pathlib.Path) -> Stream:
    return augmented(decoded(folder)).shuffle(seed=11)


def digests_of(samples: Iterable[Sample]) -> Digests:
    return [int(sample_digests([sample])[0]) for sample in samples]


def passes(stream: Stream, epochs: int) -> Digests:
    return [digest for epoch in range(epochs) for digest in digests_of(stream.epoch(epoch))]


# the ways


def in_shards(stream: Stream, count: int, epochs: int) -> Digests:
    """Read each shard of a stream by itself, and put their samples where they belong."""
    found: Digests = []
    for epoch in range(epochs):
        shards = [digests_of(stream.shard(index, count).epoch(epoch)) for index in range(count)]
        whole: Digests = [0] * sum(map(len, shards))
        for index, shard in enumerate(shards):
            whole[index::count] = shard
        found += whole
    return found


def sharded_below(folder: pathlib.Path, count: int, epochs: int) -> Digests:
    """Read shards of the source, each through operations of its own; in the shuffled order of the whole."""
    found: Digests = []
    order = decoded(folder).shuffle(seed=11)
    for epoch in range(epochs):
        by_name = {}
        for index in range(count):
            for sample in augmented(decoded(folder).shard(index, count)).epoch(epoch):
                by_name[sample["digit"], sample["name"]] = digests_of([sample])[0]
        found += [by_name[sample["digit"], sample["name"]] for sample in order.epoch(epoch)]
    return found


def interrupted(stream: Stream, epochs: int, *, workers: int = 0) -> Digests:
    """Leave each pass three times, and go on from its state, as JSON, with what a batch there was next."""
    chosen = random.Random(5)
    found: Digests = []
    for epoch in range(epochs):
        running = iter(stream.batch(BATCH, collate=list).epoch(epoch, workers=workers))
        left = sorted(chosen.sample(range(len(stream) // BATCH), 3))
        for number in range(-(-len(stream) // BATCH)):
            if number in left:
                state = json.loads(json.dumps(running.state()))
                running = iter(stream.batch(BATCH, collate=list).resume(state, workers=workers))
            found += digests_of(next(running))
        if next(running, None) is not None:
            raise AssertionError("a pass goes on after its end")
    return found


def rows_and_columns(folder: pathlib.Path, epochs: int, *, as_columns: bool) -> Digests:
    """Read the images as rows, or as columns of an array; the operations are the same."""
    samples = decoded(folder).collect()
    if as_columns:
        columns = {name: np.stack([sample[name] for sample in samples]) for name in ("image", "digit")}
        source = wh.from_arrays(**columns, name="digits")
        source = source.filter(lambda found: found["digit"] >= 0, form="columns")
    else:
        rows = [{name: sample[name] for name in ("image", "digit")} for sample in samples]
        source = wh.from_items(rows, name="digits").filter(lambda sample: sample["digit"] >= 0)
    return passes(augmented(source.select("image", "digit")), epochs)


def by_itself(folder: pathlib.Path, epochs: int, way: str) -> Any:
    """Do something in a process of its own; what it prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.again", "--way", way, "--folder", str(folder), "--epochs", str(epochs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def recorded(folder: pathlib.Path, epochs: int) -> str:
    """Read all passes in a run; its name."""
    with wh.start_run(workspace=folder / "record") as run:
        for epoch in range(epochs):
            for _ in pipeline(folder).batch(BATCH).epoch(epoch):
                pass
    return str(run.name)


def replayed(folder: pathlib.Path, count: int) -> int:
    """Make every sample of the run again by the command line; how many are equal."""
    (run,) = [each.name for each in wh.open(folder / "record").runs()]
    asked = ["replay", run, "--sample", str(count), "--verify", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "whence", *asked, "--workspace", str(folder / "record")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    if found["checked"] != count:
        raise AssertionError(found)
    return int(found["equal"])


def table(folder: pathlib.Path, images: int, epochs: int) -> Iterator[tuple[str, int, int]]:
    """Go every way; for each its name, how many digests are equal, and of how many."""
    unpack(folder, images)
    stream = pipeline(folder)
    first = passes(stream, epochs)

    def equal(name: str, found: Digests, to: Digests = first) -> tuple[str, int, int]:
        same = sum(a == b for a, b in zip(found, to, strict=False))
        return name, same, max(len(found), len(to))

    for workers in (1, 2, 4):
        yield equal(f"workers: {workers}", passes(stream.with_workers(workers), epochs))
    for count in (1, 4):
        yield equal(f"shards of the stream: {count}", in_shards(stream, count, epochs))
    yield equal("shards of the source: 4", sharded_below(folder, 4, epochs))
    yield equal("shards of the stream: 4, with 2 workers each", in_shards(stream.with_workers(2), 4, epochs))
    yield equal("interrupted and resumed", interrupted(stream, epochs))
    yield equal("interrupted and resumed, with 2 workers", interrupted(stream, epochs, workers=2))
    for way in ("fresh", "resumed", "columns", "spawned"):
        wanted = first if way != "columns" else rows_and_columns(folder, epochs, as_columns=False)
        yield equal(f"another process: {WAYS[way][0]}", by_itself(folder, epochs, way), wanted)
    by_itself(folder, epochs, "recorded")
    yield "replayed one by one, in another process", replayed(folder, len(first)), len(first)


WAYS: dict[str, tuple[str, Callable[[pathlib.Path, int], Any]]] = {
    "fresh": ("from the start", lambda folder, epochs: passes(pipeline(folder), epochs)),
    "resumed": ("interrupted and resumed", lambda folder, epochs: interrupted(pipeline(folder), epochs)),
    "columns": (
        "as columns, here as rows",
        lambda folder, epochs: rows_and_columns(folder, epochs, as_columns=True),
    ),
    "spawned": (
        "2 workers that begin anew",
        lambda folder, epochs: passes(pipeline(folder).with_workers(2, start="spawn"), epochs),
    ),
    "recorded": ("in a run", recorded),
}


def unpack(folder: pathlib.Path, images: int) -> None:
    """Take images out of the demo's."""
    with zipfile.ZipFile(pathlib.Path(demo.__file__).parent / "mnist-2k.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        for name in names[:: max(1, len(names) // images)][:images]:
            archive.extract(name, folder / "images")


def main() -> int:
    """Show the table, or go one way for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--folder", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.way is not None:
        print(json.dumps(WAYS[arguments.way][1](arguments.folder, arguments.epochs)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        held = True
        for name, same, count in table(pathlib.Path(temporary), arguments.images, arguments.epochs):
            held &= same == count
            print(f"{same:,} of {count:,}  {name}", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
