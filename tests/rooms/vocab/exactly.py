"""Values compared by type and content, to the bit."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np


def exact(value: Any) -> Any:
    """A value as something whose equality is that of type and content, to the bit."""
    if isinstance(value, np.ndarray):
        has_content = (
            value.dtype.hasobject or value.dtype.char in "gG"
        )  # a long double is padded with anything
        content = [exact(each) for each in value.reshape(-1).tolist()] if has_content else None
        flags = value.flags.writeable, value.flags.c_contiguous
        held = value.tobytes() if content is None else content
        return type(value), value.dtype, value.dtype.char, value.shape, flags, held
    if isinstance(value, np.generic):
        spelled = repr(value) if value.dtype.char in "gG" else np.array(value).tobytes().hex()
        return type(value), value.dtype, spelled
    if type(value) is float:
        return float, struct.pack("<d", value)
    if isinstance(value, dict):
        return dict, [(key, exact(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [exact(each) for each in value]
    return type(value), value


def outcome(make: Callable[[], Any]) -> Any:
    """What came of it: the value, or the error's words."""
    try:
        return exact(make())
    except (ValueError, TypeError, OverflowError) as error:
        return type(error), str(error)
