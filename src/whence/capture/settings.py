"""What is recorded and how much memory is used: the settings that a user may want to change."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Any, Literal, get_args

from whence.errors import PlanError

Record = Literal["full", "lineage", "off"]

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_MEMORY_TEXT = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([KMGT]?I?B)\s*", re.IGNORECASE)


_SAMPLE_EVERY_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    record: Record = "full"
    memory_bytes: int = 1 << 30
    seed_foreign: bool = False
    sample_every_s: float = _SAMPLE_EVERY_S


_now: list[_Settings] = [_Settings()]


class Configured:
    """The settings as they are now; used with `with`, they go back to what they were."""

    def __init__(self, before: _Settings) -> None:
        self._before = before

    @property
    def record(self) -> Record:
        """What passes record from now on."""
        return _now[0].record

    @property
    def memory_bytes(self) -> int:
        """How much memory each operation that puts samples aside may use from now on."""
        return _now[0].memory_bytes

    @property
    def seed_foreign(self) -> bool:
        """Whether the operations that are made from now on seed generators that aren't ours."""
        return _now[0].seed_foreign

    @property
    def sample_every_s(self) -> float:
        """How many seconds lie between two readings of the gauges in runs that begin from now on."""
        return _now[0].sample_every_s

    def __enter__(self) -> Configured:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _now[0] = self._before

    def __repr__(self) -> str:
        seeds = ", seed_foreign=True" if self.seed_foreign else ""
        every = "" if self.sample_every_s == _SAMPLE_EVERY_S else f", sample_every_s={self.sample_every_s:g}"
        return f"whence.config(record={self.record!r}, memory={_as_text(self.memory_bytes)!r}{seeds}{every})"


def config(
    *,
    record: Record | None = None,
    memory: int | str | None = None,
    seed_foreign: bool | None = None,
    sample_every_s: float | None = None,
) -> Configured:
    """Change what passes record and how much memory they use from now on, or within a `with` block.

    Args:
        record: "full" (everything), "lineage" (everything but content digests of the samples that
            were delivered, so that a replay can't be compared) or "off" (passes leave no record).
        memory: how much each operation that has to put samples aside (sort, group_by, join, dedup, cache, a
            shuffle or repeat of what can be read only once) may keep in memory, as estimated, before it goes
            on in a temporary file: bytes, or text such as "512MB", "2GB" or "1.5GiB". At first 1 GiB. The
            file has no name and lies in the folder for temporary files, which `TMPDIR` chooses.
        seed_foreign: whether operations that are made from now on (`map`, `filter`, `flat_map`,
            `map_batches`, and `batch` with a function) seed the generators that aren't whence's for each
            sample, where they aren't told otherwise. At first they don't.
        sample_every_s: how many seconds lie between two readings of processor, memory, disk, network,
            graphics cards and energy in runs that begin from now on, at least 0.1; 0 for none. At first 15.

    Returns:
        The settings now in force.

    Raises:
        PlanError: not one of these words, no amount of memory, no bool, or no time; nothing is changed.
    """
    before = now = _now[0]
    if record is not None:
        if record not in get_args(Record):
            raise PlanError(
                f"config(record={record!r}): wanted one of {', '.join(get_args(Record))}",
                remedy='Write wh.config(record="lineage"), for example.',
            )
        now = replace(now, record=record)
    if memory is not None:
        now = replace(now, memory_bytes=_as_bytes(memory))
    if seed_foreign is not None:
        if not isinstance(seed_foreign, bool):
            raise PlanError(
                f"config(seed_foreign={seed_foreign!r:.40}): wanted True or False",
                remedy="Write wh.config(seed_foreign=True).",
            )
        now = replace(now, seed_foreign=seed_foreign)
    if sample_every_s is not None:
        now = replace(now, sample_every_s=_as_period(sample_every_s))
    _now[0] = now
    return Configured(before)


def record_mode() -> Record:
    """Tell what passes record now."""
    return _now[0].record


def memory_budget_bytes() -> int:
    """Tell how much an operation that puts samples aside may keep in memory now."""
    return _now[0].memory_bytes


def seeds_foreign() -> bool:
    """Tell whether an operation that is made now seeds generators that aren't ours."""
    return _now[0].seed_foreign


def sampling_period_s() -> float:
    """Tell how many seconds lie between two readings of the machine's gauges; 0 for none."""
    return _now[0].sample_every_s


def _as_period(given: Any) -> float:
    if (
        isinstance(given, int | float)
        and not isinstance(given, bool)
        and (given == 0 or 0.1 <= given <= 86_400)
    ):
        return float(given)
    raise PlanError(
        f"config(sample_every_s={given!r:.40}): wanted seconds, 0.1 to 86,400, or 0 for none",
        remedy="Write wh.config(sample_every_s=15).",
    )


def _as_bytes(memory: Any) -> int:
    found = 0
    if isinstance(memory, str):
        parts = _MEMORY_TEXT.fullmatch(memory)
        if parts is not None and parts[2].upper() in _UNITS:
            found = int(Fraction(parts[1]) * _UNITS[parts[2].upper()])
    elif not isinstance(memory, bool):
        try:
            found = operator.index(memory)
        except TypeError:
            found = 0
    if found < 1:
        raise PlanError(
            f"config(memory={memory!r:.40}): wanted a number of bytes of at least 1, or text with a unit",
            remedy='Write wh.config(memory="2GB"), or "512MB", or "1.5GiB", or a number of bytes.',
        )
    return found


def _as_text(count: int) -> int | str:
    """Write a number of bytes in the largest unit that divides it."""
    fitting = [(size, unit) for unit, size in _UNITS.items() if size > 1 and count % size == 0]
    if not fitting:
        return count
    size, unit = max(fitting)
    return f"{count // size}{unit.replace('IB', 'iB')}"
