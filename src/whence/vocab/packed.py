"""What frames and the entries of the ledger hold: msgpack, with one extension for texts that Unicode lacks.

ext 1 = a text with halves of surrogate pairs, as the names of files may have them: UTF-8 in which
        each half is spelled like any other code point
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Ext

from whence.errors import DamagedError

_HALVES = 1
_PAIRS = 2


def encode_content(value: Any) -> bytes:
    """Spell plain values and bytes as msgpack."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_wrapped(value))


def decode_content(data: bytes) -> Any:
    """Read msgpack.

    Raises:
        DamagedError: it isn't msgpack, or has an extension that we don't know.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, NotImplementedError, RecursionError, TypeError, ValueError) as error:
        raise DamagedError(f"not msgpack ({error})") from error


def _wrapped(value: Any) -> Any:
    if isinstance(value, str):
        return value if _is_unicode(value) else Ext(_HALVES, value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        if all(_is_unicode(key) for key in value if isinstance(key, str)):
            return {key: _wrapped(item) for key, item in value.items()}
        return Ext(_PAIRS, _encode([_wrapped(part) for pair in value.items() for part in pair]))
    if isinstance(value, list | tuple):
        return [_wrapped(item) for item in value]
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unwrap(code: int, data: memoryview) -> Any:
    if code == _HALVES:
        return bytes(data).decode("utf-8", "surrogatepass")
    if code == _PAIRS:
        parts = _decode(bytes(data))
        return dict(zip(parts[::2], parts[1::2], strict=True))
    raise NotImplementedError(f"extension {code}")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ext_hook=_unwrap).decode
