"""Verify: whether what is on disk is what was recorded; nothing is verified vacuously."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from whence.errors import WhenceError
from whence.runs import RunRecord, content_digests, late_in, lost_in, lost_objects
from whence.store import Damage, check_object, check_segments, split_damages


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that doesn't hold: where, and what."""

    where: str
    problem: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"where": self.where, "problem": self.problem}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a verification.

    Args:
        holds: True where something was checked and all of it held.
        checked: how many of each were checked.
        findings: what doesn't hold.
        notes: what isn't wrong and should be known: runs that died, payloads that were destroyed.
    """

    holds: bool
    checked: dict[str, int]
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "holds": self.holds,
            "checked": self.checked,
            "findings": [finding.to_json() for finding in self.findings],
            "notes": self.notes,
        }


def verify_runs(
    records: Iterable[RunRecord], *, unreadable: Iterable[Finding] = (), notes: Iterable[str] = ()
) -> Verdict:
    """Check the chain of every journal, the bodies it commits to, its segments and its objects.

    Args:
        records: the runs.
        unreadable: what couldn't even be read.
        notes: what isn't wrong and is known before anything is checked.
    """
    checked = {"runs": 0, "events": 0, "frames": 0, "objects": 0, "bytes": 0}
    findings = list(unreadable)
    said = list(notes)
    for record in records:
        checked["runs"] += 1
        try:
            damages, unsettled = split_damages(record.journal, _check_run(record, checked))
            said += [
                f"{record.name}: written last, and not on the disk when the machine went down: "
                f"{damage.path}:{damage.offset}: {damage.problem}"
                for damage in unsettled[:1]
            ]
        except WhenceError as error:
            damages = [_damage(record, error.message)]
        findings += [
            Finding(where=f"{damage.path}:{damage.offset}", problem=damage.problem)
            for damage in dict.fromkeys(damages)
        ]
        redacted = sum(event.redacted for event in record.journal.events)
        if redacted:
            said.append(f"{record.name}: {redacted} bodies are gone; the journal still commits to them")
        said += [f"{record.name}: {each}" for each in (*lost_in(record.journal), *late_in(record.journal))]
        if record.status == "lost":
            said.append(f"{record.name}: its process died; everything up to that moment is checked")
    holds = not findings and checked["events"] > 0
    if not findings and not checked["events"]:
        said.append("nothing is recorded here, so nothing was verified")
    return Verdict(holds=holds, checked=checked, findings=findings, notes=said)


def _check_run(record: RunRecord, checked: dict[str, int]) -> list[Damage]:
    journal = record.journal
    checked["events"] += len(journal.events)
    checked["bytes"] += journal.size
    damages = [*journal.damages, *_missing_events(record), *check_segments(journal)]
    for name in journal.segment_names():
        scan = journal.survey(name)
        checked["frames"] += scan.count
        checked["bytes"] += scan.sound_bytes
        if not record.is_ended:
            damages += scan.damages
    if not record.is_ended:  # then each pass by itself: there is no last word on the whole file
        damages += record.check_sealed()
    lost = lost_objects(journal)
    for body in (*record.artifacts, *record.models):
        checked["bytes"] += body["bytes"]
        for digest in content_digests(body):
            checked["objects"] += 1
            problem = check_object(record.folder, journal, digest)
            if problem is not None and digest not in lost:
                damages.append(problem)
    return damages


def _missing_events(record: RunRecord) -> list[Damage]:
    """Name the gaps in the numbers of a journal's events, and an end that must have been there."""
    journal = record.journal
    numbers = [event.number for event in journal.events]
    damages = []
    for before, after in itertools.pairwise([-1, *numbers]):
        if after != before + 1:
            # where bytes are damaged, they were there
            places = [each.offset for each in journal.damages if each.path == str(journal.path / "journal")]
            offset = min(places, default=0)
            problem = f"events {before + 1} to {after - 1} are missing"
            damages.append(dataclasses.replace(_damage(record, problem), offset=offset))
    if not record.is_ended and not journal.has_lease() and not journal.has_grown():
        damages.append(_damage(record, "the journal's end is missing: its writer had ended the run"))
    return damages


def _damage(record: RunRecord, problem: str) -> Damage:
    return Damage(path=str(record.journal.path / "journal"), offset=0, length=0, problem=problem)
