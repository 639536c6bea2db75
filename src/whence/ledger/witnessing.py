"""What logs ask of witnesses, and what a witness may answer: the bytes and the decision, no server.

A witness remembers one checkpoint of each log. `judge` decides from what is remembered and what is asked; the
server must hold the memory from before the decision until the new checkpoint is on disk, or replace it only
where it is still `Outcome.before`. Otherwise two requests that are both good may be written down in the wrong
order, and the second rolls the log back.
The witness makes no statements about subtrees (`sign-subtree` is optional and not offered).
Source: C2SP tlog-witness.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from whence.errors import InputError, ProofError, RemoteError, SignatureError
from whence.ledger.checkpoints import Checkpoint, parse_checkpoint
from whence.ledger.cosignatures import time_of
from whence.ledger.merkle import EMPTY_ROOT, check_consistency
from whence.ledger.notes import (
    MAX_NOTE_BYTES,
    Note,
    Signature,
    Verifier,
    check_note,
    parse_note,
    parse_signature_lines,
)
from whence.ledger.spelling import MAX_SIZE, from_base64_hash, from_decimal, to_base64
from whence.vocab import DIGEST_BYTES

MAX_PROOF_LINES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 64 * (MAX_PROOF_LINES + 1)
SIZE_MEDIA_TYPE = "text/x.tlog.size"

Ruling = Literal[
    "cosign",  # all checks passed: remember the checkpoint, then cosign it
    "unknown",  # no key of this origin is trusted
    "unsigned",  # no trusted key signed it, or a signature in a trusted key's name is wrong
    "absurd",  # it is said to continue a larger tree
    "outdated",  # it continues another tree than the one remembered
    "forked",  # it has the size that is remembered, and another root
    "unproved",  # the proof doesn't show that it continues what is remembered
]
_STATUS: dict[Ruling, int] = {
    "cosign": 200,
    "absurd": 400,
    "unsigned": 403,
    "unknown": 404,
    "outdated": 409,
    "forked": 409,
    "unproved": 422,
}


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A log's wish to have a checkpoint cosigned, and the proof that it continues an earlier one.

    Raises:
        InputError: no checkpoint, or no such proof.
    """

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    note: Note = field(init=False, repr=False, compare=False)
    tree: Checkpoint = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.old_size <= MAX_SIZE:
            raise InputError(f"add-checkpoint: {self.old_size} is no size")
        if len(self.proof) > MAX_PROOF_LINES or any(len(each) != DIGEST_BYTES for each in self.proof):
            raise InputError(
                f"add-checkpoint: a proof has at most {MAX_PROOF_LINES} hashes of {DIGEST_BYTES} bytes each"
            )
        try:
            note = parse_note(self.checkpoint)
            tree = parse_checkpoint(note.text)
        except SignatureError as error:
            raise InputError(f"add-checkpoint: {error.message}") from error
        object.__setattr__(self, "note", note)
        object.__setattr__(self, "tree", tree)


def encode_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Write the body of a request; `parse_add_checkpoint` reads these bytes and no others back to it."""
    lines = [f"old {request.old_size}", *map(to_base64, request.proof)]
    return "\n".join(lines).encode() + b"\n\n" + request.checkpoint


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read the body of a request, strictly.

    Raises:
        InputError: it is none; HTTP says 400.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InputError(f"add-checkpoint: {len(data)} bytes, more than {MAX_REQUEST_BYTES}")
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"add-checkpoint: byte {error.start} isn't ASCII") from error
    if not blank or not first.startswith("old "):
        raise InputError("add-checkpoint: not an old size, a proof, an empty line and a checkpoint")
    if len(hashes) > MAX_PROOF_LINES:
        raise InputError(f"add-checkpoint: {len(hashes)} lines of proof, more than {MAX_PROOF_LINES}")
    old_size = from_decimal(first.removeprefix("old "), what="add-checkpoint, line 1")
    proof = tuple(
        from_base64_hash(line, what=f"add-checkpoint, line {number}") for number, line in enumerate(hashes, 2)
    )
    return AddCheckpoint(old_size, proof, checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a witness may do.

    Args:
        ruling: whether to cosign, or why not.
        before: what was remembered when this was decided; None where nothing was.
        checkpoint: what was asked to be cosigned.
        reason: why not, for the witness's own log.
    """

    ruling: Ruling
    before: Checkpoint | None
    checkpoint: Checkpoint
    reason: str = ""

    @property
    def status(self) -> int:
        """The HTTP status that the protocol demands."""
        return _STATUS[self.ruling]

    @property
    def body(self) -> bytes:
        """The HTTP body of a refusal: for a conflict the size that is remembered, of `SIZE_MEDIA_TYPE`."""
        if self.status == 409:
            return b"%d\n" % (self.before.size if self.before else 0)
        return f"{self.reason}\n".encode()


def judge(remembered: Checkpoint | None, request: AddCheckpoint, verifiers: Iterable[Verifier]) -> Outcome:
    """Decide whether a witness may cosign a checkpoint.

    Args:
        remembered: the last checkpoint of this origin that this witness cosigned; None before the first.
        request: what is asked.
        verifiers: the keys that are trusted for this origin; none where the origin isn't known.

    Raises:
        InputError: what is remembered is a checkpoint of another log.
    """
    new = request.tree
    if remembered is not None and remembered.origin != new.origin:
        raise InputError(f"a checkpoint of {new.origin!r} isn't judged by one of {remembered.origin!r}")
    ruling, reason = _ruling(remembered, request, list(verifiers))
    return Outcome(ruling=ruling, before=remembered, checkpoint=new, reason=reason)


def _ruling(
    remembered: Checkpoint | None, request: AddCheckpoint, verifiers: list[Verifier]
) -> tuple[Ruling, str]:
    new = request.tree
    if not verifiers:
        return "unknown", f"no log {new.origin!r} is known here"
    try:
        check_note(request.note, verifiers)
    except SignatureError as error:
        return "unsigned", error.message
    if request.old_size > new.size:
        return "absurd", f"a tree of {new.size} entries can't continue one of {request.old_size}"
    known_size = remembered.size if remembered else 0
    if request.old_size != known_size:
        return "outdated", f"the last size cosigned is {known_size}, not {request.old_size}"
    if remembered and new.size == known_size and new.root != remembered.root:
        return "forked", f"another root of the size {known_size} has been cosigned"
    try:
        check_consistency(
            request.proof,
            old_size=known_size,
            old_root=remembered.root if remembered else EMPTY_ROOT,
            size=new.size,
            root=new.root,
        )
    except ProofError as error:
        return "unproved", error.message
    return "cosign", ""


def encode_cosignatures(signatures: Iterable[Signature]) -> bytes:
    """Write the body of the answer that grants a request."""
    return "".join(signature.line for signature in signatures).encode()


def take_cosignatures(note: Note, body: bytes, verifiers: Iterable[Verifier]) -> Note:
    """Add to a checkpoint the cosignatures that a witness answered.

    Args:
        note: the checkpoint that was sent.
        body: the answer.
        verifiers: the keys of the witness; cosignatures of others are ignored.

    Returns:
        The note with the valid cosignatures of these keys, which replace older ones of theirs.

    Raises:
        RemoteError: the answer isn't signature lines.
        SignatureError: it holds no valid cosignature of these keys, a wrong one, or one without its time.
    """
    known = list(verifiers)
    try:
        lines = parse_signature_lines(body.decode("utf-8"))
    except (UnicodeDecodeError, InputError) as error:
        raise RemoteError(
            f"the witness didn't answer with signature lines: {error}",
            remedy="Check that the address is the witness's submission prefix.",
        ) from error
    answer, signed = check_note(Note(note.text, lines), known)
    identities = {(verifier.name, verifier.key_id) for verifier in signed}
    taken = [each for each in answer.signatures if (each.name, each.key_id) in identities]
    for each in taken:
        if not time_of(each):
            raise SignatureError(f"the cosignature of {each.name!r} doesn't say when it was made")
    return note.signed(*taken)


def parse_conflict(body: bytes) -> int:
    """Read the size that a witness answered to a request that continued another one.

    Raises:
        RemoteError: it is none.
    """
    try:
        text = body.decode("ascii")
        if not text.endswith("\n"):
            raise InputError("no newline at the end")
        return from_decimal(text[:-1], what="size")
    except (UnicodeDecodeError, InputError) as error:
        raise RemoteError(f"the witness didn't answer with a size: {error}") from error
