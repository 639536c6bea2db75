"""Threads that want the same done share it: whoever comes first does it for all who wait meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Wish = TypeVar("_Wish")
_Found = TypeVar("_Found")


class Together(Generic[_Wish, _Found]):
    """Does something for several threads at once, and for one such group at a time.

    Args:
        act: does it for each wish, and returns what each gets, in their order; what it raises all get.
    """

    def __init__(self, act: Callable[[Sequence[_Wish]], Sequence[_Found]]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[_Wish, _Found]] = []
        self._is_led = False

    def __call__(self, wish: _Wish) -> _Found:
        """Have a wish fulfilled, together with those of other threads."""
        mine: _Waiting[_Wish, _Found] = _Waiting(wish)
        with self._lock:
            self._waiting.append(mine)
            mine.leads = not self._is_led
            self._is_led = True
        if not mine.leads:
            try:
                mine.door.acquire()
            except BaseException:  # Ctrl-C: the others must not wait for one who is gone
                self._leave(mine)
                raise
        if mine.leads:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.found[0]

    def _leave(self, mine: _Waiting[_Wish, _Found]) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
            if mine.leads:
                self._pass_on()

    def _pass_on(self) -> None:
        """Leave the lead to the first who waits."""
        self._is_led = bool(self._waiting)
        for each in self._waiting[:1]:
            each.leads = True
            each.door.release()

    def _lead(self) -> None:
        """Act for all who wait, this thread among them."""
        with self._lock:
            group, self._waiting = self._waiting, []
        error: BaseException | None = None
        found: Sequence[_Found] = ()
        try:
            found = self._act([each.wish for each in group])
        except BaseException as raised:
            error = raised
        for number, each in enumerate(group):
            each.error, each.found = error, found[number : number + 1]
            each.door.release()
        with self._lock:
            self._pass_on()


@dataclass(slots=True, eq=False)
class _Waiting(Generic[_Wish, _Found]):
    """One thread's wish, and what became of it; its door opens when that is known, or when it is to lead."""

    wish: _Wish
    door: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    found: Sequence[_Found] = ()
    error: BaseException | None = None
    leads: bool = False
