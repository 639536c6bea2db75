"""Cosignatures as an anchor: what witnesses said of a checkpoint stays when the log has a newer one.

    evidence {"cosignatures": text}    the signature lines, as they stood under the checkpoint

Trusted by the reader's `keys`: the vkeys of witnesses. Without them nobody knows whose the lines are, and
nothing is proved. Records are kept one for a day: of the same witnesses a later one covers all before it.
Source: C2SP tlog-cosignature.
"""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from whence.errors import EvidenceError, InputError
from whence.ledger import (
    Checkpoint,
    Note,
    Signature,
    Verifier,
    check_note,
    encode_cosignatures,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    time_of,
)
from whence.trust.anchors import Anchor, anchor_path, list_anchors, write_anchor
from whence.trust.kinds import Anchored, Trust, text_of

KIND = "witness"

_DAY_S = 86_400


class Cosigned:
    """Cosignatures of witnesses."""

    kind: ClassVar[str] = KIND

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Refuse: witnesses want a proof beside the checkpoint.

        Raises:
            InputError: always.
        """
        raise InputError("witnesses aren't asked so", remedy="Ask them with: whence witness ask")

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check the cosignatures of those whom the reader trusts.

        Raises:
            EvidenceError: the lines are no signature lines, or one in a trusted name is wrong.
            InputError: a trusted key is no vkey.
        """
        lines = cosignatures_of(evidence)
        verifiers = [parse_vkey(vkey) for vkey in trust.texts("keys")]
        known = {(each.name, each.key_id) for each in verifiers}
        trusted = [each for each in lines if (each.name, each.key_id) in known]
        if trusted:
            check_note(Note(parse_note(checkpoint).text, tuple(lines)), verifiers)
        by = ", ".join(sorted({each.name for each in trusted or lines}))
        times = [time for each in trusted if (time := time_of(each))]
        return Anchored(
            at=dt.datetime.fromtimestamp(min(times), dt.UTC) if times else None,
            by=f"the witness {by}" if len(trusted or lines) == 1 else f"the witnesses {by}",
            rests_on="the witness's key, and that it cosigns no other history",
            is_trusted=bool(trusted),
        )

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """Write the signature lines, which can be put under the checkpoint."""
        return {"cosignatures": text_of(evidence, "cosignatures").encode()}


def cosignatures_of(evidence: Mapping[str, Any]) -> tuple[Signature, ...]:
    """Read the signature lines; raises `EvidenceError` where they aren't any."""
    text = text_of(evidence, "cosignatures")
    return parse_note(f"-\n\n{text}".encode()).signatures


def keep_cosignatures(
    log_path: pathlib.Path, note: Note, cosignatures: Iterable[Signature], *, at_ms: int
) -> Anchor:
    """Keep cosignatures beside a log; older ones of the same witnesses go where they are of the same day.

    Args:
        log_path: the log's folder.
        note: the checkpoint, signed by the log.
        cosignatures: of witnesses, checked.
        at_ms: now.

    Raises:
        StoreError: they can't be kept.
    """
    new = tuple(cosignatures)
    anchor = Anchor.of(KIND, note.encode(), {"cosignatures": encode_cosignatures(new).decode()}, at_ms=at_ms)
    write_anchor(log_path, anchor)
    said = {(each.name, each.key_id): time_of(each) or 0 for each in new}
    for other in list_anchors(log_path):
        if not isinstance(other, Anchor) or other.kind != KIND or other.size >= anchor.size:
            continue
        if _is_covered(other, said):
            anchor_path(log_path, other).unlink(missing_ok=True)
    return anchor


def _is_covered(other: Anchor, said: Mapping[tuple[str, int], int]) -> bool:
    """Whether the same witnesses have said more since, on the same day."""
    try:
        lines = cosignatures_of(other.evidence)
    except EvidenceError:
        return False
    times = [(said.get((each.name, each.key_id), -1), time_of(each) or 0) for each in lines]
    return all(later // _DAY_S == time // _DAY_S for later, time in times)


def last_seen(log_path: pathlib.Path, verifier: Verifier) -> Checkpoint | None:
    """Find the largest checkpoint of a log that a witness is known to have cosigned; None where none is."""
    for anchor in reversed(list_anchors(log_path)):
        if isinstance(anchor, Anchor) and anchor.kind == KIND:
            note = parse_note(anchor.checkpoint)
            try:
                check_note(Note(note.text, cosignatures_of(anchor.evidence)), [verifier])
            except EvidenceError:
                continue
            return parse_checkpoint(note.text)
    return None
