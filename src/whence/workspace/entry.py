"""An entry of the ledger as users hold it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from whence.ledger import (
    WIDTH,
    ImportedShard,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    Opening,
    SealedRun,
    Subject,
    parse_entry,
    subject_of,
)
from whence.runs import friendly_name
from whence.store import Shard
from whence.vocab import decode_content, digest_text
from whence.workspace.recorded import time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An entry, as it is read.

    Args:
        shard: the shard's name.
        index: its number in it.
        kind: what it is about.
        at: when that came to be, UTC.
        subject: what it says; None where it says it in words of its own, or where they were destroyed.
        words: these words.
        public: what it says for ever.
        redacted: whether its payload was destroyed.
    """

    shard: str
    index: int
    kind: str
    at: dt.datetime
    subject: Subject | None
    words: Mapping[str, Any]
    public: Mapping[str, Any]
    redacted: bool

    @property
    def place(self) -> str:
        """How it is called."""
        return f"{self.shard}:{self.index}"

    @property
    def what(self) -> str:
        """What it is about, in words."""
        return _what(self)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "place": self.place,
            "shard": self.shard,
            "index": self.index,
            "kind": self.kind,
            "at": self.at.isoformat(),
            "what": self.what,
            **_told(self.subject),
            "words": dict(self.words),
            "public": dict(self.public),
            "redacted": self.redacted,
        }


def entries_backwards(shard: Shard) -> Iterator[LedgerEntry]:
    """Read the entries of a shard, the last first."""
    size = shard.size
    for bundle in reversed(range(-(-size // WIDTH))):
        openings = shard.openings(bundle)
        entries = list(shard.entries(bundle * WIDTH, min(size, (bundle + 1) * WIDTH)))
        for index, data in reversed(entries):
            yield read_entry(shard, index, data, openings[index % WIDTH])


def read_entry(shard: Shard, index: int, data: bytes, opening: Opening | None) -> LedgerEntry:
    """Read an entry of a shard; its payload was destroyed where there is no opening."""
    said = parse_entry(data)
    subject, words = None, {}
    if opening is not None:
        subject = subject_of(said.kind, opening.payload)
        if subject is None:
            content = decode_content(opening.payload)
            words = content if isinstance(content, dict) else {}
    return LedgerEntry(
        shard=shard.name,
        index=index,
        kind=said.kind,
        at=time_of(said.at_ms * 1_000_000),
        subject=subject,
        words=words,
        public=said.public or {},
        redacted=opening is None,
    )


def _what(entry: LedgerEntry) -> str:
    if entry.redacted:
        return "destroyed"
    subject = entry.subject
    if isinstance(subject, SealedRun):
        return f"{friendly_name(subject.run_id)} {subject.run_id}, {subject.event_count:,} events"
    if isinstance(subject, LoggedVersion):
        return f"{subject.name}@{subject.version} {digest_text(subject.digest)}"
    if isinstance(subject, LoggedArtifact):
        return f"{subject.name} {digest_text(subject.digest)}"
    if isinstance(subject, LoggedDecision):
        return subject.decision_id
    if isinstance(subject, ImportedShard):
        return f"{subject.shard}, {subject.size:,} entries"
    return ", ".join(f"{key} {value}" for key, value in {**entry.public, **entry.words}.items())


def _told(subject: Subject | None) -> dict[str, Any]:
    """What an entry says, for JSON."""
    said = {} if subject is None else dataclasses.asdict(subject)
    return {
        key: digest_text(value) if isinstance(value, bytes) else value
        for key, value in said.items()
        if key != "kind"
    }
