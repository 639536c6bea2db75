"""What the processes of a run come to together, and numbers as JSON takes them."""

from __future__ import annotations

import math
from typing import Any

from whence.store import Event


def total_of(bodies: list[dict[str, Any]], *, end: Event | None) -> dict[str, Any]:
    """Sum what several processes said of themselves when they ended a run; the last one says how it ended."""
    found = dict(bodies[-1]) if bodies else {}
    for name in ("wall_s", "cpu_s"):
        if name in found:
            found[name] = sum(body.get(name, 0.0) for body in bodies)
    if "peak_memory_bytes" in found:
        found["peak_memory_bytes"] = max(body.get("peak_memory_bytes", 0) for body in bodies)
    if end is None:
        found.pop("traceback", None)
    return found


def finite_or_none(number: float) -> float | None:
    """JSON has no NaN and no infinities."""
    return number if math.isfinite(number) else None
