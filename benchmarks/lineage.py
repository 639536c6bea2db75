"""What lineage costs on the disk, to write and to ask, at any number of samples.

Four parts, each of real runs in a folder of its own:

- bytes: of filters and of dedup at several keep rates against the entropy of what was decided, all of the
  segment counted (blocks, heads, directory, frames); of operations in closed form; and of an image run
  with eight operations;
- capture: CPU time for each decision, written before delivery and sealed, as the recorder is told of
  them in chunks of 1,024;
- traces: one delivered sample back through ten operations, and a batch of 4,096, warm and in a new
  process whose files aren't in memory, at each of the sizes;
- whole: how many bytes a run of that size has for each sample.

    python benchmarks/lineage.py [--rows 1000000] [--size 10000000 ...] [--folder DIR] [--part bytes ...]

A hundred million samples take some minutes to read through ten operations; a folder that is given is kept,
and runs found in it are asked again without being made again.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from capture import machine

import whence as wh
from whence.capture.deciding import PassDecisions
from whence.store import Folder, RunWriter

SHARES = (0.01, 0.1, 0.5, 0.9, 0.99)
CHUNK = 1_024
BATCH = 4_096
ASKED = 1_000
COLD_TIMES = 9

MASK = (1 << 64) - 1


def mixed(value: int, salt: int) -> int:
    """32 bits of a number that look drawn."""
    word = (value + salt) * 0x9E3779B97F4A7C15 & MASK
    word = (word ^ word >> 29) * 0xBF58476D1CE4E5B9 & MASK
    return word >> 32


def increment(value: int) -> int:
    """The smallest work there is."""
    return value + 1


def most(value: int) -> bool:
    """Nine of ten."""
    return mixed(value, 1) % 10 > 0


def half(value: int) -> bool:
    """One of two."""
    return mixed(value, 2) % 2 > 0


def few(value: int) -> bool:
    """Three of ten."""
    return mixed(value, 3) % 10 < 3


def some_of(value: int) -> tuple[int, ...]:
    """None, one or two."""
    return (value,) * (mixed(value, 4) % 3)


def ten_operations(size: int) -> wh.Stream:
    """Filters, an expansion, shuffles and the rest, ten below the batches; all positions are asked about."""
    return (
        wh.from_items(range(size), name="n")
        .shuffle(seed=3)
        .map(increment)
        .filter(most)
        .map(abs)
        .filter(half)
        .flat_map(some_of)
        .shuffle(seed=1, window=8_192)
        .filter(few)
        .map(increment)
        .map(abs)
        .batch(BATCH)
    )


# bytes


def entropy_bits(kept: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """How much a mask says that was drawn at its share."""
    share = kept.mean()
    if not 0 < share < 1:
        return 0.0
    return float(-len(kept) * (share * np.log2(share) + (1 - share) * np.log2(1 - share)))


def dedup_bits(keys: np.ndarray[Any, np.dtype[np.int64]], key_count: int) -> float:
    """How much dedup decides on keys that are drawn: new or not, and which of those seen it repeats."""
    _, first = np.unique(keys, return_index=True)
    is_new = np.zeros(len(keys), np.bool_)
    is_new[first] = True
    seen = np.cumsum(is_new) - is_new
    fresh = 1 - seen / key_count
    with np.errstate(divide="ignore", invalid="ignore"):
        choice = np.where(is_new, -np.log2(fresh), -np.log2(1 - fresh) + np.log2(np.maximum(seen, 1)))
    return float(choice.sum())


def lineage_bytes(run: wh.Run) -> int:
    """The bytes of a run's sealed decisions."""
    path = run.record.journal.path / "segments" / "lineage"
    return path.stat().st_size if path.exists() else 0


def measure_bytes(folder: pathlib.Path, rows: int) -> Iterator[dict[str, Any]]:
    """Filters and dedup against the entropy; closed forms against nothing at all."""
    rng = np.random.default_rng(1)

    def run_of(stream: wh.Stream) -> int:
        with wh.config(record="lineage"), wh.start_run("bytes", workspace=folder) as run:
            for _ in stream:
                pass
        return lineage_bytes(run)

    for share in SHARES:
        kept = rng.random(rows) < share
        flags = kept.tolist()
        stored = run_of(wh.from_items(range(rows)).filter(flags.__getitem__))
        yield _bytes_row(f"filter, {share} kept", rows, stored, entropy_bits(kept) / 8, 1.2)
    for share in SHARES:
        key_count = _keys_for(share, rows)
        keys = rng.integers(0, key_count, rows)
        stored = run_of(wh.from_items(keys.tolist()).dedup())
        yield _bytes_row(
            f"dedup, {len(np.unique(keys)) / rows:.2f} kept",
            rows,
            stored,
            dedup_bits(keys, key_count) / 8,
            1.2,
        )
    base = run_of(wh.from_items(range(rows)))
    closed = {
        "map": lambda s: s.map(increment),
        "batch": lambda s: s.batch(64),
        "repeat": lambda s: s.repeat(2),
        "shuffle": lambda s: s.shuffle(seed=1),
        "windowed shuffle": lambda s: s.map(abs).shuffle(seed=1, window=1_000),
        "slice": lambda s: s.skip(10).take(rows // 2),
    }
    for name, chained in closed.items():
        yield _bytes_row(name, rows, run_of(chained(wh.from_items(range(rows)))) - base, 0.0, None)
    yield _image_run(folder, 60_000)


def _image_run(folder: pathlib.Path, count: int) -> dict[str, Any]:
    """Eight operations on images in memory, three epochs."""
    images = np.random.default_rng(1).integers(0, 255, (count, 8, 8), np.uint8)
    draw = {"dx": wh.draw.integers(0, 4)}
    stream = (
        wh.from_arrays(image=images, label=np.arange(count) % 10)
        .filter(lambda sample: sample["image"].sum() % 20 > 0, reason="blank")
        .map(lambda sample: {**sample, "image": sample["image"] / 255.0})
        .map(lambda sample, dx: {**sample, "image": np.roll(sample["image"], dx)}, draw=draw)
        .filter(lambda sample: sample["image"][0, 0] > 0.1, reason="dark")
        .map(lambda sample: {**sample, "image": sample["image"].astype(np.float32)})
        .skip(10)
        .shuffle(seed=7)
        .batch(64)
    )
    with wh.config(record="full"), wh.start_run("images", workspace=folder) as run:
        for epoch in range(3):
            for _ in stream.epoch(epoch):
                pass
    files = [path for path in run.record.journal.path.rglob("*") if path.is_file()]
    stored = sum(path.stat().st_size for path in files if path.name not in ("digests", "payloads", "cursors"))
    row = _bytes_row("image run, 8 operations (digests and payloads apart)", 3 * count, stored, 0.0, None)
    return row | {"bound": "0.5 B/sample"}


def _keys_for(share: float, rows: int) -> int:
    """How many keys must there be for a share of rows to have a new one?"""
    low, high = 1, 10_000 * rows
    while low < high:
        middle = (low + high) // 2
        new = -middle * np.expm1(-rows / middle)
        low, high = (middle + 1, high) if new < share * rows else (low, middle)
    return low


def _bytes_row(what: str, rows: int, stored: int, entropy: float, bound: float | None) -> dict[str, Any]:
    return {
        "what": what,
        "bytes": stored,
        "bytes_per_row": stored / rows,
        "ratio": stored / entropy if entropy else None,
        "bound": bound,
    }


# capture


def measure_capture(folder: pathlib.Path, rows: int) -> Iterator[dict[str, Any]]:
    """CPU time for each decision: told, written and sealed."""
    rng = np.random.default_rng(1)
    starts = range(0, rows, CHUNK)
    bound_by_kind = {"bits": 15, "arrays": 60}

    def timed(what: str, kind: str, tell: Callable[[PassDecisions, int, int], None]) -> dict[str, Any]:
        taken = []
        for number in range(5):
            writer = RunWriter(Folder(folder / ".whence"), f"RUN{time.time_ns()}{number}")
            decisions = PassDecisions(writer, 0, 2)
            began = time.process_time()
            for start in starts:
                tell(decisions, start, min(start + CHUNK, rows))
                decisions.flush()
            decisions.seal()
            taken.append((time.process_time() - began) / rows * 1e9)
            writer.discard()
        return {"what": what, "ns": sorted(taken)[2], "least": min(taken), "bound": bound_by_kind[kind]}

    for share in (1.0, 0.9, 0.5, 0.1, 0.01):
        kept = rng.random(rows) < share
        yield timed(
            f"filter, {share} kept",
            "bits",
            lambda told, start, end, kept=kept: told.nodes[1].selected(  # type: ignore[misc]  # bound at once
                None if kept[start:end].all() else kept[start:end], end - start
            ),
        )
    counts = rng.integers(0, 4, rows)
    yield timed("flat_map", "arrays", lambda told, a, b: told.nodes[1].expanded(counts[a:b]))
    order, ones = rng.permutation(rows), np.ones(CHUNK, np.int64)
    yield timed("sort", "arrays", lambda told, a, b: told.nodes[1].related(0, ones[: b - a], order[a:b]))
    keys = np.minimum(np.arange(rows), rng.integers(0, rows, rows))
    firsts = np.unique(keys, return_index=True)[1]
    is_new = np.zeros(rows, np.bool_)
    is_new[firsts] = True
    first_of = np.zeros(rows, np.int64)
    first_of[keys[firsts]] = firsts

    def dedup(told: PassDecisions, start: int, end: int) -> None:
        told.nodes[1].selected(is_new[start:end], end - start)
        told.nodes[1].duplicated(first_of[keys[start:end][~is_new[start:end]]])

    yield timed("dedup with witnesses", "arrays", dedup)


# traces


def measure_traces(folder: pathlib.Path, size: int) -> Iterator[dict[str, Any]]:
    """One sample, and a batch, warm and cold."""
    home = folder / f"{size}"
    made: dict[str, Any] = {}
    if not (home / ".whence").exists():
        began = time.process_time()
        with wh.config(record="lineage"), wh.start_run("ten", workspace=home):
            for _ in ten_operations(size):
                pass
        made = {"cpu_s": time.process_time() - began}
    run = wh.open(home).run()
    (view,) = run.passes
    stored = lineage_bytes(run)
    yield {"what": f"{size:,} samples: lineage of ten operations", "bytes_per_row": stored / size, **made}
    rng = np.random.default_rng(size)
    last_batch = view.delivered - 1  # it may be shorter than the others
    batches = rng.integers(0, last_batch, ASKED).tolist()
    places = list(zip(batches, rng.integers(0, BATCH, ASKED).tolist(), strict=True))
    run.trace(0, *places[0])
    yield _times(f"{size:,} samples: one, warm", [_asked(run, *place) for place in places], 2.0)
    whole = [_asked(run, batch, None) for batch in batches[:40]]
    yield _times(f"{size:,} samples: a batch of {BATCH:,}, warm", whole, 50.0)
    cold = [_cold(home, run.id, *place) for place in places[:COLD_TIMES]]
    yield _times(f"{size:,} samples: one, in a new process", cold, 50.0)


def _asked(run: wh.Run, batch: int, item: int | None) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    trace = run.trace(0, batch, item)
    taken = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
    if not trace.complete or len(trace.steps) != (11 if item is None else 10):
        raise AssertionError(f"a trace of {len(trace.steps)} steps: {trace.origins[:3]}")
    return taken


COLD = """
import sys, time
import numpy, whence, whence.query, whence.workspace
home, run, batch, item = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
whence.open, whence.from_items
wall, cpu = time.perf_counter(), time.process_time()
trace = whence.open(home).run(run).trace(0, batch, item)
print((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3, len(trace.origins))
"""


def _cold(home: pathlib.Path, run_id: str, batch: int, item: int) -> tuple[float, float]:
    for path in (home / ".whence" / "runs" / run_id).rglob("*"):
        if path.is_file() and hasattr(os, "posix_fadvise"):
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    source = str(pathlib.Path(wh.__file__).parents[1])
    said = subprocess.run(
        [sys.executable, "-c", COLD, str(home), run_id, str(batch), str(item)],
        env=os.environ | {"PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if said[2] != "1":
        raise AssertionError(f"a sample of {said[2]} origins")
    return float(said[0]), float(said[1])


def _times(what: str, taken: list[tuple[float, float]], bound_ms: float) -> dict[str, Any]:
    wall, cpu = np.array(taken).T
    return {
        "what": what,
        "count": len(taken),
        "p50_ms": float(np.percentile(wall, 50)),
        "p99_ms": float(np.percentile(wall, 99)),
        "cpu_p50_ms": float(np.percentile(cpu, 50)),
        "cpu_p99_ms": float(np.percentile(cpu, 99)),
        "bound": bound_ms,
    }


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="for bytes and capture")
    parser.add_argument("--size", type=int, nargs="*", default=[1_000_000, 10_000_000], help="for traces")
    parser.add_argument("--folder", type=pathlib.Path, help="where runs are made and kept")
    parser.add_argument("--part", nargs="*", default=["bytes", "capture", "traces"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if not options.json:
        print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        parts: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
            "bytes": lambda: measure_bytes(pathlib.Path(temporary), options.rows),
            "capture": lambda: measure_capture(pathlib.Path(temporary), options.rows),
            "traces": lambda: (row for size in options.size for row in measure_traces(folder, size)),
        }
        for part in options.part:
            for row in parts[part]():
                rows.append({"part": part, **row})
                if not options.json:
                    print(_line(row), flush=True)
    if options.json:
        print(json.dumps({"machine": machine(), "rows": rows}, indent=2))
    return 0


def _line(row: dict[str, Any]) -> str:
    shown = {name: value for name, value in row.items() if name != "what" and value is not None}
    figures = (
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in shown.items()
    )
    return f"{row['what']:54} {'  '.join(figures)}"


if __name__ == "__main__":
    sys.exit(main())
