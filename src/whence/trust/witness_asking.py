"""Having a shard's newest checkpoint cosigned, and keeping what came: under the checkpoint, and beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from whence.errors import EvidenceError, SignatureError
from whence.ledger import (
    KnownWitness,
    Note,
    Signature,
    Verifier,
    check_note,
    parse_note,
    parse_vkey,
    take_cosignatures,
)
from whence.store import Ledger, Shard
from whence.trust.witness_client import Asked, Wish, ask_each
from whence.trust.witness_kind import keep_cosignatures, last_seen

TIMEOUT_S = 15.0

_ATTEMPTS = 5


def ask_witnesses(
    ledger: Ledger, shard: Shard, witnesses: Sequence[KnownWitness], *, timeout_s: float, at_ms: int
) -> list[Asked]:
    """Have the newest checkpoint of a shard cosigned, and keep the cosignatures.

    Args:
        ledger: the ledger that the shard is in.
        shard: whose checkpoint.
        witnesses: whom to ask; one whose cosignature is there already isn't asked again.
        timeout_s: for all of it.
        at_ms: now.

    Returns:
        What came of each, in the same order.

    Raises:
        SignatureError: the checkpoint isn't signed by the shard's key; nobody is asked.
        StoreError: what came can't be kept.
    """
    note, _ = check_note(shard.checkpoint(), [parse_vkey(shard.vkey)])
    wish = Wish(note=_bare(note, shard), read=shard.read, vkey=shard.vkey)
    there = {each.name: _cosignature(note, each.verifier) for each in witnesses}
    missing = [each for each in witnesses if there[each.name] is None]
    came = ask_each(
        wish, [(each, last_seen(shard.path, each.verifier)) for each in missing], timeout_s=timeout_s
    )
    keep(
        ledger, shard, wish.note, [each.signature for each in came if each.signature is not None], at_ms=at_ms
    )
    by_name = {each.witness.name: each for each in came}
    return [
        by_name.get(each.name) or Asked(witness=each, signature=there[each.name], was_there=True)
        for each in witnesses
    ]


def take_lines(
    ledger: Ledger, shard: Shard, lines: bytes, verifiers: Iterable[Verifier], *, at_ms: int
) -> list[Signature]:
    """Keep cosignatures that came by another way than the network.

    Args:
        ledger: the ledger that the shard is in.
        shard: whose newest checkpoint they are of.
        lines: signature lines, or the whole checkpoint with them.
        verifiers: the witnesses that they may be of.
        at_ms: now.

    Returns:
        Those that are of these witnesses.

    Raises:
        SignatureError: there is none of these, or one is wrong: it is of another checkpoint, or false.
        RemoteError: these aren't signature lines.
        StoreError: they can't be kept.
    """
    note, _ = check_note(shard.checkpoint(), [parse_vkey(shard.vkey)])
    bare = _bare(note, shard)
    with contextlib.suppress(EvidenceError):
        given = parse_note(lines)
        lines = "".join(each.line for each in given.signatures).encode()
    taken = take_cosignatures(bare, lines, verifiers).signatures[len(bare.signatures) :]
    keep(ledger, shard, bare, taken, at_ms=at_ms)
    return list(taken)


def keep(ledger: Ledger, shard: Shard, note: Note, cosignatures: Sequence[Signature], *, at_ms: int) -> None:
    """Keep cosignatures of a checkpoint: under it as long as it is the newest, and beside the log for good.

    Raises:
        SignatureError: others keep theirs at the same time, without end.
        StoreError: they can't be written.
    """
    if not cosignatures:
        return
    keep_cosignatures(shard.path, note, cosignatures, at_ms=at_ms)
    for attempt in range(_ATTEMPTS):
        now = parse_note(shard.checkpoint())
        there = {(each.name, each.key_id) for each in now.signatures}
        new = [each for each in cosignatures if (each.name, each.key_id) not in there]
        if now.text != note.text or not new:
            return
        try:
            ledger.add_signatures(shard, now.signed(*new).encode())
            return
        except SignatureError:  # somebody else has put one there in between
            if attempt == _ATTEMPTS - 1:
                raise


def _bare(note: Note, shard: Shard) -> Note:
    """The note with the log's own signature only: what witnesses are asked with."""
    own = parse_vkey(shard.vkey)
    return Note(
        note.text,
        tuple(each for each in note.signatures if (each.name, each.key_id) == (own.name, own.key_id)),
    )


def _cosignature(note: Note, verifier: Verifier) -> Signature | None:
    """Find the valid cosignature of a witness under a note."""
    found = [each for each in note.signatures if verifier.is_valid(note.text, each)]
    return found[0] if found else None
