"""What the oracle knows of an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whence.streams import Stream

Args = tuple[Any, ...]
Chain = Callable[[Stream, list[Stream], Args, str], Stream]
Hand = Callable[[list[Any], list[list[Any]], Args], list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation: how it is chained, what it gives, and what it may do to samples.

    Args:
        chain: chains it to a stream, given the other inputs, its arguments and its label.
        hand: what it gives, of lists and nothing else; None where chance has a part in it.
        can_drop: whether it may leave a sample out.
        can_stop: whether it may leave source rows unread though the pass is complete.
        makes_one_of_one: whether each output is made of one input, so that batches below it keep their
            places and their items.
        hands_on: whether each output is an input as it was.
        learns: whether it learns of all samples, or of those of a second input.
        may_fail: whether there may be samples that it refuses: it reads nothing on, then.
    """

    chain: Chain
    hand: Hand | None = None
    can_drop: bool = False
    can_stop: bool = False
    makes_one_of_one: bool = True
    hands_on: bool = False
    learns: bool = False
    may_fail: bool = False
