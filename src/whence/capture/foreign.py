"""Foreign generators: the global ones of Python, NumPy and PyTorch, which any code may draw from.

They are looked at, to tell who has moved them, and set, so that what is drawn from them is a sample's own.
Only those of packages that are loaded exist here; nothing is imported for their sake. PyTorch's is the one
of the processor: those of graphics cards are neither seen nor set.

The first two keep 625 words of a Mersenne Twister in memory. NumPy says where; where CPython has them is
found by comparing them with what it tells. To look there takes 0.1 µs, and to ask for a state 8 and 32.
Where they aren't found, the generators are asked.
"""

from __future__ import annotations

import _random
import ctypes
import random
import sys
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from whence.chance import STATE_WORDS, mersenne_states
from whence.errors import PlanError

UInt64Array = NDArray[np.uint64]

_STATE_BYTES = 4 * (STATE_WORDS + 1)
_VERSION = 3  # of the states that `random` tells
_TWISTER = "MT19937"


class Settable(Protocol):
    """A generator that can be seeded."""

    def setter(self, seeds: UInt64Array) -> Callable[[int], None]:
        """What seeds it by one of some seeds, named by its place."""


class Foreign(Settable, Protocol):
    """A global generator."""

    name: str

    def look(self) -> object:
        """Something that is equal to what it was as long as nobody draws or seeds."""

    def is_fresh(self) -> bool:
        """Whether nobody can have drawn since it was loaded."""

    def save(self) -> Any:
        """All of its state."""

    def restore(self, saved: Any) -> None:
        """Be again as it was when it was saved."""


_LOADED_AT = STATE_WORDS - 1
"""Where the generator of NumPy stands when it is loaded; `numpy.random.seed` leaves it one further."""


class PythonRandom:
    """A generator of Python's module `random`."""

    name = "random"

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator
        self._memory = python_memory(generator)

    def look(self) -> object:
        if self._memory is None:
            return self._generator.getstate()
        return bytes(self._memory), self._generator.gauss_next  # type: ignore[attr-defined]  # see `getstate`

    def is_fresh(self) -> bool:
        return False  # it was here before anything of ours

    def save(self) -> Any:
        return self._generator.getstate()

    def restore(self, saved: Any) -> None:
        self._generator.setstate(saved)

    def setter(self, seeds: UInt64Array) -> Callable[[int], None]:
        generator, memory = self._generator, self._memory
        states = mersenne_states(seeds)
        if memory is None:
            return lambda place: generator.setstate(
                (_VERSION, (*states[place].tolist(), STATE_WORDS), None)  # as one that was just seeded
            )
        block = _laid_out(states, 0)

        def fill(place: int) -> None:
            memory[:] = block[place * _STATE_BYTES : (place + 1) * _STATE_BYTES]
            generator.gauss_next = None  # type: ignore[attr-defined]  # as above

        return fill


class NumpyTwister:
    """A Mersenne Twister of NumPy's: what a `numpy.random.Generator` of our own draws from."""

    def __init__(self, bit_generator: Any) -> None:
        self._bit_generator = bit_generator  # whose memory it is
        self._memory = numpy_memory(bit_generator)

    def setter(self, seeds: UInt64Array) -> Callable[[int], None]:
        memory = self._memory
        block = _laid_out(mersenne_states(seeds), STATE_WORDS)

        def fill(place: int) -> None:
            memory[:] = block[place * _STATE_BYTES : (place + 1) * _STATE_BYTES]

        return fill


class NumpyRandom:
    """NumPy's global generator, on which `numpy.random.rand` and its kin draw."""

    name = "numpy.random"

    def __init__(self, state: Any) -> None:
        self._state = state
        self._known: tuple[Any, memoryview] | None = None

    def look(self) -> object:
        memory = self._memory()
        return repr(self._state.get_state(legacy=False)) if memory is None else bytes(memory)

    def is_fresh(self) -> bool:
        memory = self._memory()
        return memory is not None and memory.cast("I")[STATE_WORDS] == _LOADED_AT

    def save(self) -> Any:
        if self._memory() is None:
            raise PlanError(
                f"seed_foreign=True: numpy.random draws on {type(self._bits()).__name__}, wanted {_TWISTER}",
                remedy="Call numpy.random.set_bit_generator(numpy.random.MT19937()), or leave seed_foreign.",
            )
        return self._state.get_state(legacy=False)

    def restore(self, saved: Any) -> None:
        self._state.set_state(saved)

    def setter(self, seeds: UInt64Array) -> Callable[[int], None]:
        memory = self._memory()
        if memory is None:
            raise AssertionError("it was saved before it is set")
        states = mersenne_states(seeds)
        block, firsts = _laid_out(states, STATE_WORDS), states[:, 0].tolist()
        words = memory.cast("I")
        forget = self._state.seed
        first = -1  # the state isn't one of ours yet

        def fill(place: int) -> None:
            nonlocal first
            if words[STATE_WORDS] != STATE_WORDS or words[0] != first:
                forget(0)  # half of what normal numbers are made of waits beside the state, out of reach
            memory[:] = block[place * _STATE_BYTES : (place + 1) * _STATE_BYTES]
            first = firsts[place]

        return fill

    def _bits(self) -> Any:
        return self._state._bit_generator

    def _memory(self) -> memoryview | None:
        bits = self._bits()
        if self._known is None or self._known[0] is not bits:
            if type(bits).__name__ != _TWISTER:
                return None
            self._known = bits, numpy_memory(bits)
        return self._known[1]


class TorchRandom:
    """PyTorch's global generator for the processor; 32 bits of a seed count."""

    name = "torch"

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def look(self) -> object:
        return self._generator.get_state().numpy().tobytes()

    def is_fresh(self) -> bool:
        return self.look() == TorchRandom(type(self._generator)()).look()

    def save(self) -> Any:
        return self._generator.get_state()

    def restore(self, saved: Any) -> None:
        self._generator.set_state(saved)

    def setter(self, seeds: UInt64Array) -> Callable[[int], None]:
        numbers = seeds.tolist()
        seed = self._generator.manual_seed
        return lambda place: seed(numbers[place])


def python_memory(generator: random.Random) -> memoryview | None:
    """Find where CPython keeps the state of a generator: its index, then its words; None where it doesn't."""
    if sys.implementation.name != "cpython":
        return None
    _, state, _ = generator.getstate()
    wanted = np.array([state[-1], *state[:-1]], np.uint32).tobytes()
    held = (ctypes.c_char * _random.Random.__basicsize__).from_address(id(generator))
    start = held.raw.find(wanted)
    return None if start < 0 else memoryview(held).cast("B")[start : start + _STATE_BYTES]


def numpy_memory(bit_generator: Any) -> memoryview:
    """The memory of a Mersenne Twister of NumPy's: its words, then its index."""
    held = (ctypes.c_char * _STATE_BYTES).from_address(bit_generator.ctypes.state_address)
    return memoryview(held).cast("B")


def _laid_out(states: NDArray[np.uint32], index: int) -> memoryview:
    """Put the index beside the words of each state, before or after them: all words are to be made anew."""
    laid = np.empty((len(states), STATE_WORDS + 1), np.uint32)
    laid[:, index] = STATE_WORDS
    laid[:, 1 - index // STATE_WORDS :][:, :STATE_WORDS] = states
    return memoryview(laid.data).cast("B")


_PYTHON = PythonRandom(random.random.__self__)  # type: ignore[attr-defined]  # a method of the global one
_others: dict[str, tuple[Any, Foreign]] = {}


def loaded_generators() -> list[Foreign]:
    """The global generators of what is loaded."""
    found: list[Foreign] = [_PYTHON]
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None and hasattr(numpy_random, "get_state"):
        found.append(_known("numpy.random", numpy_random.get_state.__self__, NumpyRandom))
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "default_generator"):
        found.append(_known("torch", torch.default_generator, TorchRandom))
    return found


def _known(name: str, held: Any, kind: Callable[[Any], Foreign]) -> Foreign:
    known = _others.get(name)
    if known is None or known[0] is not held:
        known = _others[name] = held, kind(held)
    return known[1]
