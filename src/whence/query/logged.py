"""What the entries of logs say, held against what they commit to and against the record that is here.

An entry that leads to a signed root is true of the moment at which it was logged. Whether its payload is
still there, and whether the run, the content, the decision or the log that it speaks of is still what it was
then, is found here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from whence.errors import DamagedError, WhenceError
from whence.ledger import (
    EMPTY_ROOT,
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
from whence.query.logs import CHECKPOINT, LogSeen, Remembered, compare_remembered
from whence.query.verdicts import Redaction, Tally
from whence.query.verify import RunSeen

Openings = Callable[[int], list[Opening | None]]
"""Reads the openings of a bundle of entries by its number; None for one that isn't there any more."""

_NAMED = 5

Spot = tuple[str, int]
"""An entry: the name of its log and its index."""


class Record(Protocol):
    """The record that logs speak of."""

    def run(self, run_id: str) -> RunSeen | None:
        """See a run; None where it isn't here. Raises where it can't be read, which is found elsewhere."""

    def has_chain(self, sealed: SealedRun) -> bool:
        """Whether a run's journal begins with what was sealed; looks at the disk."""

    def decision(self, decision_id: str) -> bytes | None:
        """Find the digest of a decision; None where it isn't here."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """What only all logs together can tell.

    Args:
        destroyed: the entries whose payload isn't there.
        allowed: the entries that may lack theirs, each with the entry that says so.
        imported: logs that came from elsewhere, each with the entry that says so.
        linked: what first and last entries say of other logs.
        bodies: the entries of runs that lack bodies.
        logged: of each run that is in a log, up to how many events.
        gone: the entries that speak of what isn't here, with the words for it.
        gone_runs: the runs among that.
        gone_with_runs: the entries that speak of what a run kept that isn't here, with its id.
    """

    destroyed: list[Spot] = field(default_factory=list)
    allowed: dict[Spot, Spot] = field(default_factory=dict)
    imported: list[tuple[Spot, ImportedShard]] = field(default_factory=list)
    linked: list[tuple[Spot, Mapping[str, Any]]] = field(default_factory=list)
    bodies: list[tuple[Spot, RunSeen]] = field(default_factory=list)
    logged: dict[str, int] = field(default_factory=dict)
    gone: list[tuple[Spot, str]] = field(default_factory=list)
    gone_runs: set[str] = field(default_factory=set)
    gone_with_runs: list[tuple[Spot, str, str]] = field(default_factory=list)

    def absorb(self, other: Pending) -> None:
        """Take up what another one has."""
        self.destroyed += other.destroyed
        self.allowed = other.allowed | self.allowed
        self.imported += other.imported
        self.linked += other.linked
        self.bodies += other.bodies
        self.gone += other.gone
        self.gone_runs |= other.gone_runs
        self.gone_with_runs += other.gone_with_runs
        for run_id, count in other.logged.items():
            self.logged[run_id] = max(count, self.logged.get(run_id, 0))


class EntryReader:
    """Takes the entries of one log as an audit hands them out.

    Args:
        seen: the log.
        openings: reads what they commit to.
        record: what they speak of.
        tally: takes what is found.
        pending: takes what only all logs together can tell.
    """

    def __init__(
        self, seen: LogSeen, openings: Openings, record: Record, tally: Tally, pending: Pending
    ) -> None:
        self._seen, self._record = seen, record
        self._tally, self._pending = tally, pending
        self._read_openings = openings
        self._first = -WIDTH
        self._openings: list[Opening | None] = []
        self.opened = 0

    def take(self, index: int, data: bytes) -> None:
        """Take the next entry."""
        try:
            entry = parse_entry(data)
        except DamagedError as error:
            self._find(index, error.message)
            return
        place = index - self._first
        if not 0 <= place < WIDTH:
            place = self._turn_to(index)
        opening = self._openings[place] if place < len(self._openings) else None
        if entry.public or not index:
            self._take_public(index, entry.kind, entry.public or {})
        if opening is None:
            self._pending.destroyed.append((self._seen.name, index))
            return
        try:
            entry.check_opening(opening)
            self.opened += 1
            subject = subject_of(entry.kind, opening.payload)
        except DamagedError as error:
            self._find(index, error.message)
            return
        if subject is not None:
            try:  # noqa: SIM105 - a third of a microsecond, a million times
                self._compare(index, subject)
            except WhenceError:
                pass  # the run can't be read, which is found already

    def _turn_to(self, index: int) -> int:
        """Read the openings of the bundle that has an entry; gives the entry's place in it."""
        bundle, place = divmod(index, WIDTH)
        self._first = bundle * WIDTH
        try:
            self._openings = self._read_openings(bundle)
        except WhenceError as error:
            self._openings = []
            self._tally.find(self._seen.folder.path / "payload" / str(bundle), error.message)
        return place

    def _take_public(self, index: int, kind: str, public: Mapping[str, Any]) -> None:
        spot = (self._seen.name, index)
        if not index and (kind, public.get("vkey")) != ("shard", self._seen.folder.vkey):
            self._find(index, "the first entry doesn't name the key that signed this log")
        if kind == "erasure":
            for name, erased in _erased(public):
                # who can't sign for a log can't allow anything in it
                if self._seen.is_known or name == self._seen.name:
                    self._pending.allowed.setdefault((name, erased), spot)
        elif kind in ("shard", "end"):
            self._pending.linked.append((spot, public))

    def _compare(self, index: int, subject: Subject) -> None:
        spot = (self._seen.name, index)
        if isinstance(subject, SealedRun):
            self._compare_run(index, subject)
        elif isinstance(subject, LoggedVersion | LoggedArtifact):
            self._compare_thing(index, subject)
        elif isinstance(subject, LoggedDecision):
            digest = self._record.decision(subject.decision_id)
            if digest is None:
                self._pending.gone.append((spot, f"decision {subject.decision_id} is"))
            elif digest != subject.digest:
                self._find(index, f"decision {subject.decision_id} isn't the one that was logged")
        elif isinstance(subject, ImportedShard):
            self._pending.imported.append((spot, subject))

    def _compare_run(self, index: int, sealed: SealedRun) -> None:
        run = self._record.run(sealed.run_id)
        if run is None:
            self._pending.gone.append(((self._seen.name, index), f"run {sealed.run_id} is"))
            self._pending.gone_runs.add(sealed.run_id)
            return
        known = self._pending.logged.get(sealed.run_id, 0)
        self._pending.logged[sealed.run_id] = max(known, sealed.event_count)
        if run.chain_at_end.get(sealed.event_count) != sealed.chain and not self._record.has_chain(sealed):
            self._find(index, f"the journal of run {run.name} ({run.id}) isn't the one that was logged")
        elif run.redacted and not run.is_damaged:
            self._pending.bodies.append(((self._seen.name, index), run))

    def _compare_thing(self, index: int, subject: LoggedVersion | LoggedArtifact) -> None:
        run = self._record.run(subject.run_id)
        kind, version = "artifact", 0
        if isinstance(subject, LoggedVersion):
            kind, version = subject.kind, subject.version
        if run is None:
            words = f"{kind} {subject.name!r:.80} of run {subject.run_id} is"
            self._pending.gone_with_runs.append(((self._seen.name, index), subject.run_id, words))
            return
        is_there = (kind, subject.name, version, subject.digest) in run.things
        if not is_there and not run.redacted and not run.is_damaged:
            self._find(index, f"{kind} {subject.name!r:.80} of run {run.name} isn't the one that was logged")

    def _find(self, index: int, problem: str) -> None:
        self._tally.find(f"{self._seen.name}:{index}", problem)


def judge_pending(pending: Pending, logs: Mapping[str, LogSeen], tally: Tally) -> None:
    """Judge what all logs together tell: what may be gone, which logs there must be, what is in none."""
    by_origin: dict[str, LogSeen] = {}
    for seen in logs.values():
        first = by_origin.setdefault(seen.checkpoint.origin, seen)
        if first is not seen:
            _judge_twins(first, seen, tally)
    destroyed = set(pending.destroyed)
    for spot in pending.destroyed:
        _judge_gone(spot, "its payload is", pending, tally)
    last = {run.id: (spot, run) for spot, run in pending.bodies}  # one that was gone on with is in it again
    for run_id, (spot, run) in last.items():
        spots = [each for each, of in pending.bodies if of.id == run_id]
        allowed = next((each for each in spots if each in pending.allowed), spot)
        if allowed not in destroyed:
            _judge_gone(allowed, f"bodies of run {run.name} ({run.redacted}) are", pending, tally)
    for spot, what in pending.gone:
        _judge_gone(spot, what, pending, tally)
    _note_kept(pending, logs, tally)
    for spot, run_id, what in pending.gone_with_runs:
        if run_id not in pending.gone_runs:
            _judge_gone(spot, what, pending, tally)
    for spot, imported in pending.imported:
        _judge_link(spot, imported.origin, imported.size, imported.root, by_origin, tally)
    for spot, public in pending.linked:
        _judge_links(spot, public, by_origin, tally)


def _note_kept(pending: Pending, logs: Mapping[str, LogSeen], tally: Tally) -> None:
    """Note what entries allow to be destroyed, and what is there all the same."""
    gone = {*pending.destroyed, *(spot for spot, _ in pending.bodies), *(spot for spot, _ in pending.gone)}
    kept: dict[Spot, list[str]] = {}
    for spot, allowing in pending.allowed.items():
        if spot not in gone and spot[0] in logs:
            kept.setdefault(allowing, []).append(_name(spot))
    for allowing, names in kept.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        tally.note(
            f"{_name(allowing)} says that {', '.join(names[:_NAMED])}{more} be destroyed, and it isn't"
        )


def rolled_back(pending: Pending) -> dict[str, int]:
    """Find the logs that were left since they weren't any more what was signed, by origin: at which size."""
    found = {}
    for _, public in pending.linked:
        before = public.get("before")
        if public.get("why") in ("rolled-back", "damaged") and isinstance(before, dict):
            size = before.get("size")
            if type(size) is int:
                found[str(before.get("origin"))] = size
    return found


def _judge_gone(spot: Spot, what: str, pending: Pending, tally: Tally) -> None:
    """Judge something that isn't there: an entry of a log must have allowed that."""
    allowing = pending.allowed.get(spot)
    if allowing is None:
        tally.find(_name(spot), f"{what} gone, and no entry allows that")
    else:
        tally.redact(Redaction(where=_name(spot), allowed_by=_name(allowing)))


def _judge_twins(first: LogSeen, second: LogSeen, tally: Tally) -> None:
    """Judge two folders of one log: a copy is idle, another history is a fork."""
    small, large = sorted((first, second), key=lambda seen: seen.checkpoint.size)
    where = second.folder.path / CHECKPOINT
    try:
        is_beginning = large.root_at(small.checkpoint.size) == small.checkpoint.root
    except WhenceError:
        return  # the audit names the tile
    if is_beginning:
        tally.find(where, f"{second.name} is a copy of the log in {first.name}")
    else:
        problem = f"{second.name} and {first.name} tell two histories of the log {first.checkpoint.origin}"
        tally.find(where, problem, kind="forked")


def _judge_link(
    spot: Spot, origin: str, size: int, root: bytes, by_origin: Mapping[str, LogSeen], tally: Tally
) -> None:
    """Judge what an entry says of another log: it is here, at least as large, and begins so."""
    other = by_origin.get(origin)
    if other is None:
        tally.find(_name(spot), f"names the log {origin} with {size:,} entries, which isn't here")
        return
    compare_remembered(other, [Remembered(size=size, root=root, by=f"the entry {_name(spot)}")], tally)


def _judge_links(
    spot: Spot, public: Mapping[str, Any], by_origin: Mapping[str, LogSeen], tally: Tally
) -> None:
    """Judge the logs that a first or a last entry names: the one before, as it was then, and the next."""
    for link in (public.get("before"), public.get("next")):
        if not isinstance(link, dict) or not isinstance(link.get("origin"), str):
            continue
        try:
            size, root = link.get("size", 0), base64.b64decode(link.get("root", ""), validate=True)
            if type(size) is not int or size < 0:
                raise ValueError(size)
        except (ValueError, TypeError):
            tally.find(_name(spot), "says of another log what can't be read")
            continue
        _judge_link(spot, link["origin"], size, root or EMPTY_ROOT, by_origin, tally)


def _erased(public: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Read which entries an erasure allows to lack their payload."""
    name, indices = public.get("shard"), public.get("indices")
    if isinstance(name, str) and isinstance(indices, list):
        yield from ((name, index) for index in indices if type(index) is int)


def _name(spot: Spot) -> str:
    return f"{spot[0]}:{spot[1]}"
