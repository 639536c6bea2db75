"""Plain values: anything with canonical bytes as what JSON and msgpack can hold, and back.

Numbers, text, lists and dicts stay what they are and readable; other types wear the tags of
`canonical`. A value that can't be kept becomes `{"$unknown": type}`: a gap, written down as one.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import fractions
import json
import math
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from whence.errors import CanonicalError
from whence.vocab.canonical import canonical

_INT64 = range(-(1 << 63), 1 << 63)


def plain(value: Any) -> Any:
    """Make a value plain; never raises.

    Returns:
        None, bool, int of 64 bits, finite float, str, list, or dict with str keys, nested.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str or (kind is int and value in _INT64):
        return value
    if kind is float and math.isfinite(value):
        return value
    if kind is list:
        return [plain(item) for item in value]
    if kind is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: plain(item) for key, item in value.items()}
    if kind is int:
        return {"$int": str(value)}
    if kind is tuple:
        return {"$tuple": [plain(item) for item in value]}
    if isinstance(value, np.generic) and not isinstance(value, np.void):
        return plain(value.item())
    try:
        return json.loads(canonical(value))
    except (CanonicalError, RecursionError):
        return {"$unknown": f"{kind.__module__}.{kind.__qualname__}"}


def from_plain(value: Any) -> Any:
    """Make the value again that `plain` was given.

    Raises:
        CanonicalError: a type that can't be made again (an enum, a dataclass, something unknown).
    """
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (tag,) = value
        if tag.startswith("$"):
            make = _MAKERS.get(tag)
            if make is None:
                raise CanonicalError(
                    f"a value recorded as {tag} {value[tag]!r:.80} can't be made again",
                    remedy="Give the stream in Python: run.replay(..., stream=...).",
                )
            return make(value[tag])
    return {key: from_plain(item) for key, item in value.items()}


def _array_of(content: list[Any]) -> Any:
    dtype, shape, data = content
    return np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "$int": int,
    "$float": float.fromhex,
    "$bytes": base64.b64decode,
    "$tuple": lambda items: tuple(from_plain(item) for item in items),
    "$set": lambda items: {from_plain(item) for item in items},
    "$dict": lambda pairs: {from_plain(key): from_plain(item) for key, item in pairs},
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$timedelta": lambda parts: dt.timedelta(*parts),
    "$decimal": decimal.Decimal,
    "$fraction": lambda parts: fractions.Fraction(*parts),
    "$uuid": uuid.UUID,
    "$path": pathlib.PurePosixPath,
    "$complex": lambda parts: complex(*(from_plain(part) for part in parts)),
    "$range": lambda parts: range(*parts),
    "$slice": lambda parts: slice(*parts),
    "$array": _array_of,
}
