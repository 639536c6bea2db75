"""A disk that refuses: writes and syncs of this process that fail as they are told to."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

WRITES = ("write", "pwrite")
SYNCS = ("fdatasync", "fsync")


@dataclass(slots=True, kw_only=True)
class FailingDisk:
    """Counts calls that change the disk, and refuses some.

    Args:
        refuses: is told the number of a call, and answers whether it is refused.
        number: what the system says then.
        is_short: whether half of the data is written first.
    """

    refuses: Callable[[int], bool]
    number: int = errno.ENOSPC
    is_short: bool = False
    count: int = 0
    refused: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def install(self, patch: pytest.MonkeyPatch, names: tuple[str, ...]) -> None:
        """Stand between the process and these calls."""
        for name in names:
            patch.setattr(os, name, self._instead(getattr(os, name)))

    def _instead(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(descriptor: Any, *given: Any, **named: Any) -> Any:
            if (type(descriptor) is int and descriptor < 3) or (
                given and given[0] == os.O_RDONLY | os.O_CLOEXEC
            ):
                return real(descriptor, *given, **named)
            with self.lock:
                at, self.count = self.count, self.count + 1
                is_refused = self.refuses(at)
                self.refused += is_refused
            if not is_refused:
                return real(descriptor, *given, **named)
            if self.is_short and given and len(given[0]) > 1 and at % 2 == 0:
                return real(descriptor, bytes(given[0])[: len(given[0]) // 2], *given[1:])
            if self.is_short and given:
                real(descriptor, bytes(given[0])[: len(given[0]) // 2], *given[1:])
            raise OSError(self.number, os.strerror(self.number))

        return call
