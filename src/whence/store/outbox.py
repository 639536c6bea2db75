"""The outbox of a run: what it writes goes to the disk, or waits here in order while the disk refuses.

There is one for all files of a run, so that what is on the disk is at any moment all that was written up to
some point, whatever file it went to: never an event without its body, never an end without what came before.
What doesn't fit into the memory that waiting may take is lost, and counted.
"""

from __future__ import annotations

import errno
import os
import pathlib
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from whence.errors import InputError, RecordWarning

_BOUND_BYTES = 64 << 20
_BOUND_NAME = "WHENCE_WAITING_MB"
_ESSENTIAL_BYTES = 16 << 20
"""How much more, of what the rest can't be understood without."""

_PIECE_BYTES = 256
"""What waiting costs beside the content."""

_PAUSE_S = 0.1
_ROOM = str(pathlib.Path(__file__).parents[1])

Act = Callable[[], object]


@dataclass(slots=True, kw_only=True)
class Trouble:
    """A time in which the disk refused.

    Args:
        since_ns: when it began.
        error: what the system said at first.
        held: how many pieces waited.
        lost: how many of each kind were lost.
        passes: the passes of which something was lost, so that what they decided later isn't known.
        objects: the digests of content that was lost.
    """

    since_ns: int
    error: OSError
    held: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    passes: set[int] = field(default_factory=set)
    objects: list[bytes] = field(default_factory=list)

    def to_public(self, until_ns: int) -> dict[str, Any]:
        """What the journal says of it."""
        public: dict[str, Any] = {"since": self.since_ns, "until": until_ns, "why": name_error(self.error)}
        public |= {"held": self.held, "lost": dict(self.lost)}
        return public | ({"passes": sorted(self.passes)} if self.passes else {})


class Outbox:
    """Writes in order; no lock.

    Args:
        bound_bytes: how much may wait.
        now_ns: the clock.

    Attributes:
        endures: whether what is refused waits; before, it is raised.
        error: what the system said last, while something waits.
        trouble: what is to be told of a time in which the disk refused; None where there is nothing.
    """

    __slots__ = (
        "_bound_bytes", "_now_ns", "_tried_s", "_waiting", "_waiting_bytes", "endures", "error", "trouble",
    )  # fmt: skip

    def __init__(self, *, bound_bytes: int = _BOUND_BYTES, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._bound_bytes = bound_bytes
        self._now_ns = now_ns
        self._waiting: deque[tuple[Act, int]] = deque()
        self._waiting_bytes = 0
        self._tried_s = 0.0
        self.endures = False
        self.error: OSError | None = None
        self.trouble: Trouble | None = None

    @property
    def is_clear(self) -> bool:
        """Whether nothing waits, and nothing is to be told."""
        return self.trouble is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may wait."""
        return self._waiting_bytes + size <= self._bound_bytes

    def put(self, act: Act, size: int, *, is_essential: bool = False) -> bool:
        """Do something that writes so many bytes, now or as soon as all before it is done.

        Returns:
            Whether it is done or waits; False where there is no room for it any more.

        Raises:
            OSError: the disk refused it, and nothing is to wait.
        """
        if not self._waiting:
            try:
                act()
            except OSError as error:
                if not self.endures:
                    raise
                self.note(error)
            else:
                return True
        if not self.has_room(size - (_ESSENTIAL_BYTES if is_essential else 0)):
            return False
        self._waiting.append((act, size + _PIECE_BYTES))
        self._waiting_bytes += size + _PIECE_BYTES
        if self.trouble is not None:
            self.trouble.held += 1
        return True

    def note(self, error: OSError) -> Trouble:
        """Remember what the system said; returns the trouble that it is part of."""
        self.error = error
        self._tried_s = time.monotonic()
        if self.trouble is None:
            self.trouble = Trouble(since_ns=self._now_ns(), error=error)
        return self.trouble

    def drain(self, *, patiently: bool = True) -> bool:
        """Write what waits.

        Args:
            patiently: not before some time has gone by since the disk refused.

        Returns:
            Whether nothing waits any more.
        """
        if patiently and self._waiting and time.monotonic() - self._tried_s < _PAUSE_S:
            return False
        while self._waiting:
            act, size = self._waiting[0]
            try:
                act()
            except OSError as error:
                self.note(error)
                return False
            self._waiting.popleft()
            self._waiting_bytes -= size
        self.error = None
        return True


def name_error(error: OSError) -> str:
    """Name what the system said, as `ENOSPC`."""
    cause = error.__cause__ if error.errno is None and isinstance(error.__cause__, OSError) else error
    return errno.errorcode.get(cause.errno or 0, "EIO")


def describe_error(error: OSError) -> str:
    """Say what the system said in its words."""
    return os.strerror(getattr(errno, name_error(error)))


def waiting_bytes() -> int:
    """How many bytes of a run may wait: 64 MB, or what the environment says (`WHENCE_WAITING_MB`)."""
    given = os.environ.get(_BOUND_NAME, "")
    try:
        return int(float(given) * (1 << 20)) if given else _BOUND_BYTES
    except ValueError as error:
        raise InputError(
            f"{_BOUND_NAME}={given!r:.40}: wanted a number of megabytes", remedy=f"Set {_BOUND_NAME}=64."
        ) from error


class Warned:
    """Warns whoever trains of what befalls the record, once of each kind.

    Args:
        path: the run's folder.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._said: set[str] = set()

    def say_waiting(self, error: OSError) -> None:
        """The disk refuses what is written."""
        words = (
            "The training goes on; what is recorded waits in memory, within a bound.\n"
            "  Free some space or put the disk right: it is written as soon as that can be done, and what is "
            "lost until then is named in the record."
        )
        self._say("waiting", f"{describe_error(error)}. {words}")

    def say_unconfirmed(self, error: OSError) -> None:
        """The disk refuses to say that it has what was written."""
        words = (
            "The training goes on; what was recorded lately might not survive a power cut.\n"
            "  Check the disk: it is tried again every second, and the record names what wasn't confirmed."
        )
        if "waiting" not in self._said:
            self._say("unconfirmed", f"{describe_error(error)}. {words}")

    def say_unsealed(self, error: OSError | None) -> None:
        """The run's end can't be written."""
        why = "" if error is None else f"{describe_error(error)}. "
        words = (
            "The end of the run couldn't be written.\n"
            "  Free some space or put the disk right while this process lives, which goes on trying; else "
            "the run is shown as lost, with all that was written."
        )
        self._say("unsealed", f"{why}{words}")

    def _say(self, what: str, words: str) -> None:
        if what in self._said:
            return
        self._said.add(what)
        warnings.warn(f"{self._path}: {words}", RecordWarning, stacklevel=depth_of_caller())


def depth_of_caller() -> int:
    """How many calls before the one in which this is called whoever trains called; for our threads, all."""
    frame, depth = sys._getframe(2), 1
    while frame.f_back is not None and _ROOM in frame.f_code.co_filename:
        frame, depth = frame.f_back, depth + 1
    return depth + 1
