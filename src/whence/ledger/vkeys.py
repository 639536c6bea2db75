"""Public keys from their text form, whichever kind of signature they make."""

from __future__ import annotations

from whence.errors import InputError
from whence.ledger.cosignatures import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, CosignatureVerifier
from whence.ledger.keys import ED25519, NoteVerifier
from whence.ledger.notes import Verifier, split_vkey


def parse_vkey(text: str) -> Verifier:
    """Read a vkey.

    Returns:
        The verifier of the one kind of signature that the key makes.

    Raises:
        InputError: it is no vkey in its one spelling, of a kind that we don't know, or can't be trusted.
        KeyUnusableError: an ML-DSA-44 key, and the OpenSSL of this machine knows none.
    """
    name, algorithm, public = split_vkey(text)
    if algorithm == ED25519:
        return NoteVerifier(name, public)
    if algorithm in (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44):
        return CosignatureVerifier(name, algorithm, public)
    raise InputError(
        f"vkey of {name!r}: signature type 0x{algorithm:02x} is unknown",
        remedy="Known are 0x01 (Ed25519), 0x04 and 0x06 (cosignatures by Ed25519 and ML-DSA-44).",
    )
