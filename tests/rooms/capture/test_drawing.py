"""Whoever draws from a global generator while it works is named in the record; nobody else is."""

from __future__ import annotations

import pathlib
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.streams import Stream

ITEMS = list(range(300))


def plain(sample: Any) -> Any:
    return sample


def drawing(sample: Any) -> Any:
    return sample, random.random()


def rare(sample: int) -> int:
    return random.randrange(9) if sample == 299 else sample


def drawing_key(sample: Any) -> int:
    return int(np.random.randint(9))


def drawing_group(samples: list[Any]) -> list[Any]:
    return [np.random.normal() for _ in samples]


def drawing_columns(columns: Any) -> Any:
    return np.random.random_sample(len(columns)) < 0.5


def source() -> Iterator[float]:
    for _ in range(50):
        yield random.random()


def items() -> Stream:
    return wh.from_items(ITEMS, name="n")


WAYS: dict[str, tuple[Callable[[], Stream], str, str]] = {
    "map": (lambda: items().map(plain).map(drawing).map(plain), "drawing", "random"),
    "a single draw": (lambda: items().map(rare), "rare", "random"),
    "quarantine": (lambda: items().map(drawing, on_error="quarantine"), "drawing", "random"),
    "filter": (lambda: items().filter(drawing_key), "drawing_key", "numpy.random"),
    "columns": (
        lambda: items().filter(drawing_columns, form="columns"),
        "drawing_columns",
        "numpy.random",
    ),
    "flat_map": (lambda: items().flat_map(drawing), "drawing", "random"),
    "map_batches": (lambda: items().map_batches(drawing_group, size=7), "drawing_group", "numpy.random"),
    "collate": (lambda: items().batch(8, collate=drawing_group), "batch(8)", "numpy.random"),
    "sort": (lambda: items().sort(drawing_key), "sort(drawing_key)", "numpy.random"),
    "dedup": (lambda: items().dedup(drawing_key), "dedup(drawing_key)", "numpy.random"),
    "group": (
        lambda: items().group_by(plain).aggregate(lambda key, samples: random.random()),
        "group_by(plain)",
        "random",
    ),
    "below a shuffle": (
        lambda: items().map(drawing).shuffle(seed=1).batch(4, collate=list),
        "drawing",
        "random",
    ),
    "below a cache": (lambda: items().map(drawing).cache().map(plain), "drawing", "random"),
    "source": (lambda: wh.from_items(source(), name="given"), "given", "random"),
}


def read(*streams: Stream) -> None:
    """Read streams, and draw meanwhile, as a training loop may."""
    for stream in streams:
        for _ in stream:
            random.random()
            np.random.random()


def drawn(run: Any) -> list[tuple[str, list[str]]]:
    streams = {stream.number: stream for stream in run.record.streams}
    views = {view.number: view for view in run.record.passes}
    return [
        (
            streams[views[event.public["pass"]].stream].nodes[event.public["node"]]["label"],
            event.public["generators"],
        )
        for event in run.record.journal.find("drew")
    ]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("workers", [0, 2])
def test_the_operation_that_draws_is_named(way: str, workers: int, tmp_path: pathlib.Path) -> None:
    make, label, generator = WAYS[way]
    with wh.start_run(workspace=tmp_path) as run, pytest.warns(UserWarning, match=f"draws from {generator}"):
        read(make().with_workers(workers))
    assert drawn(run) == [(label, [generator])]


def test_the_warning_comes_once_for_each_operation_of_a_run(tmp_path: pathlib.Path) -> None:
    stream = items().map(drawing)
    with wh.start_run(workspace=tmp_path) as run, pytest.warns(UserWarning, match="drawing") as told:
        read(stream, stream, stream)
    assert [str(each.message).partition(":")[0] for each in told] == [
        "op 'drawing' draws from random, not from its sample's own generator"
    ]
    assert drawn(run) == [("drawing", ["random"])] * 3


def test_what_the_user_draws_between_chunks_is_nobodys(tmp_path: pathlib.Path) -> None:
    stream = items().map(plain)
    with wh.start_run(workspace=tmp_path) as run:
        for workers in (0, 2):
            read(stream.shuffle(seed=1).batch(4).with_workers(workers))
        for _ in zip(stream, stream.map(plain), strict=True):
            random.random()
    assert drawn(run) == []


def test_seeded_operations_do_not_draw_from_what_is_the_users(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run, wh.config(seed_foreign=True):
        for make, _, _ in (WAYS[way] for way in ("map", "filter", "flat_map", "map_batches", "collate")):
            list(make())
    assert drawn(run) == []


def test_of_a_stream_read_within_anothers_function_the_operation_itself_is_named(
    tmp_path: pathlib.Path,
) -> None:
    inner = items().take(3).map(drawing)

    def outer(sample: int) -> int:
        return len(inner.collect())

    with wh.start_run(workspace=tmp_path) as run, pytest.warns(UserWarning, match="drawing"):
        list(items().take(2).map(outer))
    assert {label for label, _ in drawn(run)} == {"drawing"}


@pytest.mark.parametrize(
    ("draw", "seen"),
    [
        ("np.random.random()", "[['numpy.random']]"),
        ("np.random.randint(0, 2, dtype=np.uint32)", "[['numpy.random']]"),
        ("np.random.seed(1)", "[['numpy.random']]"),
        ("rng.numpy().normal()", "[]"),
        ("np.random.default_rng(1).normal()", "[]"),
    ],
)
def test_of_a_generator_that_an_operation_loads_only_draws_are_seen(
    tmp_path: pathlib.Path, draw: str, seen: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("DRAW", draw), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == seen


SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import whence as wh
def draws(sample, *, rng):
    return DRAW
assert "numpy.random" not in sys.modules
with wh.start_run(workspace=sys.argv[1]) as run:
    wh.from_items([1], name="n").map(draws).collect()
print([event.public["generators"] for event in run.record.journal.find("drew")])
"""
