"""Signing keys and the plain Ed25519 signatures of notes.

A key is its 32-byte seed; where it lies and who may read it is the store's business. `cryptography` is
loaded when a key first signs, checks or is read, not when this file is.
Sources: C2SP signed-note, "Ed25519 signatures"; RFC 8032; RFC 5958 (PKCS#8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Literal

from whence.errors import InputError
from whence.ledger.notes import Signature, key_id_of, vkey_text
from whence.ledger.spelling import check_key_name

Algorithm = Literal["ed25519", "ml-dsa-44"]

SEED_BYTES = 32
ED25519 = 0x01


@cache
def algorithms() -> Any:
    """Load the file that loads `cryptography`."""
    return import_module("whence.ledger.algorithms")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its seed isn't shown when it is printed."""

    seed: bytes = field(repr=False)
    algorithm: Algorithm = "ed25519"

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise InputError(f"signing key: a seed has {SEED_BYTES} bytes, not {len(self.seed)}")

    @classmethod
    def from_pem(cls, data: bytes, *, passphrase: bytes | None = None) -> SigningKey:
        """Read a key from PEM PKCS#8.

        Raises:
            KeyUnusableError: it is no key of ours, or the passphrase doesn't open it.
        """
        algorithm, seed = algorithms().seed_of_pem(data, passphrase)
        return cls(seed, algorithm)

    def to_pem(self, *, passphrase: bytes | None = None) -> bytes:
        """Write the key as PEM PKCS#8, locked where there is a passphrase.

        Raises:
            InputError: the passphrase is empty.
        """
        if passphrase == b"":
            raise InputError("signing key: an empty passphrase locks nothing")
        pem: bytes = algorithms().pem_of_seed(self.algorithm, self.seed, passphrase)
        return pem

    @property
    def public(self) -> bytes:
        """The public key."""
        public: bytes = algorithms().public_of(self.algorithm, self.seed)
        return public

    def sign(self, message: bytes) -> bytes:
        """Sign bytes; what they mean is the caller's business."""
        signature: bytes = algorithms().sign(self.algorithm, self.seed, message)
        return signature

    def signer(self, name: str) -> Signer:
        """Return the signer of notes with this key and name.

        Raises:
            InputError: the name can't be a key's name, or the key is no Ed25519 key.
        """
        if self.algorithm != "ed25519":
            raise InputError(
                f"the key {name!r} is an {self.algorithm} key, which signs no plain notes",
                remedy="Let it cosign checkpoints, or sign with an Ed25519 key.",
            )
        return Signer(self, NoteVerifier(name, self.public))


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """An Ed25519 public key that signs notes as they stand."""

    name: str
    public: bytes
    key_id: int = field(init=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        algorithms().check_public("ed25519", self.public, what=f"public key of {self.name!r}")
        object.__setattr__(self, "key_id", key_id_of(self.name, self.algorithm, self.public))

    @property
    def algorithm(self) -> int:
        """The signature type identifier byte."""
        return ED25519

    @property
    def vkey(self) -> str:
        """The text form: name, key ID and key."""
        return vkey_text(self.name, self.algorithm, self.public)

    def is_valid(self, text: str, signature: Signature) -> bool:
        """Whether this key signed `text` so."""
        if (signature.name, signature.key_id) != (self.name, self.key_id):
            return False
        valid: bool = algorithms().is_valid("ed25519", self.public, signature.value, text.encode())
        return valid


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name, which signs notes; made by `SigningKey.signer`."""

    key: SigningKey
    verifier: NoteVerifier

    @property
    def name(self) -> str:
        """The key's name."""
        return self.verifier.name

    @property
    def key_id(self) -> int:
        """The key's ID."""
        return self.verifier.key_id

    @property
    def vkey(self) -> str:
        """The public key's text form, to be given to whoever shall check."""
        return self.verifier.vkey

    def sign(self, text: str) -> Signature:
        """Sign a note's text, final newline included."""
        return Signature(self.name, self.key_id, self.key.sign(text.encode()))
