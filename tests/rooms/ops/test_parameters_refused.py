"""Each operation refuses what it can't do when it is chained, not when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import whence as wh
from whence.errors import PlanError
from whence.ops import Batch, Filter, Slice
from whence.streams import Stream


def anything(value: object) -> Any:
    """Pass what a type checker would refuse."""
    return value


def one() -> Stream:
    return wh.from_items([1], name="one")


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "map of no function": (lambda: one().map(anything(3)), "map: wanted a function, got int"),
    "another way to fail": (lambda: one().map(len, on_error=anything("skip")), "on_error='skip'"),
    "a draw that isn't one": (lambda: one().map(len, draw={"a": anything(3)}), r"draw\['a'\] is a int"),
    "a draw without a name": (lambda: one().map(len, draw={"a b": wh.draw.coin()}), r"draw\['a b'\]"),
    "groups of none": (lambda: one().map_batches(len, 0), "size.*at least 1, got 0"),
    "an unknown form": (lambda: one().map_batches(len, form=anything("rows")), "form='rows'"),
    "filter of no function": (lambda: one().filter(anything("even")), "filter: wanted a function, got str"),
    "flat_map of no function": (lambda: one().flat_map(anything(3)), "flat_map: wanted a function"),
    "batches of none": (lambda: one().batch(0), "batch.*at least 1, got 0"),
    "batches of a half": (lambda: one().batch(anything(1.5)), "batch.*whole number"),
    "an unknown collate": (lambda: one().batch(2, collate=anything("pad")), "collate='pad'"),
    "collate of no function": (lambda: one().batch(2, collate=anything(3)), "collate.*wanted a function"),
    "dedup by a number": (lambda: one().dedup(anything(3)), "dedup: wanted a function"),
    "a seed in words": (lambda: one().shuffle(anything("seven")), "seed must be a whole number, got 'seven'"),
    "a seed that is a bool": (lambda: one().shuffle(True), "seed must be a whole number, got True"),
    "windows of none": (lambda: one().shuffle(1, window=0), "window.*at least 1, got 0"),
    "take of less than nothing": (lambda: one().take(-1), "take.*at least 0, got -1"),
    "take of a bool": (lambda: one().take(True), "take.*whole number"),
    "skip of less than nothing": (lambda: one().skip(-1), "skip.*at least 0, got -1"),
    "a slice from the end": (lambda: one().slice(-1), "start: wanted"),
    "a slice to the end": (lambda: one().slice(0, -1), "stop: wanted"),
    "a slice that stands": (lambda: one().slice(0, 5, 0), "step: wanted"),
    "a shard that isn't there": (lambda: one().shard(2, 2), r"shard\(2, 2\): shards are numbered from 0"),
    "no shards": (lambda: one().shard(0, 0), "count: wanted"),
    "a share above 1": (lambda: one().sample(1.5, seed=1), "share=1.5"),
    "a share that isn't a number": (lambda: one().sample(float("nan"), seed=1), "share=nan"),
    "a share that is a bool": (lambda: one().sample(True, seed=1), "share=True"),
    "a sample's seed in words": (lambda: one().sample(0.5, seed=anything("x")), "sample: the seed"),
    "repeat of less than nothing": (lambda: one().repeat(-1), "repeat.*at least 0, got -1"),
    "concat with a list": (lambda: one().concat(anything([1])), "concat: wanted a stream, got list"),
    "zip with a list": (lambda: one().zip(anything([1])), "zip: wanted a stream, got list"),
    "combine of no function": (lambda: one().zip(one(), combine=anything(3)), "combine.*wanted a function"),
    "pipe of no operation": (lambda: one().pipe(anything(len)), "pipe: wanted an operation"),
    "a name with a sign of addresses": (lambda: one().named("a/b"), "named"),
    "an empty name": (lambda: one().named(""), "named"),
    "a stream's seed in words": (lambda: one().seeded(anything("x")), "seeded: the seed"),
    "an epoch before the first": (lambda: one().epoch(-1), "epoch.*at least 0, got -1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_when_it_is_chained(what: str) -> None:
    chain, problem = REFUSED[what]
    with pytest.raises(PlanError, match=problem) as caught:
        chain()
    assert caught.value.remedy


def test_an_op_made_by_hand_is_refused_too() -> None:
    for make in (
        lambda: Batch(label="b", size=0),
        lambda: Slice(label="s", start=-1),
        lambda: Batch(label="b", size=1, collate=anything(3)),
    ):
        with pytest.raises(PlanError):
            make()


def test_an_op_does_not_change() -> None:
    made = Filter(label="f", fn=bool)
    with pytest.raises(AttributeError):
        made.label = "g"  # type: ignore[misc]  # that it is refused is what is tested
