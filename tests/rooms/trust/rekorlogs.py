"""A Rekor v2 log in memory: its protocol and its tree by the words of the standards, with nothing of ours."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

ORIGIN = "log.example.org"


def root_of(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def path_to(place: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if place < split:
        return [*path_to(place, leaves[:split]), root_of(leaves[split:])]
    return [*path_to(place - split, leaves[split:]), root_of(leaves[:split])]


def spell(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class RekorLog:
    """A log with some entries of others."""

    leaves: list[bytes] = field(default_factory=lambda: [b"entry %d" % number for number in range(6)])
    key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    answer: tuple[int, bytes] | None = None

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def vkey(self) -> str:
        return f"{ORIGIN}+{self.key_id[:4].hex()}+{spell(bytes([1]) + self.public)}"

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(ORIGIN.encode() + b"\n\x01" + self.public).digest()

    @property
    def trusted_root(self) -> bytes:
        """Sigstore's own file about a log."""
        der = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        log = {
            "baseUrl": f"https://{ORIGIN}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {"rawBytes": spell(der), "keyDetails": "PKIX_ED25519"},
            "logId": {"keyId": spell(self.key_id)},
        }
        kind = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
        return json.dumps({"mediaType": kind, "tlogs": [log]}).encode()

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer a request as the service does."""
        if self.answer is not None:
            return self.answer
        if (method, path) != ("POST", "/api/v2/log/entries"):
            return 404, b'{"code":5,"message":"Not Found","details":[]}'
        request = json.loads(body)
        assert list(request) == ["hashedRekordRequestV002"]
        said = request["hashedRekordRequestV002"]
        problem = self.problem(said)
        if problem:
            return 400, json.dumps({"code": 3, "message": problem, "details": []}).encode()
        return 201, json.dumps(self.enter(said)).encode()

    def problem(self, said: dict[str, Any]) -> str:
        """Check a request: the signature over the digest, by the key that it names."""
        verifier = said["signature"]["verifier"]
        if verifier["keyDetails"] != "PKIX_ECDSA_P256_SHA_256":
            return "unsupported key algorithm"
        key = serialization.load_der_public_key(base64.b64decode(verifier["publicKey"]["rawBytes"]))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signature, digest = base64.b64decode(said["signature"]["content"]), base64.b64decode(said["digest"])
        try:
            key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return "invalid signature"
        return ""

    def enter(self, said: dict[str, Any]) -> dict[str, Any]:
        """Add an entry, and prove it."""
        data = {"algorithm": "SHA2_256", "digest": said["digest"]}
        spec = {"hashedRekordV002": {"data": data, "signature": said["signature"]}}
        body = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec}
        leaf = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        self.leaves.append(leaf)
        return self.entry(len(self.leaves) - 1)

    def entry(self, place: int) -> dict[str, Any]:
        root = root_of(self.leaves)
        return {
            "logIndex": str(place),
            "logId": {"keyId": spell(self.key_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "integratedTime": "0",
            "inclusionPromise": None,
            "inclusionProof": {
                "logIndex": str(place),
                "rootHash": spell(root),
                "treeSize": str(len(self.leaves)),
                "hashes": [spell(each) for each in path_to(place, self.leaves)],
                "checkpoint": {"envelope": self.checkpoint(root)},
            },
            "canonicalizedBody": spell(self.leaves[place]),
        }

    def checkpoint(self, root: bytes) -> str:
        text = f"{ORIGIN}\n{len(self.leaves)}\n{spell(root)}\n"
        return f"{text}\n\u2014 {ORIGIN} {spell(self.key_id[:4] + self.key.sign(text.encode()))}\n"
