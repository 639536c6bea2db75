"""Bad input, what is done to samples: the operation, the sample and its origin are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import whence as wh
from tests.earlier import Earlier
from whence.errors import OpError, PlanError, WhenceError


def read(stream: wh.Stream, earlier: Earlier) -> list[Any]:
    with wh.start_run("later", workspace=earlier.folder):
        return list(stream)


def one_less(samples: list[Any]) -> list[Any]:
    return samples[1:]


def nothing(samples: list[Any]) -> None:
    return None


def fail_on_seven(number: int) -> int:
    return 7 // (number - 7)


def not_a_list(number: int) -> int:
    return number


@pytest.mark.parametrize("function", [one_less, nothing])
def test_an_operation_that_gives_another_count_is_named(
    earlier: Earlier, function: Callable[[list[Any]], Any]
) -> None:
    stream = wh.from_items(list(range(10)), name="n").map_batches(function, size=4)
    error = earlier.refuses(OpError, lambda: read(stream, earlier), function.__name__)
    assert error.exit_code == 2


def test_an_operation_that_fails_is_named_with_its_sample_and_origin(earlier: Earlier) -> None:
    stream = wh.from_items(list(range(10)), name="n").skip(2).map(fail_on_seven)
    error = earlier.refuses(OpError, lambda: read(stream, earlier), "fail_on_seven", "ZeroDivisionError")
    assert isinstance(error, OpError)
    assert (error.op, error.position) == ("fail_on_seven", 5)
    assert "n" in error.origin
    assert "7" in error.origin
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_an_operation_that_does_not_give_several_is_named(earlier: Earlier) -> None:
    stream = wh.from_items([1, 2]).flat_map(not_a_list)
    earlier.refuses(OpError, lambda: read(stream, earlier), "not_a_list")


def test_samples_that_do_not_stack_are_named(earlier: Earlier) -> None:
    stream = wh.from_items([{"a": [1]}, {"b": 2}]).batch(2)
    with pytest.raises(WhenceError) as caught:
        read(stream, earlier)
    assert caught.value.exit_code == 2
    earlier.check()


def test_inputs_of_unequal_lengths_are_named(earlier: Earlier) -> None:
    known = wh.from_items([1, 2, 3]).zip(wh.from_items([1, 2]))
    earlier.refuses(PlanError, lambda: read(known, earlier), "zip", "3, 2")
    told_late = wh.from_items([1, 2, 3]).filter(bool).zip(wh.from_items([1, 2]))
    error = earlier.refuses(OpError, lambda: read(told_late, earlier), "zip", "input 0 goes on")
    assert isinstance(error, OpError)
    assert error.position == 2


def test_a_sample_that_no_pack_can_hold_is_named(earlier: Earlier) -> None:
    stream = wh.from_items(["a", "bb", "cccc"], name="texts").pack(3, len)
    error = earlier.refuses(OpError, lambda: read(stream, earlier), "pack(3)", "sample 2", "length 4")
    assert isinstance(error, OpError)
    assert "texts" in error.origin


def test_a_key_that_a_split_can_not_read_is_named(earlier: Earlier) -> None:
    stream = wh.from_items([{"k": 1}, {}], name="rows").split({"a": 1.0}, seed=1, by="k")["a"]
    error = earlier.refuses(OpError, lambda: read(stream, earlier), "split(a)", "sample 1", "KeyError")
    assert isinstance(error, OpError)
    assert "rows" in error.origin


MISTAKES: list[Callable[[wh.Stream], object]] = [
    lambda stream: stream.batch(0),
    lambda stream: stream.batch(-1),
    lambda stream: stream.take(-1),
    lambda stream: stream.slice(0, 10, 0),
    lambda stream: stream.shard(3, 3),
    lambda stream: stream.sample(1.5, seed=1),
    lambda stream: stream.shuffle("seven"),  # type: ignore[arg-type]
    lambda stream: stream.map(3),  # type: ignore[arg-type]
    lambda stream: stream.map(abs, on_error="ignore"),  # type: ignore[arg-type]
    lambda stream: stream.repeat(-1),
    lambda stream: stream.window(0),
    lambda stream: stream.window(-2),
    lambda stream: stream.window(2, 0),
    lambda stream: stream.window(2, -1),
    lambda stream: stream.window(2.0),  # type: ignore[arg-type]
    lambda stream: stream.window(2, collate="stak"),  # type: ignore[arg-type]
    lambda stream: stream.pack(0, len),
    lambda stream: stream.pack(-5, len),
    lambda stream: stream.pack(8, None),  # type: ignore[arg-type]
    lambda stream: stream.pack(8, 3),  # type: ignore[arg-type]
    lambda stream: stream.pack(8, len, collate="lst"),  # type: ignore[arg-type]
    lambda stream: stream.mix(stream, weights=[0.5, 0.4], seed=1),
    lambda stream: stream.mix(stream, weights=[1.5, -0.5], seed=1),
    lambda stream: stream.mix(stream, weights=[1.0], seed=1),
    lambda stream: stream.mix(stream, weights=[0.5, 0.5], seed="one"),  # type: ignore[arg-type]
    lambda stream: stream.mix([1, 2], weights=[0.5, 0.5], seed=1),  # type: ignore[arg-type]
    lambda stream: stream.mix(stream, weights=[0.5, 0.5], seed=1, stop="never"),  # type: ignore[arg-type]
    lambda stream: stream.split({"a": 0.5, "b": 0.4}, seed=1),
    lambda stream: stream.split({"a": -0.5, "b": 1.5}, seed=1),
    lambda stream: stream.split({}, seed=1),
    lambda stream: stream.split({"a": 1.0}, seed=None),  # type: ignore[arg-type]
    lambda stream: stream.split({"a": 1.0}, seed=1, by=7),  # type: ignore[arg-type]
    lambda stream: stream.split({"a/b": 1.0}, seed=1),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_operation_put_together_wrongly_is_refused_where_it_is_written(
    earlier: Earlier, mistake: Callable[[wh.Stream], object]
) -> None:
    stream = wh.from_items([1, 2, 3])
    earlier.refuses(PlanError, lambda: mistake(stream))
