"""Graphics cards, asked for their load by the driver's own command, where there is one."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Protocol

from whence.capture.noticing import unheard

_TIMEOUT_S = 5.0
_FRESH_S = 1.0
_ASKED = {
    "utilization.gpu": ("busy_share", 0.01),
    "memory.used": ("memory_bytes", 1024.0 * 1024.0),
    "temperature.gpu": ("celsius", 1.0),
    "power.draw": ("watts", 1.0),
}


class Card(Protocol):
    """A graphics card."""

    @property
    def name(self) -> str:
        """What it is called."""

    def read(self) -> dict[str, float]:
        """Read what it tells of: busy_share, memory_bytes, celsius, watts."""


class _Driver:
    """Asks the driver about all cards at once; one answer serves as many cards as it tells of."""

    def __init__(self, command: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._clock = clock
        self._asked_at = -_FRESH_S
        self._lines: list[list[str]] = []

    def lines(self) -> list[list[str]]:
        """Give for each card its name and what was asked, as text; raises `OSError`."""
        if self._clock() - self._asked_at >= _FRESH_S:
            question = f"--query-gpu=name,{','.join(_ASKED)}"
            try:
                with unheard():
                    done = subprocess.run(
                        [self._command, question, "--format=csv,noheader,nounits"],
                        capture_output=True, timeout=_TIMEOUT_S, check=True, text=True,
                    )  # fmt: skip
            except subprocess.SubprocessError as error:
                raise OSError(f"{self._command}: no answer") from error
            self._lines = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
            self._asked_at = self._clock()
        return self._lines


class _DriverCard:
    """One card of a driver."""

    def __init__(self, driver: _Driver, number: int, name: str) -> None:
        self._driver = driver
        self._number = number
        self.name = name

    def read(self) -> dict[str, float]:
        """Read it; what the driver says isn't supported is left out."""
        _, *texts = self._driver.lines()[self._number]
        found = {}
        for text, (name, unit) in zip(texts, _ASKED.values(), strict=False):
            try:
                found[name] = float(text) * unit
            except ValueError:
                continue  # [N/A]
        return found


def find_cards(command: str = "nvidia-smi") -> list[Card]:
    """Find the cards that the driver's command tells of; none where there is no such command."""
    path = shutil.which(command)
    if path is None:
        return []
    driver = _Driver(path)
    try:
        lines = driver.lines()
    except OSError:
        return []
    return [_DriverCard(driver, number, line[0]) for number, line in enumerate(lines)]
