"""Mix: several streams into one, sample by sample in random turns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from whence.chance import Interleaving, turns_among
from whence.errors import PlanError
from whence.lineage import Chosen
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array
from whence.ops.combine import Measured
from whence.ops.op import Context, Fetch, Input, Op, Recorded, check_seed

Stop = Literal["all", "first"]

_LEAST = 1e-6
_TOLERANCE = 1e-9
_TURNS_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix(Op):
    """Take samples from several inputs in random turns, each input in its own order, anew in every epoch.

    Every 64 turns are shared out among the inputs as exactly as whole numbers can, in random order. Which
    input an output comes from follows from the key and the inputs' sizes: nothing is stored, and
    indexable inputs stay indexable.

    Args:
        weights: of each input, each above 0, with a sum of 1.
        seed: with the epoch it decides the order.
        stop: when a turn comes to an input that has nothing left, "all" goes on among the others, their
            weights in the old proportions, until every sample has come; "first" ends.
    """

    kind: ClassVar[str] = "mix"
    is_random: ClassVar[bool] = True

    weights: Sequence[float]
    seed: int
    stop: Stop = "all"

    def __post_init__(self) -> None:
        check_seed(self.seed, "mix")
        if isinstance(self.weights, str) or not isinstance(self.weights, Iterable):
            raise PlanError(
                f"mix(weights={self.weights!r:.40}): wanted one weight for each stream",
                remedy="Write weights=[0.7, 0.3].",
            )
        object.__setattr__(self, "weights", tuple(self.weights))
        if self.stop not in ("all", "first"):
            raise PlanError(
                f"mix(stop={self.stop!r:.40}): wanted 'all' or 'first'",
                remedy="Use stop='first' to end when an input has nothing left.",
            )
        for number, weight in enumerate(self.weights):
            is_number = isinstance(weight, int | float | np.integer | np.floating)
            if isinstance(weight, bool) or not is_number or not _LEAST <= weight <= 1:
                raise PlanError(
                    f"mix(weights=...): weight {number} is {weight!r:.40}, "
                    f"wanted a number from {_LEAST:g} to 1",
                    remedy="Leave out a stream that should never come; write weights=[0.7, 0.3].",
                )
        total = math.fsum(self.weights)
        if abs(total - 1) > _TOLERANCE:
            raise PlanError(
                f"mix(weights=...): the weights sum up to {total:.12g}, wanted 1",
                remedy="Divide each by their sum.",
            )

    def check_inputs(self, count: int) -> None:
        """Refuse another number of inputs than of weights.

        Raises:
            PlanError: there is.
        """
        if len(self.weights) != count:
            raise PlanError(
                f"mix(weights=...): {len(self.weights)} weights for {count} streams",
                remedy="Give one weight for each stream, the one that mix is called on first.",
            )

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        return {"weights": [float(weight) for weight in self.weights], "seed": self.seed, "stop": self.stop}

    def is_indexable(self) -> bool:
        """Whether any output can be picked: its size must not depend on the order."""
        return self.stop == "all"

    def out_size(self, sizes: Sequence[int]) -> int:
        """All of them together; where it ends with the first, the mapping says."""
        return sum(sizes)

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The order of the turns."""
        order = Interleaving(sizes, self.weights, key, epoch, goes_on=self.stop == "all")
        return [Chosen(order, number) for number in range(len(sizes))]

    def reason(self) -> str:
        """Why a sample doesn't come."""
        return "the mix had ended (stop='first')"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Read the inputs by turns, never more of one than a chunk ahead."""
        readers = [Measured(each) for each in inputs]
        left = list(range(len(inputs)))
        while left:
            turns = turns_among(left, self.weights, context.key, context.epoch)
            ended = yield from self._stretch(turns.inputs, [readers[number] for number in left], context)
            if self.stop == "first":
                return
            left.pop(ended)

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Pick from each input what comes at its turns."""
        found = mappings[0]
        if not isinstance(found, Chosen):
            raise AssertionError("the mappings of a mix are choices")
        inputs, places = found.order.backward(positions)
        parts = [
            fetch(number, places[inputs == number]) if (inputs == number).any() else Chunk.empty()
            for number in range(len(mappings))
        ]
        return _woven(parts, inputs)

    def _stretch(
        self, inputs_of: Callable[[int, int], Int64Array], readers: Sequence[Measured], context: Context
    ) -> Generator[Chunk, None, int]:
        """Give samples by turns until one comes to a reader that has nothing left; returns which."""
        position = 0
        while True:
            dealt = inputs_of(position, position + _TURNS_AT_ONCE)
            position += len(dealt)
            while len(dealt):
                if not readers[dealt[0]].ready():
                    return int(dealt[0])
                began = time.perf_counter_ns()
                count = _count_ready(dealt, readers)
                now, dealt = dealt[:count], dealt[count:]
                wanted = np.bincount(now, minlength=len(readers)).tolist()
                parts = [reader.take(each) for reader, each in zip(readers, wanted, strict=True)]
                woven = _woven(parts, now)
                context.recorder.spent(time.perf_counter_ns() - began, count, count)
                yield woven


def _count_ready(dealt: Int64Array, readers: Sequence[Measured]) -> int:
    """Count the turns that can be given before one of the readers has to read on."""
    count = len(dealt)
    for number, reader in enumerate(readers):
        turns = np.flatnonzero(dealt[:count] == number)
        if len(turns) > reader.held:
            count = int(turns[reader.held])
    return count


def _woven(parts: Sequence[Chunk], inputs: Int64Array) -> Chunk:
    """Put samples of several inputs in the order of their turns."""
    filled = [part for part in parts if len(part)]
    if len(filled) == 1:
        return filled[0]
    places = np.empty(len(inputs), np.int64)
    places[np.argsort(inputs, kind="stable")] = np.arange(len(inputs))
    return Chunk.joined(filled).taken(places)
