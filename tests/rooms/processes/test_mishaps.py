"""Errors arrive as what they were, with what caused them."""

from __future__ import annotations

import pickle

import pytest

from tests.rooms.test_errors import ALL
from whence.errors import WhenceError
from whence.processes import ElsewhereError, packed_error, unpacked_error


@pytest.mark.parametrize("kind", ALL)
def test_every_error_of_whence_arrives_as_it_was(kind: type[WhenceError]) -> None:
    error = kind.__new__(kind) if kind.__name__ == "WhenceError" else _made(kind)
    WhenceError.__init__(error, "what happened", remedy="what to do")
    error.__cause__ = ValueError("why")
    again = unpacked_error(pickle.loads(pickle.dumps(packed_error(error))))
    assert type(again) is kind
    assert str(again) == str(error) == "what happened\n  what to do"
    assert vars(again) == vars(error)
    assert isinstance(again.__cause__, ValueError)
    assert isinstance(again.__cause__.__cause__, ElsewhereError)
    assert "ValueError: why" in str(again.__cause__.__cause__)


def _made(kind: type[WhenceError]) -> WhenceError:
    if kind.__name__ == "MissingExtraError":
        return kind("package", extra="extra", need="something")  # type: ignore[call-arg]  # one of its own
    return kind("a message")


def test_other_errors_arrive_as_they_were() -> None:
    again = unpacked_error(packed_error(KeyError("x")))
    assert type(again) is KeyError
    assert again.args == ("x",)
