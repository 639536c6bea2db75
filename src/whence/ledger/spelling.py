"""The one spelling of what the ledger's formats are made of: base64, decimals, key names.

Python's own readers accept several spellings of one value (`b64decode` skips foreign signs and ignores
the last bits, `int` takes `+1`, `1_0` and digits of other scripts). Here a text that isn't exactly the one
which writing would give is refused, so that what was signed has no second form.
Sources: RFC 4648 section 4; C2SP signed-note, "Format".
"""

from __future__ import annotations

import base64
import binascii
import re

from whence.errors import InputError

MAX_SIZE = 2**63 - 1

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_UNPRINTABLE = re.compile("[\\x00-\\x09\\x0b-\\x1f\\ud800-\\udfff]")
# Unicode's White_Space, which `str.isspace` widens by the separators below U+0020.
_SPACES = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def to_base64(data: bytes) -> str:
    """Spell bytes in base64, padded."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, *, what: str) -> bytes:
    """Read base64 in its one spelling: standard alphabet, padded, the unused bits zero.

    Raises:
        InputError: the text is another spelling, or none.
    """
    try:
        data = base64.b64decode(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise InputError(f"{what}: not base64") from error
    if to_base64(data) != text:
        raise InputError(f"{what}: base64, but not in its canonical spelling")
    return data


def from_base64_hash(text: str, *, what: str) -> bytes:
    """Read the base64 of one SHA-256 hash.

    Raises:
        InputError: the text isn't the base64 of 32 bytes in its one spelling.
    """
    data = from_base64(text, what=what)
    if len(data) != 32:
        raise InputError(f"{what}: {len(data)} bytes where a hash has 32")
    return data


def from_decimal(text: str, *, what: str) -> int:
    """Read a number from 0 to 2**63 - 1, ASCII digits without leading zeroes.

    Raises:
        InputError: the text is another spelling, or the number too large.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise InputError(f"{what}: {text[:40]!r} isn't a decimal number below 2**63 without leading zeroes")
    return int(text)


def check_characters(text: str, *, what: str) -> None:
    """Check that the text has a UTF-8 form and no ASCII control character but newlines.

    Raises:
        InputError: it has none, or such a character.
    """
    found = _UNPRINTABLE.search(text)
    if found:
        raise InputError(f"{what}: character {found.start()} is {found[0]!r}, a control or half a character")


def check_key_name(name: str, *, what: str = "key name") -> None:
    """Check a key's name: not empty, no Unicode space, no plus, no control character.

    Raises:
        InputError: the name is none.
    """
    check_characters(name, what=what)
    if not name or "+" in name or not _SPACES.isdisjoint(name):
        raise InputError(
            f"{what}: {name[:80]!r} is empty or holds a space or a plus",
            remedy="Name keys like addresses without a scheme, such as example.com/log.",
        )
