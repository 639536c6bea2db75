"""Whether hooks are called: what is switched on, which threads are within a training, what went wrong."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from whence.errors import RecordWarning


class Begun(Protocol):
    """A training that is recorded, as far as its call is concerned; see `fits.Fit`."""

    def begin(self) -> None:
        """The call begins."""

    def end(self) -> None:
        """The call has returned."""

    def fail(self, error: BaseException) -> None:
        """The call has raised an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is recorded of a training; see `autolog`."""

    models: bool = True
    datasets: bool = True
    scores: bool = True
    model_bytes: int = 1 << 30


class _State:
    """Whether hooks are called at all, and which threads are within a training."""

    def __init__(self) -> None:
        self.is_on = False
        self.options = Options()
        self.begin: Callable[[str], Begun | None] = lambda title: None
        self.depths: dict[int, list[Begun | None]] = {}
        self.warned: set[str] = set()


_state = _State()


def begin_by(begin: Callable[[str], Begun | None]) -> None:
    """Have trainings recorded by a function of their title; None where one isn't."""
    _state.begin = begin


def begun(title: str) -> Begun | None:
    """Begin to record a training; None where it isn't recorded."""
    return _state.begin(title)


def is_on() -> bool:
    """Whether anything is to be recorded."""
    return _state.is_on


def options() -> Options:
    """What is to be recorded now."""
    return _state.options


def switch(on: Options | None) -> None:
    """Call hooks from now on, or no more."""
    _state.is_on = on is not None
    _state.options = on or Options()
    _state.warned.clear()


def _forget() -> None:
    """In a forked process nothing is recorded unless it asks for that itself."""
    _state.is_on = False
    _state.depths.clear()


os.register_at_fork(after_in_child=_forget)


def is_within() -> bool:
    """Whether this thread, or one that has it working for it as joblib does, is within a training."""
    if not _state.depths:
        return False
    thread: Any = threading.current_thread()
    while isinstance(thread, threading.Thread):
        if thread.ident in _state.depths:
            return True
        thread = getattr(thread, "_parent", None)  # threads of multiprocessing.pool.ThreadPool tell it
    return False


def is_heard() -> bool:
    """Whether what this thread does now is to be recorded by itself."""
    return _state.is_on and not is_within()


def current_fit() -> Any:
    """The training that is recorded of what this thread is within; for hooks that are called within one."""
    entered = _state.depths.get(threading.get_ident(), [])
    return next((fit for fit in reversed(entered) if fit is not None), None)


@contextlib.contextmanager
def quiet(fit: Begun | None = None) -> Generator[None]:
    """Within it, what this thread calls isn't heard: it is part of something that is, or not asked for."""
    ident = threading.get_ident()
    entered = _state.depths.setdefault(ident, [])
    entered.append(fit)
    try:
        yield
    finally:
        entered.pop()
        if not entered:
            _state.depths.pop(ident, None)


class _Guard:
    """A context; three times as quick as a generator, at each step of a training."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Exception):  # whatever else it is, the training is worth more
            return False
        function = self._function
        where = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', function)}"
        key = f"{where} {type(error).__name__}"
        if key not in _state.warned:
            _state.warned.add(key)
            text = f"wh.autolog() couldn't record all of {where}: {type(error).__name__}: {error}"
            with contextlib.suppress(Warning):  # even where warnings are errors
                warnings.warn(text, RecordWarning, stacklevel=3)
        return True


def guarded(function: Any) -> _Guard:
    """Let no error of ours out: it becomes one warning for each function and kind of error."""
    return _Guard(function)
