"""Verify: whether the runs on disk are what was recorded; nothing is verified vacuously."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from whence.errors import WhenceError
from whence.query.verdicts import Finding, Tally, Verdict
from whence.runs import (
    RunRecord,
    check_snapshots,
    compare_files,
    content_digests,
    late_in,
    lost_in,
    lost_objects,
)
from whence.store import Damage, check_object, check_segments, split_damages

Thing = tuple[str, str, int, bytes]
"""Something that a run keeps by name: `model`, `dataset` or `artifact`, name, version (0: none), digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """What a log may say of a run, as its journal has it.

    Args:
        id: its id.
        name: its friendly name.
        is_ended: whether it has ended, and not gone on since.
        chain_at_end: the chain value at each of its ends, by how many events there were.
        things: the models and artifacts that it keeps.
        redacted: how many bodies were destroyed.
        is_damaged: whether its journal isn't whole, so that what is missing in it says nothing.
    """

    id: str
    name: str
    is_ended: bool
    chain_at_end: Mapping[int, bytes]
    things: frozenset[Thing]
    redacted: int
    is_damaged: bool


def verify_runs(
    records: Iterable[RunRecord], *, unreadable: Iterable[Finding] = (), notes: Iterable[str] = ()
) -> Verdict:
    """Check the chain of every journal, the bodies it commits to, its segments and its objects; no log.

    Args:
        records: the runs.
        unreadable: what couldn't even be read.
        notes: what isn't wrong and is known before anything is checked.
    """
    tally = Tally(findings=list(unreadable), notes=list(notes))
    for seen in check_runs(records, tally):
        note_redacted(seen, tally)
    return tally.verdict()


def check_runs(
    records: Iterable[RunRecord], tally: Tally, *, with_sources: bool = False
) -> Iterator[RunSeen]:
    """Check run after run; gives of each what a log may say of it.

    Args:
        records: the runs.
        tally: takes what is found.
        with_sources: compare the files that were read with what is there now.
    """
    for what in ("runs", "events", "frames", "objects", "bytes"):
        tally.count(what, 0)
    for record in records:
        tally.count("runs")
        try:
            damages, unsettled = split_damages(record.journal, _check_run(record, tally))
            for damage in unsettled[:1]:
                tally.note(
                    f"{record.name}: written last, and not on the disk when the machine went down: "
                    f"{damage.path}:{damage.offset}: {damage.problem}"
                )
        except WhenceError as error:
            damages = [_damage(record, error.message)]
        for damage in damages:
            tally.find(f"{damage.path}:{damage.offset}", damage.problem)
        for each in (*lost_in(record.journal), *late_in(record.journal)):
            tally.note(f"{record.name}: {each}")
        if record.status == "lost":
            tally.note(f"{record.name}: its process died; everything up to that moment is checked")
        if with_sources:
            _check_sources(record, tally)
        yield see_run(record)


def see_run(record: RunRecord) -> RunSeen:
    """Gather what a log may say of a run."""
    kinds = {"artifact": record.artifacts, "model": record.models, "dataset": record.datasets}
    bodies = [(kind, body) for kind, found in kinds.items() for body in found]
    return RunSeen(
        id=record.id,
        name=record.name,
        is_ended=record.is_ended,
        chain_at_end=record.journal.chain_at_end,
        things=frozenset(
            (kind, str(body["name"]), int(body.get("version") or 0), bytes(body["digest"]))
            for kind, body in bodies
        ),
        redacted=sum(event.redacted for event in record.journal.events),
        is_damaged=bool(record.journal.damages),
    )


def note_redacted(seen: RunSeen, tally: Tally) -> None:
    """Note the bodies that a run lacks, where no log says whether they may be gone."""
    if seen.redacted:
        tally.note(f"{seen.name}: {seen.redacted} bodies are gone; the journal still commits to them")


def _check_run(record: RunRecord, tally: Tally) -> list[Damage]:
    journal = record.journal
    tally.count("events", len(journal.events))
    tally.count("bytes", journal.size)
    damages = [
        *journal.damages,
        *_missing_events(record),
        *check_segments(journal),
        *check_snapshots(journal),
    ]
    for name in journal.segment_names():
        scan = journal.survey(name)
        tally.count("frames", scan.count)
        tally.count("bytes", scan.sound_bytes)
        if not record.is_ended:
            damages += scan.damages
    if not record.is_ended:  # then each pass by itself: there is no last word on the whole file
        damages += record.check_sealed()
    lost = lost_objects(journal)
    for body in (*record.artifacts, *record.models, *record.datasets):
        tally.count("bytes", body["bytes"])
        for digest in content_digests(body):
            tally.count("objects")
            problem = check_object(record.folder, journal, digest)
            if problem is not None and digest not in lost:
                damages.append(problem)
    return damages


def _check_sources(record: RunRecord, tally: Tally) -> None:
    """Compare files: one that has changed is no damage of the record, and what was asked about."""
    for source in record.sources:
        moved = 0
        for file in compare_files(source, beside=record.folder.path.parent):
            tally.count("sources")
            if file.found == "changed":
                tally.find(file.path, f"isn't what {record.name} read there", kind="unmet")
            moved += file.found == "moved"
        if moved:
            tally.note(f"{record.name}: of {source.name}, {moved:,} files aren't where they were read")


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
