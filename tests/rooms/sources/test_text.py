"""Text files as samples, a line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rooms.sources.listening import Listener, at, read_all, samples_of
from whence.errors import SourceError
from whence.sources import TextSource


def test_lines_come_without_what_ends_them_and_empty_ones_count(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes("eins\r\n\nzwei\u2028drei\nvier".encode())
    assert samples_of(TextSource.of(tmp_path / "x.txt")) == ["eins", "", "zwei\u2028drei", "vier"]


def test_bytes_that_are_not_utf8_are_named_by_line_and_byte(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes(b"one\ntwo\nth\xffree\nfour\n")
    source = TextSource.of(file)
    with pytest.raises(SourceError, match=r"x\.txt, line 3 \(row 2\): byte 2 .*0xff.* not UTF-8") as caught:
        read_all(source.open(Listener()))
    assert caught.value.place == f"{file}:3"
    assert "iconv" in caught.value.remedy
    with pytest.raises(SourceError, match=r"line 3 \(row 2\): byte 2"):
        at(source.open(Listener()), 3, 2)
    assert at(source.open(Listener()), 3, 1) == ["four", "two"]


def test_samples_before_a_bad_chunk_are_given(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes(b"one\ntwo\n\xff\n")
    chunks = TextSource.of(file).open(Listener()).chunks(lambda: 2)
    assert next(chunks) == ["one", "two"]
    with pytest.raises(SourceError, match="line 3"):
        next(chunks)
