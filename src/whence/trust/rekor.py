"""Rekor v2: the digest of a checkpoint as an entry of a Sigstore transparency log.

The log answers with the entry, the path from it to the root of its tree, and a checkpoint of its own: another
signed note, checked with the same code as ours. An entry is signed by a key of whoever submits it; by default
that is a key made for the one entry and forgotten, since what counts is that the log has the digest. Rekor
tells no time: witnesses that the reader names and that cosigned the log's checkpoint do.

    entry = the log's answer, a TransparencyLogEntry of Sigstore's protobuf-specs in JSON, as text

Sources: sigstore/architecture-docs rekor-v2-spec; sigstore/rekor-tiles CLIENTS.md and its OpenAPI files;
sigstore/protobuf-specs (TransparencyLogEntry, TrustedRoot, Bundle v0.3).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import pathlib
import urllib.parse
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from whence.errors import EvidenceError, InputError, KeyUnusableError, RemoteError
from whence.ledger import (
    NoteVerifier,
    Verifier,
    check_inclusion,
    check_note,
    leaf_hash,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    time_of,
)
from whence.store import explained_reading
from whence.trust.kinds import Anchored, Trust, spelled, text_of
from whence.trust.web import ask
from whence.vocab import digest_bytes

_TIMEOUT_S = (
    60.0  # a log answers when its next checkpoint covers the entry; clients are to wait 20 s at least
)
_ENTRY_LIMIT = 1 << 20
_KEY_DETAILS = "PKIX_ECDSA_P256_SHA_256"
_WITNESS_TYPES = (0x04, 0x06)


class Rekor:
    """An entry in a log that speaks the second version of Rekor's protocol.

    Args:
        url: the log's address, as Sigstore's signing configuration names it.
        key: a file with an ECDSA P-256 key in PEM that signs the entry; without it a key made for the entry.
    """

    kind: ClassVar[str] = "rekor"

    def __init__(self, *, url: str, key: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._key = key

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Have the log enter the digest.

        Raises:
            RemoteError: it doesn't, or its answer doesn't prove it.
            KeyUnusableError, NotFoundError: the key can't be read, or is another kind of key.
        """
        key = ec.generate_private_key(ec.SECP256R1()) if self._key is None else _read_key(self._key)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        request = {
            "hashedRekordRequestV002": {
                "digest": spelled(digest_bytes(checkpoint)),
                "signature": {
                    "content": spelled(key.sign(checkpoint, ec.ECDSA(hashes.SHA256()))),
                    "verifier": {"publicKey": {"rawBytes": spelled(public)}, "keyDetails": _KEY_DETAILS},
                },
            }
        }
        answer = ask(
            f"{self._url}/api/v2/log/entries",
            body=json.dumps(request).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            timeout_s=_TIMEOUT_S,
            limit=_ENTRY_LIMIT,
        )
        if answer.status not in (200, 201):
            said = " ".join(answer.body[:300].decode("utf-8", "replace").split())
            raise RemoteError(f"{self._url}: answers with status {answer.status}: {said}", remedy=_CHECK)
        evidence = {"entry": answer.body.decode("utf-8", "replace")}
        try:
            self.check(evidence, checkpoint, Trust())
        except EvidenceError as error:
            raise RemoteError(
                f"{self._url}: its answer proves nothing: {error.message}", remedy=_CHECK
            ) from error
        return evidence

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check that an entry is about a checkpoint, and that the log has it.

        Args:
            evidence: what `anchor` gave.
            checkpoint: the signed checkpoint.
            trust: `logs`, the logs' keys as vkeys; `roots`, files with a TrustedRoot of Sigstore's, whose
                Ed25519 logs count too; `witnesses`, vkeys of witnesses, whose times then count.
        """
        entry = _Entry.of(text_of(evidence, "entry"))
        entry.check_about(checkpoint)
        note = parse_note(entry.envelope)
        said = parse_checkpoint(note.text)
        # root and size by the checkpoint: what the entry says of them beside it isn't signed
        leaf = leaf_hash(entry.body)
        check_inclusion(entry.hashes, index=entry.place, size=said.size, leaf=leaf, root=said.root)
        logs = [parse_vkey(each) for each in trust.texts("logs")]
        logs += [log for data in trust.files("roots") for log in _logs_of(data)]
        of_log = [log for log in logs if log.name == said.origin]
        if not of_log:
            return Anchored(
                at=None,
                by=f"entry {entry.place:,} of a log that calls itself {said.origin}",
                rests_on="nothing yet: the reader named no key of this log",
                is_trusted=False,
            )
        check_note(note, of_log)
        at, by_witness = _witnessed(note, [parse_vkey(each) for each in trust.texts("witnesses")])
        return Anchored(
            at=at,
            by=f"entry {entry.place:,} of the log {said.origin}{by_witness}",
            rests_on=f"the log {said.origin} not to show others another history",
            is_trusted=True,
        )

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """A bundle of Sigstore's, and the key of the entry, with which cosign verifies it."""
        text = text_of(evidence, "entry")
        entry = _Entry.of(text)
        bundle = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "publicKey": {"hint": spelled(digest_bytes(entry.public))},
                "tlogEntries": [json.loads(text)],
            },
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": spelled(entry.digest)},
                "signature": spelled(entry.signature),
            },
        }
        pem = serialization.load_der_public_key(entry.public).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {".sigstore.json": json.dumps(bundle, indent=1).encode(), ".pub": pem}


class _Entry(NamedTuple):
    """What a TransparencyLogEntry says, as far as it is checked."""

    place: int
    hashes: list[bytes]
    envelope: bytes
    body: bytes
    digest: bytes
    signature: bytes
    public: bytes

    @classmethod
    def of(cls, text: str) -> _Entry:
        """Read an entry; raises `EvidenceError` where it is none, or of a kind that we don't know."""
        try:
            fields = json.loads(text)
            proof = fields["inclusionProof"]
            body = _bytes(fields["canonicalizedBody"])
            named = json.loads(body)
            kind = (named["kind"], named["apiVersion"])
            beside = (fields["kindVersion"]["kind"], fields["kindVersion"]["version"])
            if kind != ("hashedrekord", "0.0.2") or beside != kind:
                raise EvidenceError(f"evidence: an entry of the kind {kind!r:.60}, which isn't known here")
            said = named["spec"]["hashedRekordV002"]
            verifier = said["signature"]["verifier"]
            if said["data"]["algorithm"] != "SHA2_256" or verifier["keyDetails"] != _KEY_DETAILS:
                raise EvidenceError("evidence: an entry with other algorithms than SHA-256 and ECDSA P-256")
            return cls(
                place=_index(fields["logIndex"]),
                hashes=[_bytes(each) for each in proof.get("hashes") or []],
                envelope=proof["checkpoint"]["envelope"].encode(),
                body=body,
                digest=_bytes(said["data"]["digest"]),
                signature=_bytes(said["signature"]["content"]),
                public=_bytes(verifier["publicKey"]["rawBytes"]),
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            what = f"{type(error).__name__}: {error}"
            raise EvidenceError(f"evidence: no entry of a Rekor log ({what:.120})") from error

    def check_about(self, checkpoint: bytes) -> None:
        """Check that it is about a checkpoint, and signed by its own key; raises `EvidenceError`."""
        if self.digest != digest_bytes(checkpoint):
            raise EvidenceError("evidence: the entry is about something else than this checkpoint")
        try:
            key = serialization.load_der_public_key(self.public)
            if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
                raise EvidenceError("evidence: the entry's key isn't an ECDSA P-256 key")
            key.verify(self.signature, self.digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except (ValueError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise EvidenceError("evidence: the entry isn't signed by its own key") from error


def _witnessed(note: Any, witnesses: list[Verifier]) -> tuple[dt.datetime | None, str]:
    """Find the earliest time at which a witness that is trusted cosigned a log's checkpoint."""
    if not any(each.algorithm in _WITNESS_TYPES for each in witnesses):
        return None, ""
    by_identity = {(each.name, each.key_id): each for each in witnesses}
    times = []
    for signature in note.signatures:
        witness = by_identity.get((signature.name, signature.key_id))
        if witness is not None and witness.is_valid(note.text, signature) and time_of(signature):
            times.append((time_of(signature) or 0, witness.name))
    if not times:
        return None, ""
    time_s, name = min(times)
    try:
        return dt.datetime.fromtimestamp(time_s, dt.UTC), f", witnessed by {name}"
    except (ValueError, OverflowError, OSError) as error:
        raise EvidenceError(f"evidence: {name} cosigned at a time that is none") from error


def _logs_of(data: bytes) -> list[Verifier]:
    """Read the logs of a TrustedRoot whose keys are Ed25519; raises `InputError` where it is none."""
    try:
        found: list[Verifier] = []
        for log in json.loads(data)["tlogs"]:
            if log["publicKey"].get("keyDetails") != "PKIX_ED25519":
                continue
            key = serialization.load_der_public_key(_bytes(log["publicKey"]["rawBytes"]))
            assert isinstance(key, ed25519.Ed25519PublicKey)
            address = urllib.parse.urlsplit(log["baseUrl"])
            found.append(NoteVerifier(address.netloc + address.path.rstrip("/"), key.public_bytes_raw()))
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        UnsupportedAlgorithm,
    ) as error:
        raise InputError(
            f"trust: roots names a file that is no TrustedRoot ({type(error).__name__}: {error})",
            remedy="Take trusted_root.json from Sigstore's TUF repository.",
        ) from error
    return found


def _read_key(path: str) -> ec.EllipticCurvePrivateKey:
    with explained_reading(path):
        data = pathlib.Path(path).read_bytes()
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusableError(
            f"{path}: no private key without a passphrase ({error})", remedy=_KEY
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyUnusableError(f"{path}: no ECDSA P-256 key, which Rekor wants", remedy=_KEY)
    return key


def _bytes(text: str) -> bytes:
    """Read base64 in its one spelling."""
    data = base64.b64decode(text, validate=True)
    if spelled(data) != text:
        raise binascii.Error("base64 in another spelling than the usual one")
    return data


def _index(found: Any) -> int:
    """Read a number of 64 bits, which protobuf's JSON spells as a text."""
    if type(found) is str and found.isascii() and found.isdecimal() and str(int(found)) == found:
        return int(found)
    if type(found) is int and found >= 0:
        return found
    raise ValueError(f"{found!r:.40} is no index")


_CHECK = "Check that the address is a Rekor v2 log's, as Sigstore's signing configuration names it."
_KEY = "Make one with: openssl ecparam -name prime256v1 -genkey -noout -out rekor.pem"
