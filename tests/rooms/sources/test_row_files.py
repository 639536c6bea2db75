"""What text, JSON lines and CSV share: order, positions, constant memory, and what the witness is told."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.sources.listening import DATA, Listener, at, read_all
from whence.capture import NullWitness
from whence.errors import PositionError, SourceError, StoreFullError
from whence.sources import CsvSource, Given, JsonlSource, Source, TextSource, rowindex

Make = Callable[[Given], Source]
SOURCES: list[tuple[Make, str]] = [
    (TextSource.of, "seed_tasks.jsonl"),
    (JsonlSource.of, "seed_tasks.jsonl"),
    (CsvSource.of, "penguins.csv"),
    (CsvSource.of, "penguins_raw.csv"),
]
ALL = pytest.mark.parametrize(("make", "file"), SOURCES)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowindex, "_BLOCK_BYTES", 1000)


@ALL
def test_any_order_of_positions_gives_the_samples_of_the_sequence(make: Make, file: str) -> None:
    source = make(DATA / file)
    samples = read_all(source.open(NullWitness()))
    positions = np.random.default_rng(5).integers(0, len(samples), 500)
    fetched = source.open(NullWitness()).fetch(positions)
    assert fetched == [samples[position] for position in positions.tolist()]


@ALL
def test_files_follow_one_another(make: Make, file: str) -> None:
    one = read_all(make(DATA / file).open(NullWitness()))
    twice = make([DATA / file, DATA / file])
    reader = twice.open(NullWitness())
    assert read_all(reader) == one + one
    size = len(one)
    assert twice.rows() == twice.size() == 2 * size
    assert twice.listing().rows == [size, size]
    assert at(reader, size, size - 1, 0, 2 * size - 1) == [one[0], one[-1], one[0], one[-1]]
    with pytest.raises(PositionError):
        at(reader, 2 * size)


@ALL
def test_a_sequence_tells_each_byte_once_and_then_its_rows(make: Make, file: str) -> None:
    witness = Listener()
    source = make([DATA / file, DATA / file])
    samples = read_all(source.open(witness))
    content = (DATA / file).read_bytes()
    assert witness.pieces == {0: content, 1: content}
    assert witness.ended == {0: len(samples) // 2, 1: len(samples) // 2}


@ALL
def test_positions_tell_each_byte_once_to_the_first_who_listens(make: Make, file: str) -> None:
    source = make(DATA / file)
    assert source.size() is None
    at(source.open(NullWitness()), 3)  # nobody listens, so the content is still untold
    first, second = Listener(), Listener()
    reader = source.open(first)
    at(reader, 3)
    at(reader, 4)
    assert first.pieces == {0: (DATA / file).read_bytes()}
    assert first.ended == {0: source.size()}
    at(source.open(second), 3)
    assert not second.pieces


@ALL
def test_counting_the_rows_tells_the_witness_that_is_given(make: Make, file: str) -> None:
    witness = Listener()
    source = make(DATA / file)
    assert witness.ended == {}
    assert source.rows(witness) == source.rows(Listener())
    assert witness.ended == {0: source.rows()}


@ALL
def test_a_pickled_source_keeps_its_index(make: Make, file: str) -> None:
    source = make(DATA / file)
    source.rows(Listener())
    copy = pickle.loads(pickle.dumps(source))
    witness = Listener()
    assert copy.size() == source.size()
    assert at(copy.open(witness), 9) == at(source.open(witness), 9)
    assert not witness.pieces


@given(
    lines=st.lists(st.text(alphabet='a"é,\r \x85\u2028', max_size=40), max_size=90),
    is_ended=st.booleans(),
    data=st.data(),
)
def test_lines_come_back_at_any_position(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], is_ended: bool, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("lines") / "x.txt"
    file.write_bytes("\n".join(lines).encode() + b"\n" * (is_ended and bool(lines)))
    expected = [line.removesuffix("\r") for line in lines]
    if not is_ended and lines and not lines[-1]:
        expected.pop()  # nothing after the last newline is no line
    source = TextSource.of(file)
    assert read_all(source.open(NullWitness())) == expected
    assert source.rows() == len(expected)
    if expected:
        positions = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=20))
        assert at(source.open(NullWitness()), *positions) == [expected[place] for place in positions]


def test_only_a_block_is_held_however_long_the_file_is(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("0123456789\n" * 10_000)
    held: list[int] = []

    class Counting(Listener):
        def piece(self, part: int, data: object) -> None:
            assert isinstance(data, bytes)
            held.append(len(data))

    read_all(TextSource.of(file).open(Counting()), 500)
    assert len(held) == 110
    assert max(held) <= 1000


def test_a_row_longer_than_a_block_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "wide.jsonl"
    rows = [{"text": "x" * 50_000}, {"text": "y"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = JsonlSource.of(file)
    assert read_all(source.open(NullWitness())) == rows
    assert at(source.open(NullWitness()), 1, 0) == rows[::-1]


def test_a_long_row_is_read_in_pieces_that_grow(tmp_path: Path) -> None:
    file = tmp_path / "wide.txt"
    file.write_text("x" * 1_000_000)
    counts: list[int] = []

    class Counting(Listener):
        def piece(self, part: int, data: object) -> None:
            counts.append(part)

    TextSource.of(file).rows(Counting())
    assert len(counts) < 15  # in pieces of one size it would be 1,000, each joined to all before


def test_a_row_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowindex, "_LONGEST_ROW_BYTES", 5000)
    file = tmp_path / "x.txt"
    file.write_bytes(b"fine\n" + b"\0" * 20_000)
    with pytest.raises(SourceError, match=r"x\.txt, line 2: .*does not end"):
        TextSource.of(file).rows()


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes(b"")
    source = TextSource.of(file)
    assert read_all(source.open(NullWitness())) == []
    assert source.rows() == 0
    assert at(source.open(NullWitness())) == []
    with pytest.raises(PositionError):
        at(source.open(NullWitness()), 0)


def test_a_byte_order_mark_is_no_content_but_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    source = CsvSource.of(file)
    witness = Listener()
    assert read_all(source.open(witness)) == [{"a": 1, "b": 2}]
    assert witness.pieces[0] == file.read_bytes()
    assert at(source.open(NullWitness()), 0) == [{"a": 1, "b": 2}]


def test_a_file_that_changed_after_it_was_counted_is_not_read_by_position(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("a\nb\n")
    source = TextSource.of(file)
    source.rows()
    file.write_text("changed\nb\n")
    with pytest.raises(SourceError, match="has changed since"):
        at(source.open(NullWitness()), 1)


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("a\n")
    source = TextSource.of(file)
    file.unlink()
    with pytest.raises(SourceError, match=r"x\.txt does not exist"):
        read_all(source.open(NullWitness()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("a\n")
    file.chmod(0)
    with pytest.raises(SourceError, match="may not be read"):
        read_all(TextSource.of(file).open(NullWitness()))


def test_a_full_store_is_not_blamed_on_the_file() -> None:
    class Full(Listener):
        def piece(self, part: int, data: object) -> None:
            raise StoreFullError("no space left")

    with pytest.raises(StoreFullError):
        read_all(TextSource.of(DATA / "penguins.csv").open(Full()))
