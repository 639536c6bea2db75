"""Split: every sample in exactly one part, and always in the same."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.oracle.readings import chunks_of
from whence.errors import OpError, PlanError

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def parts_of(stream: wh.Stream, **given: Any) -> dict[str, list[Any]]:
    return {name: part.collect() for name, part in stream.split(SHARES, seed=3, **given).items()}


def numbers(count: int) -> wh.Stream:
    return wh.from_items(list(range(count)), name="n")


@given(st.integers(0, 80), st.integers(0, 9), st.integers(1, 30), st.booleans())
def test_parts_are_disjoint_and_complete(count: int, seed: int, chunk: int, by_key: bool) -> None:
    parts = numbers(count).split(SHARES, seed=seed, by=(lambda n: n % 7) if by_key else None)
    with chunks_of(chunk, chunk):
        found = [part.collect() for part in parts.values()]
    assert sorted(itertools.chain(*found)) == list(range(count))
    assert found == [part.collect() for part in parts.values()]


def test_parts_have_their_shares_and_names() -> None:
    parts = numbers(20_000).split(SHARES, seed=1)
    assert list(parts) == list(SHARES)
    for name, part in parts.items():
        assert abs(part.count() / 20_000 - SHARES[name]) < 0.01
        assert repr(part).startswith(f"Stream {name}")


def test_samples_that_are_added_move_no_other() -> None:
    before, after = parts_of(numbers(500)), parts_of(numbers(900))
    assert all(set(before[name]) <= set(after[name]) for name in SHARES)
    keyed = [{"patient": number % 50, "n": number} for number in range(500)]
    turned = [*keyed[::-1], {"patient": 77, "n": 500}]
    some, more = (parts_of(wh.from_items(rows), by="patient") for rows in (keyed, turned))
    for name in SHARES:
        assert {row["n"] for row in some[name]} == {row["n"] for row in more[name]} - {500}


def test_a_part_is_the_same_in_every_epoch_and_in_any_order() -> None:
    stream = numbers(300).shuffle(seed=2)
    train = stream.split(SHARES, seed=3)["train"]
    assert set(train.epoch(0)) == set(train.epoch(5)) == set(parts_of(numbers(300))["train"])
    assert list(train.epoch(0)) != list(train.epoch(5))


def copies(number: int) -> list[int]:
    return [number * 10 + copy for copy in range(3)]


@pytest.mark.parametrize("below", [lambda s: s, lambda s: s.flat_map(copies), lambda s: s.repeat(2)])
def test_a_part_is_the_same_whatever_is_read_before_it(below: Callable[[wh.Stream], wh.Stream]) -> None:
    parts = below(numbers(100)).split(SHARES, seed=3)
    other = wh.from_items([-1, -2])
    alone = parts["train"].collect()
    assert other.concat(parts["train"]).skip(2).collect() == alone
    assert (
        other.concat(numbers(4).split(SHARES, seed=9)["val"], parts["train"]).collect()[-len(alone) :]
        == alone
    )
    mixed = other.mix(parts["train"], weights=[0.1, 0.9], seed=1).collect()
    assert [number for number in mixed if number >= 0] == alone


def test_samples_of_a_part_have_draws_of_their_own_wherever_it_is_read() -> None:
    def drawn(number: int, rng: Any) -> int:
        return int(rng.integers(0, 1 << 60))

    part = numbers(100).split({"all": 1.0}, seed=3)["all"]
    found = numbers(100).concat(part, part.split({"all": 1.0}, seed=3)["all"]).map(drawn).collect()
    assert len(set(found)) == 300


def test_a_part_is_split_again_by_the_same_seed() -> None:
    train = numbers(2000).split({"train": 0.5, "test": 0.5}, seed=3)["train"]
    again = {name: part.count() for name, part in train.split({"train": 0.5, "test": 0.5}, seed=3).items()}
    assert min(again.values()) > 400


def test_samples_with_the_same_key_stay_together() -> None:
    rows = [{"patient": f"p{n % 23}", "eye": "lr"[n % 2], "n": n} for n in range(300)]
    keys_of: list[tuple[Any, Callable[[Any], Any]]] = [
        ("patient", lambda row: row["patient"]),
        (["patient", "eye"], lambda row: (row["patient"], row["eye"])),
        (lambda row: row["patient"][-1], lambda row: row["patient"][-1]),
    ]
    for by, key in keys_of:
        found = parts_of(wh.from_items(rows), by=by)
        keys = [{key(row) for row in part} for part in found.values()]
        assert sum(map(len, keys)) == len(set().union(*keys))
        assert sum(map(len, found.values())) == 300


def test_columns_are_split_as_rows_are() -> None:
    table = wh.from_arrays(
        n=np.arange(400), x=np.arange(400) / 7, f=np.arange(400).astype("f4"), s=np.arange(400).astype("U")
    )
    rows = table.map(lambda row: row)
    for by in (None, "n", "x", "f", "s", ["n", "s"], lambda row: row["n"] // 9):
        assert parts_of(table, by=by) == parts_of(rows, by=by)


def test_a_sample_that_is_elsewhere_is_dropped_with_that_reason(tmp_path: pathlib.Path) -> None:
    parts = numbers(50).split({"train": 0.5, "test": 0.5}, seed=3)
    with wh.start_run("split", workspace=tmp_path / "ws") as run:
        got = {name: list(part) for name, part in parts.items()}
    assert {stream.name for stream in run.streams} == {"train", "test"}
    for name, values in got.items():
        for item, value in enumerate(values):
            assert [origin.row for origin in run.trace(item=item, stream=name).origins] == [value]
    impact = wh.open(tmp_path / "ws").impact("n", rows=[got["train"][0]])
    assert [(drop.stream, drop.reason) for drop in impact.drops] == [
        ("test", "in another part of the split (not in test)")
    ]
    assert [each.stream for each in impact.exposures] == ["train"]


def test_a_part_is_made_again_from_the_record(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{row % 5} line {row}\n" for row in range(60)))
    lines = wh.from_text(path, name="t")
    with wh.start_run("split", workspace=tmp_path / "ws") as run:
        other = wh.from_text(path, name="other").take(2)
        shares = {"b": 0.4, "a": 0.6}
        keyed, drawn = lines.split(shares, seed=3, by=first_of), lines.split(shares, seed=1)
        stream = other.concat(keyed["a"], drawn["a"])
        got = list(stream.map(noisy))
    for item in range(0, len(got), 7):
        assert run.replay(item=item) == got[item]


def first_of(line: str) -> str:
    return line[0]


def noisy(line: str, rng: Any) -> str:
    return f"{line} {rng.integers(0, 1 << 40)}"


class Odd:
    """A key without a content."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        (lambda n: 1 // (n - 2), r"failed on sample 2 .*ZeroDivisionError"),
        (
            lambda n: Odd() if n == 3 else n,
            r"the key of sample 3 \(n, row 3\) can't be compared: it is a Odd",
        ),
        ("patient", "failed on sample 0"),
    ],
)
def test_a_key_that_is_none_names_the_sample(by: Any, problem: str) -> None:
    with pytest.raises(OpError, match=problem):
        parts_of(numbers(5), by=by)


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ({}, "wanted the share of each part by name"),
        ([0.5, 0.5], "wanted the share of each part by name"),
        ({"a": 0.5, "b": 0.4}, "the shares sum up to 0.9, wanted 1"),
        ({"a": 0.0, "b": 1.0}, "the share of a is 0.0"),
        ({"a": -0.5, "b": 1.5}, "the share of a is -0.5"),
        ({"a": True}, "the share of a is True"),
        ({"a": "half", "b": 0.5}, "the share of a is 'half'"),
        ({"a": float("nan"), "b": 1.0}, "the share of a is nan"),
        ({"a.b": 1.0}, "wanted names without"),
        ({1: 1.0}, "wanted names without"),
    ],
)
def test_shares_that_are_none_are_refused_where_they_are_written(shares: Any, problem: str) -> None:
    with pytest.raises(PlanError, match=problem):
        numbers(5).split(shares, seed=1)


@pytest.mark.parametrize("by", [3, [], ["a", 3], ["a", "a"]])
def test_keys_that_are_none_are_refused_where_they_are_written(by: Any) -> None:
    with pytest.raises(PlanError, match="split"):
        numbers(5).split(SHARES, seed=1, by=by)


def test_shares_that_sum_up_but_for_rounding_are_taken() -> None:
    shares = {str(number): 0.1 for number in range(10)}
    assert sum(part.count() for part in numbers(1000).split(shares, seed=1).values()) == 1000
