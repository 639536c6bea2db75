"""Verdicts: what a verification found, in five words that mean one thing each.

    forked      two histories where there must be one
    damaged     what is here isn't what was recorded, or what was recorded isn't here
    redacted    all of it holds but for payloads that were destroyed, and an entry of the log allowed that
    unanchored  all of it holds, and nobody but who keeps it vouches for it
    intact      all of it holds, and somebody else vouches for it

The worst of them is the outcome. Where nothing could be checked it is `empty`, which never holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["intact", "redacted", "unanchored", "damaged", "forked", "empty"]

Kind = Literal["damaged", "forked", "unmet"]
"""What a finding says: other bytes, another history, or something that was asked for and isn't met."""

KeyFrom = Literal["policy", "given", "key ring", "log"]
"""Who named the key that a log is signed by; one that only the log names says nothing of who signed."""

FINDINGS_KEPT = 1_000
"""As many findings are kept one by one; of the rest is said how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that doesn't hold: where, and what."""

    where: str
    problem: str
    kind: Kind = "damaged"

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"where": self.where, "problem": self.problem, "kind": self.kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A payload that was destroyed, and the entry of a log that allowed it; both as `shard:index`."""

    where: str
    allowed_by: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"where": self.where, "allowed_by": self.allowed_by}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerdict:
    """One log as it was verified.

    Args:
        name: of its folder, or of the receipt's file.
        origin: which log it says it is.
        size: how many entries its checkpoint covers.
        root: of its tree, hexadecimal.
        vkey: the key that signed it; empty where nobody's did.
        key_from: who named that key.
        vouched_size: how many of its entries somebody else vouches for, the policy's quorum or anchors.
        vouchers: who does, in words.
    """

    name: str
    origin: str
    size: int
    root: str
    vkey: str
    key_from: KeyFrom
    vouched_size: int = 0
    vouchers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "vkey": self.vkey,
            "key_from": self.key_from,
            "vouched_size": self.vouched_size,
            "vouchers": list(self.vouchers),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a verification.

    Args:
        holds: True where something was checked, all of it held, and a policy that was given is met.
        outcome: in a word; see the module.
        checked: how many of each were checked.
        findings: what doesn't hold.
        notes: what isn't wrong and should be known: runs that died, runs that no log holds yet.
        redactions: what was destroyed, each with the entry that allowed it.
        logs: the logs, and who vouches for each.
        policy: what was demanded, and whether it is `met`; None where nobody demanded anything.
        statement: what a receipt says; None of anything else.
    """

    holds: bool
    outcome: Outcome
    checked: dict[str, int]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    redactions: list[Redaction] = field(default_factory=list)
    logs: list[LogVerdict] = field(default_factory=list)
    policy: Mapping[str, Any] | None = None
    statement: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "holds": self.holds,
            "outcome": self.outcome,
            "checked": self.checked,
            "findings": [finding.to_json() for finding in self.findings],
            "notes": self.notes,
            "redacted": [redaction.to_json() for redaction in self.redactions],
            "logs": [log.to_json() for log in self.logs],
            "policy": None if self.policy is None else dict(self.policy),
            **({} if self.statement is None else {"statement": dict(self.statement)}),
        }


@dataclass(slots=True, kw_only=True)
class Tally:
    """A verdict in the making.

    Args:
        checked: how many of each were checked so far.
        policy: what was demanded.
        statement: what a receipt says.
    """

    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    redactions: list[Redaction] = field(default_factory=list)
    logs: list[LogVerdict] = field(default_factory=list)
    policy: Mapping[str, Any] | None = None
    statement: Mapping[str, Any] | None = None
    _seen: set[Finding] = field(default_factory=set)
    _uncounted: dict[Kind, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        """Count what was checked."""
        self.checked[what] = self.checked.get(what, 0) + number

    def find(self, where: object, problem: str, *, kind: Kind = "damaged") -> None:
        """Put down what doesn't hold, once; the same words of the same place are one finding."""
        finding = Finding(where=str(where), problem=problem, kind=kind)
        if finding in self._seen:
            return
        if len(self._seen) >= FINDINGS_KEPT:
            self._uncounted[kind] = self._uncounted.get(kind, 0) + 1
            return
        self._seen.add(finding)
        self.findings.append(finding)

    def redact(self, redaction: Redaction) -> None:
        """Put down what is gone and may be."""
        self.redactions.append(redaction)

    def absorb(self, other: Tally) -> None:
        """Take up what another one has; its logs and its policy it hasn't."""
        for what, number in other.checked.items():
            self.count(what, number)
        for finding in other.findings:
            self.find(finding.where, finding.problem, kind=finding.kind)
        for kind, number in other._uncounted.items():
            self._uncounted[kind] = self._uncounted.get(kind, 0) + number
        self.notes += other.notes
        self.redactions += other.redactions

    def note(self, words: str) -> None:
        """Put down what isn't wrong and should be known."""
        self.notes.append(words)

    def verdict(self) -> Verdict:
        """Judge."""
        findings = [
            *self.findings,
            *(
                Finding(where="", problem=f"and {count:,} findings more", kind=kind)
                for kind, count in self._uncounted.items()
            ),
        ]
        outcome = self._outcome({finding.kind for finding in findings})
        holds = not findings and outcome != "empty"
        notes = self.notes
        if outcome == "empty" and not findings:
            notes = [*notes, "nothing is recorded here, so nothing was verified"]
        return Verdict(
            holds=holds,
            outcome=outcome,
            checked=self.checked,
            findings=findings,
            notes=notes,
            redactions=self.redactions,
            logs=self.logs,
            policy=None if self.policy is None else {**self.policy, "met": holds},
            statement=self.statement,
        )

    def _outcome(self, kinds: set[Kind]) -> Outcome:
        if "forked" in kinds:
            return "forked"
        if "damaged" in kinds:
            return "damaged"
        if not self.checked.get("events") and not self.checked.get("entries"):
            return "empty"
        if self.redactions:
            return "redacted"
        is_vouched = bool(self.logs) and all(log.vouched_size == log.size for log in self.logs)
        return "intact" if is_vouched and "unmet" not in kinds else "unanchored"
