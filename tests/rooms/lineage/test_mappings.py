"""Every mapping is one relation, read backward and forward: what the operation does, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whence.errors import PlanError, PositionError
from whence.lineage import (
    Affine,
    Blocks,
    CountsIndex,
    Expansion,
    Gather,
    Identity,
    IntArray,
    Inverse,
    Mapping,
    Part,
    Permuted,
    Selection,
    SelectionIndex,
    Tile,
    Unknown,
    Windows,
    encode_counts,
    encode_mask,
)

Rows = list[list[int]]
T = TypeVar("T")
LAST = 2**63 - 1


@dataclass(frozen=True)
class Listed:
    """A permutation written out, for want of a keyed one."""

    order: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.order)

    def backward(self, positions: IntArray, /) -> IntArray:
        return np.array(self.order, dtype=np.int64)[positions]

    def forward(self, positions: IntArray, /) -> IntArray:
        return np.argsort(np.array(self.order, dtype=np.int64))[positions]


@dataclass(frozen=True)
class Case:
    """A mapping beside what the operation does when it is really done, sample by sample."""

    mapping: Mapping
    in_size: int
    rows: Rows


def cut(values: list[T], lengths: Sequence[int]) -> list[list[T]]:
    """Cut values into chunks of these lengths, and one with the rest."""
    ends = [min(end, len(values)) for end in accumulate(lengths)]
    return [values[a:b] for a, b in zip([0, *ends], [*ends, len(values)], strict=True)]


def selection_of(mask: list[bool], lengths: Sequence[int]) -> SelectionIndex:
    chunks = [np.array(chunk, dtype=np.bool_) for chunk in cut(mask, lengths)]
    return SelectionIndex(
        [len(chunk) for chunk in chunks],
        [int(chunk.sum()) for chunk in chunks],
        [encode_mask(chunk) for chunk in chunks],
    )


def counts_of(counts: list[int], lengths: Sequence[int]) -> CountsIndex:
    chunks = [np.array(chunk, dtype=np.int64) for chunk in cut(counts, lengths)]
    return CountsIndex(
        [len(chunk) for chunk in chunks],
        [int(chunk.sum()) for chunk in chunks],
        [encode_counts(chunk) for chunk in chunks],
    )


def blocks_done(in_size: int, size: int, drop_last: bool) -> Case:
    rows, group = [], []
    for sample in range(in_size):
        group.append(sample)
        if len(group) == size:
            rows.append(group)
            group = []
    if group and not drop_last:
        rows.append(group)
    return Case(Blocks(in_size=in_size, size=size, drop_last=drop_last), in_size, rows)


def windows_done(in_size: int, size: int, step: int, drop_last: bool) -> Case:
    inputs = list(range(in_size))
    rows = [inputs[begin : begin + size] for begin in inputs if begin % step == 0]
    rows = [row for row in rows if len(row) == size or not drop_last]
    return Case(Windows(in_size=in_size, size=size, step=step, drop_last=drop_last), in_size, rows)


def slice_done(in_size: int, cut_out: slice) -> Case:
    kept = range(in_size)[cut_out]
    mapping = Affine(in_size=in_size, start=kept.start, step=kept.step, out_size=len(kept))
    return Case(mapping, in_size, [[sample] for sample in kept])


def part_done(before: int, in_size: int, after: int) -> Case:
    mapping = Part(in_size=in_size, offset=before, out_size=before + in_size + after)
    return Case(mapping, in_size, [[]] * before + [[i] for i in range(in_size)] + [[]] * after)


def selection_done(mask: list[bool], lengths: list[int]) -> Case:
    kept = [[sample] for sample, is_kept in enumerate(mask) if is_kept]
    return Case(Selection(selection_of(mask, lengths)), len(mask), kept)


def expansion_done(counts: list[int], lengths: list[int]) -> Case:
    rows = [[sample] for sample, count in enumerate(counts) for _ in range(count)]
    return Case(Expansion(counts_of(counts, lengths)), len(counts), rows)


def gather_done(in_size: int, indices: list[int]) -> Case:
    indices = [index % (in_size + 1) - 1 for index in indices]
    mapping = Gather(np.array(indices, dtype=np.int64), in_size)
    return Case(mapping, in_size, [[index] if index >= 0 else [] for index in indices])


sizes = st.integers(0, 40)
steps = st.integers(-9, 9).filter(bool)
bounds = st.none() | st.integers(-45, 45)
lengths = st.lists(st.integers(0, 12), max_size=8)

closed_cases = st.one_of(
    sizes.map(lambda n: Case(Identity(n), n, [[i] for i in range(n)])),
    st.builds(slice_done, sizes, st.builds(slice, bounds, bounds, steps)),
    st.builds(
        lambda n, k: Case(Tile(in_size=n, times=k), n, [[i] for i in range(n)] * k), sizes, st.integers(0, 4)
    ),
    st.builds(part_done, sizes, sizes, sizes),
    sizes.flatmap(lambda n: st.permutations(range(n))).map(
        lambda order: Case(Permuted(Listed(tuple(order))), len(order), [[i] for i in order])
    ),
    st.builds(blocks_done, sizes, st.integers(1, 50), st.booleans()),
    st.builds(windows_done, sizes, st.integers(1, 12), st.integers(1, 12), st.booleans()),
    st.builds(lambda n, m: Case(Unknown(in_size=n, out_size=m), n, [[]] * m), sizes, sizes),
)
stored_cases = st.one_of(
    st.builds(selection_done, st.lists(st.booleans(), max_size=60), lengths),
    st.builds(expansion_done, st.lists(st.integers(0, 4), max_size=40), lengths),
    st.builds(gather_done, sizes, st.lists(st.integers(0, 40), max_size=40)),
)
straight_cases = closed_cases | stored_cases


def turned(case: Case) -> Case:
    return Case(Inverse(case.mapping), len(case.rows), other_way(case))


def other_way(case: Case) -> Rows:
    return [[out for out, row in enumerate(case.rows) if i in row] for i in range(case.in_size)]


cases = straight_cases | straight_cases.map(turned)


@given(cases)
@example(blocks_done(100, 64, False))
@example(blocks_done(100, 64, True))
@example(blocks_done(63, 64, True))
@example(blocks_done(0, 64, False))
@example(windows_done(10, 2, 5, False))
def test_a_mapping_says_backward_and_forward_what_the_operation_did(case: Case) -> None:
    mapping = case.mapping
    assert (mapping.in_size, mapping.out_size) == (case.in_size, len(case.rows))
    assert mapping.backward(range(len(case.rows))).tolist() == case.rows
    assert mapping.forward(range(case.in_size)).tolist() == other_way(case)


@given(cases, st.data())
def test_positions_may_be_asked_in_any_order_and_again(case: Case, data: st.DataObject) -> None:
    for ask, rows in ((case.mapping.backward, case.rows), (case.mapping.forward, other_way(case))):
        asked = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20) if rows else st.just([]))
        answer = ask(np.array(asked, dtype=np.int64))
        assert answer.tolist() == [rows[position] for position in asked]
        assert answer.indptr.dtype == answer.indices.dtype == np.dtype(np.int64)


@given(cases)
def test_a_position_outside_is_refused(case: Case) -> None:
    for ask, size in ((case.mapping.backward, len(case.rows)), (case.mapping.forward, case.in_size)):
        for outside in (-1, size, LAST):
            with pytest.raises(PositionError, match=str(outside)):
                ask([outside])


@pytest.mark.parametrize("positions", [[0.5], [True], [[1]], ["1"], [2**63], [2**64]])
def test_what_is_no_position_is_refused(positions: Any) -> None:
    with pytest.raises(PositionError):
        Identity(LAST).backward(positions)


def test_an_index_that_wraps_around_64_bits_is_not_taken_for_none() -> None:
    with pytest.raises(PositionError):
        Gather([2**64 - 1], 3)


@given(cases)
def test_only_a_gap_is_not_known(case: Case) -> None:
    innermost = case.mapping.of if isinstance(case.mapping, Inverse) else case.mapping
    assert case.mapping.known is not isinstance(innermost, Unknown)
    assert isinstance(case.mapping, Mapping)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Identity(-1),
        lambda: Identity(True),
        lambda: Identity(2**63),
        lambda: Affine(in_size=10, start=0, step=0, out_size=1),
        lambda: Affine(in_size=10, start=0, step=5, out_size=3),
        lambda: Affine(in_size=10, start=9, step=-5, out_size=3),
        lambda: Affine(in_size=10, start=10, step=1, out_size=1),
        lambda: Affine(in_size=10, start=-1, step=1, out_size=2),
        lambda: Tile(in_size=2**62, times=2),
        lambda: Tile(in_size=2, times=-1),
        lambda: Part(in_size=4, offset=3, out_size=6),
        lambda: Part(in_size=4, offset=-1, out_size=6),
        lambda: Blocks(in_size=10, size=0),
        lambda: Windows(in_size=10, size=0, step=1),
        lambda: Windows(in_size=10, size=1, step=0),
        lambda: Unknown(in_size=1, out_size=-1),
        lambda: Gather([3], 3),
        lambda: Gather([-2], 3),
    ],
)
def test_a_mapping_that_can_not_be_is_refused(make: Callable[[], Mapping]) -> None:
    with pytest.raises(PlanError):
        make()


@pytest.mark.parametrize(
    ("mapping", "out", "into"),
    [
        (Identity(LAST), LAST - 1, LAST - 1),
        (Affine(in_size=LAST, start=LAST - 1, step=-1, out_size=LAST), LAST - 1, 0),
        (Affine(in_size=LAST, start=7, step=2**200, out_size=1), 0, 7),
        (Affine(in_size=1, start=2**200, step=1, out_size=0), None, 0),
        (Tile(in_size=1, times=LAST), None, None),
        (Part(in_size=1, offset=LAST - 1, out_size=LAST), LAST - 1, 0),
        (Windows(in_size=LAST, size=1, step=LAST, drop_last=False), 0, 0),
        (Windows(in_size=3, size=LAST, step=LAST, drop_last=False), None, None),
        (Blocks(in_size=LAST, size=1), LAST - 1, LAST - 1),
    ],
)
def test_the_largest_sizes_do_not_overflow(mapping: Mapping, out: int | None, into: int | None) -> None:
    if out is not None:
        assert mapping.backward([out]).tolist() == [[into]]
    if into is not None:
        assert mapping.forward([into]).tolist() == [[] if out is None else [out]]
