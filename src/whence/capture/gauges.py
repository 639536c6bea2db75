"""What the machine and the process use: processor, memory, disk, network, graphics cards, energy.

A reading is a few calls to the system, less than a millisecond; rates are taken between two readings. What a
machine can't tell is left out, never guessed. Energy is *measured* where a counter of the hardware says it
(of the whole processor package, all that ran on it included), and *estimated* where only the power of a card
at the moments of reading is known.
"""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from whence.capture.cards import Card, find_cards

_RAPL = pathlib.Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What was used since the first reading.

    Args:
        of: what used it.
        joules: how much.
        how: measured by a counter, or estimated from the power at the moments of reading.
        by: what said so.
    """

    of: str
    joules: float
    how: Literal["measured", "estimated"]
    by: str

    def to_plain(self) -> dict[str, Any]:
        """As it is recorded."""
        return {"of": self.of, "joules": self.joules, "how": self.how, "by": self.by}


class Counter(Protocol):
    """A counter of energy that begins again when it has reached its end."""

    @property
    def name(self) -> str:
        """What it counts for."""

    @property
    def end_uj(self) -> int:
        """Where it begins again, in microjoules."""

    def read_uj(self) -> int:
        """Read it, in microjoules; raises `OSError` where that isn't allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCounter:
    """A processor package's own counter, as the kernel's powercap interface has it."""

    folder: pathlib.Path
    name: str
    end_uj: int

    def read_uj(self) -> int:
        """Read it, in microjoules."""
        return int((self.folder / "energy_uj").read_text())


def find_counters(root: pathlib.Path = _RAPL) -> list[Counter]:
    """Find the energy counters of the processor's packages that may be read."""
    found: list[Counter] = []
    for folder in sorted(root.glob("*-rapl:?")):
        with contextlib.suppress(OSError, ValueError):
            end = int((folder / "max_energy_range_uj").read_text())
            counter = PackageCounter(folder=folder, name=(folder / "name").read_text().strip(), end_uj=end)
            counter.read_uj()
            found.append(counter)
    return found


class Gauges:
    """Reads what is used, again and again.

    Args:
        cards: the graphics cards.
        counters: the energy counters.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        cards: Iterable[Card] | None = None,
        counters: Iterable[Counter] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system: Any = importlib.import_module("psutil")  # 30 ms, which only a reading need cost
        self._process = self._system.Process()
        self._cards = list(find_cards() if cards is None else cards)
        self._counters = list(find_counters() if counters is None else counters)
        self._clock = clock
        self._before: tuple[float, dict[str, float]] | None = None
        self._used_uj = [0] * len(self._counters)
        self._last_uj: list[int | None] = [None] * len(self._counters)
        self._card_joules = [0.0] * len(self._cards)
        self._card_watts: list[float | None] = [None] * len(self._cards)
        self.read()

    def read(self) -> dict[str, float]:
        """Read all gauges; rates are those since the reading before.

        Returns:
            By name, with the unit in it; shares are 0 to 1.
        """
        now = self._clock()
        found: dict[str, float] = {}
        counts: dict[str, float] = {}
        for read in (self._process_gauges, self._machine_gauges):
            # a process may not be allowed to see its own counters, a container not those of the machine
            with contextlib.suppress(self._system.Error, OSError, RuntimeError, NotImplementedError):
                for name, value, is_count in read():
                    (counts if is_count else found)[name] = value
        before = self._before
        took = now - before[0] if before is not None else 0.0
        if before is not None and took > 0:
            for name, count in counts.items():
                if name in before[1]:
                    found[name] = max(0.0, count - before[1][name]) / took
        self._before = (now, counts)
        self._read_energy()
        self._read_cards(found, took)
        return dict(sorted(found.items()))

    def energy(self) -> list[Energy]:
        """Tell what was used since the gauges were made; nothing of what the machine doesn't tell."""
        packages = [
            Energy(of=counter.name, joules=used / 1e6, how="measured", by="powercap, the whole package")
            for counter, used in zip(self._counters, self._used_uj, strict=True)
        ]
        cards = [
            Energy(of=card.name, joules=joules, how="estimated", by="power at each reading")
            for card, joules, watts in zip(self._cards, self._card_joules, self._card_watts, strict=True)
            if watts is not None
        ]
        return packages + cards

    def _process_gauges(self) -> Iterator[tuple[str, float, bool]]:
        """Give name, value and whether a rate is to be made of it, of this process and its children."""
        family = [self._process, *self._process.children(recursive=True)]
        cpu_s, memory_bytes, threads = 0.0, 0, 0
        for each in family:
            with contextlib.suppress(self._system.Error):  # a child may end while it is asked
                times = each.cpu_times()
                cpu_s += times.user + times.system
                memory_bytes += each.memory_info().rss
                threads += each.num_threads()
        yield "system/process_cpu_cores", cpu_s, True
        yield "system/process_memory_bytes", memory_bytes, False
        yield "system/process_threads", threads, False
        if hasattr(self._process, "io_counters"):
            counted = self._process.io_counters()
            yield "system/process_disk_read_bytes_per_s", counted.read_bytes, True
            yield "system/process_disk_written_bytes_per_s", counted.write_bytes, True

    def _machine_gauges(self) -> Iterator[tuple[str, float, bool]]:
        times = self._system.cpu_times()
        busy_s = sum(times) - times.idle - getattr(times, "iowait", 0.0)
        yield "system/cpu_cores", busy_s, True
        memory = self._system.virtual_memory()
        yield "system/memory_used_share", memory.percent / 100, False
        sent = self._system.net_io_counters()
        if sent is not None:
            yield "system/network_sent_bytes_per_s", sent.bytes_sent, True
            yield "system/network_received_bytes_per_s", sent.bytes_recv, True

    def _read_energy(self) -> None:
        for number, counter in enumerate(self._counters):
            try:
                now = counter.read_uj()
            except (OSError, ValueError):
                continue
            last = self._last_uj[number]
            if last is not None:
                self._used_uj[number] += now - last if now >= last else now - last + counter.end_uj
            self._last_uj[number] = now

    def _read_cards(self, found: dict[str, float], took_s: float) -> None:
        for number, card in enumerate(self._cards):
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                told = card.read()
                watts = told.pop("watts", None)
                for name, value in told.items():
                    found[f"system/gpu{number}_{name}"] = value
                if watts is not None:
                    before = self._card_watts[number]
                    if before is not None:
                        self._card_joules[number] += (before + watts) / 2 * took_s
                    self._card_watts[number] = watts
                    found[f"system/gpu{number}_watts"] = watts
