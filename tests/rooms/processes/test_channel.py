"""What is sent arrives as it was, whatever its size, and what can't be sent is said to be so."""

from __future__ import annotations

import threading
from multiprocessing import Pipe
from typing import Any

import numpy as np
import pytest

from whence.errors import UnshippableError
from whence.processes import Channel, memory


@pytest.fixture(params=[True, False], ids=["memfd", "file"])
def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two ends of a channel, over each kind of shared memory."""
    monkeypatch.setattr(memory, "HAS_MEMFD", request.param)
    one, other = Pipe()
    pair = Channel(one, by_value=False), Channel(other, by_value=False)
    yield pair
    for end in pair:
        end.close()


BODIES: list[Any] = [
    None,
    {"a": [1, 2.5, "text", b"bytes"]},
    b"x" * 100_000,
    [{"image": np.arange(784, dtype=np.uint8), "label": 3}] * 50,
    np.arange(300_000, dtype=np.float64).reshape(3, -1),
    [np.arange(10_000), np.arange(20_000, dtype=np.float32)[::-1].copy(), "between", np.zeros((0, 5))],
    {"objects": np.array(["a", None, {"b": 1}], object)},
]


def same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray):
        return bool(
            first.dtype == second.dtype and first.shape == second.shape and first.tolist() == second.tolist()
        )
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(type(first) is type(second) and first == second)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_what_is_sent_arrives_as_it_was(ends: tuple[Channel, Channel], body: Any) -> None:
    one, other = ends
    one.send(("kind", 7), body)
    head, arrived = other.receive()
    assert head == ("kind", 7)
    assert same(body, arrived)


def test_arrays_arrive_writable_only_where_they_were(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    frozen = np.arange(5_000)
    frozen.flags.writeable = False
    one.send((), [frozen, np.arange(5_000)])
    _, (first, second) = other.receive()
    assert not first.flags.writeable
    second[0] = 7
    assert first[0] == 0


def test_a_message_outlives_the_memory_that_it_came_through(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send((), np.arange(10_000))
    _, first = other.receive()
    other.send((), None)
    one.receive()
    one.send((), np.zeros(10_000, np.int64))  # into the same segment
    other.receive()
    assert first.tolist() == list(range(10_000))


def test_segments_are_used_again_and_again(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    for size in (10_000, 20_000, 9_000, 500_000, 400_000, 10):
        one.send((), np.arange(size))
        _, arrived = other.receive()
        assert arrived.tolist() == list(range(size))
        other.send((), None)
        one.receive()
    assert len(one._ours) == len(other._theirs) <= 2


def test_sending_never_waits_for_the_other_side_to_read(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    for number in range(8):  # many times what a pipe holds, and nobody reads
        one.send((number,), np.full(1_000_000, number))
    for number in range(8):
        head, arrived = other.receive()
        assert head == (number,)
        assert arrived[-1] == number


def test_what_cannot_be_pickled_is_refused_and_nothing_is_sent(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    with pytest.raises(UnshippableError, match="lock"):
        one.send((), threading.Lock())
    assert not other.poll()
    one.send((), "after it")
    assert other.receive() == ((), "after it")


def _refuse() -> None:
    raise ValueError("not here")


class _Unmakeable:
    def __reduce__(self) -> Any:
        return _refuse, ()


def test_what_cannot_be_made_again_is_an_error_in_its_place(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send(("head",), _Unmakeable())
    head, body = other.receive()
    assert head == ("head",)
    assert isinstance(body, UnshippableError)
    assert "not here" in str(body)


def test_lambdas_go_by_value(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    one.send((), lambda x: x + 1)
    _, arrived = other.receive()
    assert arrived(1) == 2


def test_a_broken_line_is_an_end_of_file(ends: tuple[Channel, Channel]) -> None:
    one, other = ends
    other.close()
    with pytest.raises(EOFError):
        one.receive()
    with pytest.raises(OSError, match="Broken pipe"):
        one.send((), None)
