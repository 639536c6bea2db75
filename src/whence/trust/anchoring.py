"""Making anchors of a log's newest checkpoint, and asking again about those that aren't final yet."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from whence.errors import EvidenceError, RemoteError
from whence.ledger import parse_note
from whence.trust.anchors import (
    Anchor,
    Checked,
    Log,
    State,
    anchor_path,
    list_anchors,
    newest_checkpoint,
    write_anchor,
)
from whence.trust.kinds import Confirmable, Kind, Trust, Upgradable


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An anchor that was asked for.

    Args:
        anchor: the record; that of before where there is no better one.
        path: its file.
        is_new: whether it was written now.
        problem: why it couldn't be made final yet; empty where nothing is awaited, or nothing went wrong.
    """

    anchor: Anchor
    path: pathlib.Path
    is_new: bool
    problem: str = ""


def anchor_log(log: Log, kind: Kind, *, at_ms: int) -> Made:
    """Have the newest checkpoint of a log attested; one that this kind attested already is left as it is.

    Args:
        log: whose checkpoint.
        kind: by whom.
        at_ms: now.

    Raises:
        EvidenceError: the log's checkpoint isn't signed by its key, or it has no entries.
        RemoteError: nobody attested it; nothing is kept.
        StoreError: what was attested couldn't be written.
    """
    checkpoint = newest_checkpoint(log)
    Anchor.of(kind.kind, checkpoint, {}, at_ms=at_ms)  # an empty log is refused before anybody is asked
    text = parse_note(checkpoint).text.encode() + b"\n"  # signatures of witnesses may have come since
    found = [known for known in _records(log, kind) if known.checkpoint.startswith(text)]
    if found and not getattr(kind, "repeats", False):
        return Made(anchor=found[0], path=anchor_path(log.path, found[0]), is_new=False)
    evidence = kind.anchor(checkpoint)
    for known in found:
        if known.evidence == evidence:
            return Made(anchor=known, path=anchor_path(log.path, known), is_new=False)
    anchor = Anchor.of(kind.kind, checkpoint, evidence, at_ms=at_ms)
    return Made(anchor=anchor, path=write_anchor(log.path, anchor), is_new=True)


def upgrade_anchors(log: Log, kind: Upgradable) -> list[Made]:
    """Ask about all anchors of a kind that are only promised yet; what became final is written beside it.

    Returns:
        Those that were promised: each as it is now, with what went wrong where nobody could tell.

    Raises:
        StoreError: what became final couldn't be written; the promise stays.
    """
    found = []
    for known in _records(log, kind):
        if kind.check(known.evidence, known.checkpoint, Trust()).is_final:
            continue
        try:
            evidence = kind.upgrade(known.evidence, known.checkpoint)
        except RemoteError as error:
            found.append(
                Made(anchor=known, path=anchor_path(log.path, known), is_new=False, problem=error.message)
            )
            continue
        if evidence is None:
            found.append(Made(anchor=known, path=anchor_path(log.path, known), is_new=False))
            continue
        anchor = replace(known, evidence=evidence)
        path = write_anchor(log.path, anchor)
        anchor_path(log.path, known).unlink(missing_ok=True)  # all of it is in the new one
        found.append(Made(anchor=anchor, path=path, is_new=True))
    return found


def confirm_anchors(log: Log, kind: Confirmable) -> list[Checked]:
    """Ask, by the network, whether what the anchors of a kind rest on is still so.

    Returns:
        Each of them: `holds`, or `false` with what became of it.

    Raises:
        RemoteError: nobody who should know answers.
    """
    return [_confirmed(log, kind, known) for known in _records(log, kind)]


def _confirmed(log: Log, kind: Confirmable, known: Anchor) -> Checked:
    path = anchor_path(log.path, known)
    try:
        anchored = kind.confirm(known.evidence, known.checkpoint)
    except EvidenceError as error:
        remedy = error.remedy or "Anchor it again."
        return Checked(path=path, state="false", anchor=known, problem=error.message, remedy=remedy)
    state: State = "holds" if anchored.is_final else "pending"
    return Checked(path=path, state=state, anchor=known, anchored=anchored)


def _records(log: Log, kind: Kind) -> Iterator[Anchor]:
    """Read the records of a kind whose evidence isn't false."""
    for known in list_anchors(log.path):
        if isinstance(known, Anchor) and known.kind == kind.kind:
            try:
                kind.check(known.evidence, known.checkpoint, Trust())
            except EvidenceError:
                continue
            yield known
