"""What frames hold: msgpack, with one extension for the texts that Unicode lacks.

ext 1 = a text with halves of surrogate pairs, as the names of files may have them: UTF-8 in which
        each half is spelled like any other code point
"""

from __future__ import annotations

from typing import Any

import msgspec

from whence.errors import DamagedError

_HALVES = 1


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
    except (msgspec.DecodeError, UnicodeDecodeError, NotImplementedError, RecursionError) as error:
        raise DamagedError(f"not msgpack ({error})") from error


def _wrapped(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgspec.msgpack.Ext(_HALVES, value.encode("utf-8", "surrogatepass"))
        return value
    if isinstance(value, dict):
        return {_wrapped(key): _wrapped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wrapped(item) for item in value]
    return value


def _unwrap(code: int, data: memoryview) -> str:
    if code != _HALVES:
        raise NotImplementedError(f"extension {code}")
    return bytes(data).decode("utf-8", "surrogatepass")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ext_hook=_unwrap).decode
