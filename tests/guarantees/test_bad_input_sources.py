"""Bad input, what is read: each mistake is named with its place and its remedy, inside a run as outside."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

import whence as wh
from tests.earlier import Earlier, run_python
from whence.errors import ExhaustedError, SourceError


def read(stream: wh.Stream, earlier: Earlier) -> list[Any]:
    """Read a stream inside a run of the same workspace."""
    with wh.start_run("later", workspace=earlier.folder):
        return list(stream)


def read_bytes(file: Any) -> bytes:
    return bytes(file.read())


@pytest.mark.parametrize(
    "make",
    [wh.from_files, wh.from_text, wh.from_csv, wh.from_jsonl, wh.from_parquet],
    ids=lambda make: make.__name__,
)
def test_a_missing_path_is_named(earlier: Earlier, make: Callable[[pathlib.Path], wh.Stream]) -> None:
    path = earlier.folder / "nothing" / "here.bin"
    error = earlier.refuses(SourceError, lambda: make(path), path)
    assert error.exit_code == 2
    assert error.place == str(path)  # type: ignore[attr-defined]


@pytest.mark.parametrize("pattern", ["*.nothing", "**/*.nothing", "nothing/*"])
def test_a_pattern_that_matches_nothing_is_named(earlier: Earlier, pattern: str) -> None:
    given = f"{earlier.folder}/{pattern}"
    earlier.refuses(SourceError, lambda: wh.from_files(given), given)


def test_an_empty_folder_is_named(earlier: Earlier) -> None:
    (earlier.folder / "empty").mkdir()
    earlier.refuses(SourceError, lambda: wh.from_files(earlier.folder / "empty"), earlier.folder / "empty")


@pytest.mark.parametrize("url", ["s3://bucket/key", "https://example.com/a.csv", "gs://a/*"])
def test_an_address_on_a_network_is_said_not_to_be_read_yet(earlier: Earlier, url: str) -> None:
    earlier.refuses(SourceError, lambda: wh.from_files(url), url[: url.index("//") + 2])


UNREADABLE = """
import os, sys
import whence as wh
from whence.errors import SourceError
list(wh.from_files(sys.argv[2]).map(lambda file: file.read()))  # everything is loaded while it may be
os.setuid(65534)
try:
    list(wh.from_files(sys.argv[1]).map(lambda file: file.read()))
except SourceError as error:
    print(error.place, "|", error.message, "|", error.remedy)
    sys.exit(error.exit_code)
"""


def test_a_path_that_may_not_be_read_is_named(open_to_all: pathlib.Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become a user who may not read, and root itself may read everything")
    folder = open_to_all
    (folder / "data").mkdir()
    (folder / "readable.txt").write_text("x")
    secret = folder / "data" / "secret.txt"
    secret.write_text("x")
    secret.chmod(0o600)
    for path in (secret, folder / "data"):
        done = run_python(UNREADABLE, path, folder / "readable.txt")
        assert done.returncode == 2, done.stderr
        place, message, remedy = done.stdout.split("|")
        assert place.strip() == str(secret)
        assert str(secret) in message
        assert remedy.strip()
    (folder / "data").chmod(0o700)
    done = run_python(UNREADABLE, folder / "data", folder / "readable.txt")
    assert done.returncode == 2, done.stderr
    assert str(folder / "data") in done.stdout


def test_a_file_that_vanishes_after_it_was_listed_is_named(earlier: Earlier) -> None:
    (earlier.folder / "data").mkdir()
    for name in "abc":
        (earlier.folder / "data" / name).write_text(name)
    stream = wh.from_files(earlier.folder / "data").map(read_bytes)
    vanished = earlier.folder / "data" / "b"
    vanished.unlink()
    earlier.refuses(SourceError, lambda: read(stream, earlier), vanished, "gone")
    with wh.start_run("quarantined", workspace=earlier.folder) as run:
        kept = wh.from_files(earlier.folder / "data").map(read_bytes).collect()
    assert kept == [b"a", b"c"]
    assert run.status == "finished"
    later = wh.open(earlier.folder).runs()[1]
    assert (later.title, later.status) == ("later", "failed")


@pytest.mark.parametrize("row", ["1,2,3", "1", '1,2,"3'])
def test_a_csv_row_of_another_width_is_named_by_its_line(earlier: Earlier, row: str) -> None:
    path = earlier.folder / "t.csv"
    path.write_text(f"a,b\n1,2\n3,4\n{row}\n5,6\n")
    error = earlier.refuses(SourceError, lambda: read(wh.from_csv(path), earlier), path)
    assert "4" in f"{error.message} {error.place}"  # type: ignore[attr-defined]


def test_a_csv_value_of_another_type_than_its_column_is_named(earlier: Earlier) -> None:
    path = earlier.folder / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 1500 + "1,x\n")
    earlier.refuses(SourceError, lambda: read(wh.from_csv(path), earlier), path, "1502", "'b'")


@pytest.mark.parametrize("line", ["{", "nonsense", '{"a": }', '{"a": 1} {"a": 2}', "\x00"])
def test_a_line_that_is_not_json_is_named_by_its_number(earlier: Earlier, line: str) -> None:
    path = earlier.folder / "t.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n' + line + '\n{"a": 4}\n')
    error = earlier.refuses(SourceError, lambda: read(wh.from_jsonl(path), earlier), path)
    assert "3" in error.message.replace(str(path), "")


def test_a_file_that_is_no_parquet_is_named(earlier: Earlier) -> None:
    path = earlier.folder / "t.parquet"
    path.write_bytes(b"PAR1 but not really")
    earlier.refuses(SourceError, lambda: read(wh.from_parquet(path), earlier), path)


def test_a_generator_that_is_read_twice_is_named_and_the_first_pass_stays(earlier: Earlier) -> None:
    stream = wh.from_items((number for number in range(5)), name="once")
    with wh.start_run("later", workspace=earlier.folder) as run:
        assert list(stream.epoch(0)) == [0, 1, 2, 3, 4]
        error = earlier.refuses(ExhaustedError, lambda: list(stream.epoch(1)), "once")
        assert "list" in error.remedy
    assert run.trace(0, 4).origins[0].row == 4


def test_what_can_not_be_iterated_is_named(earlier: Earlier) -> None:
    with pytest.raises(wh.WhenceError, match="int"):
        wh.from_items(3)  # type: ignore[arg-type]
    earlier.check()
