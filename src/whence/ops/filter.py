"""Filter: keep the samples for which a predicate holds."""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from whence.capture import FieldWatch
from whence.chance import Bits
from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Mapping as Relation
from whence.lineage import Selection, SelectionIndex
from whence.ops.chunk import Chunk
from whence.ops.map import takes_rng
from whence.ops.op import Context, Function, Input, MappingKind, Op, Recorded, failed, plain_params
from whence.ops.seeding import calls_of, foreign_parameters
from whence.ops.stacking import stacked
from whence.ops.watching import Loop, watched_loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Op):
    """Keep the samples for which `fn` holds, 1 -> 0 or 1; a drop always has a reason.

    Args:
        fn: `fn(sample, **params)`, anything with a truth value. With form "columns" it gets many samples
            at once, as `batch` stacks them (a dict of arrays, of dict samples), and gives a mask: an array
            of bools, one a sample. How many it gets depends on the machine, so it must decide each sample
            by that sample alone.
        params: passed to `fn` by keyword and recorded.
        why: recorded with each drop; default: the function's name.
        form: "samples" or "columns".
        seed_foreign: seed the generators of `random`, `numpy.random` and PyTorch, and of objects that take a
            seed, for each sample; see `ops.seeding`.
    """

    kind: ClassVar[str] = "filter"
    mapping_kind: ClassVar[MappingKind] = "selection"
    is_order_free: ClassVar[bool] = True
    unit: ClassVar[int] = 1

    fn: Function
    params: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    form: Literal["samples", "columns"] = "samples"
    seed_foreign: bool = False

    def __post_init__(self) -> None:
        if self.form not in ("samples", "columns"):
            raise PlanError(
                f"filter({self.label}, form={self.form!r:.40}): wanted 'samples' or 'columns'",
                remedy="Use form='columns' to get a dict of arrays and give a mask.",
            )
        if self.form == "columns" and takes_rng(self.fn, self.params):
            raise PlanError(
                f"filter({self.label}, form='columns'): a function of columns has no sample's own rng",
                remedy="Use sample(share, seed=...), or filter samples one by one.",
            )
        if self.form == "columns" and self.seed_foreign:
            raise PlanError(
                f"filter({self.label}, form='columns', seed_foreign=True): columns are of many samples",
                remedy="Filter samples one by one.",
            )

    @property
    def is_random(self) -> bool:  # type: ignore[override]  # an answer of the instance, not of the class
        """Whether it draws."""
        return self.seed_foreign or takes_rng(self.fn, self.params)

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain."""
        found: dict[str, Any] = {"params": plain_params(self.params), "reason": self.reason()}
        if self.form == "columns":
            found["form"] = self.form
        return found | foreign_parameters(seed_foreign=self.seed_foreign)

    def functions(self) -> dict[str, Function]:
        """The user's predicate."""
        return {"fn": self.fn}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The samples that were kept."""
        return selection_of(recorded, sizes)

    def reason(self) -> str:
        """Why samples are dropped here."""
        return self.why or self.label

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Filter chunk by chunk."""
        position = context.first
        decide = self._decide(context)
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            size = len(chunk)
            if self.form == "columns":
                kept = self._masked(chunk, context, position)
            else:
                kept = self._kept(decide, chunk, context, position)
            passed = keep(chunk, kept, context)
            context.recorder.spent(time.perf_counter_ns() - began, size, len(passed))
            position += size
            if len(passed):
                yield passed

    def _masked(self, chunk: Chunk, context: Context, position: int) -> NDArray[np.bool_]:
        try:
            mask = np.asarray(self._asked(stacked(chunk), len(chunk), context))
        except WhenceError:
            raise
        except Exception as error:
            index = self._first_failing(chunk)
            origin = context.name_origin(int(chunk.origins[index]))
            raise failed(self, position + index, origin, error) from error
        if mask.dtype != np.bool_ or mask.shape != (len(chunk),):
            found = f"{mask.dtype} of shape {mask.shape}"
            raise OpError(
                f"op {self.label!r} returned {found} for {len(chunk)} samples from sample {position} on",
                remedy="A filter of columns returns an array of bools, one a sample: columns['x'] > 0.",
                op=self.label,
                position=position,
                origin=context.name_origin(int(chunk.origins[0])),
            )
        return mask

    def _asked(self, columns: Any, count: int, context: Context) -> Any:
        watch = context.recorder.watch()
        if watch.begin(self.fn):
            return watch.judge_columns(lambda given: self.fn(given, **self.params), columns, count)
        return self.fn(columns, **self.params)

    def _first_failing(self, chunk: Chunk) -> int:
        """Find the sample that the predicate fails on, by halves; it decides each sample by itself."""
        good, bad = 0, len(chunk)
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                self.fn(stacked(chunk.taken(slice(good, middle))), **self.params)
                good = middle
            except Exception:  # any function may fail in its own way
                bad = middle
        return good

    def _decide(self, context: Context) -> Loop:
        calls = calls_of(context, self.fn, self.params, seed_foreign=self.seed_foreign)
        return watched_loop(
            calls.loop(self._plain_loop(context)), self.fn, context.recorder, FieldWatch.judge
        )

    def _plain_loop(self, context: Context) -> Loop:
        """Find the quickest loop for this predicate's signature."""
        fn, params = self.fn, self.params
        if takes_rng(fn, params):

            def with_rng(values: Iterator[Any], chunk: Chunk) -> Iterable[Any]:
                generators = Bits(context.key, context.epoch, chunk.ids).rngs()
                return (fn(value, rng=rng, **params) for value, rng in zip(values, generators, strict=False))

            return with_rng
        call = functools.partial(fn, **params) if params else fn
        return lambda values, chunk: map(call, values)

    def _kept(self, decide: Loop, chunk: Chunk, context: Context, position: int) -> NDArray[np.bool_]:
        flags = self._flags(decide, chunk, context, position)
        try:
            return kept_of(flags)
        except Exception as error:  # an array's truth value, for instance
            index = next(index for index, flag in enumerate(flags) if not _has_truth(flag))
            origin = context.name_origin(int(chunk.origins[index]))
            raise failed(self, position + index, origin, error) from error

    def _flags(self, decide: Loop, chunk: Chunk, context: Context, position: int) -> list[Any]:
        size = len(chunk.values)
        left = iter(chunk.values)
        try:
            flags = list(decide(left, chunk))
        except WhenceError:
            raise
        except Exception as error:
            index = size - operator.length_hint(left) - 1
            origin = context.name_origin(int(chunk.origins[index]))
            raise failed(self, position + index, origin, error) from error
        if len(flags) != size:  # a StopIteration inside the function ends the loop without a word
            origin = context.name_origin(int(chunk.origins[len(flags)]))
            stopped = StopIteration("raised by the function")
            raise failed(self, position + len(flags), origin, stopped)
        return flags


def kept_of(flags: list[Any]) -> NDArray[np.bool_]:
    """Turn truth values into a mask; the quick way where they are bools."""
    try:
        kept: NDArray[np.bool_] = np.frombuffer(bytearray(flags), np.uint8) != 0
    except (TypeError, ValueError):
        return np.fromiter(map(bool, flags), np.bool_, len(flags))
    return kept


def _has_truth(flag: Any) -> bool:
    try:
        bool(flag)
    except Exception:  # any type may refuse in its own way
        return False
    return True


def keep(chunk: Chunk, kept: NDArray[np.bool_], context: Context) -> Chunk:
    """Keep some samples of a chunk, and say so."""
    size = len(chunk)
    if kept.all():
        context.recorder.selected(None, size)
        return chunk
    context.recorder.selected(kept, size)
    return chunk.taken(kept)


def selection_of(recorded: Recorded | None, sizes: Sequence[int]) -> list[Relation]:
    """The mapping of an op that selects: what was recorded; nothing, where nothing came that far."""
    if isinstance(recorded, SelectionIndex):
        return [Selection(recorded)]
    return [Selection(SelectionIndex([], [], []))]
