"""Concat and zip: several streams into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import OpError, PlanError
from whence.streams import Stream

lists = st.lists(st.integers(0, 9), max_size=20)


class Pour:
    """Numbers that can only be read from the start."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)


@given(lists, lists, lists)
def test_concat_gives_one_after_the_other(a: list[int], b: list[int], c: list[int]) -> None:
    first, second, third = (wh.from_items(each) for each in (a, b, c))
    assert first.concat(second, third).collect() == a + b + c
    assert first.concat(second).concat(third).collect() == first.concat(second.concat(third)).collect()
    assert sorted(first.concat(second, wh.from_items(Pour(c))).shuffle(1).collect()) == sorted(a + b + c)


@given(lists)
def test_zip_puts_the_nth_of_each_together(numbers: list[int]) -> None:
    stream = wh.from_items(numbers)
    doubled = wh.from_items(Pour(numbers)).map(lambda n: n * 2)
    assert stream.zip(doubled).collect() == [(n, n * 2) for n in numbers]
    assert stream.zip(stream, combine=lambda a, b: a + b).collect() == [n * 2 for n in numbers]


def _whole(stream: Stream) -> Stream:
    return stream


READ: dict[str, Callable[[Stream], Stream]] = {
    "in order": _whole,
    "shuffled": lambda stream: stream.shuffle(seed=1),
    "the first": lambda stream: stream.take(1),
    "in batches": lambda stream: stream.batch(2, collate=list).shuffle(seed=1),
    "again": lambda stream: stream.repeat(2),
}


@pytest.mark.parametrize("way", READ)
def test_unequal_lengths_are_refused_whichever_way_they_are_read(way: str) -> None:
    stream = wh.from_items([1, 2, 3]).zip(wh.from_items([1, 2, 3, 4, 5]))
    with pytest.raises(PlanError, match="different lengths: 3, 5"):
        READ[way](stream).collect()


@pytest.mark.parametrize(("a", "b"), [(2, 3), (3, 2), (0, 1), (64, 65), (200, 64)])
def test_lengths_that_reading_shows_unequal_are_refused_when_they_show(a: int, b: int) -> None:
    stream = wh.from_items(Pour([0] * a)).zip(wh.from_items(Pour([0] * b)))
    with pytest.raises(OpError, match=f"after {min(a, b)} samples") as caught:
        stream.collect()
    assert "take" in caught.value.remedy


def test_a_failing_combine_names_the_place() -> None:
    stream = wh.from_items([1, 1], name="left").zip(wh.from_items([1, 0]), combine=lambda a, b: a // b)
    with pytest.raises(OpError, match=r"sample 1 \(left, row 1\): ZeroDivisionError"):
        stream.collect()


def test_the_length_of_several_is_known_where_theirs_is() -> None:
    three, two = wh.from_items([1, 2, 3]), wh.from_items([1, 2])
    assert len(three.concat(two, two)) == 7
    assert len(three.zip(three)) == 3
