"""A witness's own key: a file beside which its memory lies, and the name that it signs with."""

from __future__ import annotations

import base64
import os
import pathlib

from whence.errors import InputError, NotFoundError
from whence.ledger import Algorithm, Cosigner
from whence.store import KeyRing, explained_reading, write_whole
from whence.vocab import digest_bytes

KEY_FILE = "witness/key.pem"
"""Where the key is below the user's key ring, if it isn't elsewhere."""


def open_cosigner(path: pathlib.Path, *, name: str = "", algorithm: Algorithm | None = None) -> Cosigner:
    """Open a witness's key; it is made on first use, 0600, and locked where the user has a passphrase.

    An Ed25519 cosignature doesn't say under which name it was made, so a key has one name for ever: it stands
    in `<key file>.name`.

    Args:
        path: its file, PEM PKCS#8.
        name: what the witness is called, as an address without a scheme; by default as before, and at first a
            name made of the key.
        algorithm: which signatures a new key makes; Ed25519 by default.

    Raises:
        KeyUnusableError: it can't be read, opened or made, or others may read it.
        InputError: it is a key of another kind or name than asked for, or the name can't be one.
        StoreError: its name can't be read or written.
    """
    key = KeyRing.find({**os.environ, "WHENCE_KEY_FILE": str(path)}).make_own(algorithm or "ed25519")
    if algorithm not in (None, key.algorithm):
        raise InputError(
            f"{path}: an {key.algorithm} key, not {algorithm}", remedy="Name another file for another key."
        )
    known = _known_name(path)
    digits = base64.b32encode(digest_bytes(key.public)).decode().lower()[:10]
    cosigner = Cosigner(key, name or known or f"whence.invalid/witness-{digits}")
    if known and cosigner.name != known:
        raise InputError(
            f"{path}: this key is the witness {known}, and no other one",
            remedy="Leave --name out, or name another key file for another witness.",
        )
    if not known:
        write_whole(_name_path(path), f"{cosigner.name}\n".encode())
    return cosigner


def _name_path(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.name")


def _known_name(path: pathlib.Path) -> str:
    try:
        with explained_reading(_name_path(path)):
            return _name_path(path).read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    except NotFoundError:
        return ""


def memory_beside(path: pathlib.Path) -> pathlib.Path:
    """Where a witness's memory lies beside its key."""
    return path.with_name(f"{path.name}.memory")
