"""What stands of a run's passes, where some went on with others: which deliveries still count.

A program that died is begun again from a checkpoint: what it had received after that checkpoint is
abandoned, because the model that received it is gone, and delivered again. Both are in the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a pass begins.

    Args:
        first: its first output; those before it were received earlier.
        run: the id of the run in which they were; empty where that isn't known.
        number: the pass of that run in which they were; -1 where that isn't known, or none had begun.
        since: how many passes of that run had begun when the consumer stood there.
        cut: where the sources and operations stood shortly before it; see `streams.cutting`.
    """

    first: int = 0
    run: str = ""
    number: int = -1
    since: int = 0
    cut: tuple[int, ...] = ()


AT_THE_START = Start()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPlace:
    """Where a pass stands in its run.

    Args:
        number: counts the passes of the run.
        stream: the number of the stream.
        epoch: the number given to `epoch`.
        repeat: counts the passes over the same stream and epoch; one that goes on with another shares its.
        first: its first output.
        continues: the pass of the run that it goes on with; None where it goes on with none.
        abandons: the passes [from, to) that had begun after the place from which it goes on, in a
            process that is gone.
    """

    number: int
    stream: int
    epoch: int
    repeat: int
    first: int = 0
    continues: int | None = None
    abandons: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, public: Mapping[str, Any]) -> PassPlace:
        """Take it from what the journal says when a pass begins."""
        first, last = public.get("abandons", (0, 0))
        return cls(
            number=public["pass"],
            stream=public["stream"],
            epoch=public["epoch"],
            repeat=public["repeat"],
            first=public.get("first", 0),
            continues=public.get("continues"),
            abandons=(first, last),
        )


class Begun(Protocol):
    """A pass of a run, as far as it matters to others."""

    @property
    def at(self) -> PassPlace:
        """Where it stands in the run."""

    @property
    def delivered(self) -> int:
        """Up to which output it has handed out."""


class Counted:
    """A pass that counts as far as it stands.

    Args:
        at: where it stands in the run.
    """

    def __init__(self, at: PassPlace) -> None:
        self.at = at
        self._kept: int | None = None

    @property
    def delivered(self) -> int:
        """Up to which output it has handed out."""
        raise NotImplementedError

    @property
    def counted(self) -> int:
        """How many of its outputs stand."""
        end = self.delivered if self._kept is None else min(self.delivered, self._kept)
        return end - self.at.first

    def keep_to(self, kept: int) -> None:
        """Its outputs from there on are abandoned."""
        if kept < self.delivered:
            self._kept = kept


class EarlierPass(Counted):
    """A pass that was read before the run was resumed.

    Args:
        at: where it stands in the run.
        delivered: up to which output it has handed out.
    """

    def __init__(self, at: PassPlace, delivered: int) -> None:
        super().__init__(at)
        self._delivered = delivered

    @property
    def delivered(self) -> int:
        """Up to which output it has handed out."""
        return self._delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands of a pass.

    Args:
        kept: its outputs from there on are abandoned.
        again: its outputs up to there had been delivered before.
        is_abandoned: whether all of it is, and its place in the epoch was free again.
    """

    kept: int
    again: int
    is_abandoned: bool


def standing_of(passes: Sequence[Begun]) -> list[Standing]:
    """Say for each pass of a run what stands of it.

    Args:
        passes: all of them, in the order in which they began.
    """
    kept = {each.at.number: each.delivered for each in passes}
    by_number = {each.at.number: each.at for each in passes}
    again: list[int] = []
    abandoned: set[int] = set()
    ends: dict[tuple[int, int, int], int] = {}
    alike: dict[tuple[int, int, int], list[PassPlace]] = {}
    for each in passes:
        at = each.at
        before = None if at.continues is None else by_number.get(at.continues)  # it may be lost to damage
        if before is not None:
            for other in alike[_place_of(before)]:
                kept[other.number] = min(kept[other.number], max(at.first, other.first))
        for number in range(*at.abandons):
            if number in by_number:
                kept[number] = by_number[number].first
                abandoned.add(number)
        place = _place_of(at)
        again.append(max(at.first, min(each.delivered, ends.get(place, 0))))
        ends[place] = max(ends.get(place, 0), each.delivered)
        alike.setdefault(place, []).append(at)
    return [
        Standing(kept=kept[each.at.number], again=up_to, is_abandoned=each.at.number in abandoned)
        for each, up_to in zip(passes, again, strict=True)
    ]


def free_repeat(passes: Sequence[Begun], stream: int, epoch: int, abandons: tuple[int, int] = (0, 0)) -> int:
    """Count the passes over a stream's epoch that stand, but for those that the next one abandons."""
    gone = range(*abandons)
    taken = [
        each.at.repeat
        for each, stands in zip(passes, standing_of(passes), strict=True)
        if (each.at.stream, each.at.epoch) == (stream, epoch)
        and not stands.is_abandoned
        and each.at.number not in gone
    ]
    return max(taken, default=-1) + 1


def _place_of(at: PassPlace) -> tuple[int, int, int]:
    return at.stream, at.epoch, at.repeat
