"""How quantities are worded for people: bytes, durations, counts, numbers, times, parameters."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

_BARS = "▁▂▃▄▅▆▇█"
_VALUE_LIMIT = 60
_MINUTE_S = 60
_HOUR_S = 3600


def size_of(count: int) -> str:
    """Bytes: 512 B, 75.4 kB, 1.2 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def duration(seconds: float) -> str:
    """A time span: 39 ms, 2.4 s, 3 min 20 s, 5 h 2 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} µs"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)} min {int(seconds % _MINUTE_S)} s"
    return f"{int(seconds // _HOUR_S)} h {int(seconds % _HOUR_S // _MINUTE_S)} min"


def count_of(number: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 run, 2,000 runs."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number(value: float | None) -> str:
    """A metric: four digits that matter."""
    if value is None or math.isnan(value):
        return "nan"
    return f"{value:.4g}" if not float(value).is_integer() or abs(value) >= 1e9 else f"{value:.0f}"


def moment(text: str | None) -> str:
    """A time in the reader's own zone, to the second."""
    if not text:
        return "-"
    return dt.datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span_of(started_at: str | None, ended_at: str | None) -> str:
    """How long a run took; nothing where that isn't known."""
    if not started_at or not ended_at:
        return ""
    return duration(
        (dt.datetime.fromisoformat(ended_at) - dt.datetime.fromisoformat(started_at)).total_seconds()
    )


def value_text(value: Any) -> str:
    """A parameter's value, short."""
    if isinstance(value, str):
        text = value if value and value.isprintable() and " " not in value else repr(value)
    elif isinstance(value, bool) or value is None:
        text = str(value).lower() if value is not None else "none"
    elif isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        text = value_text(next(iter(value.values())))  # how a record wears a type that JSON doesn't have
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {value_text(each)}" for key, each in value.items()) + "}"
    elif isinstance(value, list):
        text = (
            "[" + ", ".join(value_text(each) for each in value[:20]) + ("]" if len(value) <= 20 else ", …]")
        )
    else:
        text = str(value)
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"


def learned_words(values: Mapping[str, Any] | None) -> str:
    """What was learned of a field: mean=4202  std=801.8."""
    return "unknown" if values is None else pairs(values)


def pairs(values: Mapping[str, Any], joint: str = "  ") -> str:
    """Names and values in a row: lr=0.1  seed=7."""
    return joint.join(f"{key}={value_text(value)}" for key, value in values.items())


def short_digest(digest: str | None) -> str:
    """The beginning of a digest, enough to tell two apart by eye."""
    if not digest:
        return "no digest"
    algorithm, _, hexadecimal = digest.rpartition(":")
    return f"{algorithm}:{hexadecimal[:12]}" if algorithm else hexadecimal[:16]


def sparkline(values: Sequence[float | None]) -> str:
    """A curve in a row of bars; a gap where a value is missing."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    low = min(known) / 2  # by halves, because all there is may lie between
    span = max(known) / 2 - low
    return "".join(
        " "
        if value is None or not math.isfinite(value)
        else _BARS[round((value / 2 - low) / span * (len(_BARS) - 1)) if span else 0]
        for value in values
    )


def bars(counts: Sequence[int]) -> str:
    """Counts as bars that stand on nothing; what is there at all has one."""
    most = max(counts, default=0)
    return "".join(" " if not count else _BARS[round(count / most * (len(_BARS) - 1))] for count in counts)


def field_words(use: dict[str, Any]) -> str:
    """Say what an operation did with fields."""
    if not use["known"]:
        return "unknown: its function can't be watched"
    read = "reads all fields" if use["whole"] else f"reads {', '.join(use['read'])}" if use["read"] else ""
    if use["copied"]:
        read = f"{read or 'reads'} and perhaps others"
    made = f"makes {', '.join(use['made'])}" if use["made"] else ""
    dropped = f"drops {', '.join(use['dropped'])}" if use["dropped"] else ""
    return "; ".join(part for part in (read, made, dropped) if part) or "reads none"


def seen_words(use: dict[str, Any]) -> str:
    """Say on how many samples that was seen."""
    return "" if use["seen"] is None else f"seen on {count_of(use['seen'], 'sample')}"
