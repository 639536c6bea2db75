"""What was decided of models and datasets: which has an alias, what is in a stage; the latest counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.store import Decision
from whence.workspace.recorded import time_of

Place = tuple[str, int]
"""A run, and the number of the event in which it logged a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that was decided about a model.

    Args:
        kind: `alias`, `alias_removed`, `stage` or `description`.
        value: the alias, the stage (None: out of any), or the metadata.
        who: decided it, by name.
        at: when, UTC.
        why: a note; empty where none was given.
    """

    kind: str
    value: Any
    who: str
    at: dt.datetime
    why: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "value": self.value,
            "who": self.who,
            "at": self.at.isoformat(),
            "why": self.why,
        }


class Decided:
    """The decisions of a workspace as they stood at one moment.

    Args:
        decisions: all of them, the earliest first.
    """

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.all = list(decisions)
        self._by_place: dict[Place, list[Decision]] = {}
        self._holders: dict[str, dict[str, Place]] = {}
        for each in self.all:
            self._by_place.setdefault(place_of(each), []).append(each)
            if each.kind in ("alias", "alias_removed") and each.body:
                what, name = each.body.get("what", ""), each.body["name"]
                holders = self._holders.setdefault(f"{what}/{name}" if what else name, {})
                if each.kind == "alias":
                    holders[each.body["alias"]] = place_of(each)
                elif holders.get(each.body["alias"]) == place_of(each):
                    del holders[each.body["alias"]]

    def about(self, place: Place) -> list[Decision]:
        """List what was decided about a version, the earliest first."""
        return self._by_place.get(place, [])

    def holders(self, name: str) -> dict[str, Place]:
        """Give the aliases under a name (of datasets `dataset/NAME`), each with the version that has it."""
        return self._holders.get(name, {})

    def aliases(self, name: str, place: Place) -> list[str]:
        """List the aliases that a version has."""
        return sorted(alias for alias, holder in self.holders(name).items() if holder == place)

    def stage(self, place: Place) -> str | None:
        """Tell the stage that a version is in."""
        found = self._staged(place)
        return None if found is None else said(found, "stage")

    def in_stage(self, places: Sequence[Place], stage: str) -> Place | None:
        """Find which of some versions came to a stage last, of those that are in it."""
        latest = [found for found in map(self._staged, places) if found is not None]
        within = [each for each in latest if said(each, "stage") == stage]
        return place_of(max(within, key=lambda each: each.order)) if within else None

    def stages(self, places: Sequence[Place]) -> list[str]:
        """List the stages that some versions are in."""
        return sorted({stage for stage in map(self.stage, places) if stage is not None})

    def described(self, place: Place) -> dict[str, Any]:
        """Give the metadata that were added to a version after it was logged."""
        found: dict[str, Any] = {}
        for each in self.about(place):
            if each.kind == "description":
                found |= said(each, "metadata") or {}
        return found

    def _staged(self, place: Place) -> Decision | None:
        return next(
            (each for each in reversed(self.about(place)) if each.kind == "stage" and each.body), None
        )


def place_of(decision: Decision) -> Place:
    """The version that a decision is about."""
    return decision.public.get("run", ""), decision.public.get("event", -1)


def said(decision: Decision, what: str) -> Any:
    """What a decision says; None where its words were destroyed."""
    return (decision.body or {}).get(what)


def note_of(decision: Decision) -> Note:
    """Say what was decided; of one whose words were destroyed, only that and when."""
    body = decision.body or {}
    key = {"alias_removed": "alias", "description": "metadata"}.get(decision.kind, decision.kind)
    return Note(
        kind=decision.kind,
        value=body.get(key),
        who=body.get("who", ""),
        at=time_of(decision.at_ns),
        why=body.get("note", ""),
    )
