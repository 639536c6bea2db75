"""Ops that have to know what came before, but need only the gist of each sample to decide what becomes of it.

A deduplication, for instance, compares keys. Where the samples are in another process, only the gists come
to the one that decides, in the order of the samples, and only the decision goes back.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whence.ops.chunk import Chunk
from whence.ops.op import Context, Input, Op

Decide = Callable[[Any], Any]
"""Decides on the next samples by their gists, in order, and tells the recorder; gives the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking(Op):
    """An op of one input that works in three steps, of which only the second needs all samples in order."""

    @abstractmethod
    def gists(self, chunk: Chunk, position: int, context: Context) -> tuple[Any, int, BaseException | None]:
        """Take of each sample what the decision needs.

        Args:
            chunk: the samples.
            position: of the first of them, in the input.
            context: of the pass.

        Returns:
            The gists, of how many samples they are, and what went wrong with the sample after these.
        """

    @abstractmethod
    def decider(self, context: Context) -> Decide:
        """Begin to decide, for one pass."""

    @abstractmethod
    def settled(self, chunk: Chunk, verdict: Any) -> Chunk:
        """Do with the samples what was decided."""

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Ask and settle chunk by chunk."""
        decide = self.decider(context)
        position = context.first
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            gists, count, error = self.gists(chunk, position, context)
            settled = self.settled(chunk if error is None else chunk.taken(slice(count)), decide(gists))
            context.recorder.spent(time.perf_counter_ns() - began, count, len(settled))
            position += count
            if len(settled):
                yield settled
            if error is not None:
                raise error
