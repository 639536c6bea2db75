"""Reading the gauges of the machine at a low rate while a run goes on, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from whence.capture import Gauges, Recording, sampling_period_s
from whence.errors import WhenceError
from whence.store import RunWriter

_FIRST_S = 0.5
"""Shorter runs aren't sampled: what they used altogether is told when they end."""


class Sampler:
    """Reads gauges until it is stopped, as often as the settings say.

    Args:
        writer: where the readings go.
        recording: says how many batches were delivered, which is the step of a reading.
    """

    def __init__(self, writer: RunWriter, recording: Recording) -> None:
        self._writer = writer
        self._recording = recording
        self._every_s = sampling_period_s()
        self._stop = threading.Event()
        self._gauges: Gauges | None = None
        self._thread: threading.Thread | None = None
        if self._every_s:
            self._thread = threading.Thread(target=self._sample, name="whence-gauges", daemon=True)
            self._thread.start()

    def stop(self) -> list[dict[str, Any]]:
        """Read once more and stop; tells the energy that was used, where the machine tells it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._gauges is None:
            return []
        self._read(self._gauges)
        return [each.to_plain() for each in self._gauges.energy()]

    def _sample(self) -> None:
        if self._stop.wait(min(_FIRST_S, self._every_s)):
            return
        self._gauges = Gauges()
        while not self._stop.wait(self._every_s):
            self._read(self._gauges)

    def _read(self, gauges: Gauges) -> None:
        points = list(gauges.read().items())
        with contextlib.suppress(WhenceError):  # a run that was taken over isn't sampled any more
            if points:
                self._writer.log_points(points, self._recording.delivered_count)
