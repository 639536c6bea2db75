"""Errors on their way from one process to another, with what they were caused by and where that was."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

from whence.errors import WhenceError, WorkerError


class ElsewhereError(Exception):
    """Where in another process an error came from: its traceback, as text."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


def packed_error(error: BaseException) -> tuple[Any, ...]:
    """Make an error something that can be pickled, and surely be made again."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, WhenceError):
        cause = None if error.__cause__ is None else _pickled(error.__cause__)
        return type(error), error.args, dict(vars(error)), cause, text
    return None, (type(error).__name__, str(error)), {}, _pickled(error), text


def unpacked_error(packed: tuple[Any, ...]) -> BaseException:
    """Make an error again, caused by what caused it there."""
    kind, args, fields, cause, text = packed
    found: BaseException | None = None if cause is None else pickle.loads(cause)
    error: BaseException
    if kind is not None:
        error = _blank(kind)
        error.args = args
        vars(error).update(fields)
    elif found is not None:
        error, found = found, None
    else:
        name, message = args
        error = WorkerError(f"{name}: {message}", remedy="This is what it was in a worker.")
    origin = ElsewhereError(text)
    if found is not None:
        found.__cause__ = origin
    error.__cause__ = origin if found is None else found
    return error


def _blank(kind: type[WhenceError]) -> Any:
    """Make an error without its constructor: of several built-in errors that it is, only one can make it."""
    bases: tuple[Any, ...] = kind.__mro__
    for base in bases:
        try:
            return base.__new__(kind)
        except TypeError:
            continue
    raise AssertionError(f"nothing makes a {kind.__name__}")


def _pickled(error: BaseException) -> bytes | None:
    """Pickle somebody's error, if it can be made again of that."""
    try:
        data = pickle.dumps(error)
        made = pickle.loads(data)
    except Exception:  # any type may refuse in its own way
        return None
    return data if type(made) is type(error) else None
