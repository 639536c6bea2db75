"""Trainings of a run: what was trained on what, said bit by bit and read as one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from whence.errors import InputError
from whence.runs.given import as_pairs
from whence.store import Journal, RunWriter
from whence.vocab import plain


class FitNotes:
    """Writes what is said of the trainings of a run.

    Args:
        writer: of the run.
        before: its journal, where it is resumed: its trainings count on.
    """

    def __init__(self, writer: RunWriter, before: Journal | None) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._count = 0 if before is None else len(read_fits(before))

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def log(self, facts: Any, number: int | None) -> int:
        """Say more of a training, or begin one; returns its number."""
        body = plain(as_pairs("log_fit", facts))
        with self._lock:
            found = self._count + 1 if number is None else number
            if not 1 <= found <= self._count + (number is None):
                raise InputError(
                    f"log_fit(number={number!r:.40}): wanted one of {self._count} trainings",
                    remedy="Give the number that log_fit returned.",
                )
            self._writer.append("fit", {"fit": found}, body)
            self._count = max(self._count, found)
        return found


def read_fits(journal: Journal) -> list[dict[str, Any]]:
    """Read the trainings of a run, by number: all that was said of each, later facts over earlier ones."""
    found: dict[int, dict[str, Any]] = {}
    for event in journal.find("fit"):
        facts: Mapping[str, Any] = event.body or {}
        number = event.public["fit"]
        found.setdefault(number, {"number": number, "began_at_ns": event.at_ns}).update(facts)
    return [found[number] for number in sorted(found)]
