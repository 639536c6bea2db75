"""Fingerprints of sources: what counts as other data, and what doesn't."""

from __future__ import annotations

import os
import pathlib
import shutil

import numpy as np
import pytest

import whence as wh
from whence.errors import SourceError
from whence.sources import FilesSource, JsonlSource, Source, find_change, fingerprint
from whence.sources.fingerprint import ALL_BYTES
from whence.streams import compiled


def _change(before: Source, now: Source, *, with_times: bool = True) -> str | None:
    return find_change(fingerprint(before), fingerprint(now), with_times=with_times)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    made = tmp_path / "data"
    made.mkdir()
    for number in range(5):
        (made / f"{number}.txt").write_text(f"file {number}\n")
    return made


def test_a_copy_elsewhere_is_the_same_data(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    before = fingerprint(FilesSource.of(str(folder), name="files"))
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    assert find_change(before, fingerprint(FilesSource.of(str(tmp_path / "copy"), name="files"))) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "3.txt").write_text("file X\n"), "the content of files has changed"),
        (lambda folder: (folder / "3.txt").write_text("longer than it was\n"), "bytes now"),
        (lambda folder: (folder / "3.txt").unlink(), "4 files now, 5 then"),
        (lambda folder: (folder / "3.txt").rename(folder / "9.txt"), "other files"),
    ],
)
def test_other_files_are_told_apart(folder: pathlib.Path, change: object, told: str) -> None:
    before = fingerprint(FilesSource.of(str(folder), name="files"))
    change(folder)  # type: ignore[operator]  # one of the lambdas above
    found = find_change(before, fingerprint(FilesSource.of(str(folder), name="files")))
    assert found is not None
    assert told in found


def test_large_files_are_compared_by_their_times_unless_the_caller_knows_better(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "rows.jsonl"
    row = b'{"text": "' + b"x" * 1000 + b'"}\n'
    path.write_bytes(row * (ALL_BYTES // len(row) + 2))
    before = fingerprint(JsonlSource.of(str(path), name="rows"))
    assert "content" not in before
    os.utime(path, ns=(0, 123))
    after = fingerprint(JsonlSource.of(str(path), name="rows"))
    assert find_change(before, after) == "files of rows were written again since"
    assert find_change(before, after, with_times=False) is None


def test_data_in_memory_are_compared_by_their_samples() -> None:
    def source(stream: wh.Stream) -> Source:
        (found,) = compiled(stream).reads()
        return found

    ints = source(wh.from_arrays(x=np.arange(10), name="a"))
    assert _change(ints, source(wh.from_arrays(x=np.arange(10), name="a"))) is None
    assert _change(ints, source(wh.from_arrays(x=np.arange(11), name="a"))) == "a has 11 rows now, 10 then"
    other = np.arange(10)
    other[7] = 0
    assert _change(ints, source(wh.from_arrays(x=other, name="a"))) == "the content of a has changed"
    rows = source(wh.from_items([1, 2], name="a"))
    assert _change(ints, rows) == "a reads items now, arrays then"
    assert (
        _change(source(wh.from_items(iter([1]), name="b")), source(wh.from_items(iter([2]), name="b")))
        is None
    )


def test_a_file_that_is_gone_is_named(folder: pathlib.Path) -> None:
    source = FilesSource.of(str(folder), name="files")
    source.listing()
    (folder / "2.txt").unlink()
    with pytest.raises(SourceError, match=r"2\.txt"):
        fingerprint(source)
