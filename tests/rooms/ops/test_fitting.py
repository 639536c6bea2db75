"""A fit reads all samples once before the first that needs it, and learns the same however it reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import whence as wh
from tests.rooms.ops.pieces import Pieces, given_as
from whence.errors import ExhaustedError
from whence.streams import Stream, from_source

ROWS: list[dict[str, Any]] = [
    {"n": number, "a": float(number % 7), "b": None if number % 5 == 0 else number} for number in range(200)
]


def is_odd(row: dict[str, Any]) -> bool:
    return bool(row["n"] % 2)


def jitter(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return row | {"a": row["a"] + rng.random()}


def normal(stream: Stream, **more: Any) -> list[float]:
    return [row["a"] for row in stream.normalize("a", **more).collect()]


def by_numpy(values: list[float], of: list[float]) -> Any:
    return pytest.approx(((np.array(values) - np.mean(of)) / np.std(of)).tolist(), rel=1e-12, abs=1e-12)


def values_of(stream: Stream) -> list[float]:
    return [row["a"] for row in stream.collect()]


def test_what_can_be_read_again_is_read_twice() -> None:
    source = Pieces(ROWS)
    assert normal(from_source(source)) == by_numpy([row["a"] for row in ROWS], [row["a"] for row in ROWS])
    assert source.readings == 2


@pytest.mark.parametrize("memory", ["1GB", 1])
def test_what_can_be_read_once_only_is_put_aside(memory: Any) -> None:
    calls: list[int] = []

    def counted(row: dict[str, Any]) -> bool:
        calls.append(row["n"])
        return is_odd(row)

    odd = [row["a"] for row in ROWS if is_odd(row)]
    with wh.config(memory=memory):
        assert normal(wh.from_items(ROWS).filter(counted)) == by_numpy(odd, odd)
        assert calls == list(range(200)), "no function is called twice"
        assert normal(wh.from_items(iter(ROWS)).filter(is_odd)) == by_numpy(odd, odd)


def test_fits_stand_on_fits() -> None:
    stream = wh.from_items(iter(ROWS)).filter(is_odd)
    done = stream.fill_missing("b", "mean").normalize("b").winsorize("b").one_hot("a").collect()
    odd = [row["b"] for row in ROWS if is_odd(row)]
    filled = np.array([np.nanmean(np.array(odd, float)) if value is None else value for value in odd])
    scaled = (filled - filled.mean()) / filled.std()
    wanted = np.clip(scaled, *np.quantile(scaled, [0.05, 0.95]))
    assert [row["b"] for row in done] == pytest.approx(wanted.tolist(), rel=1e-9, abs=1e-12)
    assert [name for name in done[0] if name.startswith("a_")] == [
        f"a_{float(number)}" for number in range(7)
    ]


def test_many_fits_do_not_double_the_work_each_time() -> None:
    source = Pieces(ROWS)
    stream = from_source(source)
    for _ in range(24):
        stream = stream.normalize("a")
    assert len(stream) == 200
    assert len(stream.explain().split("\n")) == 26
    assert len(stream.collect()) == 200
    assert source.readings == 25


def test_a_shuffle_above_a_fit_gives_the_same_samples() -> None:
    makes: list[Callable[[], Stream]] = [
        lambda: wh.from_items(ROWS),
        lambda: wh.from_items(ROWS).filter(is_odd),
        lambda: wh.from_items(ROWS).map(jitter).filter(is_odd),
        lambda: wh.from_items(iter(ROWS)).filter(is_odd),
        lambda: wh.from_items(ROWS).sample(0.5, seed=3),
    ]
    for make in makes:
        plain, shuffled, windowed = (
            [(row["n"], row["a"]) for row in stream.collect()]
            for stream in (
                make().normalize("a"),
                make().normalize("a").shuffle(3),
                make().normalize("a").shuffle(3, window=16),
            )
        )
        assert plain == sorted(shuffled) == sorted(windowed)
        assert plain != shuffled


RANDOM: dict[str, Any] = {
    "a random map": lambda s: s.map(jitter),
    "a sample": lambda s: s.sample(0.5, seed=1),
    "a part of a split": lambda s: s.split({"train": 0.5, "test": 0.5}, seed=1)["train"],
    "a shuffled beginning": lambda s: s.shuffle(9).take(50),
    "all of them": lambda s: (
        s.map(jitter).split({"train": 0.5, "test": 0.5}, seed=1)["train"].sample(0.7, seed=2).map(jitter)
    ),
}


@pytest.mark.parametrize("made", sorted(RANDOM))
def test_another_stream_is_learned_of_as_it_is_by_itself(made: str) -> None:
    """What is drawn for its samples is what is drawn where it is read alone, whatever else is read beside."""
    train = RANDOM[made](wh.from_items(ROWS)).seeded(5)
    of = values_of(train)
    test = wh.from_items([{"n": 0, "a": 1.0}], name="first").concat(
        wh.from_items([{"n": 1, "a": 2.0}], name="second")
    )
    assert normal(test.map(jitter).seeded(8), fit=train) == by_numpy(
        values_of(test.map(jitter).seeded(8)), of
    )
    nested = wh.from_items([{"a": 0.5}]).normalize("a", fit=test.normalize("a", fit=train))
    scaled = normal(test, fit=train)
    assert values_of(nested) == by_numpy([0.5], scaled)


def test_a_fit_of_the_very_stream_is_a_fit_of_its_own() -> None:
    stream = wh.from_items(iter(ROWS)).map(jitter)
    assert normal(stream, fit=stream) == normal(wh.from_items(iter(ROWS)).map(jitter))


def test_it_is_fitted_anew_in_each_epoch() -> None:
    stream = wh.from_items(ROWS).map(jitter)
    for epoch in (0, 1):
        of = [row["a"] for row in stream.epoch(epoch)]
        assert [row["a"] for row in stream.normalize("a").epoch(epoch)] == by_numpy(of, of)


def test_a_stream_of_nothing_needs_nothing_learned() -> None:
    empty = wh.from_items(ROWS).filter(lambda row: False)
    assert empty.normalize("a").fill_missing("b", "mean").one_hot("n").collect() == []
    with pytest.raises(wh.WhenceError, match="of which no sample that it was fitted on has a value"):
        wh.from_items(ROWS).normalize("a", fit=empty).collect()


def test_a_one_time_source_can_not_be_two_streams() -> None:
    once = wh.from_items(iter(ROWS))
    with pytest.raises(ExhaustedError):
        once.filter(is_odd).normalize("a", fit=once).collect()


def test_a_fit_is_left_half_way_without_harm() -> None:
    stream = wh.from_items(iter(ROWS)).normalize("a")
    iterator = iter(stream)
    next(iterator)
    iterator.close()


def test_parts_of_it_are_read_at_their_positions() -> None:
    whole = normal(wh.from_items(ROWS))
    stream = wh.from_items(ROWS).normalize("a")
    assert [row["a"] for row in stream.slice(100, 103)] == whole[100:103]
    assert [row["a"] for row in stream.repeat(2)] == whole * 2
    assert [row["a"] for row in given_as(ROWS, [50]).normalize("a").batch(7).unbatch()] == whole
