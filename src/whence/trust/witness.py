"""A witness: cosigns checkpoints of the logs that it knows, each only if it continues the last one.

What may be cosigned is decided in `ledger.witnessing`; here the decision, the memory and the clock come
together. Two ways lead in: `answer` for what comes over HTTP, `cosign` for a log whose folder is at hand.
Source: C2SP tlog-witness, tlog-cosignature.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field

from whence.errors import (
    DamagedError,
    EvidenceError,
    ForkError,
    InputError,
    NotFoundError,
    ProofError,
    SignatureError,
    WhenceError,
)
from whence.ledger import (
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    Checkpoint,
    Cosigner,
    HashReader,
    Note,
    Outcome,
    Read,
    Signature,
    consistency_proof,
    encode_cosignatures,
    judge,
    parse_add_checkpoint,
)
from whence.trust.witness_logs import Logs
from whence.trust.witness_memory import Memory

_Requested = Callable[[Checkpoint | None], AddCheckpoint]
_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a witness says to a request.

    Args:
        status: the HTTP status.
        body: the content.
        media_type: what it is.
        about: what the witness's own log says of it.
    """

    status: int
    body: bytes
    media_type: str = _PLAIN
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One witness key, what it remembers, and the logs that it cosigns.

    Args:
        cosigner: its key under its name.
        logs: which logs.
        state: the folder of its memory.
        beside: the folder beside its key where the memory is kept once more.
        now_s: tells the time, in seconds since 1970.

    Raises:
        InputError: its key is the one of a log: who vouches for himself is no witness.
    """

    cosigner: Cosigner
    logs: Logs
    state: pathlib.Path
    beside: pathlib.Path
    now_s: Callable[[], int]
    _memory: Memory = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = self.cosigner.verifier.public
        for origin in self.logs.origins:
            if any(each.public == own for each in self.logs.of(origin)):
                raise InputError(
                    f"{self.cosigner.name}: its key is the one of the log {origin}",
                    remedy="Give the witness a key of its own, and let somebody else run it.",
                )
        memory = Memory(self.state, self.beside, self.cosigner.verifier)
        object.__setattr__(self, "_memory", memory)

    def answer(self, body: bytes) -> Reply:
        """Answer a request; all that goes wrong becomes a status."""
        try:
            request = parse_add_checkpoint(body)
        except InputError as error:
            return _reply(400, error)
        about = f"{request.tree.origin!r} {request.old_size} to {request.tree.size}"
        try:
            signature = self._decided(request.tree, lambda before: request)
        except _RefusedError as refused:
            outcome = refused.outcome
            kind = SIZE_MEDIA_TYPE if outcome.status == 409 else _PLAIN
            said = f"{about}: {outcome.ruling}: {outcome.reason}"
            return Reply(status=outcome.status, body=outcome.body, media_type=kind, about=said)
        except WhenceError as error:
            return _reply(500, error, shown="the witness can't cosign now")
        return Reply(status=200, body=encode_cosignatures([signature]), about=f"{about}: cosigned")

    def cosign(self, note: Note, tree: Checkpoint, read: Read) -> Signature:
        """Cosign a checkpoint of a log whose files are at hand.

        Args:
            note: the signed checkpoint.
            tree: what it says.
            read: reads a file of the log by its path.

        Returns:
            The cosignature; when this returns, it is remembered on the disk.

        Raises:
            NotFoundError: the log isn't one of those that are cosigned.
            SignatureError: none of its keys signed the checkpoint.
            ForkError: it doesn't continue what this witness cosigned before.
            DamagedError: the log's files aren't those of the checkpoint, or the memory was changed.
            StoreError: the memory can't be written.
        """
        checked = HashReader(read, size=tree.size, root=tree.root)

        def requested(before: Checkpoint | None) -> AddCheckpoint:
            old_size = before.size if before is not None and before.size <= tree.size else 0
            return AddCheckpoint(old_size, _proof(checked, old_size, tree), note.encode())

        try:
            return self._decided(tree, requested)
        except _RefusedError as refused:
            raise _told(refused.outcome) from None

    def _decided(self, tree: Checkpoint, requested: _Requested) -> Signature:
        """Look, decide, sign and remember, while nobody else does so for this log."""
        verifiers = self.logs.of(tree.origin)
        if not verifiers:  # no stranger's origin makes a folder here
            raise _RefusedError(judge(None, requested(None), ()))
        with self._memory.of(tree.origin, verifiers) as slot:
            request = requested(slot.checkpoint)
            outcome = judge(slot.checkpoint, request, verifiers)
            if outcome.ruling != "cosign":
                raise _RefusedError(outcome)
            signature = self.cosigner.cosign(tree, time_s=self.now_s())
            known = {(each.name, each.key_id) for each in verifiers}
            by_log = [each for each in request.note.signatures if (each.name, each.key_id) in known]
            slot.remember(Note(request.note.text, (*by_log, signature)))
            return signature


class _RefusedError(Exception):
    """The decision was another one than to cosign."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def _proof(read: Read, old_size: int, tree: Checkpoint) -> tuple[bytes, ...]:
    try:
        return tuple(consistency_proof(read, old_size, tree.size))
    except ProofError as error:
        raise DamagedError(
            f"{tree.origin}: its files aren't those of the checkpoint ({error.message})",
            remedy="Take the log's folder from its owner once more.",
        ) from error


def _reply(status: int, error: WhenceError, *, shown: str = "") -> Reply:
    said = f"{shown or error.message}\n"
    return Reply(status=status, body=said.encode("utf-8", "backslashreplace"), about=error.message)


def _told(outcome: Outcome) -> WhenceError:
    """Say a refusal to whoever asked on this machine."""
    origin, before = outcome.checkpoint.origin, outcome.before
    if outcome.ruling == "unknown":
        return NotFoundError(
            f"{origin}: not a log that this witness cosigns",
            remedy="Name its key with --log, if you know it.",
        )
    if outcome.ruling == "unsigned":
        return SignatureError(f"{origin}: {outcome.reason}", remedy="Ask the log's owner for its vkey.")
    known_size = before.size if before is not None else 0
    if outcome.ruling == "outdated":
        return EvidenceError(
            f"{origin}: the log was rolled back: this witness cosigned {known_size:,} entries, "
            f"and this checkpoint has {outcome.checkpoint.size:,}",
            remedy="Ask for the newest checkpoint; if there is no newer one, the log has lost entries.",
        )
    return ForkError(
        f"{origin}: the log was rewritten: this witness cosigned another history of its first "
        f"{known_size:,} entries",
        remedy="Keep both checkpoints: signed by the log's key, they are the proof.",
    )
