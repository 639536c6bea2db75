"""What an audit says of one file of a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

FindingKind: TypeAlias = Literal[
    "missing", "unreadable", "form", "hash", "child", "leaf", "root", "stray", "renamed", "ahead", "earlier"
]

_NAMED_PLACES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One file of a log that isn't as it must be.

    Args:
        path: which file; `checkpoint` where the log as a whole is meant.
        kind: `missing`; `unreadable`; `form`: its length or encoding isn't that of its name; `hash`: it
            doesn't lead to the root; `child`: it has hashes that aren't those of what lies below, and what
            lies below leads to the root; `leaf`: it has entries that don't hash to their leaves; `root`: the
            checkpoint's root is reached from nowhere; `stray`: no file of a log; `renamed`: one that is
            missing elsewhere; `ahead`: of a larger log than the checkpoint covers; `earlier`: a partial file
            that the present one doesn't begin with.
        message: what was wanted and what was found.
        places: which hashes or entries of the file, from 0; empty where the whole file is meant.
    """

    path: str
    kind: FindingKind
    message: str
    places: tuple[int, ...] = ()


def name_places(places: Sequence[int]) -> str:
    """Name some places in words: `3, 7 and 12 more`."""
    named = ", ".join(map(str, places[:_NAMED_PLACES]))
    more = len(places) - _NAMED_PLACES
    return f"{named} and {more} more" if more > 0 else named
