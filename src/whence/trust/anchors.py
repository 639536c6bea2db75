"""Anchors on disk: who outside attested which checkpoint of a log, and what that proves of the log now.

    ledger/<shard>/anchors/<size>-<kind>-<digest>
        canonical JSON {"at": ms, "checkpoint": text, "evidence": {...}, "kind": text, "origin": text,
        "root": base64, "size": integer}; the digest is the first 32 hexadecimal digits of its SHA-256

A record never changes, so folders merge by copying; evidence that became final later is a record of its own.
An anchor proves that one checkpoint existed at a time. What that says of the log is judged here: the log
continues that checkpoint, or is shorter than it (rolled back), or tells another history (a fork). Both are
accused only where the log's own key signed the checkpoint, so that nobody's false record accuses anybody.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from whence.errors import (
    CanonicalError,
    DamagedError,
    EvidenceError,
    MissingExtraError,
    NotFoundError,
    ProofError,
    SignatureError,
    WhenceError,
)
from whence.ledger import (
    Checkpoint,
    HashReader,
    check_consistency,
    check_note,
    consistency_proof,
    parse_checkpoint,
    parse_note,
    parse_vkey,
)
from whence.store import explained_reading, write_whole
from whence.trust.kinds import KINDS, Anchored, Trust, find_kind, spelled
from whence.vocab import canonical, digest_bytes

_FOLDER = "anchors"
_NAME = re.compile(r"(0|[1-9][0-9]*)-([a-z][a-z0-9]*)-([0-9a-f]{32})")
_RECORD_LIMIT = 16 << 20
_FIELDS = frozenset({"at", "checkpoint", "evidence", "kind", "origin", "root", "size"})

State = Literal[
    "holds", "pending", "unchecked", "false", "damaged", "foreign", "other-key", "ahead", "differs"
]
"""What became of an anchor when it was checked.

- holds: the evidence leads to the checkpoint, and the log continues it
- pending: so far it is only promised
- unchecked: it can't be checked here; `problem` says why: the kind is unknown, or the log damaged
- false: the evidence doesn't lead to the checkpoint
- damaged: the record isn't what was written
- foreign: it is about another log
- other-key: its checkpoint has this log's name, and not the signature of this log's key: either the record
  is false, or the log here was written anew with another key
- ahead: the log is shorter than what its own key signed: it was rolled back
- differs: the log isn't a continuation of what its own key signed: it was forked
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One record: a checkpoint, and the evidence that it existed.

    Args:
        kind: which kind of evidence.
        checkpoint: the signed checkpoint, as it was when it was attested.
        origin, size, root: what it says.
        at_ms: when it was attested by the clock of this machine, for people; proves nothing.
        evidence: the kind's own, a JSON object.
        others: fields that a later version added; kept.
    """

    kind: str
    checkpoint: bytes
    origin: str
    size: int
    root: bytes
    at_ms: int
    evidence: Mapping[str, Any]
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, checkpoint: bytes, evidence: Mapping[str, Any], *, at_ms: int) -> Anchor:
        """Put evidence beside the checkpoint that it is about.

        Raises:
            EvidenceError: the checkpoint is none, or of an empty log.
        """
        found = _said(checkpoint)
        if not found.size:
            raise EvidenceError("an empty log has nothing to anchor", remedy="Anchor when a run has ended.")
        return cls(
            kind=kind,
            checkpoint=checkpoint,
            origin=found.origin,
            size=found.size,
            root=found.root,
            at_ms=at_ms,
            evidence=evidence,
        )

    def encode(self) -> bytes:
        """Spell the record."""
        return canonical(
            {
                **self.others,
                "at": self.at_ms,
                "checkpoint": self.checkpoint.decode(),
                "evidence": dict(self.evidence),
                "kind": self.kind,
                "origin": self.origin,
                "root": spelled(self.root),
                "size": self.size,
            }
        )

    @property
    def name(self) -> str:
        """How its file is called."""
        return f"{self.size}-{self.kind}-{digest_bytes(self.encode()).hex()[:32]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of one anchor when it was checked.

    Args:
        path: its file.
        state: what became of it.
        anchor: the record; None where it is damaged.
        anchored: what it proves; None where nothing.
        problem, remedy: what is wrong, and what to do about it.
    """

    path: pathlib.Path
    state: State
    anchor: Anchor | None = None
    anchored: Anchored | None = None
    problem: str = ""
    remedy: str = ""


class Log(Protocol):
    """A log as its anchors are judged by it: a shard of the ledger, or a copy of one."""

    @property
    def path(self) -> pathlib.Path:
        """Its folder."""

    @property
    def vkey(self) -> str:
        """The key that signs it."""

    def checkpoint(self) -> bytes:
        """Read its newest signed checkpoint."""

    def read(self, path: str) -> bytes:
        """Read one of its tiles."""


def write_anchor(log_path: pathlib.Path, anchor: Anchor) -> pathlib.Path:
    """Write a record, all at once and synced; where the same one is already there, nothing changes.

    Raises:
        StoreReadOnlyError, StoreFullError, StoreError: it can't be written; nothing is left of it.
    """
    path = anchor_path(log_path, anchor)
    write_whole(path, anchor.encode())
    return path


def anchor_path(log_path: pathlib.Path, anchor: Anchor) -> pathlib.Path:
    """Where the record of an anchor lies."""
    return log_path / _FOLDER / anchor.name


def read_anchor(path: pathlib.Path) -> Anchor:
    """Read a record.

    Raises:
        DamagedError: it isn't what was written.
        NotFoundError, StoreError: it can't be read.
    """
    if not _NAME.fullmatch(path.name):
        raise DamagedError("no anchor's file has such a name", place=str(path))
    with explained_reading(path), path.open("rb") as file:
        data = file.read(_RECORD_LIMIT)
    try:
        anchor = _read(json.loads(data))
        if anchor.name != path.name or anchor.encode() != data:
            raise EvidenceError("its bytes aren't those that its name tells")
    except (ValueError, RecursionError, CanonicalError, EvidenceError) as error:
        raise DamagedError(f"no record of an anchor ({error})", place=str(path)) from error
    return anchor


def list_anchors(log_path: pathlib.Path) -> list[Anchor | DamagedError]:
    """Read the records of a log, the smallest size first; what is damaged is in the list as its error."""
    found: list[Anchor | DamagedError] = []
    for path in _paths(log_path):
        try:
            found.append(read_anchor(path))
        except DamagedError as error:
            found.append(error)
    return sorted(found, key=_order)


def check_anchors(log: Log, *, trust: Mapping[str, Trust] | None = None) -> list[Checked]:
    """Check all anchors of a log, offline: pure reading.

    Args:
        log: the log; its tiles lead from each anchored checkpoint to the newest one.
        trust: whom the reader trusts, by kind; a kind that isn't in it is checked as far as no trust goes.

    Returns:
        What became of each, the smallest size first; none where there are none.

    Raises:
        EvidenceError: the log's own checkpoint is none, or its key didn't sign it.
        InputError: the trust can't be read as its kind reads it.
        NotFoundError, StoreError: the log's checkpoint, or a record, can't be read.

    Cost: one record, some tiles (O(log n)) and what the kind's arithmetic takes, each.
    """
    now = _said(newest_checkpoint(log))
    found = [_judged(path, log, now, trust or {}) for path in _paths(log.path)]
    return sorted(found, key=lambda each: _order(each.anchor))


def newest_checkpoint(log: Log) -> bytes:
    """Read a log's newest checkpoint, and check that its own key signed it.

    Raises:
        SignatureError: it is none, or not signed by that key.
        NotFoundError, StoreError: it can't be read.
    """
    checkpoint = log.checkpoint()
    try:
        _check_signed(checkpoint, log.vkey)
        _said(checkpoint)
    except SignatureError as error:
        raise SignatureError(f"{log.path / 'checkpoint'}: {error.message}", remedy=_MEND) from error
    return checkpoint


def _judged(path: pathlib.Path, log: Log, now: Checkpoint, trust: Mapping[str, Trust]) -> Checked:
    try:
        anchor = read_anchor(path)
    except DamagedError as error:
        return Checked(path=path, state="damaged", problem=error.message, remedy=_BRING_BACK)
    state, problem = _relation(anchor, log, now)
    if state == "foreign":
        return Checked(path=path, state=state, anchor=anchor, problem=problem, remedy=_TAKE_AWAY)
    proved = _proved(path, anchor, trust.get(anchor.kind, Trust()))
    if state == "holds":
        return proved
    anchored, remedy = proved.anchored, _MEND if state == "unchecked" else _FIND
    return Checked(path=path, state=state, anchor=anchor, anchored=anchored, problem=problem, remedy=remedy)


def _relation(anchor: Anchor, log: Log, now: Checkpoint) -> tuple[State, str]:
    """Tell how a log stands to a checkpoint that it may have had once."""
    if anchor.origin != now.origin:
        return "foreign", f"it is about the log {anchor.origin}, and this is {now.origin}"
    try:
        _check_signed(anchor.checkpoint, log.vkey)
    except EvidenceError as error:
        return "other-key", f"its checkpoint isn't signed by this log's key ({error.message})"
    if anchor.size > now.size:
        return "ahead", f"the log had {anchor.size} entries then, and has {now.size} now: it was rolled back"
    try:  # only tiles that belong to the newest checkpoint pass, so what fails here is the log's damage
        reader = HashReader(log.read, size=now.size, root=now.root)
        proof = consistency_proof(reader, anchor.size, now.size)
    except WhenceError as error:
        return "unchecked", f"the log doesn't lead to its first {anchor.size} entries ({error.message})"
    try:
        check_consistency(proof, old_size=anchor.size, old_root=anchor.root, size=now.size, root=now.root)
    except ProofError:
        return "differs", f"the first {anchor.size} entries of this log aren't those that were anchored"
    return "holds", ""


def _proved(path: pathlib.Path, anchor: Anchor, trust: Trust) -> Checked:
    """Check the evidence itself."""
    if anchor.kind not in KINDS:
        problem = f"this version knows no anchors of the kind {anchor.kind}"
        return Checked(
            path=path, state="unchecked", anchor=anchor, problem=problem, remedy="Take a newer whence."
        )
    try:
        anchored = find_kind(anchor.kind).check(anchor.evidence, anchor.checkpoint, trust)
    except MissingExtraError as error:
        return Checked(
            path=path, state="unchecked", anchor=anchor, problem=error.message, remedy=error.remedy
        )
    except EvidenceError as error:
        remedy = error.remedy or _BRING_BACK
        return Checked(path=path, state="false", anchor=anchor, problem=error.message, remedy=remedy)
    state: State = "holds" if anchored.is_final else "pending"
    return Checked(path=path, state=state, anchor=anchor, anchored=anchored)


def _read(fields: Any) -> Anchor:
    """Take a record apart; raises `EvidenceError` where it is none, or contradicts its own checkpoint."""
    if not isinstance(fields, dict) or not fields.keys() >= _FIELDS:
        raise EvidenceError("fields are missing")
    at_ms, kind, evidence, checkpoint = (fields[name] for name in ("at", "kind", "evidence", "checkpoint"))
    if type(at_ms) is not int or type(kind) is not str or type(checkpoint) is not str:
        raise EvidenceError("a field is of another type than it must be")
    if not isinstance(evidence, dict):
        raise EvidenceError("the evidence is no object")
    others = {name: value for name, value in fields.items() if name not in _FIELDS}
    anchor = Anchor.of(kind, checkpoint.encode(), evidence, at_ms=at_ms)
    return replace(anchor, others=others)


def _said(checkpoint: bytes) -> Checkpoint:
    return parse_checkpoint(parse_note(checkpoint).text)


def _check_signed(checkpoint: bytes, vkey: str) -> None:
    check_note(checkpoint, [parse_vkey(vkey)])


def _paths(log_path: pathlib.Path) -> Iterator[pathlib.Path]:
    folder = log_path / _FOLDER
    try:
        with explained_reading(folder):
            listed = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except NotFoundError:
        return
    yield from listed


def _order(anchor: Anchor | DamagedError | None) -> tuple[int, int]:
    return (anchor.size, anchor.at_ms) if isinstance(anchor, Anchor) else (-1, 0)


_BRING_BACK = "Bring the record back from a backup, or anchor again."
_FIND = "Find the copy of the ledger that this checkpoint is of; this one isn't it."
_MEND = "Bring the ledger back from a backup; whence verify says what is damaged."
_TAKE_AWAY = "It says nothing of this log: put it to the log that it is about."
