"""Cosignatures: what a witness signs about a checkpoint, and when; by Ed25519 or by ML-DSA-44.

An Ed25519 cosignature covers the whole text of the checkpoint. One by ML-DSA-44 covers origin, size and root
and the cosigner's name, but no extension lines: under a checkpoint that has some it counts for nothing, as in
the implementation by the standard's authors. Subtrees that don't begin with the first entry are in no
checkpoint, and aren't signed here.
Source: C2SP tlog-cosignature.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from whence.errors import InputError, SignatureError
from whence.ledger.checkpoints import Checkpoint, parse_checkpoint
from whence.ledger.keys import Algorithm, SigningKey, algorithms
from whence.ledger.notes import Signature, key_id_of, vkey_text
from whence.ledger.spelling import MAX_SIZE, check_key_name

COSIGNATURE_ED25519 = 0x04
COSIGNATURE_MLDSA44 = 0x06

_KEY_BY_TYPE: dict[int, Algorithm] = {COSIGNATURE_ED25519: "ed25519", COSIGNATURE_MLDSA44: "ml-dsa-44"}
_TYPE_BY_KEY = {key: kind for kind, key in _KEY_BY_TYPE.items()}
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A public key that cosigns checkpoints."""

    name: str
    algorithm: int
    public: bytes
    key_id: int = field(init=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        algorithms().check_public(self._key, self.public, what=f"public key of {self.name!r}")
        object.__setattr__(self, "key_id", key_id_of(self.name, self.algorithm, self.public))

    @property
    def _key(self) -> Algorithm:
        return _KEY_BY_TYPE[self.algorithm]

    @property
    def vkey(self) -> str:
        """The text form: name, key ID and key."""
        return vkey_text(self.name, self.algorithm, self.public)

    def is_valid(self, text: str, signature: Signature) -> bool:
        """Whether this key cosigned the checkpoint with this text so."""
        time_s = time_of(signature)
        if time_s is None or (signature.name, signature.key_id) != (self.name, self.key_id):
            return False
        try:
            message = _message(self.algorithm, self.name, parse_checkpoint(text), time_s)
        except (InputError, SignatureError):
            return False
        valid: bool = algorithms().is_valid(self._key, self.public, signature.value[_TIME_BYTES:], message)
        return valid


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A private key under a name, which cosigns checkpoints: with Ed25519 or ML-DSA-44, as the key is."""

    key: SigningKey
    name: str
    verifier: CosignatureVerifier = field(init=False)

    def __post_init__(self) -> None:
        verifier = CosignatureVerifier(self.name, _TYPE_BY_KEY[self.key.algorithm], self.key.public)
        object.__setattr__(self, "verifier", verifier)

    @property
    def vkey(self) -> str:
        """The public key's text form, to be given to whoever shall check."""
        return self.verifier.vkey

    def cosign(self, checkpoint: Checkpoint, *, time_s: int) -> Signature:
        """Sign that at this time this was the largest tree of the log that the cosigner had seen.

        Args:
            checkpoint: what has been checked to continue all that was cosigned before.
            time_s: seconds since 1970. With ML-DSA-44 it may be 0, and then the signature says only that
                the tree continues all that was cosigned before: so a log signs its own checkpoints.

        Raises:
            InputError: no such time, or what ML-DSA-44 doesn't sign: extension lines, or a name or an
                origin of more than 255 bytes.
        """
        least = 0 if self.verifier.algorithm == COSIGNATURE_MLDSA44 else 1
        if not least <= time_s <= MAX_SIZE:
            raise InputError(f"cosignature: {time_s} is no time in seconds since 1970")
        message = _message(self.verifier.algorithm, self.name, checkpoint, time_s)
        value = time_s.to_bytes(_TIME_BYTES, "big") + self.key.sign(message)
        return Signature(self.name, self.verifier.key_id, value)


def time_of(signature: Signature) -> int | None:
    """Return the time that a cosignature claims, in seconds since 1970; None where it holds none.

    Zero is ML-DSA-44's way to say nothing about the time. The claim is the cosigner's own.
    """
    time_s = int.from_bytes(signature.value[:_TIME_BYTES], "big")
    return time_s if len(signature.value) > _TIME_BYTES and time_s <= MAX_SIZE else None


def _message(algorithm: int, name: str, checkpoint: Checkpoint, time_s: int) -> bytes:
    if algorithm == COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {time_s}\n{checkpoint.text}".encode()
    if checkpoint.extensions:
        raise InputError("cosignature: ML-DSA-44 doesn't sign extension lines")
    return b"".join(
        (
            b"subtree/v1\n\0",
            _short(name, "the cosigner's name"),
            time_s.to_bytes(8, "big"),
            _short(checkpoint.origin, "the log's origin"),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _short(text: str, what: str) -> bytes:
    data = text.encode()
    if len(data) > 255:
        raise InputError(f"cosignature: {what} has {len(data)} bytes, and ML-DSA-44 signs at most 255")
    return bytes([len(data)]) + data
