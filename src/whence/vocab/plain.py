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
_MAX_DEPTH = 100
_SCALARS = (bool, int, float, complex, str, bytes)


def plain(value: Any) -> Any:
    """Make a value plain; never raises.

    Returns:
        None, bool, int of 64 bits, finite float, str of valid Unicode, list, or dict with str keys, nested.
    """
    return _plain(value, 0)


def _plain(value: Any, depth: int) -> Any:
    kind = type(value)
    if depth > _MAX_DEPTH:
        return {"$unknown": f"{kind.__module__}.{kind.__qualname__}, nested too deeply"}
    if value is None or kind is bool or (kind is int and value in _INT64):
        return value
    if kind is str and _is_unicode(value):
        return value
    if kind is float and math.isfinite(value):
        return value
    if kind is list:
        return [_plain(item, depth + 1) for item in value]
    if kind is dict and all(_is_plain_key(key) for key in value):
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if kind is tuple:
        return {"$tuple": [_plain(item, depth + 1) for item in value]}
    if isinstance(value, np.generic) and value.dtype.kind not in "mMV":
        item = value.item()
        if type(item) in _SCALARS:  # a long double stays what it is
            return _plain(item, depth)
    try:
        return _settled(json.loads(canonical(value)))
    except (CanonicalError, RecursionError, ValueError):
        return {"$unknown": f"{kind.__module__}.{kind.__qualname__}"}


def _settled(value: Any) -> Any:
    """Tag what JSON can spell and others can't hold: integers over 64 bits, halves of surrogate pairs."""
    if type(value) is int and value not in _INT64:
        return {"$int": str(value)}
    if type(value) is str and not _is_unicode(value):
        return {"$str": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}
    if type(value) is list:
        return [_settled(item) for item in value]
    if type(value) is dict:
        if not all(map(_is_unicode, value)):
            return {"$dict": [[_settled(key), _settled(item)] for key, item in value.items()]}
        return {key: _settled(item) for key, item in value.items()}
    return value


def _is_plain_key(key: Any) -> bool:
    return type(key) is str and not key.startswith("$") and _is_unicode(key)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    "$str": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
    "$bytes": base64.b64decode,
    "$tuple": lambda items: tuple(map(from_plain, items)),
    "$set": lambda items: set(map(from_plain, items)),
    "$dict": lambda pairs: {from_plain(key): from_plain(item) for key, item in pairs},
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$timedelta": lambda parts: dt.timedelta(*parts),
    "$decimal": decimal.Decimal,
    "$fraction": lambda parts: fractions.Fraction(*map(from_plain, parts)),
    "$uuid": uuid.UUID,
    "$path": lambda text: pathlib.PurePosixPath(from_plain(text)),
    "$complex": lambda parts: complex(*map(from_plain, parts)),
    "$range": lambda parts: range(*map(from_plain, parts)),
    "$slice": lambda parts: slice(*map(from_plain, parts)),
    "$array": _array_of,
}
