"""What stands in place of a library's functions, and what stood there.

What is put in place holds nothing but the original and the hook, so that a class that is sent to another
process by value takes nothing of ours along; there, and in a forked process, it calls the original.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whence.errors import RecordWarning

if TYPE_CHECKING:
    from whence.integrations.autologging.fits import Fit

Training = Generator[Mapping[str, Any] | None, Any, None]
"""What a hook is: up to its `yield` before the call, from there on with what was returned."""


class Call:
    """A call that a hook hears of.

    Args:
        function: what the library has there.
        args: the positional arguments; of a method the first is its object.
        kwargs: the others.
    """

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    @property
    def owner(self) -> Any:
        """The object whose method it is."""
        return self.args[0]

    def arguments(self) -> dict[str, Any]:
        """The arguments by name, those left out with their defaults.

        Raises:
            TypeError: the function can't be called so; it will say so itself.
        """
        bound = inspect.signature(self.function).bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        return bound.arguments

    def changed(self, changes: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the call with some changed, wherever they were given."""
        if not changes:
            return self.args, self.kwargs
        args, kwargs = list(self.args), self.kwargs | dict(changes)
        for place, name in enumerate(list(inspect.signature(self.function).parameters)[: len(args)]):
            if name in changes:
                args[place] = kwargs.pop(name)
        return tuple(args), kwargs


TrainingHook = Callable[[Call, "Fit"], Training]
WatchingHook = Callable[[Call], Training]
Title = Callable[[Call], str | None]


class Patches:
    """What was put in place of functions."""

    def __init__(self) -> None:
        self._places: list[tuple[weakref.ref[Any], str, Any, Any]] = []
        self._undone: list[Callable[[], object]] = []

    def training(self, owner: Any, name: str, hook: TrainingHook, *, title: Title) -> None:
        """Record the calls of a function that trains.

        Args:
            owner: the class or module whose own function it is.
            name: its name there.
            hook: a function of a module here.
            title: says what the training is called, None for one that isn't recorded; a function as well.
        """
        self.put(owner, name, lambda original: _training(original, hook, title))

    def watching(self, owner: Any, name: str, hook: WatchingHook, *, within: bool = False) -> None:
        """Hear of the calls of any other function; see `training`.

        Args:
            owner, name, hook: as for `training`.
            within: whether of those within a training, too.
        """
        self.put(owner, name, lambda original: _watching(original, hook, within))

    def put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put something in place of what an owner itself has, once; it has to be taken off like that."""
        there = vars(owner)[name]
        original = _originals.get(there)
        if original is None:  # else the place has it from another one, and gets the original back with it
            original, there = there, make(there)
            _originals[there] = original
            setattr(owner, name, there)
        self._places.append((weakref.ref(owner), name, there, original))

    def lend(self, owner: Any, name: str, value: Any) -> None:
        """Give an owner what it doesn't have itself."""
        setattr(owner, name, value)
        self._places.append((weakref.ref(owner), name, value, _NOTHING))

    def undo(self, function: Callable[[], object]) -> None:
        """Call a function when all is taken off: it undoes what was done in another way."""
        self._undone.append(function)

    def take_off(self) -> None:
        """Put back what stood there, wherever nobody has put something else there since."""
        for owner_ref, name, made, original in reversed(self._places):
            owner = owner_ref()
            if owner is None or vars(owner).get(name) is not made:
                continue
            if original is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._places.clear()
        while self._undone:
            with guarded(function := self._undone.pop()):
                function()


_NOTHING = object()
_originals: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""By what was put in place: what stood there. An attribute would be copied by whoever wraps it."""


def _training(original: Any, hook: TrainingHook, title: Title) -> Any:
    @functools.wraps(original)
    def trained(*args: Any, **kwargs: Any) -> Any:
        return train(original, hook, title, args, kwargs)

    return trained


def _watching(original: Any, hook: WatchingHook, within: bool) -> Any:
    @functools.wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return watch(original, hook, within, args, kwargs)

    return watched


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
        self.depths: dict[int, int] = {}
        self.warned: set[str] = set()


_state = _State()


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


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Within it, what this thread calls isn't heard: it is part of something that is, or not asked for."""
    ident = threading.get_ident()
    _state.depths[ident] = _state.depths.get(ident, 0) + 1
    try:
        yield
    finally:
        left = _state.depths.get(ident, 1) - 1
        if left:
            _state.depths[ident] = left
        else:
            _state.depths.pop(ident, None)


def train(
    original: Callable[..., Any], hook: TrainingHook, title: Title, args: Any, kwargs: dict[str, Any]
) -> Any:
    """Call a function that trains; recorded, if it is the outermost."""
    if not _state.is_on or is_within():
        return original(*args, **kwargs)
    with quiet():
        call = Call(original, args, kwargs)
        fit: Fit | None = None
        with guarded(original):
            named = title(call)
            fit = None if named is None else _fit_of(named)
        if fit is None:
            return original(*args, **kwargs)
        running: Training | None = None
        with guarded(original):
            running = hook(call, fit)
            args, kwargs = call.changed(next(running))
        with guarded(original):
            fit.begin()
        try:
            returned = original(*args, **kwargs)
        except BaseException as error:
            with guarded(original):
                fit.fail(error)
            raise
        _go_on(original, running, returned)
        with guarded(original):
            fit.end()
        return returned


def watch(
    original: Callable[..., Any], hook: WatchingHook, within: bool, args: Any, kwargs: dict[str, Any]
) -> Any:
    """Call any other function, and tell a hook."""
    if not _state.is_on or (not within and is_within()):
        return original(*args, **kwargs)
    running: Training | None = None
    with guarded(original):
        call = Call(original, args, kwargs)
        running = hook(call)
        args, kwargs = call.changed(next(running))
    with contextlib.nullcontext() if within else quiet():
        returned = original(*args, **kwargs)
    with contextlib.nullcontext() if within else quiet():
        _go_on(original, running, returned)
    return returned


def _fit_of(title: str) -> Fit | None:
    from whence.integrations.autologging.fits import Fit  # noqa: PLC0415 - it needs more than Python

    return Fit.of(title)


def _go_on(original: Any, running: Training | None, returned: Any) -> None:
    """Tell a hook what was returned."""
    if running is None:
        return
    with guarded(original), contextlib.suppress(StopIteration):
        running.send(returned)
        running.close()


@contextlib.contextmanager
def guarded(function: Any) -> Generator[None]:
    """Let no error of ours out: it becomes one warning for each function and kind of error."""
    try:
        yield
    except Exception as error:  # whatever it is, the training is worth more
        where = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', function)}"
        key = f"{where} {type(error).__name__}"
        if key in _state.warned:
            return
        _state.warned.add(key)
        text = f"wh.autolog() couldn't record all of {where}: {type(error).__name__}: {error}"
        with contextlib.suppress(Warning):  # even where warnings are errors
            warnings.warn(text, RecordWarning, stacklevel=4)
