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
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_operation_put_together_wrongly_is_refused_where_it_is_written(
    earlier: Earlier, mistake: Callable[[wh.Stream], object]
) -> None:
    stream = wh.from_items([1, 2, 3])
    earlier.refuses(PlanError, lambda: mistake(stream))
