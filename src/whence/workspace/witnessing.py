"""Witnesses that are asked by themselves: whenever a run has been logged, if its user wants that."""

from __future__ import annotations

import contextlib
import time
import warnings

from whence import trust  # found on first use, so that no run begins with a door to the network
from whence.capture import unheard
from whence.errors import KeyUnusableError, RecordWarning, WhenceError
from whence.ledger import KnownWitness
from whence.store import Folder, KeyRing, Ledger, depth_of_caller

TIMEOUT_S = 3.0
"""So long the end of a run waits for witnesses at most, all of them together."""

_REST_S = 60.0

_resting: dict[str, float] = {}


def ask_friends(folder: Folder) -> None:
    """Have the newest checkpoint cosigned by the witnesses that the user wants asked by themselves.

    Who doesn't answer is warned of, and left alone by this process for a minute, so that many short runs
    don't wait for it one by one; nothing of that raises.

    Args:
        folder: the workspace.
    """
    try:
        with unheard():
            _ask_friends(folder)
    except Exception as error:  # whatever it is, it must not cost a training its end
        _warn(f"no witness was asked: {error.message if isinstance(error, WhenceError) else repr(error)}")


def _ask_friends(folder: Folder) -> None:
    wanted: list[KnownWitness] = []
    with contextlib.suppress(KeyUnusableError):  # without keys nothing was logged, which was warned of
        wanted = [each.witness for each in trust.WitnessBook(KeyRing.find().path).friends() if each.is_auto]
    now = time.monotonic()
    awake = [each for each in wanted if _resting.get(each.url, 0.0) <= now]
    ledger = Ledger(folder)
    shard = ledger.current() if awake else None
    if shard is None:
        return
    at_ms = time.time_ns() // 1_000_000
    for asked in trust.ask_witnesses(ledger, shard, awake, timeout_s=TIMEOUT_S, at_ms=at_ms):
        if asked.error is not None:
            _resting[asked.witness.url] = time.monotonic() + _REST_S
            _warn(asked.error.message)


def _warn(problem: str) -> None:
    warnings.warn(
        f"not cosigned: {problem}\n  The record is whole; whence witness ask asks again.",
        RecordWarning,
        stacklevel=depth_of_caller(),
    )
