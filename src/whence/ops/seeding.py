"""Seeding: the generators that aren't ours are a sample's own while a function works on it.

Each is seeded by 64 bits that follow from the op's key, the generator's name, the epoch and the sample's
draw id, as the sample's own `rng` does; so what is drawn from it is the same in any chunk, process and
replay. Afterwards the global ones are again as they were.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np

from whence.capture import (
    NumpyTwister,
    PythonRandom,
    Settable,
    find_seedables,
    loaded_generators,
    seeds_foreign,
)
from whence.chance import draw_key, words
from whence.errors import PlanError
from whence.ops.chunk import Chunk, UInt64Array
from whence.ops.op import Context, Function
from whence.ops.watching import Loop

Seed = Callable[[int], None]
"""Seeds the generators for the sample, or the group, at a place; as often as it is asked."""

_SLAB = 48


def leave_alone(place: int) -> None:
    """Seed nothing."""


class Calls:
    """The calls of a function for which nothing is seeded."""

    def over(self, ids: UInt64Array) -> AbstractContextManager[Seed]:
        """Begin to work on samples, or groups of them, with these draw ids."""
        return nullcontext(leave_alone)

    def loop(self, loop: Loop) -> Loop:
        """The loop over the samples of a chunk, each with its own seeds."""
        return loop


NO_SEEDS = Calls()


class SeededCalls(Calls):
    """The calls of a function for which the generators that aren't ours are seeded.

    Args:
        context: whose key and epoch count.
        fn: the function.
        params: what it is given besides samples.
    """

    def __init__(self, context: Context, fn: Function, params: Mapping[str, Any]) -> None:
        importlib.import_module("numpy.random")  # which NumPy only loads when somebody draws
        self._key = context.key
        self._epoch = context.epoch
        self._key_by_name: dict[str, int] = {}
        self._objects = [
            _SharedObject(each) if _takes_generators(each) else _SeededObject(each)
            for each in find_seedables(fn, params)
        ]

    @contextmanager
    def over(self, ids: UInt64Array) -> Iterator[_Seeds]:
        """Keep the state of all generators, and put it back in the end."""
        with ExitStack() as stack:
            settable: dict[str, Settable] = {}
            for generator in loaded_generators():
                stack.callback(generator.restore, generator.save())
                settable[generator.name] = generator
            for number, each in enumerate(self._objects):
                stack.enter_context(each.lent())
                settable |= {f"{name} of object {number}": own for name, own in each.settable.items()}
            yield _Seeds(ids, settable, self._seeds)

    def loop(self, loop: Loop) -> Loop:
        """Seed before each sample is handed on."""

        def seeded(values: Iterator[Any], chunk: Chunk) -> Iterable[Any]:
            with self.over(chunk.ids) as seeds:
                yield from loop(seeds.before_each(values), chunk)

        return seeded

    def _seeds(self, name: str, ids: UInt64Array) -> UInt64Array:
        key = self._key_by_name.get(name)
        if key is None:  # no draw of the user's is named so: such names are identifiers
            key = self._key_by_name[name] = draw_key(self._key, f"seed of {name}")
        return words(key, self._epoch, ids, 0, 1)[:, 0]


def as_seeding(given: Any, where: str, *, can_seed: bool = True) -> bool:
    """Whether an op seeds: as it is told, else as `config` says where it can.

    Raises:
        PlanError: it is told something else than True or False.
    """
    if given is None:
        return can_seed and seeds_foreign()
    if not isinstance(given, bool):
        raise PlanError(
            f"{where}(seed_foreign={given!r:.40}): wanted True or False",
            remedy="Write seed_foreign=True, or rename the function's own parameter of this name.",
        )
    return given


def calls_of(context: Context, fn: Function, params: Mapping[str, Any], *, seed_foreign: bool) -> Calls:
    """The calls of a function, with or without seeding."""
    return SeededCalls(context, fn, params) if seed_foreign else NO_SEEDS


def foreign_parameters(*, seed_foreign: bool) -> dict[str, Any]:
    """What the record keeps of it: nothing where it isn't so, as before there was any seeding."""
    return {"seed_foreign": True} if seed_foreign else {}


class _Seeds:
    """Seeds some generators; what it sets them to is made for a few dozen samples at once."""

    def __init__(
        self,
        ids: UInt64Array,
        settable: Mapping[str, Settable],
        seeds_of: Callable[[str, UInt64Array], UInt64Array],
    ) -> None:
        self._seeded = [(each, seeds_of(name, ids)) for name, each in settable.items()]
        self._first = -_SLAB
        self._setters: list[Seed] = []

    def __call__(self, place: int) -> None:
        within = place - self._first
        if not 0 <= within < _SLAB:
            within = place % _SLAB
            self._go_to(place - within)
        for seed in self._setters:
            seed(within)

    def before_each(self, values: Iterator[Any]) -> Iterator[Any]:
        """Hand on all values, each with the generators seeded for it."""
        within = _SLAB
        for value in values:
            if within == _SLAB:
                self._go_to(self._first + _SLAB)
                within = 0
            for seed in self._setters:
                seed(within)
            within += 1
            yield value

    def _go_to(self, first: int) -> None:
        self._first = first
        self._setters = [each.setter(seeds[first : first + _SLAB]) for each, seeds in self._seeded]


def _takes_generators(value: Any) -> bool:
    needed = ("set_random_state", "random_generator", "py_random")
    return all(hasattr(value, name) for name in needed)


class _SharedObject:
    """An object that can be lent generators, as Albumentations' from 2.0 on: quicker than a seed for each."""

    def __init__(self, value: Any) -> None:
        self._value = value
        bits = np.random.MT19937(0)
        python = random.Random(0)
        self._lent = np.random.Generator(bits), python
        self.settable: dict[str, Settable] = {"numpy": NumpyTwister(bits), "random": PythonRandom(python)}

    @contextmanager
    def lent(self) -> Iterator[None]:
        own = self._value.random_generator, self._value.py_random
        self._value.set_random_state(*self._lent)
        try:
            yield
        finally:
            self._value.set_random_state(*own)


class _SeededObject:
    """An object that takes a seed, and keeps the last one."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.settable: dict[str, Settable] = {"seed": self}

    def lent(self) -> AbstractContextManager[None]:
        return nullcontext()

    def setter(self, seeds: UInt64Array) -> Seed:
        numbers = (seeds >> np.uint64(32)).tolist()  # NumPy's seeds have 32 bits in many places
        seed = self._value.set_random_seed
        return lambda place: seed(numbers[place])
