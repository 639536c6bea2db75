"""A calendar of OpenTimestamps and an explorer of Bitcoin; their bytes are spelled by hand."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from whence.trust.opentimestamps import OpenTimestamps

HEAD = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08"
PENDING, BITCOIN = bytes.fromhex("83dfe30d2ef90c8e"), bytes.fromhex("0588960d73d71901")
SHA256, APPEND, PREPEND, ATTESTATION, FORK = b"\x08", b"\xf0", b"\xf1", b"\x00", b"\xff"
EASY_BITS = 0x1F0FFFFF  # 12 bits of work
HEIGHT = 300_000


def sized(data: bytes) -> bytes:
    """Spell bytes with their count in front."""
    return number(len(data)) + data


def number(value: int) -> bytes:
    """Spell a number in groups of seven bits, the lowest first."""
    groups = [value >> 7 * place & 0x7F for place in range(max(1, -(-value.bit_length() // 7)))]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def pending(address: str) -> bytes:
    return ATTESTATION + PENDING + sized(sized(address.encode()))


def bitcoin(height: int) -> bytes:
    return ATTESTATION + BITCOIN + sized(number(height))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mine(
    root: bytes, *, bits: int = EASY_BITS, at: int = 1_700_000_000, work: int = 12, behind: bytes = b""
) -> bytes:
    """Make a header over a Merkle root, with at least so many bits of work."""
    for nonce in range(1 << 32):
        fields = (b"\x00\x00\x00\x20", bytes(32), root, at.to_bytes(4, "little"), bits.to_bytes(4, "little"))
        header = b"".join(fields) + nonce.to_bytes(4, "little") + behind
        if int.from_bytes(sha256(sha256(header)), "little") >> (256 - work) == 0:
            return header
    raise AssertionError


@dataclass
class Calendar:
    """What they were given, and what they say; a block's header shows 12 bits of work."""

    address: str = ""
    is_confirmed: bool = False
    headers: dict[int, bytes] = field(default_factory=dict)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        for beginning, answer in self.answers.items():
            if path.startswith(beginning):
                return answer
        if (method, path) == ("POST", "/digest"):
            self.digests.append(body)
            return 200, APPEND + sized(b"calendar") + SHA256 + pending(self.address)
        if path.startswith("/timestamp/"):
            return self.timestamp(bytes.fromhex(path.removeprefix("/timestamp/")))
        if path.startswith("/block-height/"):
            header = self.headers[int(path.rpartition("/")[2])]
            return 200, sha256(sha256(header))[::-1].hex().encode()
        found = re.fullmatch(r"/block/([0-9a-f]{64})/header", path)
        assert found
        named = [each for each in self.headers.values() if sha256(sha256(each))[::-1].hex() == found[1]]
        return (200, named[0].hex().encode()) if named else (404, b"Block not found")

    def timestamp(self, commitment: bytes) -> tuple[int, bytes]:
        if not self.is_confirmed:
            return 404, b"Pending confirmation in Bitcoin blockchain"
        root = sha256(sha256(b"sister" + commitment))
        self.headers.setdefault(HEIGHT, mine(root))
        return 200, PREPEND + sized(b"sister") + SHA256 + SHA256 + bitcoin(HEIGHT)

    def client(self) -> OpenTimestamps:
        return OpenTimestamps(calendar=[self.address], explorer=self.address)
