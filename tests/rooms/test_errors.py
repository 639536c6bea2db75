"""Errors: one tree, named by what the caller can do, each with its exit code."""

from __future__ import annotations

import inspect
import re

import pytest

from whence import errors
from whence.errors import (
    CanonicalError,
    DamagedError,
    MissingExtraError,
    NotFoundError,
    OpError,
    SourceError,
    WhenceError,
)

ALL = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, WhenceError) and found.__module__ == errors.__name__
]

# What a Python programmer would catch, and what the command line returns.
EXPECTED: dict[str, tuple[type[Exception], int]] = {
    "InputError": (ValueError, 2),
    "PlanError": (ValueError, 2),
    "UnknownLengthError": (TypeError, 2),
    "UnshippableError": (TypeError, 2),
    "SourceError": (OSError, 2),
    "OpError": (RuntimeError, 2),
    "WorkerError": (RuntimeError, 2),
    "ExhaustedError": (ValueError, 2),
    "PositionError": (IndexError, 2),
    "StateError": (ValueError, 2),
    "CanonicalError": (TypeError, 2),
    "MissingExtraError": (ImportError, 2),
    "NotFoundError": (LookupError, 3),
    "StoreError": (OSError, 4),
    "StoreFullError": (OSError, 4),
    "StoreReadOnlyError": (OSError, 4),
    "StoreBusyError": (OSError, 4),
    "StoreVersionError": (OSError, 4),
    "KeyUnusableError": (OSError, 4),
    "RemoteError": (ConnectionError, 4),
    "EvidenceError": (Exception, 1),
    "DamagedError": (Exception, 1),
    "ProofError": (Exception, 1),
    "SignatureError": (Exception, 1),
    "ForkError": (Exception, 1),
    "ReplayError": (Exception, 1),
    "WhenceError": (Exception, 70),
}


def test_every_error_has_its_exit_code_and_can_be_caught_as_python_programmers_do() -> None:
    assert {kind.__name__ for kind in ALL} == set(EXPECTED)
    for kind in ALL:
        caught_as, exit_code = EXPECTED[kind.__name__]
        assert issubclass(kind, caught_as)
        assert kind.exit_code == exit_code


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", code) for code in codes)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert errors.__doc__ is not None
    drawn: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    ([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if match:
            drawn.append((len(match[1]) // 4, match[2]))
    parents: dict[str, str] = {}
    path: list[str] = []
    for depth, name in drawn:
        path = [*path[:depth], name]
        parents[name] = path[-2] if depth else "Exception"
    assert parents == {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not MissingExtraError])
def test_the_remedy_stands_below_the_message(kind: type[WhenceError]) -> None:
    error = kind("here: wanted a, got b", remedy="Do c.")
    assert str(error) == "here: wanted a, got b\n  Do c."
    assert (error.message, error.remedy) == ("here: wanted a, got b", "Do c.")
    assert str(kind("no remedy")) == "no remedy"


def test_a_message_is_bounded() -> None:
    error = WhenceError("x" * 1_000_000, remedy="Do c.")
    assert len(error.message) == 2_000
    assert error.message.endswith("…")
    assert str(error).endswith("Do c.")
    assert WhenceError("x" * 2_000).message == "x" * 2_000


def test_what_an_error_knows_is_in_its_fields() -> None:
    assert SourceError("m", place="a.csv:3").place == "a.csv:3"
    assert DamagedError("m", place="j:17").place == "j:17"
    assert CanonicalError("m").path == "$"
    error = OpError("m", op="decode", position=4, origin="a.png")
    assert (error.op, error.position, error.origin) == ("decode", 4, "a.png")
    assert OpError("m").position == -1
    extra = MissingExtraError("PIL", extra="images", need="The demo")
    assert (extra.package, extra.extra) == ("PIL", "images")
    assert "pip install 'whence[images]'" in extra.remedy
    assert not isinstance(NotFoundError("m"), OSError)
