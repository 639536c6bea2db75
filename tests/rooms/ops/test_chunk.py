"""Chunks: their draw ids are the bits of their origins until something else is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from whence.ops import Chunk


def chunk_of(count: int, first: int = 5) -> Chunk:
    return Chunk(list(range(count)), None, np.arange(first, first + count))


def test_draw_ids_are_the_origins_where_none_are_given() -> None:
    chunk = chunk_of(3)
    assert chunk.ids.dtype == np.uint64
    assert chunk.ids.tolist() == [5, 6, 7]
    assert Chunk.joined([chunk, chunk_of(1)]).ids.tolist() == [5, 6, 7, 5]


def test_other_origins_leave_the_draw_ids_what_they_were() -> None:
    chunk = chunk_of(3)
    chunk.origins = chunk.origins + 100
    assert (chunk.ids.tolist(), chunk.origins.tolist()) == ([5, 6, 7], [105, 106, 107])
    assert Chunk.joined([chunk_of(1), chunk]).ids.tolist() == [5, 5, 6, 7]
    assert chunk.taken(slice(1, None)).ids.tolist() == [6, 7]


def test_other_draw_ids_leave_the_origins_what_they_were() -> None:
    chunk = chunk_of(2)
    chunk.ids = chunk.ids + np.uint64(1)
    assert (chunk.ids.tolist(), chunk.origins.tolist()) == ([6, 7], [5, 6])


@given(st.lists(st.booleans(), max_size=40))
def test_samples_are_taken_by_mask_as_by_positions(kept: list[bool]) -> None:
    mask = np.array(kept, np.bool_)
    places = np.flatnonzero(mask)
    by_mask, by_places = chunk_of(len(kept)).taken(mask), chunk_of(len(kept)).taken(places)
    assert by_mask.values == by_places.values == places.tolist()
    assert by_mask.ids.tolist() == by_mask.origins.tolist() == (places + 5).tolist()
