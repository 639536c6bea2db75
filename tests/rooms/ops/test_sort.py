"""Sort gives samples in the order of their keys, equal ones as they came, whatever fits into memory."""

from __future__ import annotations

import datetime
import decimal
import itertools
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.capture import NullPass
from whence.errors import OpError, PlanError, StoreFullError
from whence.ops import hands_on, restore_op, spill
from whence.ops import sort as sorting
from whence.ops.chunk import Chunk
from whence.ops.op import Context, Input, Op
from whence.vocab import Columns, sample_digests

memories = st.sampled_from([1, 2_000, 20_000, 10**9])
numbers = st.integers(-3, 3) | st.sampled_from(
    [0.5, -0.0, 2.0, float("inf"), 2**70, -(2**63), 2**53 + 1, 2.0**53]
)
days = st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 1, 9))
keys_of_one_kind = st.one_of(
    st.lists(st.integers(-3, 3), max_size=300),
    st.lists(st.integers(), max_size=50),
    st.lists(st.floats(allow_nan=False), max_size=50),
    st.lists(numbers, max_size=80),
    st.lists(st.booleans(), max_size=80),
    st.lists(st.text(max_size=2), max_size=80),
    st.lists(st.binary(max_size=2), max_size=80),
    st.lists(days, max_size=80),
    st.lists(st.decimals(allow_nan=False, places=1), max_size=50),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=80),
    st.lists(st.tuples(st.sampled_from("ab"), numbers), max_size=80),
    st.lists(st.tuples(st.tuples(st.booleans(), days), st.text(max_size=1)), max_size=80),
    st.lists(st.sampled_from([np.int8(3), np.float32(2.5), np.uint64(1), 7]), max_size=50),
    st.lists(st.sampled_from([np.datetime64("2020-01-01"), np.datetime64("1960-01-01")]), max_size=50),
)


@given(keys_of_one_kind, st.booleans(), memories, st.booleans(), st.booleans())
def test_it_is_what_pythons_sorted_gives(
    keys: list[Any], reverse: bool, memory: int, by_function: bool, as_columns: bool
) -> None:
    rows = [{"key": key, "place": place} for place, key in enumerate(keys)]
    wanted = sorted(rows, key=lambda row: row["key"], reverse=reverse)
    stream = wh.from_items(rows)
    if as_columns:
        stream = stream.pipe(AsColumns(label="columns"))
    with wh.config(memory=memory):
        found = stream.sort((lambda row: row["key"]) if by_function else "key", reverse=reverse).collect()
    assert [row["place"] for row in found] == [row["place"] for row in wanted]
    assert sample_digests(found).tolist() == sample_digests(wanted).tolist()


class AsColumns(Op):
    """Gives its samples as columns."""

    kind = "as-columns"

    def mappings(self, sizes: Any, recorded: Any, key: int, epoch: int) -> Any:
        raise NotImplementedError

    def is_indexable(self) -> bool:
        return False

    def scan(self, inputs: Any, context: Context) -> Iterator[Chunk]:
        for chunk in inputs[0].scan():
            columns = chunk.as_columns()
            yield chunk if columns is None else Chunk.of_columns(columns, chunk.ids, chunk.origins)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), max_size=60), st.booleans(), memories)
def test_several_fields_count_in_their_order(
    pairs: list[tuple[int, str]], reverse: bool, memory: int
) -> None:
    rows = [{"a": a, "b": b, "n": n} for n, (a, b) in enumerate(pairs)]
    with wh.config(memory=memory):
        found = wh.from_items(rows).sort(["b", "a"], reverse=reverse).collect()
    assert found == sorted(rows, key=lambda row: (row["b"], row["a"]), reverse=reverse)


@pytest.mark.parametrize("most", [2, 3])
def test_many_runs_are_merged_in_several_rounds(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(sorting, "_FEWEST_RUNS", most)
    monkeypatch.setattr(spill, "BLOCK_ROWS", 7)
    monkeypatch.setattr(sorting, "BLOCK_ROWS", 7)
    rows = [{"key": n * 7919 % 101, "n": n} for n in range(3_000)]
    with wh.config(memory=1):
        found = wh.from_items(rows).sort("key").collect()
    assert found == sorted(rows, key=lambda row: row["key"])


def test_samples_that_fit_are_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert wh.from_items(range(10_000)).sort(lambda n: -n).take(2).collect() == [9_999, 9_998]


def test_columns_of_numbers_are_sorted_without_making_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(columns: Columns) -> Any:
        raise AssertionError("rows were made")

    origins = np.arange(500, dtype=np.int64)
    rows = [{"a": n * 7 % 100, "b": n / 3, "when": np.datetime64(n % 9, "D")} for n in range(500)]
    columns = Columns.of_rows(rows)
    assert columns is not None
    monkeypatch.setattr(Columns, "rows", refuse)
    keys: list[Any] = ["a", "b", "when", ("a", "b")]
    for memory, key in itertools.product((1_000, 10**9), keys):
        with wh.config(memory=memory):
            op = sorting.Sort(label="sort", key=key)
            chunk = Chunk.of_columns(columns, origins.view(np.uint64), origins)
            chunks = list(
                op.scan([input_of(chunk.taken(slice(0, 300)), chunk.taken(slice(300, 500)))], silent())
            )
        for each in chunks:
            assert each.columns is not None
        found = np.concatenate([each.origins for each in chunks]).tolist()
        fields = (key,) if isinstance(key, str) else key
        assert found == sorted(range(500), key=lambda n: tuple(rows[n][name] for name in fields))


def input_of(*chunks: Chunk) -> Input:
    return Input(scan=lambda: iter(chunks), size=None, is_indexable=False)


def silent() -> Context:
    return Context(recorder=NullPass().node(0), key=0, epoch=0, name_origin=str)


# what has no order


@pytest.mark.parametrize(
    ("keys", "position", "why"),
    [
        ([1, None, 2], 1, "None"),
        ([1.0, float("nan")], 1, "NaN"),
        ([1, "a"], 1, "text"),
        ([True, 1], 1, "number"),
        ([b"a", "a"], 1, "text"),
        ([1, [2]], 1, "list"),
        ([(1, 2), (1,)], 1, "tuple"),
        ([1j, 2j], 1, "complex"),
        ([frozenset("a"), frozenset("b")], 0, "sets"),
        ([(1, frozenset("a")), (2, frozenset("b"))], 0, "sets"),
        ([object(), object()], 1, "object"),
        ([datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)], 1, "offset"),
        ([decimal.Decimal("NaN")], 0, "NaN"),
        ([np.datetime64("NaT")], 0, "Na"),
    ],
)
@pytest.mark.parametrize("memory", [1, 10**9])
def test_keys_without_an_order_are_refused_and_the_sample_named(
    keys: list[Any], position: int, why: str, memory: int
) -> None:
    stream = wh.from_items([{"key": key} for key in keys], name="things").sort("key")
    with wh.config(memory=memory), pytest.raises(OpError, match=why) as caught:
        stream.collect()
    assert (caught.value.op, caught.value.position) == ("sort(key)", position)
    assert caught.value.origin == f"things, row {position}"
    assert caught.value.remedy


def test_keys_without_an_order_are_found_among_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    naive, aware = datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    stream = wh.from_items([naive] * 64 + [aware] * 64).sort(lambda when: when)
    with wh.config(memory=1), pytest.raises(OpError, match="offset") as caught:
        stream.collect()
    assert caught.value.position >= 0


def test_a_key_function_that_fails_names_the_sample() -> None:
    with pytest.raises(OpError, match="ZeroDivisionError") as caught:
        wh.from_items([3, 1, 0]).sort(lambda n: 1 / n).collect()
    assert caught.value.position == 2


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(OpError, match="KeyError") as caught:
        wh.from_items([{"a": 1}, {"b": 2}]).sort("a").collect()
    assert caught.value.position == 1


@pytest.mark.parametrize("key", [None, 3, [], ["a", "a"], ["a", 1]])
def test_what_is_no_key_is_refused(key: Any) -> None:
    with pytest.raises(PlanError, match="sort"):
        wh.from_items([1]).sort(key)


def test_what_is_no_direction_is_refused() -> None:
    with pytest.raises(PlanError, match="reverse"):
        wh.from_items([1]).sort("a", reverse="yes")  # type: ignore[arg-type]


def test_a_key_that_cannot_be_pickled_is_an_error_only_when_memory_is_full() -> None:
    class Ranked:
        def __init__(self, rank: int) -> None:
            self.rank = rank

        def __lt__(self, other: Ranked) -> bool:
            return self.rank < other.rank

    stream = wh.from_items([3, 1, 2]).sort(Ranked)
    assert stream.collect() == [1, 2, 3]
    with wh.config(memory=1), pytest.raises(OpError, match="keys of samples"):
        stream.collect()


# the record


@pytest.mark.parametrize("memory", [1, 10**9])
def test_the_record_says_where_each_sample_came_from(memory: int, tmp_path: pathlib.Path) -> None:
    rows = [{"key": n * 37 % 11, "n": n} for n in range(400)]
    with wh.config(memory=memory), wh.start_run("sorted", workspace=tmp_path) as run:
        stream = wh.from_items(rows, name="rows").filter(odd).sort("key", reverse=True)
        found = list(stream)
    for item in (0, 57, len(found) - 1):
        trace = run.trace(epoch=0, item=item)
        assert [origin.row for origin in trace.origins] == [found[item]["n"]]
        assert trace.complete
        assert run.replay(epoch=0, item=item, stream=stream) == found[item]
    impact = wh.open(tmp_path).impact("rows", rows=[found[7]["n"]])
    assert [point.item for point in impact.exposures] == [7]


def odd(row: dict[str, int]) -> bool:
    return row["n"] % 2 == 1


def test_it_is_made_again_from_the_record() -> None:
    for op in (
        sorting.Sort(label="s", key="a", reverse=True),
        sorting.Sort(label="s", key=("a", "b")),
        sorting.Sort(label="s", key=odd),
    ):
        again = restore_op(op.kind, op.label, op.parameters(), op.functions())
        assert again == op


def test_what_it_was_given_goes_on_as_it_was() -> None:
    assert hands_on("sort")


# faults


def test_a_disk_that_is_full_is_named_and_nothing_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    def full(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "pwrite", full)
    with wh.config(memory=1):
        reading = iter(wh.from_items(range(1_000)).sort(lambda n: -n))
        with pytest.raises(StoreFullError, match=str(tmp_path)):
            next(reading)


def open_files() -> int:
    return sum("whence-" in link or "(deleted)" in link for link in links())


def links() -> Iterator[str]:
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        try:
            yield str(entry.readlink())
        except OSError:
            continue


def test_leaving_half_way_closes_the_temporary_file() -> None:
    before = open_files()
    with wh.config(memory=1):
        reading = iter(wh.from_items(range(10_000)).sort(lambda n: -n).epoch(0))
        assert next(reading) == 9_999
        assert open_files() > before
        reading.close()
    assert open_files() == before
