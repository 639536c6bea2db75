"""Asking a witness to cosign: the log's side of the protocol, with a bounded wait and plain refusals.

A witness that is slow, away or talks nonsense costs the time that the caller gave and nothing else; what it
answers counts only if it is a valid cosignature of the key that the user named.
Source: C2SP tlog-witness, "add-checkpoint".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from whence.errors import (
    DamagedError,
    EvidenceError,
    ForkError,
    NotFoundError,
    ProofError,
    RemoteError,
    SignatureError,
    WhenceError,
)
from whence.ledger import (
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    Checkpoint,
    HashReader,
    KnownWitness,
    Note,
    Read,
    Signature,
    consistency_proof,
    encode_add_checkpoint,
    parse_checkpoint,
    parse_conflict,
    take_cosignatures,
)
from whence.trust.web import Answer, ask

_ANSWER_LIMIT = 64 << 10
_ROUNDS = 4
_PAUSES_S = (0.2, 0.8)
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking a witness.

    Args:
        witness: whom.
        signature: its cosignature; None where there is none.
        error: why there is none.
        has_forgotten: whether it remembered less than it is known to have cosigned.
        was_there: whether the cosignature was there already, so that nobody was asked.
    """

    witness: KnownWitness
    signature: Signature | None = None
    error: WhenceError | None = None
    has_forgotten: bool = False
    was_there: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A checkpoint that is to be cosigned.

    Args:
        note: signed by the log.
        read: reads a file of the log by its path.
        vkey: the log's key, for witnesses that don't know it yet.
    """

    note: Note
    read: Read
    vkey: str

    @property
    def tree(self) -> Checkpoint:
        """What the checkpoint says."""
        return parse_checkpoint(self.note.text)


def ask_each(
    wish: Wish, witnesses: Sequence[tuple[KnownWitness, Checkpoint | None]], *, timeout_s: float
) -> list[Asked]:
    """Ask several witnesses at the same time.

    Args:
        wish: what is to be cosigned.
        witnesses: whom, each with the last checkpoint that it is known to have cosigned.
        timeout_s: for all of it; who hasn't answered then is given up.

    Returns:
        What came of it, in the same order; nothing raises but a mistake of ours.
    """
    until = time.monotonic() + timeout_s
    found: list[Asked | None] = [None] * len(witnesses)

    def one(place: int) -> None:
        witness, last = witnesses[place]
        try:
            found[place] = ask_witness(wish, witness, last=last, until=until)
        except WhenceError as error:
            found[place] = Asked(witness=witness, error=error)

    # Not by a pool: its threads would hold up the end of the process, and a name server may hang for minutes.
    threads = [threading.Thread(target=one, args=(place,), daemon=True) for place in range(len(witnesses))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()) + 0.1)
    return [
        each or Asked(witness=witness, error=RemoteError(f"{witness.url}: no answer in {timeout_s:g} s"))
        for each, (witness, _) in zip(found, witnesses, strict=True)
    ]


def ask_witness(wish: Wish, witness: KnownWitness, *, last: Checkpoint | None, until: float) -> Asked:
    """Ask one witness, from what it has seen: what is known of it first, then what it says.

    Args:
        wish: what is to be cosigned.
        witness: whom.
        last: the last checkpoint that it is known to have cosigned.
        until: when to give up, by the monotonic clock.

    Raises:
        RemoteError: it doesn't answer, or not as the protocol says.
        NotFoundError: it doesn't know the log.
        SignatureError: it doesn't accept the log's signature, or its own is wrong.
        ForkError: it has cosigned another history of the log.
        EvidenceError: it has cosigned a longer one.
        DamagedError: the log's tiles aren't those of its checkpoint.
    """
    tree = wish.tree
    size, has_forgotten = min(last.size, tree.size) if last else 0, False
    for _ in range(_ROUNDS):
        request = AddCheckpoint(size, _proof(wish, size), wish.note.encode())
        answer = _posted(witness.url, encode_add_checkpoint(request), until)
        if answer.status == 200:
            note = take_cosignatures(wish.note, answer.body, [witness.verifier])
            identity = (witness.verifier.name, witness.verifier.key_id)
            signature = next(each for each in note.signatures if (each.name, each.key_id) == identity)
            return Asked(witness=witness, signature=signature, has_forgotten=has_forgotten)
        if answer.status != 409 or answer.media_type != SIZE_MEDIA_TYPE:
            raise _refusal(answer, wish, witness, size)
        known = parse_conflict(answer.body)
        has_forgotten = has_forgotten or (last is not None and known < last.size)
        if known > tree.size:
            raise EvidenceError(
                f"{witness.url}: rolled back: the witness has cosigned {known:,} entries of {tree.origin}, "
                f"and here are {tree.size:,}",
                remedy="Find the newer copy of this ledger; was a backup restored?",
            )
        if known == size:
            raise _forked(witness, tree, size if size == tree.size else 0)
        size = known
    raise RemoteError(
        f"{witness.url}: the witness named another size {_ROUNDS} times",
        remedy="Ask again when nobody else does so for this log.",
    )


def _proof(wish: Wish, old_size: int) -> tuple[bytes, ...]:
    tree = wish.tree
    checked = HashReader(wish.read, size=tree.size, root=tree.root)
    try:
        return tuple(consistency_proof(checked, old_size, tree.size))
    except ProofError as error:
        raise DamagedError(
            f"{tree.origin}: the tiles here aren't those of the checkpoint ({error.message})",
            remedy="whence verify names what is damaged.",
        ) from error


def _posted(url: str, body: bytes, until: float) -> Answer:
    """Send a request; once more after a pause, where that may help."""
    for pause_s in (*_PAUSES_S, None):
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise RemoteError(f"{url}: no answer in time", remedy="Ask again later.")
        try:
            answer = ask(
                f"{url.rstrip('/')}/add-checkpoint",
                body=body,
                headers={"Content-Type": "text/plain; charset=utf-8"},
                timeout_s=left_s,
                limit=_ANSWER_LIMIT,
            )
        except RemoteError:
            if pause_s is None or until - time.monotonic() <= pause_s:
                raise
        else:
            if answer.status not in _BUSY or pause_s is None or until - time.monotonic() <= pause_s:
                return answer
        time.sleep(pause_s)
    raise AssertionError("the last attempt returns or raises")


def _refusal(answer: Answer, wish: Wish, witness: KnownWitness, size: int) -> WhenceError:
    url, origin = witness.url, wish.tree.origin
    if answer.status == 404:
        return NotFoundError(
            f"{url}: the witness doesn't know the log {origin}, or isn't there",
            remedy=f"Give the witness's operator the log's key: {wish.vkey}",
        )
    if answer.status == 403:
        return SignatureError(
            f"{url}: the witness knows {origin}, and not the key that signed this checkpoint",
            remedy=f"Give the witness's operator the log's key: {wish.vkey}",
        )
    if answer.status == 422 and size:
        return _forked(witness, wish.tree, size)
    return RemoteError(
        f"{url}: the witness answered {answer.status} {answer.body[:200].decode('utf-8', 'replace').strip()}",
        remedy="Ask again later; if it stays so, tell the witness's operator.",
    )


def _forked(witness: KnownWitness, tree: Checkpoint, size: int) -> WhenceError:
    if not size:
        return RemoteError(f"{witness.url}: the witness contradicts itself", remedy="Tell its operator.")
    return ForkError(
        f"{witness.url}: two histories: the witness has cosigned other first {size:,} entries of "
        f"{tree.origin} than lie here",
        remedy="The ledger here was rewritten, or its key signs somewhere else too: find out which.",
    )
