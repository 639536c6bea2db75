"""Split: samples into parts, of which each op keeps one."""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from whence.chance import draw
from whence.errors import OpError, PlanError, WhenceError
from whence.lineage import Mapping as Relation
from whence.ops.chunk import Chunk, Int64Array, UInt64Array
from whence.ops.filter import keep, selection_of
from whence.ops.keys import Key, as_key, fields_of, key_parameter
from whence.ops.op import Context, Fetch, Function, Input, MappingKind, Op, Recorded, check_seed, failed
from whence.vocab import UNKNOWN, key64, mix64, sample_digests

_TOLERANCE = 1e-9
_APART = 0xA24BAED4963EE407
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Op):
    """Keep the samples of one part of a split, 1 -> 0 or 1; every sample is in exactly one part.

    Each sample is decided by itself: by its own draw, or with `by` by what stands there, so that samples
    with the same key stay together. It is the same in every epoch and wherever the part is used, and
    samples that are added move no other.

    Args:
        part: the one that is kept.
        shares: of all parts, by name, in order; each above 0, with a sum of 1. With `by` they are shares of
            the different keys.
        seed: decides which sample goes where.
        by: a field, several fields, or a function of a sample; compared by type and content.
        nth: how many splits there are below, so that a part can be split again by the same seed.
    """

    kind: ClassVar[str] = "split"
    mapping_kind: ClassVar[MappingKind] = "selection"
    is_order_free: ClassVar[bool] = True
    unit: ClassVar[int] = 1

    part: str
    shares: tuple[tuple[str, float], ...]
    seed: int
    by: Key | None = None
    nth: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed, "split")
        # the record has lists for tuples
        object.__setattr__(self, "shares", tuple((name, share) for name, share in self.shares))
        if isinstance(self.by, list):
            object.__setattr__(self, "by", tuple(self.by))

    @classmethod
    def parts(
        cls, shares: Mapping[str, float], *, seed: int, by: Any = None, nth: int = 0
    ) -> dict[str, Split]:
        """Make the op of each part.

        Raises:
            PlanError: the shares or the key are none.
        """
        found = _checked_shares(shares)
        key = None if by is None else as_key(by, "split(by=...)")
        return {
            part: cls(label=f"split({part})", part=part, shares=found, seed=seed, by=key, nth=nth)
            for part, _ in found
        }

    def parameters(self) -> dict[str, Any]:
        """Its parameters, plain; shares as pairs, since their order counts."""
        found: dict[str, Any] = {
            "part": self.part,
            "shares": [[name, float(share)] for name, share in self.shares],
            "seed": self.seed,
            "nth": self.nth,
        }
        if self.by is not None and not callable(self.by):
            found["by"] = key_parameter(self.by)
        return found

    def functions(self) -> dict[str, Function]:
        """The user's key function, if there is one."""
        return {"by": self.by} if callable(self.by) else {}

    def mappings(
        self, sizes: Sequence[int], recorded: Recorded | None, key: int, epoch: int
    ) -> list[Relation]:
        """The samples that were kept."""
        return selection_of(recorded, sizes)

    def reason(self) -> str:
        """Why a sample isn't kept."""
        return f"in another part of the split (not in {self.part})"

    def scan(self, inputs: Sequence[Input], context: Context) -> Iterator[Chunk]:
        """Decide chunk by chunk; of columns no rows are made, unless a function makes the key."""
        position = context.first
        for chunk in inputs[0].scan():
            began = time.perf_counter_ns()
            size = len(chunk)
            kept = self._kept(self._ids(chunk, position, context))
            passed = keep(chunk, kept, context)
            passed.ids = ids_apart(passed.ids, context.sources_before)
            context.recorder.spent(time.perf_counter_ns() - began, size, len(passed))
            position += size
            if len(passed):
                yield passed

    def pick(
        self, positions: Int64Array, mappings: Sequence[Relation], fetch: Fetch, context: Context
    ) -> Chunk:
        """Pick what was kept."""
        chunk = fetch(0, mappings[0].backward(positions).indices)
        chunk.ids = ids_apart(chunk.ids, context.sources_before)
        return chunk

    def _kept(self, ids: UInt64Array) -> NDArray[np.bool_]:
        """Decide which part each sample is in, by what identifies it."""
        drawn = draw.uniform().sample(key64(self.seed, "split", self.nth), 0, ids)
        names = [name for name, _ in self.shares]
        # the last part ends nowhere: whatever the sum's last bits are, every sample is in one
        ends = [math.fsum(share for _, share in self.shares[:end]) for end in range(1, len(names))]
        parts = np.searchsorted(ends, drawn, side="right")
        kept: NDArray[np.bool_] = parts == names.index(self.part)
        return kept

    def _ids(self, chunk: Chunk, position: int, context: Context) -> UInt64Array:
        if self.by is None:
            return chunk.ids
        keys = self._keys(chunk, position, context)
        ids = sample_digests(keys)
        if (ids == UNKNOWN).any():
            index = int(np.flatnonzero(ids == UNKNOWN)[0])
            origin = context.name_origin(int(chunk.origins[index]))
            raise OpError(
                f"op {self.label!r}: the key of sample {position + index} ({origin}) can't be compared: "
                f"it is a {type(keys[index]).__name__}",
                remedy="Split by a field or a function that gives numbers, text or tuples of these.",
                op=self.label,
                position=position + index,
                origin=origin,
            )
        return ids

    def _keys(self, chunk: Chunk, position: int, context: Context) -> list[Any]:
        by, columns = self.by, chunk.columns
        fields = None if by is None else fields_of(by)
        if fields is not None and columns is not None and set(fields) <= columns.by_name.keys():
            found = [columns.by_name[name].values() for name in fields]
            return found[0] if isinstance(by, str) else list(zip(*found, strict=True))
        keys: list[Any] = []
        failure: Exception = StopIteration("raised by the function")  # which ends a loop without a word
        try:
            if callable(by):
                keys.extend(context.recorder.watch("by").reading(by, chunk.values))
            else:
                key_of = operator.itemgetter(by) if isinstance(by, str) else _tuple_of(fields or ())
                keys.extend(map(key_of, chunk.values))
        except WhenceError:
            raise
        except Exception as error:  # any function may fail in its own way
            failure = error
        if len(keys) < len(chunk):
            origin = context.name_origin(int(chunk.origins[len(keys)]))
            raise failed(self, position + len(keys), origin, failure) from failure
        return keys


def _tuple_of(fields: tuple[str, ...]) -> Function:
    return lambda sample: tuple(sample[name] for name in fields)


def ids_apart(ids: UInt64Array, sources_before: int) -> UInt64Array:
    """Make the draw ids of a part's samples others than those of sources before its own.

    Below a split, ids are those of the split's own input, wherever in a plan it stands, so that a sample
    doesn't change its part when other streams come before it.
    """
    return mix64(ids + np.uint64(sources_before * _APART & _MASK)) if sources_before else ids


def _checked_shares(shares: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(shares, Mapping) or not shares:
        raise PlanError(
            f"split({shares!r:.40}): wanted the share of each part by name",
            remedy='Write split({"train": 0.8, "test": 0.2}, seed=7).',
        )
    for name, share in shares.items():
        if not isinstance(name, str) or not name or any(char in "/@#:." for char in name):
            raise PlanError(
                f"split: wanted names without / @ # : . for its parts, got {name!r:.40}",
                remedy='Write split({"train": 0.8, "test": 0.2}, seed=7).',
            )
        is_number = isinstance(share, int | float | np.integer | np.floating)
        if isinstance(share, bool) or not is_number or not 0 < share <= 1:
            raise PlanError(
                f"split: the share of {name} is {share!r:.40}, wanted a number above 0 and up to 1",
                remedy="Leave out a part that should get nothing.",
            )
    total = math.fsum(shares.values())
    if abs(total - 1) > _TOLERANCE:
        raise PlanError(
            f"split: the shares sum up to {total:.12g}, wanted 1",
            remedy="Name a part for the rest; every sample has to be in one.",
        )
    return tuple((name, float(share)) for name, share in shares.items())
