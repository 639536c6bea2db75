"""What stands in place of a library's functions, and what stood there.

What is put in place holds nothing but the original and the hook, so that a class that is sent to another
process by value takes nothing of ours along; there, and in a forked process, it calls the original.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import pkgutil
import sys
import types
import weakref
from collections.abc import Callable, Generator, Mapping
from typing import Any

from whence.integrations.autologging.hearing import Begun, begun, guarded, is_heard, is_on, options, quiet

__all__ = ["Call", "Patches", "Training", "guarded", "is_heard", "options", "quiet", "train", "watch"]

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


TrainingHook = Callable[[Call, Any], Training]
"""Is given the call and its `fits.Fit`."""
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
        self.replacing(owner, name, lambda original: _training(original, hook, title))

    def watching(self, owner: Any, name: str, hook: WatchingHook, *, within: bool = False) -> None:
        """Hear of the calls of any other function; see `training`.

        Args:
            owner, name, hook: as for `training`.
            within: whether of those within a training, too.
        """
        self.replacing(owner, name, lambda original: _watching(original, hook, within))

    def replacing(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put something of one's own in place of a function, which lets no error of ours out.

        Args:
            owner, name: as for `training`.
            make: is given the original, and makes a function that calls it.
        """
        self.put(owner, name, lambda original: _in_place(owner, original, make(original)))

    def put(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put something in place of what an owner itself has, once; it has to be taken off like that."""
        there = vars(owner)[name]
        original = _original_of(there)
        if original is None:  # else the place has it from another one, and gets the original back with it
            original, there = there, _standing(there, make)
            _originals[there] = original
            setattr(owner, name, there)
        self._places.append((weakref.ref(owner), name, there, original))

    def spread(self, owner: types.ModuleType) -> None:
        """Put what stands in a module also where others have taken its original from it, but for its own."""
        root = owner.__name__.partition(".")[0]
        made_by_id = {
            id(original): made
            for place, _, made, original in self._places
            if place() is owner and original is not _NOTHING
        }
        for module in list(sys.modules.values()):
            names = vars(module) if isinstance(module, types.ModuleType) else {}
            if names.get("__name__", "").partition(".")[0] in (root, "whence"):
                continue
            for name, value in list(names.items()):
                made = made_by_id.get(id(value))
                if made is not None:
                    setattr(module, name, made)
                    self._places.append((weakref.ref(module), name, made, value))

    def lend(self, owner: Any, name: str, value: Any) -> None:
        """Give an owner what it doesn't have itself."""
        setattr(owner, name, value)
        self._places.append((weakref.ref(owner), name, value, _NOTHING))

    def undo(self, function: Callable[[], object]) -> None:
        """Call a function when all is taken off: it undoes what was done in another way."""
        self._undone.append(function)

    def take_off(self) -> None:
        """Put back what stood there, wherever nobody has put something else there since."""
        taken = {id(made): original for _, _, made, original in self._places if original is not _NOTHING}
        for module in list(sys.modules.values()):  # whoever imported it since
            for name, value in list(vars(module).items()) if isinstance(module, types.ModuleType) else ():
                if id(value) in taken:
                    setattr(module, name, taken[id(value)])
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


def _in_place(owner: Any, original: Any, standing: Callable[..., Any]) -> Any:
    return InModule(original, standing) if isinstance(owner, types.ModuleType) else standing


def _original_of(there: Any) -> Any:
    """What stood where something of ours stands; None where nothing of ours does."""
    try:
        return _originals.get(there)
    except TypeError:  # it can't be known weakly, so it is none of ours
        return None


def _standing(there: Any, make: Callable[[Any], Any]) -> Any:
    """Make what stands in place of a function, or of a property that gives one under a condition."""
    if isinstance(there, types.FunctionType):
        return make(there)
    if isinstance(getattr(there, "fn", None), types.FunctionType):  # scikit-learn's `available_if`
        made = copy.copy(there)
        made.fn = make(there.fn)
        return made
    raise TypeError(f"{there!r:.100} is no function")


class InModule:
    """What stands in place of a module's function: sent to another process, it is what is there."""

    def __init__(self, function: types.FunctionType, standing: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._standing = standing

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._standing(*args, **kwargs)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """In a class it is a method, as a function would be."""
        return self if owner is None else types.MethodType(self, owner)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        function = self.__wrapped__
        return pkgutil.resolve_name, (f"{function.__module__}:{function.__qualname__}",)

    def __copy__(self) -> InModule:
        return self

    def __deepcopy__(self, memo: Any) -> InModule:
        return self

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    __wrapped__: types.FunctionType


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


def train(
    original: Callable[..., Any], hook: TrainingHook, title: Title, args: Any, kwargs: dict[str, Any]
) -> Any:
    """Call a function that trains; recorded, if it is the outermost."""
    if not is_heard():
        return original(*args, **kwargs)
    with quiet():
        call = Call(original, args, kwargs)
        fit: Begun | None = None
        with guarded(original):
            named = title(call)
            fit = None if named is None else begun(named)
        if fit is None:
            return original(*args, **kwargs)
        return _recorded(fit, hook, call)


def _recorded(fit: Begun, hook: TrainingHook, call: Call) -> Any:
    original, args, kwargs = call.function, call.args, call.kwargs
    with quiet(fit):
        running: Training | None = None
        with guarded(original):
            running = hook(call, fit)
            args, kwargs = call.changed(next(running))
        with guarded(original):
            fit.begin()
        try:
            returned = original(*args, **kwargs)
        except BaseException as error:
            _leave(original, running)
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
    if not (is_on() if within else is_heard()):
        return original(*args, **kwargs)
    running: Training | None = None
    with guarded(original):
        call = Call(original, args, kwargs)
        running = hook(call)
        args, kwargs = call.changed(next(running))
    try:
        with contextlib.nullcontext() if within else quiet():
            returned = original(*args, **kwargs)
    except BaseException:
        _leave(original, running)
        raise
    with contextlib.nullcontext() if within else quiet():
        _go_on(original, running, returned)
    return returned


def _leave(original: Any, running: Training | None) -> None:
    """End a hook whose call raised; what it began it undoes in a `finally`."""
    with guarded(original):
        if running is not None:
            running.close()


def _go_on(original: Any, running: Training | None, returned: Any) -> None:
    """Tell a hook what was returned."""
    if running is None:
        return
    with guarded(original), contextlib.suppress(StopIteration):
        running.send(returned)
        running.close()
