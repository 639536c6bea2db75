"""Checkpoints: the size and root of a log at one moment, as the text of a signed note.

Source: C2SP tlog-checkpoint v1.0.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from whence.errors import InputError, SignatureError
from whence.ledger.notes import AGAIN
from whence.ledger.spelling import MAX_SIZE, check_characters, from_base64_hash, from_decimal, to_base64
from whence.vocab import DIGEST_BYTES, digest_bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: who it is, how many entries it has, and the hash over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            check_characters(line, what="checkpoint")
            if not line or "\n" in line:
                raise InputError("checkpoint: origin and extensions are lines that aren't empty")
        if not 0 <= self.size <= MAX_SIZE:
            raise InputError(f"checkpoint: the size {self.size} isn't from 0 to 2**63 - 1")
        if len(self.root) != DIGEST_BYTES:
            raise InputError(f"checkpoint: a root hash has {DIGEST_BYTES} bytes, not {len(self.root)}")
        if self.size == 0 and self.root != digest_bytes(b""):
            raise InputError("checkpoint: an empty log has another root hash")

    @property
    def text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint, strictly: another spelling of the same is refused.

    Raises:
        SignatureError: the text is no checkpoint; who signed it signed something else.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop():
        raise SignatureError(
            "checkpoint: not origin, size and root hash, each on a line of its own", remedy=AGAIN
        )
    origin, size, root, *extensions = lines
    try:
        return Checkpoint(
            origin,
            from_decimal(size, what="checkpoint, line 2"),
            from_base64_hash(root, what="checkpoint, line 3"),
            tuple(extensions),
        )
    except InputError as error:
        raise SignatureError(error.message, remedy=AGAIN) from error
