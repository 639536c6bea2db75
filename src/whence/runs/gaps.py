"""What isn't known of a run and why, in words: above all of times in which the disk refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from whence.store import GAP, Journal


def gaps_in(journal: Journal, *, is_lost: bool, missing_parts: Sequence[str]) -> list[str]:
    """Say what was read in a run and isn't recorded, or can't be known any more.

    Args:
        journal: the run's.
        is_lost: whether its process died.
        missing_parts: the ids of parts of it that aren't here.
    """
    found = [f"its record is damaged ({damage.problem})" for damage in journal.damages[:1]]
    found += lost_in(journal)
    if is_lost and not journal.has_grown() and unheard_passes(journal):
        found.append("its process died with passes of which nothing was written")
    if journal.find("unrecorded"):
        found.append("passes were read with the record off")
    if missing_parts:
        found.append(f"{len(missing_parts)} of its parts aren't here: {', '.join(missing_parts[:3])}")
    if journal.was_forked():
        found.append("passes were read in a process forked from it")
    if any(event.redacted for event in journal.find("stream")):
        found.append("what a stream was has been destroyed")
    return found


def lost_in(journal: Journal) -> list[str]:
    """Say what was lost, and what the disk never confirmed."""
    confirmed = {name for event in journal.find(GAP) for name, *_ in event.public.get("confirmed", ())}
    found: list[str] = []
    for event in journal.find(GAP):
        told = event.public
        if told.get("lost"):
            found.append(f"{_when(told)}; lost are {_counted(told['lost'])}")
        for name, begin, end in told.get("unconfirmed", ()):
            if name not in confirmed:
                found.append(f"the disk didn't confirm bytes {begin} to {end} of {name} ({told['why']})")
    for event in journal.find("run_resume"):
        if event.public.get("unheard"):
            found.append("a process that died had read passes of which nothing was written")
        if event.public.get("uncertain"):
            found.append("what a process did last, before it or the machine went down, may be missing")
    if journal.is_uncertain:
        found.append("what its process did last, before it or the machine went down, may be missing")
    return found


def late_in(journal: Journal) -> list[str]:
    """Say what the disk refused at first, and took or confirmed later."""
    found: list[str] = []
    for event in journal.find(GAP):
        told = event.public
        if "lost" in told and not told["lost"]:
            found.append(f"{_when(told)}; all of it was written later")
        for name, begin, end in told.get("confirmed", ()):
            found.append(f"the disk refused to confirm bytes {begin} to {end} of {name}, and has them now")
    return found


def lost_objects(journal: Journal) -> set[bytes]:
    """Find the digests of content that couldn't be kept."""
    return {digest for event in journal.find(GAP) for digest in (event.body or {}).get("objects", ())}


def unheard_passes(journal: Journal) -> list[int]:
    """Find passes that handed something out, and whose beginning isn't in the journal."""
    begun = len(journal.find("pass_start"))
    return [number for number, (offered, _) in enumerate(journal.cursors()) if number >= begun and offered]


def uncertain_passes(journal: Journal) -> set[int]:
    """Find the passes of which some may be missing of what they decided before they delivered."""
    found = {number for event in journal.find(GAP) for number in event.public.get("passes", ())}
    for event in journal.find("run_resume"):
        if event.public.get("uncertain"):
            found |= {number for number, *_ in event.public["lost"]}
    if journal.is_uncertain:
        ended = {event.public["pass"] for event in journal.find("pass_end")}
        ended |= {number for event in journal.find("run_resume") for number, *_ in event.public["lost"]}
        found |= {event.public["pass"] for event in journal.find("pass_start")} - ended
    return found


def _when(told: dict[str, Any]) -> str:
    since, until = (dt.datetime.fromtimestamp(told[name] / 1e9, tz=dt.UTC) for name in ("since", "until"))
    times = f"from {since:%Y-%m-%d %H:%M:%S} to {until:%H:%M:%S} UTC"
    return f"{times} the disk refused what was written ({told['why']})"


def _counted(lost: dict[str, int]) -> str:
    return ", ".join(f"{count} {_WORDS.get(what, what)}" for what, count in sorted(lost.items()))


_WORDS = {
    "point": "points of metrics",
    "decisions": "times what a pass decided from there on",
    "digests": "times the digests of what a pass delivered from there on",
    "cursor": "times how far a pass came",
    "content": "contents of artifacts or models",
}
