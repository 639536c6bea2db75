"""Ed25519 and ML-DSA-44 by `cryptography`; the one file that loads it, reached by name when a key is used.

Nothing is computed here but whether a public key may be trusted at all: OpenSSL accepts Ed25519 keys under
which anybody can sign anything (points of small order), two spellings of some points, and numbers that are
no point. Signatures have one spelling there: the second half below the group's order, the first compared as
bytes.
Sources: RFC 8032 section 5.1; FIPS 204; the points of small order: Chalkias, Garillot, Nikolaenko,
"Taming the many EdDSAs", SSR 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from whence.errors import InputError, KeyUnusableError

_PRIME = 2**255 - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_CURVE_D = -121665 * pow(121666, -1, _PRIME) % _PRIME
_SMALL_ORDER_Y = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8})

_PUBLIC_BYTES = {"ed25519": 32, "ml-dsa-44": 1312}


def public_of(algorithm: str, seed: bytes) -> bytes:
    """Return the public key of a seed."""
    return _private(algorithm, seed).public_key().public_bytes_raw()


def sign(algorithm: str, seed: bytes, message: bytes) -> bytes:
    """Sign a message."""
    return _private(algorithm, seed).sign(message)


def is_valid(algorithm: str, public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature is the key's, in its one spelling."""
    try:
        _public(algorithm, public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def check_public(algorithm: str, public: bytes, *, what: str) -> None:
    """Check that a public key is one, in its one spelling, and that only its owner can sign under it.

    Raises:
        InputError: it isn't.
    """
    if len(public) != _PUBLIC_BYTES[algorithm]:
        raise InputError(f"{what}: {len(public)} bytes where a key has {_PUBLIC_BYTES[algorithm]}")
    if algorithm == "ed25519":
        y = int.from_bytes(public, "little") & (2**255 - 1)
        if y >= _PRIME:
            raise InputError(f"{what}: a second spelling of another key")
        if y in _SMALL_ORDER_Y:
            raise InputError(f"{what}: a point of small order, under which anybody can sign")
        if pow((y * y - 1) * (_CURVE_D * y * y + 1), (_PRIME - 1) // 2, _PRIME) != 1:
            raise InputError(f"{what}: no point of the curve, so that nobody can sign")
    _public(algorithm, public)


def seed_of_pem(data: bytes, passphrase: bytes | None) -> tuple[str, bytes]:
    """Read algorithm and seed from PEM PKCS#8.

    Raises:
        KeyUnusableError: no such key, or the passphrase is missing, wrong or superfluous.
    """
    try:
        key = load_pem_private_key(data, passphrase)
    except TypeError as error:  # how `cryptography` says that there is one passphrase too many or too few
        problem = "is locked by a passphrase" if passphrase is None else "isn't locked, but has a passphrase"
        raise KeyUnusableError(
            f"signing key: the file {problem}",
            remedy="Set, or unset, WHENCE_KEY_PASSPHRASE or WHENCE_KEY_PASSPHRASE_FILE.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = "no PEM PKCS#8 key" if passphrase is None else "no PEM PKCS#8 key, or another passphrase"
        raise KeyUnusableError(
            f"signing key: {wrong}",
            remedy="Name a file as `openssl genpkey -algorithm ed25519` writes it, and its passphrase.",
        ) from error
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519", key.private_bytes_raw()
    if isinstance(key, MLDSA44PrivateKey):
        return "ml-dsa-44", key.private_bytes_raw()
    raise KeyUnusableError(
        f"signing key: a {type(key).__name__}, where Ed25519 or ML-DSA-44 is wanted",
        remedy="Make one with: openssl genpkey -algorithm ed25519",
    )


def pem_of_seed(algorithm: str, seed: bytes, passphrase: bytes | None) -> bytes:
    """Write a seed as PEM PKCS#8; with a passphrase the salt is `cryptography`'s own."""
    lock: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        lock = BestAvailableEncryption(passphrase)
    return _private(algorithm, seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def _private(algorithm: str, seed: bytes) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    if algorithm == "ed25519":
        return Ed25519PrivateKey.from_private_bytes(seed)
    with _mldsa():
        return MLDSA44PrivateKey.from_seed_bytes(seed)


def _public(algorithm: str, public: bytes) -> Ed25519PublicKey | MLDSA44PublicKey:
    if algorithm == "ed25519":
        return Ed25519PublicKey.from_public_bytes(public)
    with _mldsa():
        return MLDSA44PublicKey.from_public_bytes(public)


@contextmanager
def _mldsa() -> Iterator[None]:
    # The package's own wheels bring OpenSSL 4, which has it; one built against the system's may not.
    try:
        yield
    except UnsupportedAlgorithm as error:
        raise KeyUnusableError(
            "ML-DSA-44: the OpenSSL that this `cryptography` was built with doesn't know it",
            remedy="Install `cryptography` as a wheel (48 or later), or use Ed25519 keys.",
        ) from error
