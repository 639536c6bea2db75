"""Python values as samples, and which of them are told to the witness when."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.sources.listening import Listener, at, read_all
from whence.capture import NullWitness
from whence.errors import ExhaustedError, InputError, PositionError, SourceError
from whence.sources import ItemsSource


class Lazy:
    """A sequence that makes its items when they are asked for, and counts how often."""

    def __init__(self, size: int) -> None:
        self.asked = 0
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, position: int) -> int:
        self.asked += 1
        return position * 10


class Again:
    """An iterable that begins anew each time."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(20))


@pytest.mark.parametrize("items", [list(range(3000)), tuple(range(3000)), range(3000), np.arange(3000)])
def test_a_sequence_is_read_in_order_and_at_any_position(items: Any) -> None:
    source = ItemsSource.of(items)
    reader = source.open(Listener())
    assert (source.size(), source.rows(), source.indexable) == (3000, 3000, True)
    assert read_all(reader, 700) == list(range(3000))
    assert at(reader, 2999, 5, 5) == [2999, 5, 5]
    with pytest.raises(PositionError):
        at(reader, 3000)


@given(
    rows=st.integers(0, 3000),
    size=st.integers(1, 2000),
    positions=st.lists(st.integers(0, 2999), max_size=5),
)
def test_each_row_is_told_once_however_it_is_read(rows: int, size: int, positions: list[int]) -> None:
    for items in (list(range(rows)), Lazy(rows)):
        witness = Listener()
        reader = ItemsSource.of(items).open(witness)  # type: ignore[arg-type]  # Lazy has no __iter__
        wanted = [position for position in positions if position < rows]
        assert at(reader, *wanted) == [items[position] for position in wanted]
        assert set(wanted) <= set(witness.values)
        assert read_all(reader, size) == [items[position] for position in range(rows)]
        assert witness.values == {position: items[position] for position in range(rows)}
        read_all(reader, size)


def test_nothing_is_read_to_tell_it_when_nobody_listens() -> None:
    class Counted(list[int]):
        asked = 0

        def __getitem__(self, place: Any) -> Any:
            self.asked += 1
            return super().__getitem__(place)

    items = Counted(range(3000))
    reader = ItemsSource.of(items).open(NullWitness())
    read_all(reader, 1000)
    at(reader, 5)
    assert items.asked == 4


def test_a_lazy_sequence_is_never_read_ahead() -> None:
    lazy = Lazy(1000)
    reader = ItemsSource.of(lazy).open(Listener())  # type: ignore[arg-type]  # it has no __iter__
    at(reader, 7, 3)
    assert lazy.asked == 2


def test_an_iterable_that_begins_anew_is_read_again() -> None:
    source = ItemsSource.of(Again())
    witness = Listener()
    assert read_all(source.open(witness)) == list(range(20))
    assert read_all(source.open(Listener())) == list(range(20))
    assert witness.values == dict(enumerate(range(20)))
    assert (source.size(), source.indexable, source.listing().rows) == (None, False, None)


def test_an_iterator_read_twice_is_exhausted_and_says_what_to_do() -> None:
    source = ItemsSource.of(iter([1, 2, 3]))
    assert read_all(source.open(Listener())) == [1, 2, 3]
    with pytest.raises(ExhaustedError, match="one-time") as caught:
        read_all(source.open(Listener()))
    assert "list" in caught.value.remedy


def test_an_iterator_is_not_read_ahead() -> None:
    taken: list[int] = []

    def count() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    next(ItemsSource.of(count()).open(Listener()).chunks(lambda: 3))
    assert taken == [0, 1, 2]


def test_positions_of_an_iterable_are_refused() -> None:
    source = ItemsSource.of(iter([1]))
    with pytest.raises(InputError, match="only be read from its start"):
        source.rows()
    with pytest.raises(InputError, match="only be read from its start"):
        at(source.open(Listener()), 0)


def test_a_deque_is_a_sequence() -> None:
    assert at(ItemsSource.of(deque([4, 5])).open(Listener()), 1) == [5]


def test_rows_of_an_array_can_not_be_written() -> None:
    images = np.zeros((5, 2, 2))
    reader = ItemsSource.of(images).open(Listener())
    for image in read_all(reader) + at(reader, 3):
        with pytest.raises(ValueError, match="read-only"):
            image[0] = 1
    images[0] = 1  # the user's own array stays writable


def test_an_array_is_told_as_bytes_once() -> None:
    witness = Listener()
    reader = ItemsSource.of(np.arange(6).reshape(3, 2)[:, ::-1]).open(witness)
    read_all(reader)
    at(reader, 1)
    assert np.frombuffer(witness.memories[0], np.int64).tolist() == [1, 0, 3, 2, 5, 4]


@pytest.mark.parametrize("items", ["data/x.csv", b"xy", {"a": 1}, {1, 2}, frozenset([1]), 5, np.array(5)])
def test_what_is_no_sequence_of_samples_is_refused_with_a_remedy(items: Any) -> None:
    with pytest.raises(SourceError) as caught:
        ItemsSource.of(items)
    assert caught.value.remedy


def test_a_table_is_sent_to_its_own_source() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(SourceError, match="DataFrame") as caught:
        ItemsSource.of(pandas.DataFrame({"a": [1]}))
    assert "from_table" in caught.value.remedy


def test_the_name_is_items_unless_another_is_given() -> None:
    assert ItemsSource.of([1]).name == "items"
    assert ItemsSource.of([1], name="mine").listing().paths == ["mine"]
