"""What a run says of its streams, passes and metrics, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from whence.capture import EarlierPass, PassPlace, standing_of
from whence.store import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """A stream as a run recorded it: the program's nodes, the top last."""

    number: int
    name: str
    top: int
    items_at: int
    nodes: list[dict[str, Any]]


Fate = Literal["delivered", "again", "abandoned"]
"""Of a delivery: the only one, one of what was delivered before, or one whose receiver was begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassView:
    """One pass over a stream in a run.

    Args:
        number: counts the passes of the run.
        stream: the number of the stream.
        epoch: the number given to `epoch`.
        repeat: counts the passes over the same stream and epoch; one that went on with another shares its.
        first: the output at which it began; those before were handed out by the pass it went on with.
        delivered: up to which output they were handed to the consumer, from the start of the epoch.
        taken: how many of them the consumer certainly had finished with; less than `delivered` by at
            most one, in a run that died.
        is_complete: whether the stream was read to its end.
        is_ended: whether the pass ended, rather than the process.
        kept: its outputs from there on are abandoned: the consumer that received them was begun again from
            a place before.
        again: its outputs up to there had been delivered before.
        untold: by node: of how many inputs, and of the outputs that they gave, this pass doesn't tell which
            became which, since it began in the middle; the passes before it do.
        mode: what was recorded ("full" or "lineage").
        nodes: time in nanoseconds, inputs and outputs of each node's own loop; empty if the pass didn't end.
    """

    number: int
    stream: int
    epoch: int
    repeat: int
    first: int
    delivered: int
    taken: int
    kept: int
    again: int
    is_complete: bool
    is_ended: bool
    mode: str
    nodes: list[list[int]]
    untold: dict[int, tuple[int, int]]

    @property
    def count(self) -> int:
        """How many outputs were handed to the consumer in it."""
        return self.delivered - self.first

    def fate(self, output: int) -> Fate:
        """What became of one of its outputs."""
        if output >= self.kept:
            return "abandoned"
        return "again" if output < self.again else "delivered"


def pass_views(journal: Journal) -> list[PassView]:
    """Find the passes of a run, by number."""
    cursors = journal.cursors()
    ends = {event.public["pass"]: event.public for event in journal.find("pass_end")}
    untold = {
        event.public["pass"]: {index: (ins, outs) for index, ins, outs in event.public["nodes"]}
        for event in journal.find("begun")
    }
    starts = journal.find("pass_start")
    begun: list[EarlierPass] = []
    taken: list[int] = []
    for event in starts:
        at = PassPlace.of(event.public)
        end = ends.get(at.number)
        offered, done = cursors[at.number] if at.number < len(cursors) else (0, 0)
        if end is not None:
            offered = done = end["delivered"]
        begun.append(EarlierPass(at, max(at.first, offered)))
        taken.append(max(at.first, done))
    return [
        PassView(
            number=each.at.number,
            stream=each.at.stream,
            epoch=each.at.epoch,
            repeat=each.at.repeat,
            first=each.at.first,
            delivered=each.delivered,
            taken=done,
            kept=stands.kept,
            again=stands.again,
            is_complete=each.at.number in ends and ends[each.at.number]["complete"],
            is_ended=each.at.number in ends,
            mode=event.public["record"],
            nodes=ends[each.at.number]["nodes"] if each.at.number in ends else [],
            untold=untold.get(each.at.number, {}),
        )
        for event, each, done, stands in zip(starts, begun, taken, standing_of(begun), strict=True)
    ]


def standing_views(passes: Sequence[PassView]) -> list[PassView]:
    """Find the passes that stand, each as one with those that it went on with.

    Its `first` is then the first output of them all; its nodes' counts are those of the latest, which made
    all that came before its own outputs again.
    """
    found: dict[tuple[int, int, int], PassView] = {}
    for view in passes:
        place = (view.stream, view.epoch, view.repeat)
        if view.kept > view.first or view.delivered == view.first:
            before = found.pop(place, view)
            found[place] = replace(view, first=min(before.first, view.first))
    return list(found.values())
