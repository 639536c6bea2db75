"""What users give to a run: taken as it is meant, or refused with what was wanted."""

from __future__ import annotations

import io
import math
import operator
from collections.abc import Mapping
from typing import Any

import msgspec

from whence.errors import InputError
from whence.vocab import plain


def words(text: Any) -> str:
    """Take a text for people: what isn't Unicode is spelled out, so that it can be shown anywhere."""
    spelled = str(text)
    return spelled if spelled.isascii() else spelled.encode("utf-8", "backslashreplace").decode()


def as_number(key: str, value: Any) -> float:
    """Take a metric's value: anything that becomes a float; NaN and infinities are values too."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"log_metric({key!r:.60}): wanted a number, got {type(value).__name__}",
            remedy="Log numbers as metrics; text belongs into params, tags or notes.",
        ) from error
    return number if not math.isnan(number) else math.nan


def as_step(step: Any) -> int:
    """Take a metric's step: an integer of 64 bits."""
    try:
        found = operator.index(step)
    except TypeError:
        found = 1 << 63
    if not -(1 << 63) <= found < 1 << 63:
        raise InputError(
            f"log_metric(step={step!r:.40}): wanted an integer of 64 bits, got {type(step).__name__}",
            remedy="Leave the step out to count by batches.",
        )
    return found


def as_pairs(what: str, given: Any) -> dict[str, Any]:
    """Take names with values."""
    if not isinstance(given, Mapping):
        raise InputError(
            f"{what}: wanted a dict of names and values, got {type(given).__name__}",
            remedy='Write {"lr": 0.1}, for example.',
        )
    return {words(key): value for key, value in given.items()}


def plain_pairs(what: str, given: Any) -> dict[str, Any]:
    """Take names with values that are kept as plain ones."""
    return {key: plain(value) for key, value in as_pairs(what, given).items()}


def as_json(value: Any) -> bytes:
    """Write a value as JSON text for people, indented."""
    return msgspec.json.format(msgspec.json.encode(plain(value)), indent=2)


def as_png(figure: Any) -> bytes:
    """Draw a figure (matplotlib, or anything with `savefig`, or a Pillow image) as PNG."""
    buffer = io.BytesIO()
    if hasattr(figure, "savefig"):
        figure.savefig(buffer, format="png")
    elif hasattr(figure, "save"):
        figure.save(buffer, format="PNG")
    else:
        raise InputError(
            f"log_figure: wanted a figure with savefig or save, got {type(figure).__name__}",
            remedy="Pass a matplotlib figure or a Pillow image.",
        )
    return buffer.getvalue()
