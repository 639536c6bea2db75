"""Receipts: one file that proves that an entry is in a log, without the log.

Source: C2SP tlog-proof v1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from whence.errors import InputError, ProofError
from whence.ledger.checkpoints import Checkpoint, parse_checkpoint
from whence.ledger.merkle import check_inclusion, leaf_hash
from whence.ledger.notes import AGAIN, MAX_NOTE_BYTES, Note, parse_note
from whence.ledger.spelling import from_base64, from_base64_hash, from_decimal, to_base64
from whence.vocab import DIGEST_BYTES

MAX_PROOF_LINES = 63

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry's place, the way from it to the root, and the signed checkpoint with that root.

    Who signed the checkpoint isn't checked here: see `check_note` and policies.

    Args:
        extra: what is needed to make the entry again; nobody vouches for it. Empty where there is none.
        index: the entry's place in the log, from 0.
        hashes: the inclusion proof, from the leaf's sibling upwards.
        checkpoint: the signed note.

    Raises:
        SignatureError: the checkpoint is none.
        ProofError: the index is outside the log, or a hash isn't one.
    """

    extra: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    note: Note = field(init=False, repr=False, compare=False)
    tree: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        note = parse_note(self.checkpoint)
        object.__setattr__(self, "note", note)
        object.__setattr__(self, "tree", parse_checkpoint(note.text))
        if not 0 <= self.index < self.tree.size:
            raise ProofError(
                f"receipt: entry {self.index} isn't in a log of {self.tree.size} entries", remedy=AGAIN
            )
        if len(self.hashes) > MAX_PROOF_LINES or any(len(each) != DIGEST_BYTES for each in self.hashes):
            raise ProofError(
                f"receipt: a proof has at most {MAX_PROOF_LINES} hashes of {DIGEST_BYTES} bytes each",
                remedy=AGAIN,
            )

    def encode(self) -> bytes:
        """Write the receipt; `parse_receipt` reads these bytes and no others back to it."""
        lines = [_HEADER]
        if self.extra:
            lines.append(f"extra {to_base64(self.extra)}")
        lines += [f"index {self.index}", *map(to_base64, self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    def check_entry(self, entry: bytes) -> None:
        """Check that the entry is the one at this place in the log.

        Raises:
            ProofError: it isn't, or the proof doesn't show it.
        """
        tree = self.tree
        check_inclusion(self.hashes, index=self.index, size=tree.size, leaf=leaf_hash(entry), root=tree.root)


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt, strictly: bytes that `Receipt.encode` wouldn't write are refused.

    Raises:
        ProofError: the bytes are no receipt.
        SignatureError: the checkpoint in it is none.
    """
    if len(data) > 2 * MAX_NOTE_BYTES:
        raise ProofError(f"receipt: {len(data)} bytes, more than {2 * MAX_NOTE_BYTES}", remedy=AGAIN)
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        lines = iter(head.decode("ascii").split("\n"))
    except UnicodeDecodeError as error:
        raise ProofError(f"receipt: byte {error.start} isn't ASCII", remedy=AGAIN) from error
    if next(lines) != _HEADER or not blank:
        raise ProofError(
            f"receipt: not the line {_HEADER}, a proof, an empty line and a checkpoint",
            remedy="Name a file that `whence prove` wrote.",
        )
    try:
        return _read(next(lines, ""), lines, checkpoint)
    except InputError as error:
        raise ProofError(f"receipt: {error.message}", remedy=AGAIN) from error


def _read(line: str, lines: Iterator[str], checkpoint: bytes) -> Receipt:
    extra = b""
    if line.startswith("extra "):
        extra = from_base64(line.removeprefix("extra "), what="line 2")
        if not extra:
            raise InputError("line 2 says that there is something extra, and there is nothing")
        line = next(lines, "")
    if not line.startswith("index "):
        raise InputError("no line with the index where it should be")
    index = from_decimal(line.removeprefix("index "), what="index")
    hashes = tuple(from_base64_hash(each, what=f"hash {number}") for number, each in enumerate(lines, 1))
    return Receipt(extra, index, hashes, checkpoint)
