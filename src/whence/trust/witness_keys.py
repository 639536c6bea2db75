"""A witness's own key: a file beside which its memory lies, and the name that it signs with."""

from __future__ import annotations

import base64
import os
import pathlib

from whence.errors import InputError
from whence.ledger import Algorithm, Cosigner
from whence.store import KeyRing
from whence.vocab import digest_bytes

KEY_FILE = "witness/key.pem"
"""Where the key is below the user's key ring, if it isn't elsewhere."""


def open_cosigner(path: pathlib.Path, *, name: str = "", algorithm: Algorithm | None = None) -> Cosigner:
    """Open a witness's key; it is made on first use, as other keys are: 0600, locked by the user's passphrase.

    Args:
        path: its file, PEM PKCS#8.
        name: what the witness is called, as an address without a scheme; by default a name made of its key.
        algorithm: which signatures a new key makes; Ed25519 by default.

    Raises:
        KeyUnusableError: it can't be read, opened or made, or others may read it.
        InputError: it is a key of another kind than asked for, or the name can't be one.
    """
    key = KeyRing.find({**os.environ, "WHENCE_KEY_FILE": str(path)}).make_own(algorithm or "ed25519")
    if algorithm not in (None, key.algorithm):
        raise InputError(
            f"{path}: an {key.algorithm} key, not {algorithm}", remedy="Name another file for another key."
        )
    digits = base64.b32encode(digest_bytes(key.public)).decode().lower()[:10]
    return Cosigner(key, name or f"whence.invalid/witness-{digits}")


def beside(path: pathlib.Path) -> pathlib.Path:
    """Where a witness's memory lies beside its key."""
    return path.with_name(f"{path.name}.memory")
