"""How a page words things: bounded, visible, in units that people read.

Everything a user may have put in (names of files, messages, parameters) goes through `shown` before it
reaches a template; that the template escapes it is a second guard, not the same one.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import shlex
import unicodedata
from collections.abc import Sequence
from typing import Any

# controls, formats (bidirectional overrides among them), lone surrogates, private use, line separators
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SPACES = {"\n": " ", "\t": " ", "\r": " "}


def shown(text: object, limit: int = 200) -> str:
    """Make a text visible and short: what can't be seen is spelled, what is too long is cut."""
    found = str(text)
    return _visible(_cut(found, limit), _SPACES)


def shown_lines(text: object, limit: int = 4_000) -> str:
    """Make a text of several lines visible and short; its end is kept, where a traceback says what failed."""
    found = str(text)
    if len(found) > limit:
        found = f"… {found[-limit:]}"
    return _visible(found, {"\n": "\n", "\t": "    ", "\r": ""})


def shown_value(value: Any, limit: int = 300) -> str:
    """Write a recorded value in one line."""
    if isinstance(value, str):
        return shown(value, limit)
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        return shown(json.dumps(value, ensure_ascii=False, default=str), limit)
    except (TypeError, ValueError, RecursionError):
        return shown(type(value).__name__)


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a number of things: 1 file, 2,000 files."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(numbers: Sequence[int], limit: int = 12) -> str:
    """Write ascending numbers, consecutive ones as ranges: 0–2, 5."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [str(first) if first == last else f"{first}–{last}" for first, last in runs]  # noqa: RUF001
    return ", ".join(texts[:limit]) + (", …" if len(texts) > limit else "")


def share_text(share: float) -> str:
    """Write a share in percent; what is little isn't nothing."""
    if 0 < share < 0.001:
        return f"{share * 100:.2g} %" if share > 1e-6 else "< 0.0001 %"
    return f"{share * 100:.1f} %"


def duration_text(seconds: float) -> str:
    """Write a duration in two units at most."""
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, small_size, small_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small_size} {small_name}"
    return f"{whole // 60} min {whole % 60} s"


def size_text(count: int) -> str:
    """Write a number of bytes."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def time_text(at_ns: int) -> str:
    """Write a moment, UTC to the second."""
    return dt.datetime.fromtimestamp(at_ns // 1_000_000_000, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number_text(value: float) -> str:
    """Write a measured number with four digits that count."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"  # noqa: RUF001
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.4g}"


def command_text(words: Sequence[str]) -> str:
    """Write a command as it can be typed into a POSIX shell, whatever its words hold."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if all(unicodedata.category(char) not in _HIDDEN for char in word):
        return shlex.quote(word)
    # a name with a line break, an escape or a byte that is no text: spelled in the shell's own way
    spelled = []
    for char in word:
        if unicodedata.category(char) in _HIDDEN:
            spelled += [f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")]
        else:
            spelled.append(f"\\{char}" if char in "\\'" else char)
    return f"$'{''.join(spelled)}'"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _visible(text: str, plain: dict[str, str]) -> str:
    return "".join(
        plain.get(char, char if unicodedata.category(char) not in _HIDDEN else f"\\u{ord(char):04x}")
        for char in text
    )
