"""Canonical bytes: one value, one spelling, on every machine and in every version.

The form is JSON text in UTF-8 without white space. What JSON knows exactly stands as it is: null,
true, false, strings, integers, lists, and dicts with string keys, sorted as RFC 8785
sorts them (by UTF-16 code units). Everything else is an object with a single key that begins with
"$" and names the type, so that 1, 1.0, True and "1" differ, as do the infinities and NaN.
Source: RFC 8785 section 3.2.3 (key order), section 3.2.2.2 (strings).
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import math
import pathlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from whence.errors import CanonicalError

_MAX_DEPTH = 100
_MAX_INT_BITS = 14_000  # Python itself refuses to spell more than 4,300 digits
_text = json.JSONEncoder(ensure_ascii=False).encode


def canonical(value: Any) -> bytes:
    """Spell a value in its canonical bytes.

    Args:
        value: None, bool, int, float, complex, str, bytes, list, tuple, dict, set, dates, Decimal,
            Fraction, UUID, path, enum, dataclass, NumPy scalar or array, nested to 100 levels.

    Returns:
        UTF-8 JSON; equal for equal values of equal type, different otherwise.

    Raises:
        CanonicalError: a value has no canonical bytes, or is nested too deeply.

    Source: RFC 8785, extended by type tags; see docs/reference/format.md.
    """
    return _spell(value, "$", 0).encode("utf-8", "surrogatepass")


def _spell(value: Any, path: str, depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise CanonicalError(f"{path}: nested more than {_MAX_DEPTH} levels deep", path=path)
    kind = type(value)
    plain = _PLAIN.get(kind)
    if plain is not None:
        return plain(value)
    if kind is list:
        return "[" + ",".join(_spell(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)) + "]"
    if kind is dict:
        return _spell_dict(value, path, depth)
    return _spell_other(value, path, depth)


def _spell_int(value: int) -> str:
    if value.bit_length() > _MAX_INT_BITS:
        raise CanonicalError(f"an integer of {value.bit_length()} bits has no canonical bytes")
    return int.__repr__(value)


def _spell_float(value: float) -> str:
    spelled = value.hex() if math.isfinite(value) else str(value)
    return f'{{"$float":"{spelled}"}}'


def _spell_bytes(value: bytes) -> str:
    return f'{{"$bytes":"{base64.b64encode(value).decode()}"}}'


def _spell_dict(value: Mapping[Any, Any], path: str, depth: int) -> str:
    if all(type(key) is str and not key.startswith("$") for key in value):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        inner = (f"{_text(key)}:{_spell(value[key], f'{path}.{key}', depth + 1)}" for key in keys)
        return "{" + ",".join(inner) + "}"
    pairs = sorted(
        (_spell(key, f"{path}.<key>", depth + 1), _spell(item, f"{path}[{key!r:.40}]", depth + 1))
        for key, item in value.items()
    )
    return '{"$dict":[' + ",".join(f"[{key},{item}]" for key, item in pairs) + "]}"


_PLAIN: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: _spell_int,
    str: _text,
    float: _spell_float,
    bytes: _spell_bytes,
}

_TAGGED: list[tuple[type, str, Callable[[Any], Any]]] = [
    (enum.Enum, "$enum", lambda v: [type(v).__qualname__, v.name]),
    (dt.datetime, "$datetime", lambda v: v.isoformat()),
    (dt.date, "$date", lambda v: v.isoformat()),
    (dt.time, "$time", lambda v: v.isoformat()),
    (dt.timedelta, "$timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    (decimal.Decimal, "$decimal", str),
    (fractions.Fraction, "$fraction", lambda v: [v.numerator, v.denominator]),
    (uuid.UUID, "$uuid", str),
    (pathlib.PurePath, "$path", lambda v: v.as_posix()),
    (complex, "$complex", lambda v: [v.real, v.imag]),
    (bytearray, "$bytes", lambda v: base64.b64encode(bytes(v)).decode()),
    (memoryview, "$bytes", lambda v: base64.b64encode(bytes(v)).decode()),
    (range, "$range", lambda v: [v.start, v.stop, v.step]),
    (slice, "$slice", lambda v: [v.start, v.stop, v.step]),
]


def _spell_other(value: Any, path: str, depth: int) -> str:
    for kind, tag, content in _TAGGED:
        if isinstance(value, kind):
            return f'{{"{tag}":{_spell(content(value), path, depth + 1)}}}'
    if isinstance(value, tuple):
        inner = [_spell(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]
        return '{"$tuple":[' + ",".join(inner) + "]}"
    if isinstance(value, set | frozenset):
        return '{"$set":[' + ",".join(sorted(_spell(v, f"{path}{{}}", depth + 1) for v in value)) + "]}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return f'{{"$object":[{_text(type(value).__qualname__)},{_spell_dict(fields, path, depth + 1)}]}}'
    if hasattr(value, "__array_interface__") or hasattr(value, "__array__"):
        return _spell_array(value, path)
    bases: tuple[Callable[[Any], Any], ...] = (int, float, str, list, dict)
    for base in bases:
        if isinstance(value, base):  # type: ignore[arg-type]  # each is a type, called to shed a subclass
            return _spell(base(value), path, depth)
    raise CanonicalError(
        f"{path}: a value of type {type(value).__module__}.{type(value).__qualname__} has no canonical bytes",
        remedy="Use plain values (numbers, text, lists, dicts, dates, arrays) here.",
        path=path,
    )


def _spell_array(value: Any, path: str) -> str:
    try:
        array = value.__array__()
    except Exception as error:  # a tensor on another device, a class that only looks like an array
        raise CanonicalError(
            f"{path}: a {type(value).__qualname__} can't be read as an array ({type(error).__name__})",
            path=path,
        ) from error
    if array.dtype.hasobject or hasattr(value, "filled") or array.dtype.char in "gG":
        raise CanonicalError(
            f"{path}: a {type(value).__name__} of dtype {array.dtype} has no canonical bytes",
            remedy="Use an array of numbers, or a list.",
            path=path,
        )
    if array.dtype.names:  # by field: the spaces between fields hold anything
        fields = {name: array[name] for name in array.dtype.names}
        return f'{{"$fields":{_spell_dict(fields, path, 0)}}}'
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    content = base64.b64encode(little.tobytes()).decode()
    return f'{{"$array":["{little.dtype.str}",{list(array.shape)},"{content}"]}}'.replace(", ", ",")
