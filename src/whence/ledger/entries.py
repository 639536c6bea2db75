"""Entries: what a log commits to, one statement each, and the opening that shows what it said.

    entry       = canonical JSON {"at": ms, "commitment": base64, "kind": text, "public": {...}?}
    commitment  = SHA-256(salt, payload), the salt being 16 bytes, the payload msgpack
    opening     = salt, payload
    extra       = msgpack [kind, at, salt, payload, public?]

The entry stays for ever; the opening lies beside the log and can be destroyed. What must stay readable then
is `public`. A receipt carries the extra, from which entry and leaf are made again without the log.
Source: RFC 8785 for the JSON, of which only integers, strings, lists and objects are used.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whence.errors import CanonicalError, DamagedError, InputError, WhenceError
from whence.ledger.tiles import MAX_ENTRY_BYTES
from whence.vocab import canonical, decode_content, digest_bytes, encode_content

KINDS = frozenset(
    {
        "shard",
        "end",
        "run",
        "model",
        "dataset",
        "artifact",
        "decision",
        "policy",
        "approval",
        "erasure",
        "import",
    }
)
"""What this version states; one that a later version adds is read like any other."""

SALT_BYTES = 16
_AT_LIMIT = 1 << 53  # what JSON's numbers say exactly everywhere
_KIND = re.compile(r"[a-z][a-z_]{0,31}")
_USUAL = re.compile(
    rb'\{"at":(0|[1-9][0-9]{0,15}),"commitment":"([A-Za-z0-9+/]{43}=)","kind":"([a-z][a-z_]{0,31})"\}'
)


@dataclass(frozen=True, slots=True)
class Statement:
    """Something to be logged.

    Args:
        kind: what it is about, one of `KINDS`.
        at_ms: when it came to be, milliseconds since 1970 UTC.
        payload: what it says, msgpack; only a commitment to it is logged.
        public: what must stay readable when the payload was destroyed: integers, strings, lists and dicts.

    Raises:
        InputError: it can't be an entry.
    """

    kind: str
    at_ms: int
    payload: bytes
    public: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"no entry has the kind {self.kind!r:.60}")
        if type(self.at_ms) is not int or not 0 <= self.at_ms < _AT_LIMIT:
            raise InputError(f"an entry's time is {self.at_ms!r:.60}, not milliseconds since 1970")
        if self.public is not None:
            _check_public(self.public)
            if len(self.entry(bytes(SALT_BYTES))) > MAX_ENTRY_BYTES:
                raise InputError(f"the public part of an entry is longer than {MAX_ENTRY_BYTES} bytes")

    def entry(self, salt: bytes) -> bytes:
        """Spell the bytes that a log holds of it.

        Args:
            salt: 16 random bytes that no other statement has.
        """
        commitment = base64.b64encode(commitment_of(salt, self.payload)).decode()
        if self.public is None:
            return f'{{"at":{self.at_ms},"commitment":"{commitment}","kind":"{self.kind}"}}'.encode()
        said = {"at": self.at_ms, "commitment": commitment, "kind": self.kind, "public": dict(self.public)}
        return canonical(said)

    def extra(self, salt: bytes) -> bytes:
        """Spell what a receipt has to carry, so that the entry can be made again from it."""
        public = () if self.public is None else (json.loads(canonical(dict(self.public))),)  # names sorted
        return encode_content([self.kind, self.at_ms, salt, self.payload, *public])


@dataclass(frozen=True, slots=True)
class Opening:
    """What an entry commits to: a salt of 16 bytes, and the payload."""

    salt: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry as it was read: everything but what it commits to."""

    kind: str
    at_ms: int
    commitment: bytes
    public: Mapping[str, Any] | None = None

    def check_opening(self, opening: Opening) -> None:
        """Check that an opening is the one that was committed to.

        Raises:
            DamagedError: it is another one.
        """
        if len(opening.salt) != SALT_BYTES:
            raise DamagedError(f"the salt has {len(opening.salt)} bytes, not {SALT_BYTES}")
        if digest_bytes(opening.salt + opening.payload) != self.commitment:
            raise DamagedError("the payload isn't the one that the entry commits to")


def commitment_of(salt: bytes, payload: bytes) -> bytes:
    """Commit to a payload, 32 bytes raw."""
    if len(salt) != SALT_BYTES:
        raise InputError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return digest_bytes(salt + payload)


def parse_entry(data: bytes) -> Entry:
    """Read an entry; there is one spelling of each.

    Raises:
        DamagedError: it is no entry, or spelled otherwise.
    """
    usual = _USUAL.fullmatch(data)
    if usual is not None:
        at, spelled, kind = usual.groups()
        return Entry(kind=kind.decode(), at_ms=_time(int(at)), commitment=_commitment(spelled))
    if len(data) > MAX_ENTRY_BYTES:
        raise DamagedError(f"an entry of {len(data)} bytes, more than {MAX_ENTRY_BYTES}")
    try:
        said = json.loads(data)
        is_only_spelling = type(said) is dict and canonical(said) == data
    except (ValueError, RecursionError, CanonicalError) as error:
        raise DamagedError(f"an entry that is no JSON ({type(error).__name__})") from error
    if not is_only_spelling:
        raise DamagedError("an entry that isn't spelled as canonical JSON")
    if said.keys() - {"public"} != {"at", "commitment", "kind"}:
        raise DamagedError("an entry without, or with more than, `at`, `commitment`, `kind` and `public`")
    at, spelled, kind = said["at"], said["commitment"], said["kind"]
    if type(at) is not int or type(spelled) is not str or type(kind) is not str or not _KIND.fullmatch(kind):
        raise DamagedError("an entry whose time, commitment or kind is none")
    public = said.get("public")
    if "public" in said:
        try:
            _check_public(public)
        except InputError as error:
            raise DamagedError(error.message) from error
    return Entry(kind=kind, at_ms=_time(at), commitment=_commitment(spelled.encode()), public=public)


def parse_extra(data: bytes) -> tuple[Statement, bytes]:
    """Read what a receipt carries: the statement, and the salt of its commitment.

    Raises:
        DamagedError: it is none of ours, or spelled otherwise.
    """
    said = decode_content(data)
    try:
        kind, at_ms, salt, payload, *public = said
        if len(public) > 1 or type(salt) is not bytes or type(payload) is not bytes:
            raise DamagedError("the extra of a receipt has other parts than ours")
        if len(salt) != SALT_BYTES:
            raise DamagedError(f"the salt has {len(salt)} bytes, not {SALT_BYTES}")
        statement = Statement(kind, at_ms, payload, *public)
        is_only_spelling = statement.extra(salt) == data
    except (TypeError, ValueError) as error:
        problem = error.message if isinstance(error, WhenceError) else str(error)
        raise DamagedError(f"the extra of a receipt: {problem}") from error
    if not is_only_spelling:
        raise DamagedError("the extra of a receipt isn't spelled as we spell it")
    return statement, salt


def _time(at_ms: int) -> int:
    if not 0 <= at_ms < _AT_LIMIT:
        raise DamagedError(f"an entry's time is {at_ms}")
    return at_ms


def _commitment(spelled: bytes) -> bytes:
    """Read base64 of 32 bytes; the bits that its last letter doesn't need must be 0."""
    try:
        raw = binascii.a2b_base64(spelled, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedError("a commitment that is no base64") from error
    if len(raw) != 32 or binascii.b2a_base64(raw, newline=False) != spelled:
        raise DamagedError("a commitment that isn't 32 bytes, spelled as everybody does")
    return raw


def _check_public(public: object) -> None:
    """Check that JSON says it exactly: integers, strings, lists, and dicts with plain names."""
    if not isinstance(public, Mapping):
        raise InputError(f"the public part of an entry is a {type(public).__name__}, not a dict")
    waiting: list[tuple[str, Any]] = [("public", dict(public))]
    while waiting:
        place, value = waiting.pop()
        if type(value) is dict:
            for name in value:
                if type(name) is not str or not name or name.startswith("$") or not _is_unicode(name):
                    raise InputError(f"{place} of an entry has the name {name!r:.60}")
            waiting += [(f"{place}.{name}", item) for name, item in value.items()]
        elif type(value) is list:
            waiting += [(f"{place}[{index}]", item) for index, item in enumerate(value)]
        elif type(value) is int:
            if not -_AT_LIMIT < value < _AT_LIMIT:
                raise InputError(f"{place} of an entry is {value!r:.40}, more than 53 bits")
        elif type(value) is not str or not _is_unicode(value):
            raise InputError(f"{place} of an entry is neither integer, text, list nor dict")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
