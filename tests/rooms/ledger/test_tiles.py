"""A log's files are those of C2SP tlog-tiles: their names, their widths, and the bytes in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.ledger.logs import files_of
from tests.rooms.ledger.slow import mth, some_entries
from whence.errors import DamagedError, InputError
from whence.ledger import (
    TileName,
    decode_bundle,
    encode_bundle,
    entries_path,
    leaf_hashes,
    parse_path,
    paths_of,
    root_of,
    tile_path,
)

NAMES = st.builds(
    TileName,
    st.none() | st.integers(0, 63),
    st.integers(0, 10**15) | st.integers(0, 2_000),
    st.integers(1, 256),
)


class TestNames:
    """Clause "Merkle Tree": a level from 0 to 63 without leading zeroes, an index in 3-digit elements."""

    @pytest.mark.parametrize(
        ("name", "path"),
        [
            (TileName(0, 1_234_067), "tile/0/x001/x234/067"),
            (TileName(0, 0), "tile/0/000"),
            (TileName(63, 999), "tile/63/999"),
            (TileName(1, 1_000, 7), "tile/1/x001/000.p/7"),
            (TileName(None, 273, 112), "tile/entries/273.p/112"),
            (TileName(None, 10**6), "tile/entries/x001/x000/000"),
        ],
    )
    def test_they_are_written_as_the_clause_says(self, name: TileName, path: str) -> None:
        assert str(name) == path
        assert parse_path(path) == name

    @given(NAMES)
    def test_there_and_back(self, name: TileName) -> None:
        assert parse_path(str(name)) == name

    @pytest.mark.parametrize(
        "path",
        [
            *("", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/00/000"),
            *("tile/64/000", "tile/-1/000", "tile/+1/000", "tile/0/-01", "tile/0/x000", "tile/0/x000/000"),
            *("tile/0/x000/x001/000", "tile/0/001/000", "tile/0/x001/x000", "tile/0/X001/000", "tile/0/00x"),
            *("tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/999", "tile/0/000.p/01", "tile/0/000.p/"),
            *("tile/0/000.p/-1", "tile/0/000.p/1/", "tile/0/000.p", "tile/0/000/p/1", "tile/0/000.P/1"),
            *("/tile/0/000", "tile/0/000/", "tile//0/000", "./tile/0/000", "tile/0/../0/000", "tile/0/000\n"),
            *("tile/entry/000", "tile/Entries/000", "entries/000", "checkpoint", "tile/0/000.tmp"),
            *("tile/0/٠٠١", "tile/²/000", "tile/0/000.p/²"),  # noqa: RUF001 - digits, but not of ASCII
        ],
    )
    def test_another_spelling_is_no_name(self, path: str) -> None:
        with pytest.raises(InputError):
            parse_path(path)

    @given(NAMES, st.data())
    def test_a_changed_character_is_another_name_or_none(self, name: TileName, data: st.DataObject) -> None:
        path = str(name)
        place = data.draw(st.integers(0, len(path)))
        new = data.draw(st.sampled_from("0123456789x./pe- "))
        changed = path[:place] + new + path[place + data.draw(st.integers(0, 1)) :]
        try:
            assert (parse_path(changed) == name) == (changed == path)
        except InputError:
            assert changed != path


class TestTheFilesOfALog:
    """Clause "Partial Tiles": floor(s / 256**l) mod 256 hashes at level l of size s; none are empty."""

    def test_the_example_of_the_clause(self) -> None:
        paths = list(paths_of(70_000))
        assert sum(path.startswith("tile/0/") for path in paths) == 273 + 1
        assert [path for path in paths if path[5] in "12" or ".p" in path] == [
            "tile/0/273.p/112",
            "tile/1/000",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
            "tile/entries/273.p/112",
        ]

    def test_one_full_tile_is_one_hash_above(self) -> None:
        assert list(paths_of(256)) == ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]

    def test_an_empty_log_has_no_files(self) -> None:
        assert list(paths_of(0)) == []

    @given(st.integers(0, 1_500))
    def test_growing_writes_just_these(self, size: int) -> None:
        assert set(files_of(some_entries(size))) == set(paths_of(size))

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
    def test_each_hash_is_that_of_its_range(self, size: int) -> None:
        entries = some_entries(size)
        for path, data in files_of(entries).items():
            name = parse_path(path)
            if name.level is not None:
                step = 256**name.level
                starts = range(name.index * 256 * step, (name.index * 256 + name.width) * step, step)
                assert data == b"".join(mth(entries[start : start + step]) for start in starts)


class TestBundles:
    """Clause "Log entries": each entry behind its length, two bytes, big-endian; it hashes to its leaf."""

    @given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
    def test_there_and_back(self, entries: list[bytes]) -> None:
        assert decode_bundle(encode_bundle(entries), len(entries)) == entries

    def test_bytes_are_those_of_the_clause(self) -> None:
        assert encode_bundle([b"ab", b"", bytes(256)]) == b"\x00\x02ab" + b"\x00\x00" + b"\x01\x00" + bytes(
            256
        )

    def test_the_longest_entry_fits(self) -> None:
        assert decode_bundle(encode_bundle([bytes(65_535)]), 1) == [bytes(65_535)]

    @pytest.mark.parametrize("entries", [[], [b""] * 257, [b"", bytes(65_536)]], ids=["none", "many", "long"])
    def test_what_fits_into_no_bundle_is_refused(self, entries: list[bytes]) -> None:
        with pytest.raises(InputError):
            encode_bundle(entries)

    @given(st.lists(st.binary(max_size=6), min_size=1, max_size=9), st.data())
    def test_one_reading_only(self, entries: list[bytes], data: st.DataObject) -> None:
        """Whatever is read is written as it was; a changed byte is another bundle or none."""
        given_ = bytearray(encode_bundle(entries))
        place = data.draw(st.integers(0, len(given_) - 1))
        given_[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        width = data.draw(st.integers(1, 10))
        try:
            read = decode_bundle(bytes(given_), width)
        except DamagedError:
            return
        assert len(read) == width
        assert encode_bundle(read) == given_

    def test_the_bundles_of_a_log_hash_to_its_leaves(self) -> None:
        files = files_of(some_entries(300))
        for index, width in ((0, 256), (1, 44)):
            entries = decode_bundle(files[entries_path(index, width)], width)
            assert b"".join(leaf_hashes(entries)) == files[tile_path(0, index, width)]
        assert files[tile_path(1, 0, 1)] == root_of(leaf_hashes(some_entries(256)))
