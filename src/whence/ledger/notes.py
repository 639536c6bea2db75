"""Signed notes: text, a blank line, and signature lines; and the text form of the keys that check them.

A note says nothing until a key that the reader trusts has been found under it (`check_note`). Lines of keys
that the reader doesn't know are carried along and mean nothing. A `Verifier` knows one key and one way of
signing; those for Ed25519 and for cosignatures are in `keys.py` and `cosignatures.py`.
Source: C2SP signed-note v1.0.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from whence.errors import InputError, SignatureError
from whence.ledger.spelling import check_characters, check_key_name, from_base64, to_base64
from whence.vocab import digest_bytes

# Go's reader has the same limit on signatures; the clause asks for 16 at least.
MAX_SIGNATURES = 100
MAX_NOTE_BYTES = 1_000_000

AGAIN = "It was cut or changed, or is another file; get it again from where it came."
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, with which key, and the signature's bytes."""

    name: str
    key_id: int
    value: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name, what="signature's key name")
        if not 0 <= self.key_id < 2**32:
            raise InputError(f"key ID {self.key_id} doesn't fit 32 bits")
        if not self.value:
            raise InputError(f"the signature of {self.name!r} is empty")

    @property
    def line(self) -> str:
        """The line, newline included."""
        return f"{_DASH}{self.name} {to_base64(self.key_id.to_bytes(4, 'big') + self.value)}\n"


class Verifier(Protocol):
    """A public key, its name, and one way of signing (`algorithm`, the type byte of the standard)."""

    @property
    def name(self) -> str:
        """The key's name."""

    @property
    def key_id(self) -> int:
        """The first 32 bits of the digest of name, algorithm and public key."""

    @property
    def algorithm(self) -> int:
        """The signature type identifier byte."""

    @property
    def public(self) -> bytes:
        """The public key."""

    @property
    def vkey(self) -> str:
        """The text form: name, key ID and key."""

    def is_valid(self, text: str, signature: Signature) -> bool:
        """Whether this key signed `text` so."""


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures under it; what is checked here is the form, not who signed."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __post_init__(self) -> None:
        check_characters(self.text, what="note")
        if not self.text.endswith("\n"):
            raise InputError("note: the text doesn't end with a newline")
        if len(self.signatures) > MAX_SIGNATURES:
            raise InputError(f"note: {len(self.signatures)} signatures, more than {MAX_SIGNATURES}")

    def encode(self) -> bytes:
        """Write the note; `parse_note` reads these bytes and no others back to it."""
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}".encode()

    def signed(self, *signatures: Signature) -> Note:
        """Return the note with these signatures added below; one of the same key is replaced."""
        new = {(signature.name, signature.key_id) for signature in signatures}
        kept = [each for each in self.signatures if (each.name, each.key_id) not in new]
        return Note(self.text, (*kept, *signatures))


def parse_note(data: bytes) -> Note:
    """Read a note, strictly: bytes that `Note.encode` wouldn't write are refused.

    Raises:
        SignatureError: the bytes are no signed note; the message names the line.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise SignatureError(f"note: {len(data)} bytes, more than {MAX_NOTE_BYTES}", remedy=AGAIN)
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SignatureError(f"note: byte {error.start} is no UTF-8", remedy=AGAIN) from error
    split = whole.rfind("\n\n")
    text, lines = whole[: split + 1], whole[split + 2 :]
    if split < 0 or not lines.endswith("\n"):
        raise SignatureError("note: no blank line and lines of signatures at the end", remedy=AGAIN)
    try:
        return Note(text, parse_signature_lines(lines))
    except InputError as error:
        raise SignatureError(error.message, remedy=AGAIN) from error


def parse_signature_lines(lines: str) -> tuple[Signature, ...]:
    """Read signature lines, each ended by a newline.

    Raises:
        InputError: a line isn't a signature line in its one spelling.
    """
    if not lines.endswith("\n"):
        raise InputError("signature lines: the last one doesn't end with a newline")
    found = lines[:-1].split("\n")
    if len(found) > MAX_SIGNATURES:
        raise InputError(f"signature lines: {len(found)}, more than {MAX_SIGNATURES}")
    return tuple(_parse_line(line, f"signature line {number}") for number, line in enumerate(found, 1))


def _parse_line(line: str, what: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise InputError(f"{what}: not a dash, a key's name and a signature")
    data = from_base64(encoded, what=what)
    if len(data) < 5:
        raise InputError(f"{what}: {len(data)} bytes hold no key ID and signature")
    return Signature(name, int.from_bytes(data[:4], "big"), data[4:])


def check_note(data: bytes | Note, verifiers: Iterable[Verifier]) -> tuple[Note, list[Verifier]]:
    """Find who of those that are trusted signed a note.

    Lines of unknown keys are ignored, even where they share the name or the ID of a known one. A line of a
    known key that isn't its valid signature condemns the note, and so does a second line of a known key: a
    reader that looks at the first and one that looks at the last must not differ.

    Args:
        data: the note, as bytes or read.
        verifiers: the trusted keys.

    Returns:
        The note, and the verifiers whose signatures are under it, in the note's order; at least one.

    Raises:
        SignatureError: no note, not signed by any of them, or a signature in their name is wrong.
        InputError: two different trusted keys share name and ID.

    Source: C2SP signed-note, "Signatures".
    """
    note = data if isinstance(data, Note) else parse_note(data)
    known = _by_identity(verifiers)
    signed: dict[tuple[str, int], Verifier] = {}
    for signature in note.signatures:
        identity = (signature.name, signature.key_id)
        verifier = known.get(identity)
        if verifier is None:
            continue
        if identity in signed:
            raise SignatureError(f"note: two signatures by the key {_spell(*identity)}", remedy=AGAIN)
        if not verifier.is_valid(note.text, signature):
            raise SignatureError(
                f"note: the signature by the key {_spell(*identity)} is not valid",
                remedy="Text or signature was changed, or another key signed in this name; get it again.",
            )
        signed[identity] = verifier
    if not signed:
        wanted = ", ".join(_spell(*identity) for identity in known) or "none"
        came = ", ".join(_spell(each.name, each.key_id) for each in note.signatures) or "none"
        raise SignatureError(
            f"note: no signature by a trusted key; trusted: {wanted}; signed by: {came}",
            remedy="Trust one of these keys only if its owner gave it to you by another way.",
        )
    return note, list(signed.values())


def _by_identity(verifiers: Iterable[Verifier]) -> dict[tuple[str, int], Verifier]:
    known: dict[tuple[str, int], Verifier] = {}
    for verifier in verifiers:
        other = known.setdefault((verifier.name, verifier.key_id), verifier)
        if (other.algorithm, other.public) != (verifier.algorithm, verifier.public):
            raise InputError(
                f"two trusted keys share the identity {_spell(verifier.name, verifier.key_id)}",
                remedy="Trust the one that its owner gave to you by another way.",
            )
    return known


def _spell(name: str, key_id: int) -> str:
    return f"{name}+{key_id:08x}"


def key_id_of(name: str, algorithm: int, public: bytes) -> int:
    """Compute the key ID that the standard recommends, and that every type we know demands."""
    digest = digest_bytes(name.encode() + b"\n" + bytes([algorithm]) + public)
    return int.from_bytes(digest[:4], "big")


def vkey_text(name: str, algorithm: int, public: bytes) -> str:
    """Spell a public key as a vkey: name, key ID, and base64 of the type byte and the key."""
    key_id = key_id_of(name, algorithm, public)
    return f"{name}+{key_id:08x}+{to_base64(bytes([algorithm]) + public)}"


def split_vkey(text: str) -> tuple[str, int, bytes]:
    """Read a vkey's name, algorithm and public key; the key itself isn't looked at.

    Raises:
        InputError: it is no vkey in its one spelling, or its ID isn't the one of its name and key.
    """
    name, _, rest = text.partition("+")
    _, plus, encoded = rest.partition("+")
    if not plus:
        raise InputError(
            f"vkey: {text[:80]!r} isn't name+ID+key",
            remedy="Copy the whole line that the key's owner shows, as example.com/log+1234abcd+AbCd…",
        )
    check_key_name(name, what="vkey")
    data = from_base64(encoded, what=f"vkey of {name!r}")
    if len(data) < 2:
        raise InputError(f"vkey of {name!r}: no type byte and key")
    if text != vkey_text(name, data[0], data[1:]):
        raise InputError(
            f"vkey of {name!r}: the ID isn't the one of this name and key",
            remedy="Name, ID or key was changed or cut; ask the key's owner for it again.",
        )
    return name, data[0], data[1:]
