"""Rows and columns are two roads to the same samples: in the same order, with the same ids and digests."""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.vocab.exactly import exact
from whence.errors import OpError
from whence.ops import Chunk
from whence.streams import Stream, pacing
from whence.streams.reading import deliver_chunks
from whence.streams.stream import compiled

Rows = list[dict[str, Any]]

FIELDS = {
    "n": st.integers(-3, 9),
    "x": st.none() | st.floats(-9, 9),
    "b": st.booleans(),
    "s": st.none() | st.text("ab é", max_size=2),
    "t": st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2030, 1, 1)),
    "l": st.lists(st.integers(0, 3), max_size=2),
}
ROWS: Any = st.lists(st.fixed_dictionaries(FIELDS), min_size=1, max_size=40)


def from_arrays(rows: Rows, folder: pathlib.Path) -> Stream:
    """Arrays of several types, of which `v` has more than one dimension."""
    numbers = np.array([row["n"] for row in rows], np.int16)
    return wh.from_arrays(
        name="rows",
        n=numbers,
        x=np.array([row["x"] or 0.5 for row in rows], np.float32),
        b=np.array([row["b"] for row in rows]),
        s=np.array([row["s"] for row in rows], object),
        t=np.array([row["t"] for row in rows], "M8[ms]"),
        v=np.asfortranarray(np.arange(len(rows) * 4, dtype=np.uint8).reshape(len(rows), 2, 2)),
    )


def from_table(rows: Rows, folder: pathlib.Path) -> Stream:
    table = pa.Table.from_pylist(rows)
    return wh.from_table(pa.concat_tables([table[:3], table[3:]]), name="rows")


def from_parquet(rows: Rows, folder: pathlib.Path) -> Stream:
    table = pa.Table.from_pylist(rows)
    for number, piece in enumerate((table[:5], table[5:])):
        pq.write_table(piece, folder / f"{number}.parquet", row_group_size=7)
    return wh.from_parquet(str(folder / "*.parquet"), name="rows")


BEGINNINGS = {"arrays": from_arrays, "table": from_table, "parquet": from_parquet}


# what is done to dict samples with a field n


def is_kept(columns: dict[str, Any], modulus: int) -> Any:
    return columns["n"] % modulus != 0


def with_sum(columns: dict[str, Any]) -> dict[str, Any]:
    return columns | {"n": columns["n"] + 1, "sum": np.full(len(columns["n"]), columns["n"].sum())}


def reversed_names(columns: dict[str, Any]) -> dict[str, Any]:
    return {"n": columns["n"].tolist(), **{name: columns[name] for name in reversed(columns)}}


def in_place(columns: dict[str, Any]) -> dict[str, Any]:
    columns["n"] += 1
    return columns


def jittered(sample: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return sample | {"n": int(sample["n"]) + int(rng.integers(0, 3))}


def ranked(samples: Rows) -> Rows:
    return [sample | {"rank": rank} for rank, sample in enumerate(samples)]


def paired(first: Any, second: Any) -> Any:
    return first | {"other": second["n"]}


STEPS: dict[str, Callable[[Stream, int], Stream]] = {
    "filter columns": lambda stream, k: stream.filter(is_kept, form="columns", modulus=k + 1),
    "filter": lambda stream, k: stream.filter(lambda sample: sample["n"] % (k + 1) != 0),
    "map": lambda stream, k: stream.map(jittered),
    "map columns": lambda stream, k: stream.map_batches(with_sum, size=k + 1, form="columns"),
    "map columns turned": lambda stream, k: stream.map_batches(reversed_names, size=k + 1, form="columns"),
    "map columns in place": lambda stream, k: stream.map_batches(in_place, size=k + 1, form="columns"),
    "map lists": lambda stream, k: stream.map_batches(ranked, size=k + 1),
    "take": lambda stream, k: stream.take(3 * k),
    "skip": lambda stream, k: stream.skip(k),
    "slice": lambda stream, k: stream.slice(k, None, k + 1),
    "shuffle": lambda stream, k: stream.shuffle(k),
    "shuffle in windows": lambda stream, k: stream.shuffle(k, window=k + 1),
    "sample": lambda stream, k: stream.sample(0.7, k),
    "repeat": lambda stream, k: stream.repeat(k % 3),
    "concat": lambda stream, k: stream.concat(stream.take(k), stream.map(jittered)),
    "concat and pick": lambda stream, k: stream.take(9).concat(stream).shuffle(k),
    "zip": lambda stream, k: stream.zip(stream.map(jittered), combine=paired),
    "batch and unbatch": lambda stream, k: stream.batch(k + 1).unbatch(),
    "batch and pick and unbatch": lambda stream, k: stream.batch(k + 1).shuffle(k).unbatch().skip(1),
    "batch lists and unbatch": lambda stream, k: stream.batch(k + 1, collate=list).unbatch(),
    "dedup": lambda stream, k: stream.dedup("n"),
}
ENDS: dict[str, Callable[[Stream, int], Stream]] = {
    "nothing": lambda stream, k: stream,
    "batch": lambda stream, k: stream.batch(k + 1),
    "batch without the last": lambda stream, k: stream.batch(k + 1, drop_last=True),
    "batch and pick": lambda stream, k: stream.batch(k + 1).slice(0, None, 2),
    "made of batches": lambda stream, k: stream.batch(k + 1).map_batches(
        lambda samples: [sample["n"].sum() for sample in samples], size=2
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline that can be built on either road."""

    beginning: str
    steps: tuple[tuple[str, int], ...]
    end: tuple[str, int]
    first_chunk: int

    def on(self, stream: Stream) -> Stream:
        for name, number in self.steps:
            stream = STEPS[name](stream, number)
        return ENDS[self.end[0]](stream, self.end[1])


PLANS = st.builds(
    Plan,
    st.sampled_from(list(BEGINNINGS)),
    st.lists(st.tuples(st.sampled_from(list(STEPS)), st.integers(0, 5)), max_size=5).map(tuple),
    st.tuples(st.sampled_from(list(ENDS)), st.integers(0, 5)),
    st.sampled_from([1, 2, 7, 64]),
)


@contextlib.contextmanager
def chunks_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pacing, "FIRST_CHUNK", size)
        yield


def read(stream: Stream, size: int) -> tuple[Any, ...]:
    """What is delivered in two epochs, and what the record says of it."""
    with tempfile.TemporaryDirectory() as folder, chunks_of(size):
        with wh.start_run("road", workspace=folder) as run:
            try:
                samples = [exact(list(stream.epoch(epoch))) for epoch in (0, 1)]
            except OpError as error:
                return (str(error),)
        passes = run.record.passes
        is_batched = unit_of(run) == "batch"
        digests = [run.record.digests(view.number) for view in passes]
        kept = [
            (each.items.tolist(), each.groups if is_batched else [], each.outputs.tolist())
            for each in digests
        ]
        found = [
            [origin.row for origin in trace.origins]
            for trace in (run.trace(epoch=0, **place) for place in places(run, len(samples[0][1])))
        ]
        return samples, kept, [view.delivered for view in passes], found


def unit_of(run: Any) -> str:
    stream = run.record.streams[0]
    return "batch" if stream.nodes[stream.items_at]["kind"] == "batch" else "item"


def places(run: Any, delivered: int) -> Iterator[dict[str, Any]]:
    return ({unit_of(run): number} for number in range(min(3, delivered)))


@given(ROWS, PLANS)
def test_both_roads_lead_to_the_same_samples_and_the_same_record(rows: Rows, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = BEGINNINGS[plan.beginning](rows, pathlib.Path(name))
        expected = read(plan.on(wh.from_items(source.collect(), name="rows")), 64)
        assert read(plan.on(source), plan.first_chunk) == expected


@given(ROWS, PLANS)
def test_both_roads_lead_to_the_same_tables(rows: Rows, plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as name, chunks_of(plan.first_chunk):
        folder = pathlib.Path(name)
        source = BEGINNINGS[plan.beginning](rows, folder)
        streams = plan.on(source), plan.on(wh.from_items(source.collect(), name="rows"))
        assert written(streams[0], folder / "columns") == written(streams[1], folder / "rows")


def written(stream: Stream, path: pathlib.Path) -> Any:
    """What becomes of a stream as a table, as a file, and in the record."""
    try:
        with wh.start_run("road", workspace=path) as run:
            table = stream.to_arrow()
        count = stream.to_parquet(path / "x.parquet")
    except OpError as error:
        return str(error)
    read_back = repr(pq.read_table(path / "x.parquet").to_pylist())
    assert count == len(table)
    assert [view.delivered for view in run.record.passes] == [count]
    return repr(table.schema), repr(table.to_pylist()), read_back, run.record.digests(0).items.tolist()


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize(
    "step",
    [
        *(
            "filter columns",
            "map columns",
            "take",
            "slice",
            "shuffle",
            "shuffle in windows",
            "sample",
            "repeat",
        ),
        *("concat and pick", "batch and unbatch"),
    ],
)
def test_columns_stay_columns(beginning: str, step: str, tmp_path: pathlib.Path) -> None:
    rows: Rows = [
        {"n": n, "x": n / 2, "b": True, "s": "a", "t": dt.datetime(2026, 1, 1), "l": [n]} for n in range(90)
    ]
    stream = STEPS[step](BEGINNINGS[beginning](rows, tmp_path), 2)
    chunks: list[Chunk] = list(deliver_chunks(compiled(stream), 0))
    assert chunks
    assert all(chunk.columns is not None for chunk in chunks)
