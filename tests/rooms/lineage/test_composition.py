"""Mappings one after another are one relation: a trace follows it back, an impact reaches forward."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import PositionError
from whence.lineage import (
    Affine,
    Blocks,
    CountsIndex,
    Expansion,
    Gather,
    IntArray,
    Inverse,
    Mapping,
    Origins,
    Tile,
    Unknown,
    Windows,
    compose,
    encode_counts,
    follow,
    reach,
)

Relation = list[list[int]]


def origins_of(rows: Relation) -> Origins:
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    return Origins(indptr, np.array([index for row in rows for index in row], dtype=np.int64))


def relation(row_count: int, size: int) -> st.SearchStrategy[Relation]:
    rows = st.sets(st.integers(0, size - 1), max_size=6).map(sorted) if size else st.just(list[int]())
    return st.lists(rows, min_size=row_count, max_size=row_count)


@given(st.data(), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_two_steps_composed_are_the_union_of_every_way(
    data: st.DataObject, row_count: int, middle: int, size: int
) -> None:
    outer, inner = data.draw(relation(row_count, middle)), data.draw(relation(middle, size))

    def look_up(positions: IntArray) -> Origins:
        return origins_of([inner[position] for position in positions.tolist()])

    united = [sorted({origin for through in row for origin in inner[through]}) for row in outer]
    assert compose(origins_of(outer), look_up).tolist() == united


def a_mapping_of(in_size: int) -> st.SearchStrategy[Mapping]:
    few = st.integers(1, 6)
    counts = st.lists(st.integers(0, 3), min_size=in_size, max_size=in_size)
    places = st.lists(st.integers(-1, in_size - 1), max_size=20)
    return st.one_of(
        st.builds(lambda size, drop: Blocks(in_size=in_size, size=size, drop_last=drop), few, st.booleans()),
        st.builds(lambda size, step: Windows(in_size=in_size, size=size, step=step), few, few),
        st.just(Affine(in_size=in_size, start=in_size - 1, step=-1, out_size=in_size)),
        st.just(Tile(in_size=in_size, times=2)),
        places.map(lambda indices: Gather(np.array(indices, dtype=np.int64), in_size)),
        counts.map(
            lambda n: Expansion(
                CountsIndex([in_size], [sum(n)], [encode_counts(np.array(n, dtype=np.int64))])
            )
        ),
        st.lists(st.integers(-1, 4), min_size=in_size, max_size=in_size).map(
            lambda groups: Inverse(Gather(np.array(groups, dtype=np.int64), 5))
        ),
    )


@st.composite
def chains(draw: st.DrawFn) -> list[Mapping]:
    chain: list[Mapping] = []
    size = draw(st.integers(0, 15))
    for _ in range(draw(st.integers(1, 4))):
        chain.append(draw(a_mapping_of(size)))
        size = chain[-1].out_size
    return chain


def through(chain: list[Mapping]) -> list[set[int]]:
    """Carry the whole history in every sample: the set of first inputs that each last output has."""
    histories = [{i} for i in range(chain[0].in_size)]
    for mapping in chain:
        rows = mapping.backward(range(mapping.out_size)).tolist()
        histories = [set().union(*(histories[i] for i in row)) for row in rows]
    return histories


@given(chains())
def test_following_back_finds_the_history_that_samples_would_carry(chain: list[Mapping]) -> None:
    histories = through(chain)
    assert follow(chain, range(len(histories))).tolist() == [sorted(history) for history in histories]


@given(chains())
def test_reaching_forward_finds_every_output_whose_history_holds_the_input(chain: list[Mapping]) -> None:
    histories = through(chain)
    reached = [
        [out for out, history in enumerate(histories) if i in history] for i in range(chain[0].in_size)
    ]
    assert reach(chain, range(chain[0].in_size)).tolist() == reached


def test_a_chain_without_links_leads_nowhere_else() -> None:
    assert follow([], [5, 3, 5]).tolist() == [[5], [3], [5]]
    assert reach([], [5, 3, 5]).tolist() == [[5], [3], [5]]


def test_a_gap_in_the_chain_leaves_empty_rows() -> None:
    chain: list[Mapping] = [Blocks(in_size=10, size=5), Unknown(in_size=2, out_size=3)]
    assert follow(chain, [0, 2]).tolist() == [[], []]
    assert reach(chain, [9]).tolist() == [[]]


def test_a_fold_refuses_a_position_outside_its_end() -> None:
    chain: list[Mapping] = [Tile(in_size=4, times=2), Blocks(in_size=8, size=8)]
    with pytest.raises(PositionError):
        follow(chain, [1])
    with pytest.raises(PositionError):
        reach(chain, [4])


def test_a_row_can_be_looked_at_alone() -> None:
    origins = Blocks(in_size=100, size=64).backward([1, 0])
    assert len(origins) == 2
    assert origins.counts.tolist() == [36, 64]
    assert origins.row(0).tolist() == list(range(64, 100))
