"""Proofs from tiles are those of the definitions, and no tile gets into one that the root doesn't cover."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.ledger.logs import Files, files_of
from tests.rooms.ledger.slow import mth, path, proof, some_entries
from whence.errors import DamagedError, EvidenceError, InputError, PositionError, ProofError
from whence.ledger import (
    HashReader,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
)

SIZES = st.integers(1, 70) | st.sampled_from([255, 256, 257, 511, 512, 513, 700])


def reader_of(files: Files, entries: list[bytes]) -> HashReader:
    return HashReader(files.read, size=len(entries), root=mth(entries))


@given(SIZES, st.data())
def test_proofs_are_those_of_the_definitions(size: int, data: st.DataObject) -> None:
    entries = some_entries(size)
    read = reader_of(files_of(entries), entries)
    index = data.draw(st.integers(0, size - 1))
    assert inclusion_proof(read, index, size) == path(index, entries)
    assert consistency_proof(read, index + 1, size) == proof(index + 1, entries)
    assert consistency_proof(read, 0, size) == []


@given(SIZES, st.data())
def test_proofs_of_an_earlier_size_come_from_later_tiles(size: int, data: st.DataObject) -> None:
    entries = some_entries(size + data.draw(st.integers(0, 300)))
    read = reader_of(files_of(entries), entries)
    index = data.draw(st.integers(0, size - 1))
    assert inclusion_proof(read, index, size) == path(index, entries[:size])
    assert consistency_proof(read, index + 1, size) == proof(index + 1, entries[:size])


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_proofs_in_a_large_log_are_believed(size: int) -> None:
    entries = some_entries(size)
    root = mth(entries)
    read = HashReader(files_of(entries).read, size=size, root=root)
    for index in (0, 255, 256, 40_000, 65_279, 65_280, size - 1):
        found = inclusion_proof(read, index, size)
        check_inclusion(found, index=index, size=size, leaf=leaf_hash(entries[index]), root=root)
    for old_size in (1, 256, 300, size - 1, size):
        found = consistency_proof(read, old_size, size)
        old_root = mth(entries[:old_size])
        check_consistency(found, old_size=old_size, old_root=old_root, size=size, root=root)


def test_a_tile_is_read_once_for_many_proofs() -> None:
    entries = some_entries(70_000)
    files = files_of(entries)
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return files[path]

    reader = HashReader(read, size=70_000, root=mth(entries))
    for index in range(1_000, 1_500, 7):
        inclusion_proof(reader, index, 70_000)
    edge = ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert sorted(asked) == sorted([*edge, "tile/1/000", "tile/0/003", "tile/0/004", "tile/0/005"])


def test_what_is_kept_are_the_tiles_above_the_leaves_and_the_last_of_these() -> None:
    entries = some_entries(1_000)
    files = files_of(entries)
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        return files[path]

    reader = HashReader(read, size=1_000, root=mth(entries))
    for index in (0, 1, 300, 301, 2):
        inclusion_proof(reader, index, 1_000)
    edge = ["tile/0/003.p/232", "tile/1/000.p/3"]
    assert sorted(asked) == sorted([*edge, "tile/0/000", "tile/0/001", "tile/0/000"])
    asked.clear()
    inclusion_proof(read, 999, 1_000)  # with no reader between that would keep any
    assert sorted(asked) == sorted(edge)


class TestNoFalseTileGetsIn:
    ENTRIES = some_entries(700)
    FILES = files_of(ENTRIES)
    TILES = tuple(path for path in FILES if "entries" not in path)

    @given(st.sampled_from(TILES), st.data())
    def test_a_flipped_bit_is_noticed(self, path: str, data: st.DataObject) -> None:
        files = self.FILES.copy()
        bit = data.draw(st.integers(0, 8 * len(files[path]) - 1))
        changed = bytearray(files[path])
        changed[bit // 8] ^= 1 << bit % 8
        files[path] = bytes(changed)
        with pytest.raises(ProofError):
            reader_of(files, self.ENTRIES)(path)

    @pytest.mark.parametrize("path", TILES)
    @pytest.mark.parametrize("change", [-32, -1, 1, 32])
    def test_another_length_is_noticed(self, path: str, change: int) -> None:
        files = self.FILES.copy()
        files[path] = files[path][:change] if change < 0 else files[path] + bytes(change)
        with pytest.raises(DamagedError) as caught:
            reader_of(files, self.ENTRIES)(path)
        assert caught.value.place == path

    @pytest.mark.parametrize("index", [0, 300, 699])
    def test_no_proof_is_made_from_another_history(self, index: int) -> None:
        other = some_entries(700, "other ")
        with pytest.raises(ProofError):
            inclusion_proof(reader_of(files_of(other), self.ENTRIES), index, 700)

    def test_a_tile_of_another_place_is_noticed(self) -> None:
        files = self.FILES.copy()
        files["tile/0/000"], files["tile/0/001"] = files["tile/0/001"], files["tile/0/000"]
        for index in (0, 256):
            with pytest.raises(EvidenceError, match=f"tile/0/00{index // 256}"):
                inclusion_proof(reader_of(files, self.ENTRIES), index, 700)

    @pytest.mark.parametrize("path", ["tile/0/003", "tile/0/002.p/189", "tile/2/000.p/1", "tile/1/000.p/3"])
    def test_more_than_the_checkpoint_covers_is_not_read(self, path: str) -> None:
        with pytest.raises(PositionError):
            reader_of(self.FILES, self.ENTRIES)(path)

    @pytest.mark.parametrize("path", ["tile/entries/000", "checkpoint", "tile/0/0"])
    def test_what_is_no_tile_is_not_read(self, path: str) -> None:
        with pytest.raises(InputError):
            reader_of(self.FILES, self.ENTRIES)(path)

    def test_the_beginning_of_a_tile_is_that_of_an_earlier_log(self) -> None:
        read = reader_of(self.FILES, self.ENTRIES)
        assert read("tile/0/002.p/50") == self.FILES["tile/0/002.p/188"][: 50 * 32]
        assert read("tile/0/001.p/9") == self.FILES["tile/0/001"][: 9 * 32]
        assert read.edge.size == 700


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (701, 700)])
def test_there_is_no_proof_of_an_entry_that_is_not_there(index: int, size: int) -> None:
    entries = some_entries(700)
    with pytest.raises(PositionError):
        inclusion_proof(reader_of(files_of(entries), entries), index, size)


@pytest.mark.parametrize(("old_size", "size"), [(-1, 5), (6, 5), (1, 0)])
def test_there_is_no_proof_that_a_log_shrank(old_size: int, size: int) -> None:
    entries = some_entries(700)
    with pytest.raises(PositionError):
        consistency_proof(reader_of(files_of(entries), entries), old_size, size)
