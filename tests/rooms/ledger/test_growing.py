"""A log that grows in any steps is the log that the definitions make of its entries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.ledger.logs import Files, files_of
from tests.rooms.ledger.slow import mth, some_entries
from whence.errors import DamagedError, InputError
from whence.ledger import EMPTY_ROOT, Grower, leaf_hash, leaf_hashes, paths_of

BORDERS = (0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537)


def grown(steps: list[int]) -> tuple[Grower, Files]:
    entries = some_entries(sum(steps))
    grower, files = Grower(), Files()
    for step in steps:
        growth = grower.extend(leaf_hashes(entries[grower.size : grower.size + step]))
        files.update(growth.tiles)
        grower = growth.grower
    return grower, files


@pytest.mark.parametrize("size", BORDERS)
def test_at_the_borders_of_tiles_the_root_is_that_of_the_definition(size: int) -> None:
    grower, files = grown([size])
    assert grower.root == mth(some_entries(size))
    assert Grower.read(files.read, size).root == grower.root


def test_one_by_one_every_root_is_that_of_the_definition() -> None:
    entries = some_entries(600)
    grower = Grower()
    for size, entry in enumerate(entries, 1):
        grower = grower.extend([leaf_hash(entry)]).grower
        if size < 20 or size % 37 == 0 or 250 < size < 260 or 508 < size < 516:
            assert grower.root == mth(entries[:size])


@given(st.lists(st.sampled_from([0, 1, 2, 3, 100, 255, 256, 257, 700]), max_size=8))
def test_the_steps_leave_no_trace(steps: list[int]) -> None:
    grower, files = grown(steps)
    at_once, whole = grown([sum(steps)])
    assert (grower.size, grower.root) == (at_once.size, at_once.root) == (sum(steps), at_once.root)
    assert [list(hashes) for hashes in grower.edge] == [list(hashes) for hashes in at_once.edge]
    assert {path: files[path] for path in whole} == whole


@given(st.integers(0, 1_100), st.integers(0, 600))
def test_it_goes_on_from_what_is_on_disk(size: int, more: int) -> None:
    entries = some_entries(size + more)
    files = files_of(entries[:size])
    taken_up = Grower.read(files.read, size)
    assert taken_up == Grower(size, taken_up.edge)
    growth = taken_up.extend(leaf_hashes(entries[size:]))
    wanted = files_of(entries)
    files.update(growth.tiles)
    assert growth.root == growth.grower.root
    assert growth.size == size + more
    assert {path: files[path] for path in paths_of(size + more) if "entries" not in path} == {
        path: data for path, data in wanted.items() if "entries" not in path
    }


def test_only_what_changed_is_written() -> None:
    grower, _ = grown([70_000])
    assert set(grower.extend([]).tiles) == set()
    assert set(grower.extend([EMPTY_ROOT]).tiles) == {"tile/0/273.p/113"}
    assert set(grower.extend([EMPTY_ROOT] * 144).tiles) == {"tile/0/273", "tile/1/001.p/18"}


def test_a_growth_that_was_not_written_is_forgotten() -> None:
    grower, _ = grown([300])
    before = grower.root
    assert grower.extend([EMPTY_ROOT] * 999).root != before
    assert grower.root == before
    assert grower.extend([EMPTY_ROOT]) == grower.extend([EMPTY_ROOT])


@pytest.mark.parametrize("cut", [-1, -32, 32])
def test_an_edge_of_another_width_is_refused(cut: int) -> None:
    files = files_of(some_entries(300))
    data = files["tile/0/001.p/44"]
    files["tile/0/001.p/44"] = data[:cut] if cut < 0 else data + bytes(cut)
    with pytest.raises(DamagedError) as caught:
        Grower.read(files.read, 300)
    assert caught.value.place == "tile/0/001.p/44"
    with pytest.raises(InputError):
        Grower(300, Grower.read(files_of(some_entries(299)).read, 299).edge)
