"""What a fit learned of which samples, and who used it, is one relation read both ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import DamagedError, PlanError, PositionError
from whence.lineage import Everywhere, Fitted, Mapping, SelectionIndex, encode_mask

uses = st.integers(1, 4).flatmap(
    lambda size: st.lists(st.lists(st.booleans(), min_size=size, max_size=size), max_size=40).map(
        lambda rows: np.array(rows, np.bool_).reshape(-1, size)
    )
)


def recorded(used: np.ndarray, cuts: list[int]) -> SelectionIndex:
    """As a pass records it: in chunks of any lengths."""
    places = sorted({min(cut, len(used)) for cut in cuts})
    chunks = [chunk.ravel() for chunk in np.split(used, places) if len(chunk)]
    return SelectionIndex(
        [len(chunk) for chunk in chunks],
        [int(chunk.sum()) for chunk in chunks],
        [encode_mask(chunk) for chunk in chunks],
    )


@given(uses, st.lists(st.integers(0, 40), max_size=4))
def test_a_fit_says_backward_and_forward_which_samples_it_learned_of(
    used: np.ndarray, cuts: list[int]
) -> None:
    count, size = used.shape
    mapping = Fitted(recorded(used, cuts), size)
    assert (mapping.in_size, mapping.out_size) == (count, size)
    assert isinstance(mapping, Mapping)
    assert mapping.backward(range(size)).tolist() == [
        np.flatnonzero(used[:, f]).tolist() for f in range(size)
    ]
    assert mapping.forward(range(count)).tolist() == [np.flatnonzero(row).tolist() for row in used]
    assert mapping.backward([size - 1, 0, 0]).tolist() == [
        np.flatnonzero(used[:, f]).tolist() for f in (size - 1, 0, 0)
    ]
    assert mapping.backward([]).tolist() == []


@given(st.integers(0, 9), st.integers(0, 9))
def test_all_that_follows_was_made_with_everything_learned(learned: int, made: int) -> None:
    mapping = Everywhere(in_size=learned, out_size=made)
    assert mapping.backward(range(made)).tolist() == [list(range(learned))] * made
    assert mapping.forward(range(learned)).tolist() == [list(range(made))] * learned
    with pytest.raises(PositionError):
        mapping.backward([made])


def test_decisions_that_do_not_go_up_in_samples_are_damage() -> None:
    with pytest.raises(DamagedError, match="3 decisions of a fit are not 2 for each input"):
        Fitted(recorded(np.ones((3, 1), np.bool_), []), 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fitted(SelectionIndex([], [], []), 0),
        lambda: Everywhere(in_size=-1, out_size=1),
        lambda: Everywhere(in_size=1, out_size=2**63),
    ],
)
def test_a_fit_of_nothing_is_refused(make: Callable[[], Mapping]) -> None:
    with pytest.raises(PlanError):
        make()
